"""Straight lines between rows, the points on them, and what sums over the points estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nnkit.training.prediction.gradients import PathSums

__all__ = ["Lines"]

# Points on each line, and on all lines to a row together.
_MIN_FRACTIONS, _MIN_POINTS = 8, 256

# Nodes of the one line of integrated gradients; half as many more tell the error.
_N_NODES = 64

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


class Lines:
    """The lines of a method and the points on them.

    Parameters
    ----------
    method : str
        As for `gradient_values`.
    background_size : int
        How many background rows there are.
    n_fractions : int or None
        As for `gradient_values`.

    Attributes
    ----------
    fractions : ndarray of shape (n_lines, n_points)
        Where on the lines to a row the points are.
    quadratures : ndarray of shape (n_points, n_quadratures)
        Their weights.
    """

    def __init__(self, method: str, background_size: int, n_fractions: int | None) -> None:
        self.method = method
        self.from_mean = method == "integrated_gradients"
        if method == "gradient":
            n_pairs = (n_fractions or max(_MIN_FRACTIONS, _MIN_POINTS // background_size)) // 2
            self.fractions, self.quadratures = _mirrored(background_size, n_pairs)
        elif self.from_mean:
            self.fractions, self.quadratures = _nested(n_fractions or _N_NODES)
        else:
            self.fractions, self.quadratures = np.ones((1, 1)), np.ones((1, 1))

    @property
    def n_points(self) -> int:
        """The points on all lines to a row."""
        return self.fractions.size

    def estimates(self, sums: PathSums) -> tuple[np.ndarray, np.ndarray]:
        """Return values and errors, each (n_rows, n_encoded, n_directions), from sums over lines."""
        n_lines, n_quadratures = len(self.fractions), self.quadratures.shape[1]
        if self.method == "saliency":
            return np.abs(sums.sums[..., 0]), np.zeros_like(sums.squares)
        if self.from_mean:
            return sums.sums[..., 0], np.abs(sums.sums[..., 0] - sums.sums[..., 1])
        values = sums.sums.mean(axis=-1) / n_lines
        if n_quadratures > 1:
            variance = sums.within / (n_quadratures - 1) / n_quadratures
            return values, np.sqrt(variance) / n_lines
        if n_lines > 1:
            spread = np.maximum(sums.squares / n_lines - np.square(values), 0.0)
            return values, np.sqrt(spread / (n_lines - 1))
        return values, np.full_like(values, np.nan)


def _mirrored(n_lines: int, n_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return fractions in pairs around 1/2, each line's at other places, and their weights."""
    offsets = np.arange(1, n_lines + 1)[:, np.newaxis] * _GOLDEN % 1.0
    # Neighbours lie where their errors cancel for what is straight over both shares.
    places = np.where(np.arange(n_pairs) % 2, 1.0 - offsets, offsets)
    below = (np.arange(n_pairs) + places) / (2 * n_pairs)  # one in each share of (0, 1/2)
    both = np.stack([below, 1.0 - below], axis=2).reshape(n_lines, 2 * n_pairs)
    return both, np.repeat(np.eye(n_pairs), 2, axis=0) / 2.0


def _nested(n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes of two Gauss-Legendre quadratures of (0, 1), and the weights of each."""
    rules = [np.polynomial.legendre.leggauss(n) for n in (n_nodes, n_nodes // 2)]
    nodes = np.concatenate([(1.0 + places) / 2.0 for places, _ in rules])
    weights = np.zeros((len(nodes), 2))
    weights[:n_nodes, 0], weights[n_nodes:, 1] = rules[0][1] / 2.0, rules[1][1] / 2.0
    return nodes[np.newaxis], weights
