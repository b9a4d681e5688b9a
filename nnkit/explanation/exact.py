"""Shapley values, and interactions of pairs, by all coalitions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np

from nnkit.explanation.game import Game

__all__ = [
    "coalition_masks",
    "coalition_weights",
    "exact_interactions",
    "exact_values",
    "interaction_weights",
]

# Worths of coalitions that are kept at once: 32 MiB.
_MAX_WORTHS = 2**22


def coalition_masks(coalitions: np.ndarray, n_players: int) -> np.ndarray:
    """Return who is in each coalition.

    Parameters
    ----------
    coalitions : ndarray of int, shape (n_coalitions,)
        Numbers whose bit j says whether player j is in.
    n_players : int
        The number of players.

    Returns
    -------
    masks : ndarray of bool, shape (n_coalitions, n_players)
        The bits.
    """
    return (coalitions[:, np.newaxis] >> np.arange(n_players)) & 1 == 1


def coalition_weights(n_players: int) -> np.ndarray:
    """Return the weight of each coalition's worth in each player's Shapley value.

    Parameters
    ----------
    n_players : int
        The number M of players.

    Returns
    -------
    weights : ndarray of shape (n_players, 2 ** n_players)
        Column c belongs to the coalition whose members are the bits of c.

    Notes
    -----
    A player j gains ``v(S + j) - v(S)`` by joining S, which counts
    ``|S|! (M - |S| - 1)! / M! = 1 / (M comb(M - 1, |S|))``. [1]_

    References
    ----------
    .. [1] L. S. Shapley (1953). A value for n-person games. Contributions to the Theory of
       Games II, 307-317, equation (12).
    """
    masks = coalition_masks(np.arange(2**n_players), n_players)
    n_others = masks.sum(axis=1)[:, np.newaxis] - masks  # |S| without the player
    joining = np.array([1 / (n_players * comb(n_players - 1, size)) for size in range(n_players)])
    return np.where(masks, 1, -1).T * joining[n_others].T


def interaction_weights(n_players: int) -> np.ndarray:
    """Return the weight of each coalition's worth in the interaction index of each pair.

    Parameters
    ----------
    n_players : int
        The number M of players, at least 2.

    Returns
    -------
    weights : ndarray of shape (n_pairs, 2 ** n_players)
        A row for each pair (i, j), i < j, in the order of ``itertools.combinations``.

    Notes
    -----
    A pair adds ``v(S + i + j) - v(S + i) - v(S + j) + v(S)`` beyond what its players add alone,
    which counts ``|S|! (M - |S| - 2)! / (M - 1)! = 1 / ((M - 1) comb(M - 2, |S|))``. [1]_

    References
    ----------
    .. [1] M. Grabisch, M. Roubens (1999). An axiomatic approach to the concept of interaction
       among players in cooperative games. International Journal of Game Theory 28, 547-565,
       definition of the Shapley interaction index of a pair.
    """
    masks = coalition_masks(np.arange(2**n_players), n_players)
    sizes = masks.sum(axis=1)
    joining = np.array(
        [1 / ((n_players - 1) * comb(n_players - 2, size)) for size in range(n_players - 1)]
    )
    rows = []
    for i, j in combinations(range(n_players), 2):
        has_i, has_j = masks[:, i], masks[:, j]
        n_others = sizes - has_i - has_j  # |S| without the pair
        rows.append(np.where(has_i == has_j, 1, -1) * joining[n_others])
    return np.array(rows)


def exact_values(game: Game) -> np.ndarray:
    """Return the Shapley values of all explained rows.

    Parameters
    ----------
    game : Game
        The games, of few players: each row needs (2 ** n_players - 2) * n_background hybrids.

    Returns
    -------
    values : ndarray of shape (n_samples, n_players, n_outputs)
        For each row and output they sum to ``f_X - base``, up to rounding.
    """
    weights = coalition_weights(game.n_players)
    values = np.empty((game.n_samples, game.n_players, game.n_outputs))
    for rows, worths in _worths(game):
        values[rows] = _weighted(weights, worths)
    return values


def exact_interactions(game: Game) -> np.ndarray:
    """Return the Shapley interaction values of all explained rows.

    Parameters
    ----------
    game : Game
        The games, of few players, as for `exact_values`.

    Returns
    -------
    values : ndarray of shape (n_samples, n_players, n_players, n_outputs)
        Symmetric. Off the diagonal stands half of the interaction index of a pair, on it what is
        left of the Shapley value of a player, so that each row sums to it.
    """
    n_players = game.n_players
    of_player = coalition_weights(n_players)
    of_pair = interaction_weights(n_players) if n_players > 1 else np.empty((0, 2))
    first, second = np.triu_indices(n_players, k=1)
    values = np.zeros((game.n_samples, n_players, n_players, game.n_outputs))
    diagonal = np.arange(n_players)
    for rows, worths in _worths(game):
        found = np.zeros((len(worths), n_players, n_players, game.n_outputs))
        if n_players > 1:
            found[:, first, second] = _weighted(of_pair, worths) / 2
            found += found.swapaxes(1, 2)
        found[:, diagonal, diagonal] = _weighted(of_player, worths) - found.sum(axis=2)
        values[rows] = found
    return values


def _weighted(weights: np.ndarray, worths: np.ndarray) -> np.ndarray:
    """Return weighted sums (n_rows, n_weighted, n_outputs) over coalitions."""
    return np.einsum("wc,rco->rwo", weights, worths, optimize=True)


def _worths(game: Game) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the worth of all coalitions above that of nobody, for some rows at a time."""
    n_background, n_coalitions = game.n_background, 2**game.n_players
    n_slab = max(1, game.batch_rows // n_background)
    n_block = max(1, _MAX_WORTHS // (n_coalitions * game.n_outputs))
    for block_start in range(0, game.n_samples, n_block):
        block = slice(block_start, min(block_start + n_block, game.n_samples))
        rows = np.arange(block.start, block.stop)
        worths = np.zeros((len(rows), n_coalitions, game.n_outputs))
        worths[:, -1] = game.f_X[rows] - game.base
        for start in range(1, n_coalitions - 1, n_slab):
            coalitions = np.arange(start, min(start + n_slab, n_coalitions - 1))
            masks = np.repeat(coalition_masks(coalitions, game.n_players), n_background, axis=0)
            background_rows = np.tile(np.arange(n_background), len(coalitions))
            for at, outputs in game.outputs(rows, background_rows, masks):
                # (rows, coalitions * background, outputs) -> mean over the background
                by_coalition = outputs.reshape(len(outputs), len(coalitions), n_background, -1)
                worths[at, start : coalitions[-1] + 1] = by_coalition.mean(axis=2) - game.base
                game.on_rows(len(outputs) * len(coalitions) / (n_coalitions - 2))
        yield block, worths
