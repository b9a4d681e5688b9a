"""Which method makes the values, and what comes of it."""

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
# About 0.1 seconds a row on two cores.
_MAX_AUTO_EXACT_ARITHMETIC = 5e9
# Who has joined at each step of a permutation of them takes 128 MiB.
MAX_PERMUTATION_GROUPS = 8192

# Pairs of permutations for a row, over all background rows, unless asked for otherwise.
_N_PAIRS = 100


@dataclass(frozen=True)
class Estimate:
    """Values of the feature groups of all explained rows.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_groups, n_outputs)
        Of interactions (n_samples, n_groups, n_groups, n_outputs).
    errors : ndarray of the same shape
        Their standard errors.
    base : ndarray of shape (n_outputs,) or (n_samples, n_outputs)
        What the values add up from; by row where rows have outputs of their own.
    method : str
        What made them.
    n_missed : int, default=0
        Rows that did not reach the tolerance.
    """

    values: np.ndarray
    errors: np.ndarray
    base: np.ndarray
    method: str
    n_missed: int = 0


def choose_method(
    options: ExplainOptions, n_groups: int, *, arithmetic: float = 0.0, are_words: bool = False
) -> str:
    """Return the method that "auto" stands for, after a check of what was asked.

    Parameters
    ----------
    options : ExplainOptions
        What was asked for.
    n_groups : int
        How many feature groups there are.
    arithmetic : float, default=0.0
        Floating-point operations for one coalition of one row; 0 if not known.
    are_words : bool, default=False
        Whether they are the words of a text, which cannot be grouped.

    Raises
    ------
    ValueError
        If there are too many feature groups.
    """
    method, most = options.method, MAX_EXACT_GROUPS
    if options.interactions:
        method, most = "exact", MAX_INTERACTION_GROUPS
    elif method == "auto":
        # The number of feature groups first: 2.0**1024 is more than a float holds.
        is_exact = (
            n_groups <= MAX_AUTO_EXACT_GROUPS
            and 2.0**n_groups * arithmetic <= _MAX_AUTO_EXACT_ARITHMETIC
        )
        method = "exact" if is_exact else "permutation"
    if method == "permutation" and n_groups > MAX_PERMUTATION_GROUPS:
        raise ValueError(
            f"method='permutation' takes at most {MAX_PERMUTATION_GROUPS} feature groups. "
            f"Got {n_groups} feature groups. Group columns with feature_groups=, take patches of images, or "
            "use method='gradient'."
        )
    if method == "exact" and n_groups > most:
        asked = "interactions=True" if options.interactions else "method='exact'"
        remedy = "Group columns with feature_groups=."
        if not options.interactions:
            others = "." if are_words else ", or group columns with feature_groups=."
            remedy = f"Use method='permutation'{others}"
        raise ValueError(
            f"{asked} takes at most {most} feature groups, since it goes through 2**n_groups "
            f"coalitions. Got {n_groups} feature groups. {remedy}"
        )
    return method


def estimate(
    value_function: ValueFunction,
    method: str,
    options: ExplainOptions,
    draw_of: tuple[int, np.ndarray] | None = None,
) -> Estimate:
    """Return the values of a game.

    Parameters
    ----------
    value_function : ValueFunction
        The games of the explained rows.
    method : {"exact", "permutation"}
        As `choose_method` gives it.
    options : ExplainOptions
        What was asked for.
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
