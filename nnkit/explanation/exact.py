"""Shapley values by all coalitions."""

from __future__ import annotations

from functools import partial
from math import comb

import numpy as np

from nnkit.explanation.game import Game

__all__ = ["coalition_masks", "coalition_weights", "exact_values"]


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
    n_players, n_background = game.n_players, game.n_background
    n_coalitions = 2**n_players
    weights = coalition_weights(n_players)
    values = np.empty((game.n_samples, n_players, game.n_outputs))
    # Explained rows that fit into one call together; coalitions of one row that do.
    n_block = max(1, game.batch_rows // (n_coalitions * n_background))
    n_slab = max(1, game.batch_rows // n_background)
    for block_start in range(0, game.n_samples, n_block):
        rows = np.arange(block_start, min(block_start + n_block, game.n_samples))
        worth = np.zeros((len(rows), n_coalitions, game.n_outputs))  # above v(nobody)
        worth[:, -1] = game.f_X[rows] - game.base
        for start in range(1, n_coalitions - 1, n_slab):
            coalitions = np.arange(start, min(start + n_slab, n_coalitions - 1))
            outputs = game.evaluate(
                rows,
                np.tile(np.arange(n_background), len(coalitions)),
                partial(_hybrid_masks, coalitions, n_background, n_players),
            )
            # (rows, coalitions * background, outputs) -> mean over the background
            by_coalition = outputs.reshape(len(rows), len(coalitions), n_background, -1)
            worth[:, coalitions] = by_coalition.mean(axis=2) - game.base
        values[rows] = np.einsum("pc,rco->rpo", weights, worth, optimize=True)
    return values


def _hybrid_masks(
    coalitions: np.ndarray, n_background: int, n_players: int, hybrids: np.ndarray
) -> np.ndarray:
    """Return who is in the coalition of each hybrid, in the order coalition, background row."""
    return coalition_masks(coalitions[hybrids // n_background], n_players)
