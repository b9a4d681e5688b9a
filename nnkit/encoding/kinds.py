"""Raw tables of every library, column by column, and what the values of a column are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "array_of_rows",
    "category_mask",
    "check_unique_names",
    "column_at",
    "is_dataframe",
    "kind_of",
    "kind_of_feature",
    "nested_cells",
    "numeric_matrix",
]

# What pandas.api.types.infer_dtype finds in columns of dtype object; the rest are categories.
_KIND_OF_OBJECTS = {
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "period": "date",
    "boolean": "boolean",
    "date": "date",
    "datetime": "date",
    "datetime64": "date",
    "timedelta": "duration",
    "timedelta64": "duration",
    "complex": "complex",
    "empty": "empty",
}
_KIND_OF_DTYPES = {
    "b": "boolean",
    "i": "number",
    "u": "number",
    "f": "number",
    "m": "duration",
    "M": "date",
    "c": "complex",
}


def is_dataframe(X: Any) -> bool:
    """Return whether a table is a DataFrame of pandas or polars."""
    # A polars table cannot exist before polars is imported.
    polars = sys.modules.get("polars")
    return isinstance(X, pd.DataFrame) or (polars is not None and isinstance(X, polars.DataFrame))


def check_unique_names(X: Any) -> None:
    """Raise a ValueError that names a column of a table which it has twice."""
    seen: set[Any] = set()
    for name in getattr(X, "columns", ()):
        if name in seen:
            raise ValueError(
                f"Column names must be unique. Got {name!r} more than once; rename one of them."
            )
        seen.add(name)


def array_of_rows(rows: Any) -> np.ndarray:
    """Return a list of rows as an array, whose numbers stay numbers beside text."""
    array = np.asarray(rows)
    return array if array.dtype.kind in "fiubc" else np.asarray(rows, dtype=object)


def column_at(X: Any, position: int, label: str) -> pd.Series:
    """Return one column of a table as a Series.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), or DataFrame of pandas or polars
        The table.
    position : int
        Which column.
    label : str
        How messages call the column.

    Raises
    ------
    ValueError
        If the cells of a polars column hold lists or structs.
    """
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, position]
    if isinstance(X, np.ndarray):
        values = X[:, position]
        return pd.Series(values.astype(object) if values.dtype.kind in "STU" else values)
    column = X.to_series(position)
    if column.dtype.is_nested():
        raise nested_cells(label, str(column.dtype))
    if column.dtype.is_decimal() or "Int128" in str(column.dtype):
        column = column.cast(float)
    series = pd.Series(column.to_numpy())
    zone = getattr(column.dtype, "time_zone", None)
    return series if zone is None else series.dt.tz_localize("UTC").dt.tz_convert(zone)


def numeric_matrix(X: Any) -> np.ndarray | None:
    """Return a table of plain numbers as a float64 array in one step, None for other tables."""
    if isinstance(X, pd.DataFrame):
        if not all(isinstance(dtype, np.dtype) and dtype.kind in "fiu" for dtype in X.dtypes):
            return None
    elif isinstance(X, np.ndarray):
        if X.dtype.kind not in "fiub":
            return None
    elif not all(dtype.is_float() or dtype.is_integer() for dtype in X.dtypes):
        return None
    matrix = X if isinstance(X, np.ndarray) else X.to_numpy()
    return matrix.astype(np.float64, copy=False)


def kind_of(column: pd.Series, label: str) -> str:
    """Return what the values of a column are.

    Parameters
    ----------
    column : Series
        The column.
    label : str
        How messages call it.

    Returns
    -------
    kind : {"number", "boolean", "date", "duration", "category", "empty"}
        An "empty" column is one of objects that are all missing.

    Raises
    ------
    ValueError
        If they are complex numbers.
    """
    dtype = column.dtype
    kind = _KIND_OF_DTYPES.get(dtype.kind, "category")
    if isinstance(dtype, pd.PeriodDtype):
        kind = "date"
    elif pd.api.types.is_object_dtype(dtype):
        found = pd.api.types.infer_dtype(column, skipna=True)
        kind = _KIND_OF_OBJECTS.get(found, "category")
        if found.startswith("mixed") and _are_numbers(column):
            kind = "number"
    if kind == "complex":
        raise ValueError(f"Complex data not supported: column {label}. Split it into two columns.")
    return kind


def _are_numbers(column: pd.Series) -> bool:
    """Return whether objects are numbers of several classes, such as Decimal, Fraction and int."""
    classes = set(map(type, column.dropna().tolist()))
    return all(
        issubclass(cls, (Real, Decimal)) and not issubclass(cls, (bool, np.bool_))
        for cls in classes
    )


def kind_of_feature(column: pd.Series, label: str, is_category: bool | None) -> str:
    """Return as what a column is encoded.

    Parameters
    ----------
    column : Series
        The column.
    label : str
        How messages call it.
    is_category : bool or None
        Whether the user takes it for a category; None for a decision by dtype.

    Returns
    -------
    kind : {"number", "boolean", "category", "date"}

    Raises
    ------
    ValueError
        If a column that is no category holds text.
    """
    kind = kind_of(column, label)
    if is_category or (is_category is None and kind == "empty"):
        return "category"
    if is_category is None:
        return "number" if kind == "duration" else kind
    if kind == "category" and isinstance(column.dtype, pd.CategoricalDtype):
        kind = kind_of(column.cat.categories.to_series(), label)
    if kind == "category":
        raise ValueError(
            f"Column {label} holds text or other levels, such as {column.dropna().iloc[0]!r}, and "
            "categorical_features does not name it. Name it there, or use 'from_dtype'."
        )
    return "date" if kind == "date" else "number"


def category_mask(
    categorical_features: Any, n_features: int, names: Sequence[str] | None
) -> np.ndarray | None:
    """Return which columns a user takes for categories, or None for a decision by dtype.

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like of bool, int or str
        Names or positions of columns, or a mask.
    n_features : int
        Number of columns.
    names : sequence of str or None
        Their names, None if they have none.

    Raises
    ------
    ValueError
        If it is none of these, or names columns that do not exist.
    """
    if isinstance(categorical_features, str) and categorical_features == "from_dtype":
        return None
    listed = np.asarray([] if categorical_features is None else categorical_features)
    mask = np.zeros(n_features, dtype=bool)
    if listed.shape == (0,):
        return mask
    if listed.ndim == 1 and listed.dtype.kind in "UOT":
        unknown = [name for name in listed.tolist() if name not in (names or ())]
        if unknown:
            columns = "have no names" if names is None else f"are {list(names)}"
            raise ValueError(
                f"categorical_features must name columns of X, which {columns}. "
                f"Got {unknown[0]!r} instead."
            )
        return np.array([name in listed for name in names or ()])
    if listed.shape == mask.shape and listed.dtype.kind == "b":
        return listed
    is_positions = listed.ndim == 1 and listed.dtype.kind in "iu"
    if is_positions and listed.min() >= 0 and listed.max() < n_features:
        mask[listed] = True
        return mask
    raise ValueError(
        "categorical_features must be 'from_dtype', None, names of columns, positions from 0 to "
        f"{n_features - 1}, or a mask of length {n_features}. Got {categorical_features!r} instead."
    )


def nested_cells(label: str, cell: str) -> ValueError:
    """Return the error for a column whose cells are lists or other containers."""
    return ValueError(
        f"The cells of column {label} must be single values. Got {cell} instead. "
        "Spread it over columns of its own, or leave the column out."
    )
