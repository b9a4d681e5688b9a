"""Shapley values by paired antithetic permutations, with standard errors."""

from __future__ import annotations

from functools import partial

import numpy as np

from nnkit.explanation.game import Game

__all__ = [
    "MAX_ROUNDS",
    "PathMoments",
    "draw_ranks",
    "pair_contributions",
    "pair_masks",
    "permutation_values",
]

MAX_ROUNDS = 64


def draw_ranks(seed: int, round_number: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the places that players have in random permutations.

    Parameters
    ----------
    seed : int
        Seeds all rounds.
    round_number : int
        Each round, numbered from 1, has its own permutations.
    shape : tuple of int
        (n_permutations, n_background, n_players).

    Returns
    -------
    ranks : ndarray of int of that shape
        The place, counted from 0, at which a player joins.
    """
    in_order = np.broadcast_to(np.arange(shape[-1]), shape)
    return np.random.default_rng([seed, round_number]).permuted(in_order, axis=-1)


def pair_masks(ranks: np.ndarray, hybrids: np.ndarray) -> np.ndarray:
    """Return who has joined at the inner steps of permutations and of their reverses.

    Parameters
    ----------
    ranks : ndarray of int, shape (n_pairs, n_players)
        The place at which each player joins in the permutation.
    hybrids : ndarray of int, shape (n,)
        Positions in the order pair, direction (forward, reverse), step (1 to n_players - 1).

    Returns
    -------
    masks : ndarray of bool, shape (n, n_players)
        After k steps the players of the k first places have joined, in the reverse those of the
        k last.
    """
    n_players = ranks.shape[1]
    path, step = np.divmod(hybrids, n_players - 1)
    both_ways = np.stack([ranks, n_players - 1 - ranks], axis=1).reshape(-1, n_players)
    return both_ways[path] <= step[:, np.newaxis]


def pair_contributions(
    ranks: np.ndarray, f_start: np.ndarray, f_inner: np.ndarray, f_end: np.ndarray
) -> np.ndarray:
    """Return what each player adds on average along a permutation and its reverse.

    Parameters
    ----------
    ranks : ndarray of int, shape (n_pairs, n_players)
        The place at which each player joins in the permutation.
    f_start : ndarray of shape (n_pairs, n_outputs)
        The output of the pair's background row.
    f_inner : ndarray of shape (n_rows, n_pairs, 2, n_players - 1, n_outputs)
        The outputs after each inner step, forward and reverse.
    f_end : ndarray of shape (n_rows, n_outputs)
        The output of the explained row.

    Returns
    -------
    contributions : ndarray of shape (n_rows, n_pairs, n_players, n_outputs)
        They sum over the players to ``f_end - f_start``.
    """
    n_rows, n_pairs, _, _, n_outputs = f_inner.shape
    ends = (n_rows, n_pairs, 2, 1, n_outputs)
    along_path = np.concatenate(
        [
            np.broadcast_to(f_start[:, np.newaxis, np.newaxis], ends),
            f_inner,
            np.broadcast_to(f_end[:, np.newaxis, np.newaxis, np.newaxis], ends),
        ],
        axis=3,
    )
    gains = np.diff(along_path, axis=3)  # by place: (rows, pairs, 2, players, outputs)
    places = np.stack([ranks, ranks.shape[1] - 1 - ranks], axis=1)
    by_player = np.take_along_axis(gains, places[np.newaxis, ..., np.newaxis], axis=3)
    return by_player.mean(axis=2)


class PathMoments:
    """Running means and spreads of pair contributions, for each background row.

    Parameters
    ----------
    shape : tuple of int
        (n_rows, n_background, n_players, n_outputs).

    Notes
    -----
    Welford's update: with the k-th contribution c, ``d = c - mean``, ``mean += d / k`` and
    ``squares += d (c - mean)``.
    """

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.count = 0
        self.mean = np.zeros(shape)
        self.squares = np.zeros(shape)

    def add(self, contributions: np.ndarray) -> None:
        """Take in one pair contribution for each background row.

        Parameters
        ----------
        contributions : ndarray of shape (n_rows, n_background, n_players, n_outputs)
            The contributions.
        """
        self.count += 1
        deviation = contributions - self.mean
        self.mean += deviation / self.count
        self.squares += deviation * (contributions - self.mean)

    def keep(self, is_kept: np.ndarray) -> None:
        """Drop explained rows.

        Parameters
        ----------
        is_kept : ndarray of bool, shape (n_rows,)
            The rows that stay.
        """
        self.mean = self.mean[is_kept]
        self.squares = self.squares[is_kept]

    def values(self) -> np.ndarray:
        """Return the mean contributions.

        Returns
        -------
        values : ndarray of shape (n_rows, n_players, n_outputs)
            The estimated Shapley values.
        """
        return self.mean.mean(axis=1)

    def standard_errors(self) -> np.ndarray:
        """Return the standard errors of the mean contributions.

        Returns
        -------
        errors : ndarray of shape (n_rows, n_players, n_outputs)
            See the notes of :func:`nnkit.explain`.
        """
        n_background = self.mean.shape[1]
        if self.count > 1:
            variance = self.squares.sum(axis=1) / (self.count - 1) / self.count
            return np.sqrt(variance) / n_background
        if n_background > 1:
            return self.mean.std(axis=1, ddof=1) / np.sqrt(n_background)
        return np.full_like(self.mean[:, 0], np.nan)


def permutation_values(
    game: Game, n_permutations: int, tol: float | None, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return estimated Shapley values of all explained rows.

    Parameters
    ----------
    game : Game
        The games.
    n_permutations : int
        Pairs of permutations for each background row in a round.
    tol : float or None
        Standard error, as a fraction of ``|f_X - base|``, above which a row goes on to another
        round, up to ``MAX_ROUNDS``; None draws one round.
    seed : int
        Seeds the permutations, which are the same for all explained rows.

    Returns
    -------
    values : ndarray of shape (n_samples, n_players, n_outputs)
        For each row and output they sum to ``f_X - base``, up to rounding.
    errors : ndarray of shape (n_samples, n_players, n_outputs)
        Their standard errors, NaN where a single pair cannot tell.
    is_missed : ndarray of bool, shape (n_samples,)
        Whether ``tol`` was not reached; all False without ``tol``.
    """
    shape = (n_permutations, game.n_background, game.n_players)
    values = np.empty((game.n_samples, game.n_players, game.n_outputs))
    errors = np.empty_like(values)
    is_missed = np.zeros(game.n_samples, dtype=bool)
    n_hybrids = max(1, 2 * (game.n_players - 1)) * game.n_background
    n_block = max(1, game.batch_rows // (n_hybrids * n_permutations))
    for block_start in range(0, game.n_samples, n_block):
        rows = np.arange(block_start, min(block_start + n_block, game.n_samples))
        moments = PathMoments((len(rows), *shape[1:], game.n_outputs))
        for round_number in range(1, MAX_ROUNDS + 1 if tol is not None else 2):
            ranks = draw_ranks(seed, round_number, shape)
            _add_round(game, rows, ranks, moments)
            values[rows] = moments.values()
            errors[rows] = moments.standard_errors()
            if tol is None:
                break
            allowed = tol * np.abs(game.f_X[rows] - game.base).max(axis=1)
            # A standard error of NaN has not reached the tolerance.
            is_open = ~(errors[rows].max(axis=(1, 2)) <= allowed)
            is_missed[rows] = is_open
            rows = rows[is_open]
            if not len(rows):
                break
            moments.keep(is_open)
    return values, errors, is_missed


def _add_round(game: Game, rows: np.ndarray, ranks: np.ndarray, moments: PathMoments) -> None:
    """Add a round's pair contributions, as many permutations in a call as fit."""
    n_permutations, n_background, n_players = ranks.shape
    n_inner = 2 * (n_players - 1)
    n_slab = max(1, game.batch_rows // (max(1, n_inner) * n_background))
    for start in range(0, n_permutations, n_slab):
        slab = ranks[start : start + n_slab].reshape(-1, n_players)
        background_rows = np.tile(np.arange(n_background), len(slab) // n_background)
        f_inner = game.evaluate(
            rows,
            np.repeat(background_rows, n_inner),
            partial(pair_masks, slab),
        ).reshape(len(rows), len(slab), 2, n_players - 1, game.n_outputs)
        contributions = pair_contributions(
            slab, game.f_background[background_rows], f_inner, game.f_X[rows]
        )
        for first in range(0, len(slab), n_background):
            moments.add(contributions[:, first : first + n_background])
