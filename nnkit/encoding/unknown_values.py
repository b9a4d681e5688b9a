"""Warnings about columns whose values say nothing: distinct in fit, or unknown later."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

__all__ = ["has_distinct_values", "warn_of_distinct_values", "warn_of_unknown_values"]

# Below so many rows, distinct values are no sign of identifiers.
_MIN_ROWS, _MIN_FRACTION = 20, 0.95


def has_distinct_values(codes: np.ndarray, n_levels: int) -> bool:
    """Return whether nearly every value of a column of levels is distinct.

    Parameters
    ----------
    codes : ndarray of int, shape (n_samples,)
        0 where a value is missing.
    n_levels : int
        The distinct values.
    """
    n_present = int(np.count_nonzero(codes))
    return n_present >= _MIN_ROWS and n_levels >= _MIN_FRACTION * n_present


def warn_of_distinct_values(column: pd.Series, label: str) -> None:
    """Warn that a column holds identifiers or sentences."""
    example = str(column.dropna().iloc[0])
    shown = example if len(example) <= 40 else f"{example[:40]}..."
    warnings.warn(
        f"Nearly every value of column {label} is distinct, such as {shown!r}, so that little can "
        "be learnt from it as a category. Drop it if it holds identifiers. If it holds text, "
        "encode it, for example with a TfidfVectorizer in a ColumnTransformer.",
        UserWarning,
        stacklevel=4,
    )


def warn_of_unknown_values(column: pd.Series, label: str, levels: pd.Index | None) -> None:
    """Warn if a column has values, of which none was in fit.

    Parameters
    ----------
    column : Series
        What came.
    label : str
        How messages call the column.
    levels : Index or None
        Those of fit; None or empty if all its values were missing.
    """
    present = column.dropna()
    if len(present) == 0:
        return
    if levels is None or len(levels) == 0:
        reason = "All values were missing in fit. Fit anew with rows that have some."
    else:
        known = ", ".join(map(repr, levels[:5].tolist()))
        reason = (
            f"In fit they were {known}{', ...' if len(levels) > 5 else ''}. Give the same form."
        )
    warnings.warn(
        f"No value of column {label} is known, such as {present.iloc[0]!r}: all count as missing. "
        f"{reason}",
        UserWarning,
        stacklevel=4,
    )
