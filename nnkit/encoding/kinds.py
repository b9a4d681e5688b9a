"""What the values of a column are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["category_mask", "kind_of", "kind_of_feature"]

# What pandas.api.types.infer_dtype finds in columns of dtype object; the rest are categories.
_KIND_OF_OBJECTS = {
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
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


def kind_of(column: pd.Series, label: str) -> str:
    """Return what the values of a column are.

    Parameters
    ----------
    column : Series
        As `plain_column` gives it.
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
    if pd.api.types.is_object_dtype(dtype):
        found = pd.api.types.infer_dtype(column, skipna=True)
        kind = _KIND_OF_OBJECTS.get(found, "category")
    if kind == "complex":
        raise ValueError(f"Complex data not supported: column {label}. Split it into two columns.")
    return kind


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
