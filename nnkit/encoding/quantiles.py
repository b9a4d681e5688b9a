"""Levels of predicted quantiles: their validation, and interpolation between them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from nnkit._messages import shown
from nnkit._validation import is_number

__all__ = [
    "DEFAULT_QUANTILES",
    "as_quantiles",
    "interpolation_weights",
    "levels_between",
    "median_weights",
]

DEFAULT_QUANTILES = (0.05, 0.5, 0.95)
"""The median, and the ends of an interval that has 90 % of the values."""


def as_quantiles(quantiles: Any) -> tuple[float, ...]:
    """Return the levels of quantiles.

    Parameters
    ----------
    quantiles : sequence of float
        At least one number in (0, 1), in ascending order.

    Raises
    ------
    ValueError
        If there is none, one is out of its range, or they are not in ascending order.

    Examples
    --------
    >>> from nnkit.encoding.quantiles import as_quantiles
    >>> as_quantiles([0.1, 0.9])
    (0.1, 0.9)
    """
    is_sequence = isinstance(quantiles, (list, tuple, np.ndarray)) and np.ndim(quantiles) == 1
    levels = list(quantiles) if is_sequence else []
    if not levels or not all(is_number(level) and 0 < level < 1 for level in levels):
        raise ValueError(
            "quantiles must be a sequence of numbers in (0, 1), such as (0.05, 0.5, 0.95). "
            f"Got {shown(quantiles)} instead."
        )
    if any(after <= before for before, after in itertools.pairwise(levels)):
        raise ValueError(
            f"quantiles must be in ascending order, without repetitions. Got {shown(quantiles)} "
            "instead."
        )
    return tuple(float(level) for level in levels)


def levels_between(quantiles: Any, learnt: tuple[float, ...]) -> np.ndarray:
    """Return the levels of quantiles that a prediction asks for.

    Parameters
    ----------
    quantiles : float or sequence of float
        Levels from the smallest to the largest learnt one.
    learnt : tuple of float
        Levels in ascending order; () for a prediction of values.

    Returns
    -------
    levels : ndarray of shape (n_levels,)

    Raises
    ------
    ValueError
        If no quantiles are learnt, or one is outside of their range.
    """
    if not learnt:
        raise ValueError(
            "quantiles are predicted by a fit with loss='quantile' only. Set loss='quantile' and "
            "fit, or use predict_interval."
        )
    levels = [quantiles] if np.ndim(quantiles) == 0 else list(quantiles)
    low, high = learnt[0], learnt[-1]
    # The tolerance is for levels such as (1 - 0.9) / 2, which is 0.05 up to rounding.
    if not levels or not all(
        is_number(level) and low - 1e-9 <= level <= high + 1e-9 for level in levels
    ):
        raise ValueError(
            f"quantiles must be one or several numbers in [{low:g}, {high:g}], the range of those "
            f"that fit learnt. Got {shown(quantiles)} instead. For others, set quantiles= and fit."
        )
    return np.array(levels, dtype=np.float64)


def interpolation_weights(known: tuple[float, ...], levels: Any) -> np.ndarray:
    """Return the weights of known quantiles in the linear interpolation of other levels.

    Parameters
    ----------
    known : tuple of float
        Levels in ascending order.
    levels : array-like of shape (n_levels,)
        Levels to interpolate. Outside of the known ones, the nearest of them is taken.

    Returns
    -------
    weights : ndarray of shape (n_known, n_levels)
        Each column has at most two weights above 0, whose sum is 1.

    Examples
    --------
    >>> from nnkit.encoding.quantiles import interpolation_weights
    >>> interpolation_weights((0.25, 0.75), [0.5, 0.75]).tolist()
    [[0.5, 0.0], [0.5, 1.0]]
    """
    return np.stack([np.interp(levels, known, unit) for unit in np.eye(len(known))])


def median_weights(known: tuple[float, ...]) -> np.ndarray:
    """Return the weights of the known quantiles that are nearest to the median.

    Parameters
    ----------
    known : tuple of float
        Levels in ascending order.

    Returns
    -------
    weights : ndarray of shape (n_known,)
        1 for the level nearest to 0.5, and 1/2 for each of two that are equally near.

    Examples
    --------
    >>> from nnkit.encoding.quantiles import median_weights
    >>> median_weights((0.1, 0.4, 0.6)).tolist()
    [0.0, 0.5, 0.5]
    """
    distances = np.abs(np.subtract(known, 0.5))
    is_nearest = np.isclose(distances, distances.min())
    return is_nearest / is_nearest.sum()
