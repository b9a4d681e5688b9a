"""Prediction intervals from the errors of held-out rows (conformal prediction)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nnkit._validation import as_number

__all__ = [
    "conformal_margin",
    "interval_levels",
    "interval_radius",
    "kept_differences",
    "kept_errors",
    "widened",
]

# Number of errors that are kept for intervals, and the fewest rows of several columns.
_N_ERRORS, _N_ROWS = 5000, 1000


def kept_errors(errors: Sequence[np.ndarray]) -> np.ndarray:
    """Return absolute errors in ascending order; of many, quantiles at equal distances.

    Parameters
    ----------
    errors : sequence of ndarray of shape (n_held_out, ...)
        Absolute errors of the held-out rows of each fold.

    Returns
    -------
    kept : ndarray of shape (n_errors, ...)
        At most 5,000 rows, and 1,000 for several columns of the target. Errors between two
        quantiles count as the larger one.
    """
    ascending = np.sort(np.concatenate(errors), axis=0)
    n_errors = len(ascending)
    n_kept = min(n_errors, _n_rows(math.prod(ascending.shape[1:])))
    # Integers: the last rank is the number of errors.
    ranks = -(-np.arange(1, n_kept + 1) * n_errors // n_kept)
    return ascending[ranks - 1]


def _n_rows(n_columns: int) -> int:
    """Return the number of rows whose errors are kept."""
    return max(_N_ROWS, _N_ERRORS // n_columns)


def kept_differences(differences: Sequence[np.ndarray]) -> np.ndarray:
    """Return differences of values and predicted quantiles, of many rows at equal distances.

    Parameters
    ----------
    differences : sequence of ndarray of shape (n_held_out, ..., n_quantiles)
        y - q for the held-out rows of each fold.

    Returns
    -------
    kept : ndarray of shape (n_rows, ..., n_quantiles)
        At most 5,000 rows, and 1,000 for several columns of the target.
    """
    every = np.concatenate(differences)
    n_kept = min(len(every), _n_rows(math.prod(every.shape[1:-1])))
    kept: np.ndarray = every[np.arange(n_kept) * len(every) // n_kept]
    return kept


def interval_levels(confidence: float) -> np.ndarray:
    """Return the levels of the quantiles at the ends of an interval, (2,)."""
    confidence = as_number("confidence", confidence, "(0, 1)")
    return np.array([(1 - confidence) / 2, (1 + confidence) / 2])


def conformal_margin(differences: np.ndarray, confidence: float) -> np.ndarray:
    """Return what predicted intervals are widened by at each end, for each column of the target.

    Parameters
    ----------
    differences : ndarray of shape (n_rows, ..., 2)
        y - q of held-out rows, for the lower and the upper end q of their intervals.
    confidence : float
        In (0, 1).

    Returns
    -------
    margin : ndarray of shape (...)
        Negative if the predicted intervals contain too many values.

    Raises
    ------
    ValueError
        If ``confidence`` needs more held-out rows.

    References
    ----------
    Y. Romano, E. Patterson, E. J. Candès, "Conformalized Quantile Regression", NeurIPS 2019,
    equations 6 and 7.
    """
    # [E = max(q_low - y, y - q_high)]
    scores = np.maximum(-differences[..., 0], differences[..., 1])
    return interval_radius(np.sort(scores, axis=0), confidence)


def widened(intervals: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Return intervals (n_samples, ..., 2) with a margin at both ends, at least of the width 0."""
    low, high = intervals[..., 0] - margin, intervals[..., 1] + margin
    middle = (low + high) / 2
    return np.stack([np.minimum(low, middle), np.maximum(high, middle)], axis=-1)


def interval_radius(errors: np.ndarray, confidence: float) -> np.ndarray:
    r"""Return half of the width of intervals, for each column of the target.

    Parameters
    ----------
    errors : ndarray of shape (n_errors, ...)
        From `kept_errors`.
    confidence : float
        In (0, 1).

    Returns
    -------
    radius : ndarray of shape (...)
        The :math:`\lceil c\,(n + 1) \rceil`-th smallest of n errors, with the confidence c.

    Raises
    ------
    ValueError
        If ``confidence`` is out of its range, or needs more held-out rows.

    References
    ----------
    J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani, L. Wasserman, "Distribution-Free Predictive
    Inference for Regression", JASA 113 (2018), algorithm 2.
    """
    confidence = as_number("confidence", confidence, "(0, 1)")
    n_errors = len(errors)
    # The tolerance is for products such as 0.9 * 10, which are integers up to rounding.
    rank = math.ceil(confidence * (n_errors + 1) - 1e-9)
    if rank > n_errors:
        fewest = math.ceil(confidence / (1 - confidence) - 1e-9)
        raise ValueError(
            f"confidence={confidence:g} needs at least {fewest} held-out rows, but fit held out "
            f"{n_errors}. Lower confidence, or fit with more rows."
        )
    radius: np.ndarray = errors[rank - 1]
    return radius
