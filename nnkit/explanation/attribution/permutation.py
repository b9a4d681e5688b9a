"""Shapley values by paired antithetic permutations, with standard errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnkit.explanation.attribution.value_function import ValueFunction, ignore_progress

__all__ = [
    "MAX_ROUNDS",
    "ContributionMoments",
    "draw_ranks",
    "pair_contributions",
    "pair_masks",
    "permutation_values",
]

MAX_ROUNDS = 64

# Pair contributions that are held in memory at once, with their squares: 64 MiB.
_MAX_CONTRIBUTIONS = 2**22


def draw_ranks(
    seed: int,
    round_number: int,
    shape: tuple[int, int, int],
    active: np.ndarray | None = None,
) -> np.ndarray:
    """Return the positions of feature groups in random permutations.

    Parameters
    ----------
    seed : int
        Seed of all rounds.
    round_number : int
        The number of the round, counted from 1. Each round has other permutations.
    shape : tuple of int
        (n_permutations, background_size, n_groups).
    active : ndarray of int or None, default=None
        The feature groups whose relative positions are returned; None is all.

    Returns
    -------
    ranks : ndarray of int, shape (n_permutations, background_size, n_active)
        The position of each feature group, counted from 0.
    """
    in_order = np.broadcast_to(np.arange(shape[-1]), shape)
    ranks = np.random.default_rng([seed, round_number]).permuted(in_order, axis=-1)
    if active is None or len(active) == shape[-1]:
        return ranks
    return ranks[..., active].argsort(axis=-1).argsort(axis=-1)


def pair_masks(ranks: np.ndarray) -> np.ndarray:
    """Return the coalitions at the inner steps of permutations and of their reverses.

    Parameters
    ----------
    ranks : ndarray of int, shape (n_pairs, n_groups)
        The position of each feature group in the permutation.

    Returns
    -------
    masks : ndarray of bool, shape (n_pairs * 2 * (n_groups - 1), n_groups)
        In the order pair, direction (forward, reverse), step (1 to n_groups - 1). The coalition
        after k steps is the first k feature groups of the permutation, in the reverse the last k.
    """
    n_groups = ranks.shape[1]
    both = np.stack([ranks, n_groups - 1 - ranks], axis=1)
    steps = np.arange(n_groups - 1)[:, np.newaxis]
    return (both[:, :, np.newaxis] <= steps).reshape(-1, n_groups)


def pair_contributions(
    ranks: np.ndarray, f_start: np.ndarray, f_inner: np.ndarray, f_end: np.ndarray
) -> np.ndarray:
    """Return the mean contribution of each feature group in a permutation and its reverse.

    Parameters
    ----------
    ranks : ndarray of int, shape (n_pairs, n_groups)
        The position of each feature group in the permutation.
    f_start : ndarray of shape (n_pairs, n_outputs)
        The output of the background row of each pair.
    f_inner : ndarray of shape (n_rows, n_pairs, 2, n_groups - 1, n_outputs)
        The outputs after each inner step, forward and reverse.
    f_end : ndarray of shape (n_rows, n_outputs)
        The output of the explained row.

    Returns
    -------
    contributions : ndarray of shape (n_rows, n_pairs, n_groups, n_outputs)
        The contributions sum over the feature groups to ``f_end - f_start``.
    """
    n_rows, n_pairs, _, _, n_outputs = f_inner.shape
    n_groups = ranks.shape[1]
    # Differences of outputs between consecutive steps, by position in the permutation.
    gains = np.empty((n_rows, n_pairs, 2, n_groups, n_outputs))
    gains[:, :, :, :-1] = f_inner
    gains[:, :, :, -1] = f_end[:, np.newaxis, np.newaxis]
    gains[:, :, :, 1:] -= f_inner
    gains[:, :, :, 0] -= f_start[:, np.newaxis]
    # (n_rows, n_pairs, 2, n_groups, n_outputs) -> (n_rows, n_pairs * 2 * n_groups, n_outputs)
    flat = gains.reshape(n_rows, -1, n_outputs)
    begins = 2 * n_groups * np.arange(n_pairs)[:, np.newaxis]
    forward = np.take(flat, (begins + ranks).ravel(), axis=1)
    reverse = np.take(flat, (begins + 2 * n_groups - 1 - ranks).ravel(), axis=1)
    by_group = (forward + reverse) / 2
    return by_group.reshape(n_rows, n_pairs, n_groups, n_outputs)


class ContributionMoments:
    """Running means and sums of squares of pair contributions, for each background row.

    Parameters
    ----------
    shape : tuple of int
        (n_rows, background_size, n_groups, n_outputs).

    Notes
    -----
    Welford's update: with the k-th contribution c, ``d = c - mean``, ``mean += d / k`` and
    ``squares += d (c - mean)``.
    """

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.count = 0
        self.mean = np.zeros(shape)
        self.squares = np.zeros(shape)

    def add(self, at: slice, first: int, contributions: np.ndarray) -> None:
        """Update the moments with the contributions of further pairs.

        Pairs are in the order permutation, background row.

        Parameters
        ----------
        at : slice
            The explained rows.
        first : int
            The number of pairs of this round that were added before.
        contributions : ndarray of shape (n_rows_at, n_pairs, n_groups, n_outputs)
            The contributions.
        """
        background_size, end = self.mean.shape[1], first + contributions.shape[1]
        start = first
        while start < end:
            permutation, row = divmod(start, background_size)
            stop = min(end, (permutation + 1) * background_size)
            of_rows = slice(row, row + stop - start)
            self._add(
                self.mean[at, of_rows],
                self.squares[at, of_rows],
                contributions[:, start - first : stop - first],
                self.count + permutation + 1,
            )
            start = stop

    @staticmethod
    def _add(mean: np.ndarray, squares: np.ndarray, found: np.ndarray, count: int) -> None:
        """Update means and sums of squares with contribution number ``count``."""
        if count == 1:
            mean[:] = found
            return
        deviation = found - mean
        mean += deviation / count
        squares += deviation * (found - mean)

    def keep(self, is_kept: np.ndarray) -> None:
        """Drop explained rows.

        Parameters
        ----------
        is_kept : ndarray of bool, shape (n_rows,)
            The rows that are kept.
        """
        self.mean = self.mean[is_kept]
        self.squares = self.squares[is_kept]

    def values(self) -> np.ndarray:
        """Return the mean contributions.

        Returns
        -------
        values : ndarray of shape (n_rows, n_groups, n_outputs)
            The estimated Shapley values.
        """
        return self.mean.mean(axis=1)

    def standard_errors(self) -> np.ndarray:
        """Return the standard errors of the mean contributions.

        Returns
        -------
        errors : ndarray of shape (n_rows, n_groups, n_outputs)
            The formula is in the notes of :func:`nnkit.explain`.
        """
        background_size = self.mean.shape[1]
        if self.count > 1:
            variance = self.squares.sum(axis=1) / (self.count - 1) / self.count
            return np.sqrt(variance) / background_size
        if background_size > 1:
            return self.mean.std(axis=1, ddof=1) / np.sqrt(background_size)
        return np.full_like(self.mean[:, 0], np.nan)


def permutation_values(
    value_function: ValueFunction,
    n_permutations: int,
    tol: float | None,
    seed: int,
    draw_of: tuple[int, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Shapley values of all explained rows, estimated by permutations.

    Parameters
    ----------
    value_function : ValueFunction
        The value function of each row.
    n_permutations : int
        The number of pairs of permutations for each background row in a round.
    tol : float or None
        The standard error, as a fraction of ``|f_X - base|``, above which a row draws another
        round, up to ``MAX_ROUNDS``; None draws one round.
    seed : int
        Seed of the permutations, which are the same for all explained rows.
    draw_of : tuple of int and ndarray of int, or None, default=None
        The number of feature groups of which permutations are drawn, and which of them are those
        of the value function. The others, which do not change the output, are dropped from the
        permutations. None draws permutations of the groups of the value function.

    Returns
    -------
    values : ndarray of shape (n_samples, n_groups, n_outputs)
        For each row and output the values sum to ``f_X - base``, up to rounding.
    errors : ndarray of shape (n_samples, n_groups, n_outputs)
        Their standard errors, NaN for a single pair.
    is_missed : ndarray of bool, shape (n_samples,)
        Whether ``tol`` was not reached; all False without ``tol``.
    """
    n_samples, background_size = value_function.n_samples, value_function.background_size
    n_groups, n_outputs = value_function.n_groups, value_function.n_outputs
    n_drawn, active = draw_of or (n_groups, None)
    shape = (n_permutations, background_size, n_drawn)
    values = np.empty((n_samples, n_groups, n_outputs))
    errors = np.empty_like(values)
    is_missed = np.zeros(n_samples, dtype=bool)
    n_block = max(1, _MAX_CONTRIBUTIONS // (background_size * n_groups * n_outputs))
    for block_start in range(0, n_samples, n_block):
        rows = np.arange(block_start, min(block_start + n_block, n_samples))
        moments = ContributionMoments((len(rows), background_size, n_groups, n_outputs))
        on_rows = value_function.on_rows if tol is None else ignore_progress
        for round_number in range(1, MAX_ROUNDS + 1 if tol is not None else 2):
            ranks = draw_ranks(seed, round_number, shape, active)
            _add_round(value_function, rows, ranks, moments, on_rows)
            values[rows], errors[rows] = moments.values(), moments.standard_errors()
            if tol is None:
                break
            allowed = tol * np.abs(value_function.f_X[rows] - value_function.base).max(axis=1)
            # A standard error of NaN has not reached the tolerance.
            is_open = ~(errors[rows].max(axis=(1, 2)) <= allowed)
            is_missed[rows] = is_open
            value_function.on_rows(float(len(rows) - is_open.sum()))
            rows = rows[is_open]
            if not len(rows):
                break
            moments.keep(is_open)
        if tol is not None:
            value_function.on_rows(float(len(rows)))
    return values, errors, is_missed


def _add_round(
    value_function: ValueFunction,
    rows: np.ndarray,
    ranks: np.ndarray,
    moments: ContributionMoments,
    on_rows: Callable[[float], None],
) -> None:
    """Add the pair contributions of a round, in calls of at most ``batch_rows`` predictions."""
    n_permutations, background_size, n_groups = ranks.shape
    n_inner = 2 * (n_groups - 1)
    pairs = ranks.reshape(-1, n_groups)
    background_rows = np.tile(np.arange(background_size), n_permutations)
    n_slab = max(1, value_function.batch_rows // max(1, n_inner))
    for start in range(0, len(pairs), n_slab):
        slab, of_slab = pairs[start : start + n_slab], background_rows[start : start + n_slab]
        found = value_function.outputs_along(rows, of_slab, slab) if n_inner else None
        if found is None:
            found = value_function.outputs(rows, np.repeat(of_slab, n_inner), pair_masks(slab))
        for at, outputs in found:
            f_inner = outputs.reshape(
                len(outputs), len(slab), 2, n_groups - 1, value_function.n_outputs
            )
            contributions = pair_contributions(
                slab, value_function.f_background[of_slab], f_inner, value_function.f_X[rows[at]]
            )
            moments.add(at, start, contributions)
            on_rows(len(outputs) * len(slab) / len(pairs))
    moments.count += n_permutations
