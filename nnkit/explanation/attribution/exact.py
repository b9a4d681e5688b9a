"""Exact Shapley values and Shapley interaction values, by all coalitions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np

from nnkit.explanation.attribution.value_function import ValueFunction

__all__ = [
    "coalition_masks",
    "coalition_weights",
    "exact_interactions",
    "exact_values",
    "interaction_weights",
]

# Values of coalitions that are held in memory at once: 32 MiB.
_MAX_COALITION_VALUES = 2**22


def coalition_masks(coalitions: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the members of each coalition as a boolean mask.

    Parameters
    ----------
    coalitions : ndarray of int, shape (n_coalitions,)
        Numbers whose bit j is set if feature group j is in the coalition.
    n_groups : int
        The number of feature groups.

    Returns
    -------
    masks : ndarray of bool, shape (n_coalitions, n_groups)
        The bits.
    """
    return (coalitions[:, np.newaxis] >> np.arange(n_groups)) & 1 == 1


def coalition_weights(n_groups: int) -> np.ndarray:
    """Return the weight of the value of each coalition in the Shapley value of each group.

    Parameters
    ----------
    n_groups : int
        The number M of feature groups.

    Returns
    -------
    weights : ndarray of shape (n_groups, 2 ** n_groups)
        Column c belongs to the coalition whose members are the bits of c.

    Notes
    -----
    The Shapley value of feature group j (a player of the cooperative game v) is the sum of
    ``v(S + j) - v(S)`` over the coalitions S without j, with the weights
    ``|S|! (M - |S| - 1)! / M! = 1 / (M comb(M - 1, |S|))`` [1]_.

    References
    ----------
    .. [1] L. S. Shapley (1953). A value for n-person games. Contributions to the Theory of
       Games II, 307-317, equation (12).
    """
    masks = coalition_masks(np.arange(2**n_groups), n_groups)
    n_others = masks.sum(axis=1)[:, np.newaxis] - masks  # |S| without the feature group
    joining = np.array([1 / (n_groups * comb(n_groups - 1, size)) for size in range(n_groups)])
    return np.where(masks, 1, -1).T * joining[n_others].T


def interaction_weights(n_groups: int) -> np.ndarray:
    """Return the weight of the value of each coalition in the interaction index of each pair.

    Parameters
    ----------
    n_groups : int
        The number M of feature groups, at least 2.

    Returns
    -------
    weights : ndarray of shape (n_pairs, 2 ** n_groups)
        A row for each pair (i, j), i < j, in the order of ``itertools.combinations``.

    Notes
    -----
    The index of a pair (i, j) is the sum of ``v(S + i + j) - v(S + i) - v(S + j) + v(S)`` over
    the coalitions S without i and j, with the weights
    ``|S|! (M - |S| - 2)! / (M - 1)! = 1 / ((M - 1) comb(M - 2, |S|))`` [1]_.

    References
    ----------
    .. [1] M. Grabisch, M. Roubens (1999). An axiomatic approach to the concept of interaction
       among players in cooperative games. International Journal of Game Theory 28, 547-565,
       definition of the Shapley interaction index of a pair.
    """
    masks = coalition_masks(np.arange(2**n_groups), n_groups)
    sizes = masks.sum(axis=1)
    joining = np.array(
        [1 / ((n_groups - 1) * comb(n_groups - 2, size)) for size in range(n_groups - 1)]
    )
    rows = []
    for i, j in combinations(range(n_groups), 2):
        has_i, has_j = masks[:, i], masks[:, j]
        n_others = sizes - has_i - has_j  # |S| without the pair
        rows.append(np.where(has_i == has_j, 1, -1) * joining[n_others])
    return np.array(rows)


def exact_values(value_function: ValueFunction) -> np.ndarray:
    """Return the Shapley values of all explained rows.

    Parameters
    ----------
    value_function : ValueFunction
        The value function of each row. A row needs (2 ** n_groups - 2) * background_size masked
        samples.

    Returns
    -------
    values : ndarray of shape (n_samples, n_groups, n_outputs)
        For each row and output the values sum to ``f_X - base``, up to rounding.
    """
    weights = coalition_weights(value_function.n_groups)
    values = np.empty((value_function.n_samples, value_function.n_groups, value_function.n_outputs))
    for rows, coalition_values in _coalition_values(value_function):
        values[rows] = _weighted(weights, coalition_values)
    return values


def exact_interactions(value_function: ValueFunction) -> np.ndarray:
    """Return the Shapley interaction values of all explained rows.

    Parameters
    ----------
    value_function : ValueFunction
        The value function of each row, as for `exact_values`.

    Returns
    -------
    values : ndarray of shape (n_samples, n_groups, n_groups, n_outputs)
        Symmetric in the feature groups. Off the diagonal is half of the interaction index of a
        pair. The diagonal is the rest, so that each row sums to the Shapley value.
    """
    n_groups = value_function.n_groups
    of_group = coalition_weights(n_groups)
    of_pair = interaction_weights(n_groups) if n_groups > 1 else np.empty((0, 2))
    first, second = np.triu_indices(n_groups, k=1)
    values = np.zeros((value_function.n_samples, n_groups, n_groups, value_function.n_outputs))
    diagonal = np.arange(n_groups)
    for rows, coalition_values in _coalition_values(value_function):
        found = np.zeros((len(coalition_values), n_groups, n_groups, value_function.n_outputs))
        if n_groups > 1:
            found[:, first, second] = _weighted(of_pair, coalition_values) / 2
            found += found.swapaxes(1, 2)
        found[:, diagonal, diagonal] = _weighted(of_group, coalition_values) - found.sum(axis=2)
        values[rows] = found
    return values


def _weighted(weights: np.ndarray, coalition_values: np.ndarray) -> np.ndarray:
    """Return weighted sums (n_rows, n_weighted, n_outputs) over coalitions."""
    return np.einsum("wc,rco->rwo", weights, coalition_values, optimize=True)


def _coalition_values(value_function: ValueFunction) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the values of all coalitions minus the base value, for some rows at a time."""
    background_size, n_coalitions = value_function.background_size, 2**value_function.n_groups
    n_slab = max(1, value_function.batch_rows // background_size)
    n_block = max(1, _MAX_COALITION_VALUES // (n_coalitions * value_function.n_outputs))
    for block_start in range(0, value_function.n_samples, n_block):
        block = slice(block_start, min(block_start + n_block, value_function.n_samples))
        rows = np.arange(block.start, block.stop)
        coalition_values = np.zeros((len(rows), n_coalitions, value_function.n_outputs))
        coalition_values[:, -1] = value_function.f_X[rows] - value_function.base
        for start in range(1, n_coalitions - 1, n_slab):
            coalitions = np.arange(start, min(start + n_slab, n_coalitions - 1))
            masks = np.repeat(
                coalition_masks(coalitions, value_function.n_groups), background_size, axis=0
            )
            background_rows = np.tile(np.arange(background_size), len(coalitions))
            for at, outputs in value_function.outputs(rows, background_rows, masks):
                # (rows, coalitions * background, outputs) -> mean over the background
                by_coalition = outputs.reshape(len(outputs), len(coalitions), background_size, -1)
                coalition_values[at, start : coalitions[-1] + 1] = (
                    by_coalition.mean(axis=2) - value_function.base
                )
                value_function.on_rows(len(outputs) * len(coalitions) / (n_coalitions - 2))
        yield block, coalition_values
