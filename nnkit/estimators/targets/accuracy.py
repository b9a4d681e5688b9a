"""The accuracy of labels of one column, several columns, the steps of sequences or pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import column_or_1d

from nnkit.encoding.target_values import comparable_codes, target_array

__all__ = ["accuracy"]


def accuracy(
    y_true: Any,
    y_pred: np.ndarray,
    sample_weight: Any | None = None,
    *,
    is_of_steps: bool = False,
    n_label_axes: int = 0,
) -> float:
    """Return the fraction of rows, or of their steps or pixels, with correct labels.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, ...)
    y_pred : ndarray of the same shape
    sample_weight : array-like of shape (n_samples,), default=None
    is_of_steps : bool, default=False
        Whether the fraction of correct steps or pixels of a row counts. Otherwise all labels of a
        row must be correct, as in scikit-learn.
    n_label_axes : int, default=0
        Number of last axes that are the label of one step, all of which must be correct.

    Returns
    -------
    accuracy : float
        In [0, 1].

    Raises
    ------
    ValueError
        If ``y_true`` has another shape, or holds labels of another class.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.estimators.targets.accuracy import accuracy
    >>> y_true, y_pred = np.array([[0, 1], [2, 1]]), np.array([[0, 1], [0, 1]])
    >>> accuracy(y_true, y_pred), accuracy(y_true, y_pred, is_of_steps=True)
    (0.5, 0.75)
    """
    if sample_weight is None and _are_plain_labels(y_true, y_pred):
        # scikit-learn's accuracy_score examines both arrays for half a millisecond.
        return float(np.mean(y_true == y_pred))
    if y_pred.ndim == 1 and comparable_codes(y_pred) is y_pred:
        return float(accuracy_score(y_true, y_pred, sample_weight=sample_weight))
    labels = target_array(y_true, are_numbers=False)
    if y_pred.ndim == 1:
        labels = column_or_1d(labels, warn=True)
    if labels.shape != y_pred.shape:
        raise ValueError(
            f"y must have the shape of the predictions, {y_pred.shape}. Got {labels.shape} instead."
        )
    kinds = [type(part.ravel().tolist()[0]).__name__ for part in (labels, y_pred) if part.size]
    if y_pred.ndim == 1 and len(set(kinds)) > 1:
        raise ValueError(f"y must hold labels of class {kinds[1]}. Got {kinds[0]} instead.")
    is_right = labels == y_pred
    if is_of_steps and n_label_axes:
        is_right = is_right.all(axis=tuple(range(-n_label_axes, 0)))
    is_right = is_right.reshape(len(labels), -1)
    by_row = is_right.mean(axis=1) if is_of_steps else is_right.all(axis=1)
    return float(np.average(by_row, weights=sample_weight))


def _are_plain_labels(y_true: Any, y_pred: np.ndarray) -> bool:
    """Return whether two arrays have labels of one dtype, integers, truth values or strings."""
    return (
        type(y_true) is np.ndarray
        and y_true.ndim == 1
        and len(y_true) > 0
        and y_true.shape == y_pred.shape
        and y_true.dtype == y_pred.dtype
        and y_true.dtype.kind in "biuU"
    )
