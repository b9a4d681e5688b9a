"""Choice between exact values and permutations, and the resulting estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnkit.explanation.attribution.exact import exact_interactions, exact_values
from nnkit.explanation.attribution.permutation import permutation_values
from nnkit.explanation.attribution.value_function import ValueFunction
from nnkit.explanation.options import ExplainOptions

__all__ = ["Estimate", "choose_method", "estimate"]

MAX_EXACT_GROUPS = 16
MAX_INTERACTION_GROUPS = 12
MAX_AUTO_EXACT_GROUPS = 10
# Floating-point operations per row, about 0.1 seconds on two cores.
_MAX_AUTO_EXACT_ARITHMETIC = 5e9
# The masks of a pair of permutations of this many feature groups take 128 MiB.
MAX_PERMUTATION_GROUPS = 8192

# Pairs of permutations for a row, over all background rows, for n_permutations="auto".
_N_PAIRS = 100


@dataclass(frozen=True)
class Estimate:
    """Attributions of all explained rows, with standard errors and base values.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_groups, n_outputs)
        The attributions; (n_samples, n_groups, n_groups, n_outputs) for interactions.
    errors : ndarray of the same shape
        Their standard errors.
    base : ndarray of shape (n_outputs,) or (n_samples, n_outputs)
        The base values; by row if the explained output differs between rows.
    method : str
        The method that computed the values.
    n_missed : int, default=0
        The number of rows that did not reach the tolerance.
    """

    values: np.ndarray
    errors: np.ndarray
    base: np.ndarray
    method: str
    n_missed: int = 0


def choose_method(
    options: ExplainOptions, n_groups: int, *, arithmetic: float = 0.0, are_words: bool = False
) -> str:
    """Return "exact" or "permutation", after a check of the number of feature groups.

    Parameters
    ----------
    options : ExplainOptions
        The arguments of the call.
    n_groups : int
        The number of feature groups.
    arithmetic : float, default=0.0
        Floating-point operations for one coalition of one row; 0 if unknown.
    are_words : bool, default=False
        Whether the feature groups are the words of a text, which cannot be grouped.

    Raises
    ------
    ValueError
        If there are too many feature groups.
    """
    method, most = options.method, MAX_EXACT_GROUPS
    if options.interactions:
        method, most = "exact", MAX_INTERACTION_GROUPS
    elif method == "auto":
        # The number of feature groups is compared first, since 2.0**1024 overflows.
        is_exact = (
            n_groups <= MAX_AUTO_EXACT_GROUPS
            and 2.0**n_groups * arithmetic <= _MAX_AUTO_EXACT_ARITHMETIC
        )
        method = "exact" if is_exact else "permutation"
    if method == "permutation" and n_groups > MAX_PERMUTATION_GROUPS:
        raise ValueError(
            f"method='permutation' takes at most {MAX_PERMUTATION_GROUPS} feature groups. "
            f"Got {n_groups} feature groups. Group columns with feature_groups=, take patches of "
            "images, or use method='gradient'."
        )
    if method == "exact" and n_groups > most:
        argument = "interactions=True" if options.interactions else "method='exact'"
        remedy = "Group columns with feature_groups=."
        if not options.interactions:
            others = "." if are_words else ", or group columns with feature_groups=."
            remedy = f"Use method='permutation'{others}"
        raise ValueError(
            f"{argument} takes at most {most} feature groups, since it evaluates 2**n_groups "
            f"coalitions. Got {n_groups} feature groups. {remedy}"
        )
    return method


def estimate(
    value_function: ValueFunction,
    method: str,
    options: ExplainOptions,
    draw_of: tuple[int, np.ndarray] | None = None,
) -> Estimate:
    """Return the Shapley values or interactions of a value function.

    Parameters
    ----------
    value_function : ValueFunction
        The value function of each explained row.
    method : {"exact", "permutation"}
        The result of `choose_method`.
    options : ExplainOptions
        The arguments of the call.
    draw_of : tuple of int and ndarray of int, or None, default=None
        As for `permutation_values`.
    """
    if method == "permutation":
        n_permutations = options.n_permutations
        if isinstance(n_permutations, str):
            n_permutations = -(-_N_PAIRS // value_function.background_size)
        values, errors, is_missed = permutation_values(
            value_function, int(n_permutations), options.tol, options.seed, draw_of
        )
        return Estimate(values, errors, value_function.base, method, int(is_missed.sum()))
    values = (
        exact_interactions(value_function) if options.interactions else exact_values(value_function)
    )
    return Estimate(values, np.zeros_like(values), value_function.base, method)
