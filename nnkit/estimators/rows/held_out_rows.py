"""A warning if rows that are held out at random are no measure of new rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nnkit.encoding.containers import column_at, columns_in_order, is_dataframe
from nnkit.encoding.kinds import kind_of

__all__ = ["warning_of_random_folds"]

# Largest fraction of rows with a copy.
_COPIES = 0.1
# A column of fractions with more distinct values than these fractions of the distinct rows and of
# all rows has few equal values by chance, so that equal rows are copies.
_OF_DISTINCT_ROWS, _OF_ROWS = 0.5, 0.2
# Fewer dates are levels.
_FEWEST_DATES = 10


def warning_of_random_folds(X: Any, names: Sequence[Any] | None) -> str | None:
    """Return a warning if random folds mislead, else None.

    Two cases are found: rows that are sorted by a date, whose neighbours in time are in other
    folds, and copies of rows, which are training rows and held-out rows at once.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        Other tables are not checked.
    names : sequence of str or None
        Names of the columns.
    """
    if not is_dataframe(X) and not (isinstance(X, np.ndarray) and X.ndim == 2):
        return None
    n_columns = X.shape[1]
    labels = [repr(at if names is None else names[at]) for at in range(n_columns)]
    table = columns_in_order(X)
    columns = [column_at(table, at, labels[at]) for at in range(n_columns)]
    for column, label in zip(columns, labels, strict=True):
        if kind_of(column, label) == "date" and _is_sorted(column):
            return (
                f"The rows of X are sorted by the date in the column {label}, and cv holds out rows "
                "between training rows in time, which are predicted better than later rows. Hold "
                "out later rows with cv=sklearn.model_selection.TimeSeriesSplit(), or shuffle the "
                "rows of X if time does not matter."
            )
    share = _share_of_copies(columns)
    if share > _COPIES:
        return (
            f"{share:.0%} of the rows of X are copies of other rows, and cv holds out rows whose "
            "copies are training rows, which makes their scores too good. Remove the copies, or "
            "give fit the groups of rows that belong together."
        )
    return None


def _is_sorted(column: pd.Series) -> bool:
    dates = column.dropna()
    is_ordered = dates.is_monotonic_increasing or dates.is_monotonic_decreasing
    return bool(is_ordered) and dates.nunique() >= _FEWEST_DATES


def _share_of_copies(columns: Sequence[pd.Series]) -> float:
    """Return the fraction of rows with a copy; 0 if equal rows can be equal by chance."""
    try:
        hashes = [pd.util.hash_pandas_object(column, index=False).to_numpy() for column in columns]
    except TypeError:  # lists, which have no hash, are refused by the encoder
        return 0.0
    row_hashes: np.ndarray = np.zeros(len(hashes[0]), dtype=np.uint64)
    for of_column in hashes:
        # The multiplier of the hash FNV-1a; uint64 wraps around.
        row_hashes = (row_hashes ^ of_column) * np.uint64(0x100000001B3)
    _, counts = np.unique(row_hashes, return_counts=True)
    share = float(counts[counts > 1].sum() / len(row_hashes))
    if share <= _COPIES:
        return 0.0
    fewest = max(_OF_DISTINCT_ROWS * len(counts), _OF_ROWS * len(row_hashes))
    is_continuous = any(
        _has_fractions(column) and len(np.unique(of_column)) > fewest
        for column, of_column in zip(columns, hashes, strict=True)
    )
    return share if is_continuous else 0.0


def _has_fractions(column: pd.Series) -> bool:
    if column.dtype.kind != "f":
        return False
    values = column.to_numpy(dtype=np.float64, na_value=0.0)
    return bool((np.isfinite(values) & (values != np.round(values))).any())
