"""Integration points on straight lines between rows, and estimates from sums over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nnkit.training.prediction.gradients import PathSums

__all__ = ["Lines"]

# The smallest number of points on each line, and on all lines to a row together.
_MIN_FRACTIONS, _MIN_POINTS = 8, 256

# Nodes of integrated gradients. Half as many are added to estimate the error.
_N_NODES = 64

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


class Lines:
    """The integration points of a gradient method and their weights.

    Parameters
    ----------
    method : str
        As for `gradient_values`.
    background_size : int
        The number of background rows.
    n_fractions : int or None
        As for `gradient_values`.

    Attributes
    ----------
    fractions : ndarray of shape (n_lines, n_points)
        The positions of the points, from 0 at the background row to 1 at the explained row.
    quadratures : ndarray of shape (n_points, n_quadratures)
        The weights of the points in each quadrature.
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
        """The number of points on all lines to a row."""
        return self.fractions.size

    def estimates(self, sums: PathSums) -> tuple[np.ndarray, np.ndarray]:
        """Return values and errors (n_rows, n_encoded, n_directions) from sums over lines."""
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
    """Return fractions in pairs around 1/2, shifted for each line, and their weights."""
    offsets = np.arange(1, n_lines + 1)[:, np.newaxis] * _GOLDEN % 1.0
    # Pairs in adjacent intervals are mirrored, so that errors of linear integrands cancel.
    positions = np.where(np.arange(n_pairs) % 2, 1.0 - offsets, offsets)
    below = (np.arange(n_pairs) + positions) / (2 * n_pairs)  # one per interval of (0, 1/2)
    both = np.stack([below, 1.0 - below], axis=2).reshape(n_lines, 2 * n_pairs)
    return both, np.repeat(np.eye(n_pairs), 2, axis=0) / 2.0


def _nested(n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes of two Gauss-Legendre quadratures of (0, 1), and the weights of each."""
    rules = [np.polynomial.legendre.leggauss(n) for n in (n_nodes, n_nodes // 2)]
    nodes = np.concatenate([(1.0 + roots) / 2.0 for roots, _ in rules])
    weights = np.zeros((len(nodes), 2))
    weights[:n_nodes, 0], weights[n_nodes:, 1] = rules[0][1] / 2.0, rules[1][1] / 2.0
    return nodes[np.newaxis], weights
