"""A warning if validation rows seem to be in other units than training rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["warning_of_columns", "warning_of_target"]

# Thresholds in standard deviations of the training rows. Standardised columns have no long tails,
# so that their threshold is lower.
_FAR, _FAR_FROM_STANDARD = 20.0, 3.0


def warning_of_target(y: np.ndarray, y_val: np.ndarray) -> str | None:
    """Return a warning if a validation target is far from the training target, else None.

    Parameters
    ----------
    y, y_val : ndarray of shape (n_samples, ...)
        Training and validation values.
    """
    if _far_column(y, y_val) is None:
        return None
    (mean, deviation), (new_mean, new_deviation) = map(_moments, (y.ravel(), y_val.ravel()))
    return (
        f"The target to validate on is far from y: it has the mean {new_mean:.4g} and "
        f"the standard deviation {new_deviation:.4g}, y has {mean:.4g} and "
        f"{deviation:.4g}. Give both in the same units. TransformedTargetRegressor transforms "
        "y, but not y_val: let it hold rows out with validation_split."
    )


def warning_of_columns(X: Any, X_val: Any, names: Sequence[Any] | None) -> str | None:
    """Return a warning if a validation table is far from the training table, else None.

    Parameters
    ----------
    X, X_val : ndarray of shape (n_samples, n_features), or any other table
        Only arrays of numbers are compared.
    names : sequence of str or None
        Names of the columns.
    """
    are_numbers = all(
        isinstance(table, np.ndarray) and table.ndim == 2 and table.dtype.kind == "f"
        for table in (X, X_val)
    )
    position = _far_column(X, X_val) if are_numbers else None
    if position is None:
        return None
    name = position if names is None else names[position]
    (mean, deviation), (new_mean, new_deviation) = (
        _moments(table[:, position]) for table in (X, X_val)
    )
    return (
        f"The rows to validate on are far from X: the column {name!r} of X_val has the mean "
        f"{new_mean:.4g} and the standard deviation {new_deviation:.4g}, in X "
        f"{mean:.4g} and {deviation:.4g}. Give both in the same units. A pipeline "
        "transforms X, but not X_val: transform X_val too, or hold rows out with validation_split."
    )


def _far_column(table: np.ndarray, other: np.ndarray) -> int | None:
    """Return the position of the column that is farthest from the training column, if it is far."""
    seen, new = (part.reshape(len(part), -1).astype(np.float64) for part in (table, other))
    is_known = np.isfinite(seen).any(axis=0) & np.isfinite(new).any(axis=0)
    if not is_known.any():
        return None
    mean, deviation = _moments(seen[:, is_known])
    scale = np.where(deviation > 0, deviation, np.inf)
    is_standard = np.allclose(mean, 0, atol=1e-6) and np.allclose(
        deviation[deviation > 0], 1, atol=1e-6
    )
    new_mean, new_deviation = _moments(new[:, is_known])
    distance = np.maximum(np.abs(new_mean - mean), new_deviation) / scale
    farthest = int(np.argmax(distance))
    if distance[farthest] <= (_FAR_FROM_STANDARD if is_standard else _FAR):
        return None
    return int(np.flatnonzero(is_known)[farthest])


def _moments(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means and standard deviations of columns, without overflow."""
    size = np.nanmax(np.abs(table), axis=0)
    # In units of the largest value, no square overflows or underflows.
    size = np.where(size > 0, size, 1.0)
    return np.nanmean(table / size, axis=0) * size, np.nanstd(table / size, axis=0) * size
