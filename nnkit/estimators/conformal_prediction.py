"""Conformal prediction: intervals and sets of classes from the errors of held-out rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nnkit._validation import as_number

__all__ = [
    "conformal_margin",
    "conformal_quantile",
    "interval_levels",
    "kept_differences",
    "kept_errors",
    "more_probable_mass",
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


def more_probable_mass(y_proba: np.ndarray) -> np.ndarray:
    """Return the sum of the probabilities that are larger than that of each class.

    The classes whose mass does not exceed a bound are a set of the most probable classes, which
    contains the most probable one. Sets grow with the bound, so that the mass at the true class is
    the error of a row in conformal prediction.

    Parameters
    ----------
    y_proba : ndarray of shape (n_samples, n_classes)

    Returns
    -------
    mass : ndarray of shape (n_samples, n_classes)

    References
    ----------
    Y. Romano, M. Sesia, E. J. Candès, "Classification with Valid and Adaptive Coverage", NeurIPS
    2020, equations 3 and 4, with u = 0; C. Gupta, A. K. Kuchibhotla, A. Ramdas, "Nested Conformal
    Prediction and Quantile Out-of-Bag Ensemble Methods", Pattern Recognition 127 (2022), section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.estimators.conformal_prediction import more_probable_mass
    >>> more_probable_mass(np.array([[0.25, 0.5, 0.25]])).tolist()
    [[0.5, 0.0, 0.5]]
    """
    descending = -np.sort(-y_proba, axis=1)
    # The mass before each position of the sorted probabilities.
    before = np.cumsum(descending, axis=1) - descending
    # Equal probabilities have the mass before the first of them.
    is_first = np.diff(descending, axis=1, prepend=np.inf) != 0
    before = np.maximum.accumulate(np.where(is_first, before, 0.0), axis=1)
    ranks = np.argsort(np.argsort(-y_proba, axis=1, kind="stable"), axis=1, kind="stable")
    mass: np.ndarray = np.take_along_axis(before, ranks, axis=1)
    return mass


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
    return conformal_quantile(np.sort(scores, axis=0), confidence)


def widened(intervals: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Return intervals (n_samples, ..., 2) with a margin at both ends, at least of the width 0."""
    low, high = intervals[..., 0] - margin, intervals[..., 1] + margin
    middle = (low + high) / 2
    return np.stack([np.minimum(low, middle), np.maximum(high, middle)], axis=-1)


def conformal_quantile(errors: np.ndarray, confidence: float) -> np.ndarray:
    r"""Return a bound that the error of a new row does not exceed with a given probability.

    Parameters
    ----------
    errors : ndarray of shape (n_errors, ...)
        Errors of held-out rows in ascending order, for each column of the target.
    confidence : float
        In (0, 1).

    Returns
    -------
    bound : ndarray of shape (...)
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
    bound: np.ndarray = errors[rank - 1]
    return bound
