"""The kinds of columns, such as numbers and dates, and changes of a column since ``fit``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "category_mask",
    "check_all_missing",
    "check_no_free_text",
    "kind_of",
    "kind_of_feature",
    "warn_of_unknown_values",
]

# Kinds by the result of pandas.api.types.infer_dtype for columns of objects. Others are categories.
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
_DESCRIPTIONS = {
    "number": "numbers",
    "boolean": "Boolean values",
    "date": "dates",
    "duration": "durations",
    "category": "text or other levels",
}
_REMEDIES = {
    "number": (
        "Convert it, for example with pandas.to_numeric(column, errors='coerce'), "
        "or name it in categorical_features and fit again."
    ),
    "date": "Convert it with pandas.to_datetime.",
    "duration": "Convert it with pandas.to_timedelta.",
}

# Smallest number of distinct values, their share of all values, and their mean number of words,
# for which a column holds free text. Titles of films, jobs and articles have up to some 10 words.
_MIN_TEXTS, _MIN_DISTINCT_TEXTS, _MIN_WORDS = 20, 0.5, 12


def kind_of(column: pd.Series, label: str) -> str:
    """Return the kind of the values of a column.

    Parameters
    ----------
    column : Series
        Column in the form of `plain_column`.
    label : str
        Name of the column in messages.

    Returns
    -------
    kind : {"number", "boolean", "date", "duration", "category", "empty"}
        "empty" is a column of objects that are all missing.

    Raises
    ------
    ValueError
        If the values are complex numbers.
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
    """Return the kind as which a column is encoded.

    Parameters
    ----------
    column : Series
        The column.
    label : str
        Name of the column in messages.
    is_category : bool or None
        Whether ``categorical_features`` includes the column. None decides by the dtype.

    Returns
    -------
    kind : {"number", "boolean", "category", "date"}

    Raises
    ------
    ValueError
        If a column that is not a category holds text.
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


def check_no_free_text(column: pd.Series, label: str) -> None:
    """Raise a ValueError if a column holds free text, such as reviews.

    Parameters
    ----------
    column : Series
        Column in the form of `plain_column`.
    label : str
        Name of the column in messages.

    Notes
    -----
    Free text has at least 20 distinct values, which are at least half of the values that are not
    missing, and at least 12 words in the mean of the distinct values. Names, titles, addresses and
    identifiers have fewer words. A Categorical is never free text.
    """
    dtype = column.dtype
    is_text = pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype)
    if not is_text or pd.api.types.infer_dtype(column, skipna=True) != "string":
        return
    present = column.dropna()
    distinct = pd.unique(present).tolist()
    if len(distinct) < max(_MIN_TEXTS, _MIN_DISTINCT_TEXTS * len(present)):
        return
    n_words = sum(len(text.split()) for text in distinct) / len(distinct)
    if n_words < _MIN_WORDS:
        return
    example = distinct[0]
    example = example if len(example) <= 60 else f"{example[:60]}..."
    raise ValueError(
        f"Column {label} holds free text, {len(distinct)} distinct values of {n_words:.0f} words on "
        f"average, such as {example!r}. Leave the column out, encode it by TextEncoder(column="
        f"{label}) in a dict of encoders, or name it in categorical_features to have it as a "
        "category."
    )


def category_mask(
    categorical_features: Any, n_features: int, names: Sequence[str] | None
) -> np.ndarray | None:
    """Return a mask of the columns that are categories, or None to decide by dtype.

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like of bool, int or str
        Names or positions of columns, or a mask.
    n_features : int
        Number of columns.
    names : sequence of str or None
        Names of the columns, None if they have none.

    Raises
    ------
    ValueError
        If ``categorical_features`` is anything else, or contains columns that do not exist.
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


def check_all_missing(column: pd.Series, label: str, *, kind_in_fit: str, kind: str) -> None:
    """Raise a ValueError if a column of another kind than in ``fit`` has values.

    Parameters
    ----------
    column : Series
        The column. If all its values are missing, its kind is not relevant.
    label : str
        Name of the column in messages.
    kind_in_fit : {"number", "date", "duration"}
        Kind in ``fit``.
    kind : str
        Kind of this column.
    """
    present = column.dropna()
    if len(present) == 0:
        return
    values = present.tolist()
    # A text value such as "?" among numbers is the example that helps to find the cause.
    example = next((value for value in values if isinstance(value, str)), values[0])
    raise ValueError(
        f"Column {label} held {_DESCRIPTIONS[kind_in_fit]} in fit and holds "
        f"{_DESCRIPTIONS[kind]} here, such as {example!r}. {_REMEDIES[kind_in_fit]}"
    )


def warn_of_unknown_values(column: pd.Series, label: str, levels: pd.Index | None) -> None:
    """Warn that none of the values of a column occurred in ``fit``.

    Parameters
    ----------
    column : Series
        Column without values of ``fit``. There is no warning if all its values are missing.
    label : str
        Name of the column in messages.
    levels : Index or None
        Levels in ``fit``. None or empty if all values were missing.
    """
    present = column.dropna()
    if len(present) == 0:
        return
    if levels is None or len(levels) == 0:
        reason = "All values were missing in fit. Fit again with rows that have values."
    else:
        known = ", ".join(map(repr, levels[:5].tolist()))
        reason = (
            f"The values in fit were {known}{', ...' if len(levels) > 5 else ''}. "
            "Use the same representation."
        )
    warnings.warn(
        f"No value of column {label} occurred in fit, such as {present.iloc[0]!r}. They are all "
        f"encoded as missing. {reason}",
        UserWarning,
        stacklevel=5,
    )
