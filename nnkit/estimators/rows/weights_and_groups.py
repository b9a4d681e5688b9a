"""Sample weights and groups of rows, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["check_weights", "checked_groups", "checked_weights"]


def check_weights(sample_weight: np.ndarray) -> None:
    """Raise a ValueError if weights are negative or all of them are zero."""
    if (sample_weight < 0).any():
        row = int(np.argwhere(sample_weight < 0)[0, 0])
        raise ValueError(
            f"sample_weight must be at least 0. Got {np.min(sample_weight[row])} in row {row} "
            "instead."
        )
    if not (sample_weight > 0).any():
        raise ValueError(
            "The weight of every row (sample_weight times class_weight) is zero, so that there is "
            "nothing to learn from. Give at least one row a positive weight."
        )


def checked_weights(sample_weight: Any, y_shape: tuple[int, ...]) -> np.ndarray:
    """Return the weights of rows as float64: of shape (n_samples,), or leading axes of y's.

    Parameters
    ----------
    sample_weight : array-like
    y_shape : tuple of int
        Shape of the target.

    Raises
    ------
    ValueError
        If they have another shape, are not finite or negative, or are all zero.
    """
    weight = _as_numbers(sample_weight)
    if not weight.ndim or weight.shape != y_shape[: weight.ndim]:
        steps = f", or {y_shape}, one for each step" if len(y_shape) > 1 else ""
        raise ValueError(
            f"sample_weight must have the shape ({y_shape[0]},), one weight for each row{steps}. "
            f"Got the shape {weight.shape} instead."
        )
    if not np.isfinite(weight).all():
        raise ValueError("sample_weight must be finite. Got NaN or inf instead.")
    check_weights(weight)
    return weight


def _as_numbers(sample_weight: Any) -> np.ndarray:
    """Return weights as float64, of whatever shape they have."""
    try:
        given = np.asarray(sample_weight)
        if given.dtype.kind != "c":
            return given.astype(np.float64)
        reason = "Got complex numbers"
    except (TypeError, ValueError) as error:
        reason = f"Got {type(sample_weight).__name__} that is not an array of numbers ({error})"
    hint = (
        " Weights of classes are the parameter class_weight."
        if isinstance(sample_weight, str)
        else ""
    )
    raise ValueError(f"sample_weight must be numbers, one for each row. {reason} instead.{hint}")


def checked_groups(groups: Any, n_samples: int) -> np.ndarray:
    """Return the groups of rows as an array of shape (n_samples,).

    Raises
    ------
    ValueError
        If they have another shape, or a value is missing.
    """
    grouping = np.asarray(groups)
    if grouping.shape != (n_samples,):
        raise ValueError(
            f"groups must have the shape ({n_samples},). Got {grouping.shape} instead."
        )
    if pd.isna(grouping).any():
        row = int(np.flatnonzero(pd.isna(grouping))[0])
        raise ValueError(f"groups has no value in row {row}. Give each row a group.")
    return grouping
