"""Raw columns as inputs of an ONNX model: their types, and the arrays that are given to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from nnkit.encoding.category_columns import level_texts
from nnkit.encoding.containers import as_table, column_at, is_dataframe
from nnkit.encoding.kinds import kind_of

__all__ = [
    "MISSING_DATE",
    "MISSING_TEXT_KEY",
    "TYPES_KEY",
    "column_type",
    "input_types",
    "missing_text",
    "onnx_inputs",
]

TYPES_KEY = "nnkit_inputs"
"""Key of the metadata of an ONNX model with the type of each input, as JSON."""

MISSING_TEXT_KEY = "nnkit_missing_text"
"""Key of the metadata of an ONNX model with the text that stands for missing values."""

MISSING_DATE = int(np.iinfo(np.int64).min)
"""Value of a missing date, as NumPy represents it."""

_ARRAY_TYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "float64", "U": "text"}
# Kinds of columns, as from `kind_of`, whose values an input takes.
_KINDS = {
    "boolean": ("boolean",),
    "date": ("date",),
    "duration": ("duration",),
    "float32": ("number", "boolean"),
    "float64": ("number", "boolean"),
    "integer": ("number", "boolean"),
}
_DTYPES = {
    "boolean": np.bool_,
    "date": np.int64,
    "duration": np.float64,
    "float32": np.float32,
    "float64": np.float64,
    "integer": np.int64,
}


def input_types(X: Any) -> dict[str, str]:
    """Return the names of the inputs of an ONNX model for a table, and their types.

    Parameters
    ----------
    X : DataFrame, array, list of texts, or dict of arrays
        A DataFrame, or an array of objects, has an input for each column; the columns of an array are
        called "x0", "x1", ... Another array is one input "X", and a dict has its own names.

    Returns
    -------
    types : dict of str to str
        "boolean", "date", "duration", "float32", "float64", "integer" or "text" by name.

    Raises
    ------
    ValueError
        If the table is sparse.
    """
    if isinstance(X, Mapping):
        return {str(name): _array_type(np.asarray(part)) for name, part in X.items()}
    columns = _columns(X)
    if columns is not None:
        return {name: column_type(column, repr(name)) for name, column in columns.items()}
    if hasattr(X, "toarray"):
        raise ValueError("ONNX has no sparse tables. Give X.toarray(), in the export and later.")
    return {"X": _array_type(_array_of(X))}


def column_type(column: pd.Series, label: str) -> str:
    """Return the type of the input for a column.

    Parameters
    ----------
    column : Series
        Column in the form of `nnkit.encoding.containers.plain_column`.
    label : str
        Name of the column in messages.

    Returns
    -------
    type : {"boolean", "date", "duration", "float32", "float64", "integer", "text"}
        Dtypes that can be missing are "float64" for numbers and "text" for Boolean values.
    """
    is_numpy = isinstance(column.dtype, np.dtype) and column.dtype.kind != "O"
    is_category = isinstance(column.dtype, pd.CategoricalDtype)
    kind = kind_of(column.cat.categories.to_series() if is_category else column, label)
    if kind == "number":
        if is_numpy and column.dtype.kind in "iu":
            return "integer"
        return "float32" if column.dtype == np.float32 else "float64"
    if kind == "boolean":
        return "boolean" if is_numpy else "text"
    # Dates that are levels are compared as text.
    return kind if kind in ("date", "duration") and not is_category else "text"


def onnx_inputs(model: Any, X: Any) -> dict[str, np.ndarray]:
    """Return a table as the inputs of an ONNX model, for ``onnxruntime.InferenceSession.run``.

    Parameters
    ----------
    model : onnx.ModelProto
        Model from `nnkit.export.to_onnx`.
    X : DataFrame, array, list of texts, or dict of arrays
        Rows like those of the export.

    Returns
    -------
    inputs : dict of str to ndarray
        By the names of the model's inputs. Missing numbers are NaN, missing texts "" (another text if
        "" is a level), and missing dates the smallest integer. Dates are microseconds since 1970-01-01 in UTC, and durations are
        seconds.

    Raises
    ------
    ValueError
        If the model is from elsewhere, or a column is missing or of another type.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if TYPES_KEY not in metadata:
        raise ValueError("model must be from nnkit.export.to_onnx, whose metadata name the inputs.")
    types: dict[str, str] = json.loads(metadata[TYPES_KEY])
    if isinstance(X, Mapping):
        found: Mapping[str, Any] = {str(name): part for name, part in X.items()}
    else:
        columns = None if list(types) == ["X"] else _columns(X)
        found = {"X": _array_of(X)} if columns is None else columns
    absent = [name for name in types if name not in found]
    if absent:
        raise ValueError(
            f"X must have the column {absent[0]!r}, as in the export. Got {list(found)} instead."
        )
    missing = metadata[MISSING_TEXT_KEY]
    return {name: _values(found[name], kind, name, missing) for name, kind in types.items()}


def missing_text(X: Any, levels: Iterable[Any]) -> str:
    """Return a text for missing values that is neither a level nor a value of a table.

    Parameters
    ----------
    X : DataFrame, array, list of texts, or dict of arrays
    levels : iterable
        The levels of an encoder.
    """
    taken = set(map(str, levels))
    columns = None if isinstance(X, Mapping) else _columns(X)
    for column in (columns or {}).values():
        if column.dtype.kind == "O":
            taken.update(value for value in column.tolist() if isinstance(value, str))
    text = ""
    while text in taken:
        text += "<missing>"
    return text


def _columns(X: Any) -> dict[str, pd.Series] | None:
    """Return the columns of a table by name; None if X is not a table of columns."""
    table = as_table(X)
    if is_dataframe(table):
        return {
            str(name): column_at(table, position, repr(name))
            for position, name in enumerate(table.columns)
        }
    if isinstance(table, (list, tuple)) and table and isinstance(table[0], (list, tuple)):
        table = _array_of(table)
    if isinstance(table, np.ndarray) and table.dtype == object and table.ndim == 2:
        n_columns = table.shape[1]
        return {
            f"x{position}": column_at(table, position, str(position))
            for position in range(n_columns)
        }
    return None


def _array_of(X: Any) -> np.ndarray:
    try:
        array = np.asarray(X)
    except ValueError as error:  # rows of unequal lengths
        raise ValueError(
            "The inputs of an ONNX model are arrays, and the rows of X have unequal lengths. Give X "
            "as one array, shorter sequences with NaN at their end, in the export and later."
        ) from error
    if array.ndim == 2 and array.dtype.kind == "U" and not isinstance(X, np.ndarray):
        return np.asarray(X, dtype=object)  # columns of numbers and columns of text
    return array


def _array_type(array: np.ndarray) -> str:
    if array.dtype == np.float32:
        return "float32"
    return _ARRAY_TYPES.get(array.dtype.kind, "text")


def _values(column: Any, kind: str, name: str, missing_text: str) -> np.ndarray:
    """Return the values of a column (n_samples, 1) or of an array in the type of an input."""
    if not isinstance(column, pd.Series):
        array = np.asarray(column)
        values: np.ndarray = array.astype(object) if kind == "text" else _exact(array, kind, name)
        return values[:, np.newaxis] if values.ndim == 1 else values
    if kind == "text":
        return level_texts(column, repr(name), missing_text)[:, np.newaxis]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = pd.Series(column.cat.categories).reindex(column.cat.codes.to_numpy())
    found = kind_of(column, repr(name))
    is_missing = bool(column.isna().all())
    allowed = _KINDS[kind]
    if found not in allowed and not (is_missing and kind not in ("boolean", "integer")):
        raise _type_error(name, kind, column.dtype)
    if kind == "date":
        return _microseconds(column)[:, np.newaxis]
    if kind == "duration":
        seconds = pd.to_timedelta(column).dt.total_seconds()
        return seconds.to_numpy(dtype=np.float64)[:, np.newaxis]
    if kind in ("boolean", "integer") and column.isna().any():
        raise _type_error(name, kind, "missing values")
    if kind in ("float32", "float64"):
        numbers: np.ndarray = column.to_numpy(dtype=_DTYPES[kind], na_value=np.nan)
        return numbers[:, np.newaxis]
    return _exact(column.to_numpy(), kind, name)[:, np.newaxis]


def _exact(array: np.ndarray, kind: str, name: str) -> np.ndarray:
    """Return an array in the dtype of an input, in which integers and Boolean values are exact."""
    try:
        values: np.ndarray = array.astype(_DTYPES[kind])
        is_exact = kind not in ("boolean", "integer") or bool((values == array).all())
    except (TypeError, ValueError, OverflowError) as error:
        raise _type_error(name, kind, array.dtype) from error
    if not is_exact:
        raise _type_error(name, kind, "other values")
    return values


def _type_error(name: str, kind: str, found: Any) -> ValueError:
    return ValueError(
        f"The column {name!r} must have values of the type {kind}, as in the export. Got {found} "
        "instead. Export with rows that have the types, and the missing values, of later rows."
    )


def _microseconds(column: pd.Series) -> np.ndarray:
    """Return dates as microseconds since 1970 in UTC."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    dates: np.ndarray = column.to_numpy(dtype="datetime64[us]").astype(np.int64)
    return dates
