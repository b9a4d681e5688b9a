"""Conversion of targets in any container to arrays of labels or numbers."""

from __future__ import annotations

import datetime
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from nnkit.encoding.containers import as_table, column_at, is_dataframe, plain_column
from nnkit.encoding.kinds import kind_of
from nnkit.encoding.numeric_columns import NumberColumn

__all__ = ["comparable_codes", "target_array"]

# Descriptions and remedies of kinds that cannot be the target of a regression.
_NO_NUMBERS = {
    "complex": ("complex numbers", "Give real and imaginary parts as two columns."),
    "date": ("dates", "Give numbers, for example the days since a date: (y - start).dt.days."),
    "duration": ("durations", "Give numbers, for example seconds: y.dt.total_seconds()."),
    "category": ("text or other labels", "Use KerasClassifier for labels."),
}


def target_array(y: Any, *, are_numbers: bool) -> np.ndarray:
    """Return a target as an array.

    Parameters
    ----------
    y : array-like or sparse matrix with n_samples rows
        Target as an object of NumPy, pandas, polars or Arrow, or a list.
    are_numbers : bool
        True returns numbers in float64, for regression. False returns labels.

    Returns
    -------
    y_array : ndarray of shape (n_samples, ...)
        Labels have a common dtype of NumPy if there is one for all columns, and are objects
        otherwise.

    Raises
    ------
    ValueError
        If values are missing, if values are not numbers in regression, or if a column has labels
        of several types.
    """
    if np.ma.is_masked(y):
        row = int(np.nonzero(np.ma.getmaskarray(y))[0][0])
        raise ValueError(f"Input y contains NaN: row {row} is masked. Leave it out.")
    table = as_table(y)
    if sparse.issparse(table):
        return np.asarray(table.toarray())
    if is_dataframe(table):
        columns = []
        for position, name in enumerate(table.columns):
            plain = column_at(table, position, repr(name))
            given = table.iloc[:, position] if isinstance(table, pd.DataFrame) else plain
            columns.append(_values(given, plain, are_numbers, f"column {name!r} of y"))
        return _stacked(columns, len(table))
    column = _as_column(table)
    if column is not None:
        return _values(column, plain_column(column, "y"), are_numbers, "y")
    array = _array_of(table)
    is_plain = array.dtype.kind in ("biuf" if are_numbers else "biufSUT")
    if is_plain or array.ndim not in (1, 2):
        return array.astype(np.float64) if are_numbers else array
    if array.dtype.kind in "Mm" and not are_numbers:
        _check_present(pd.Series(array.ravel()), "y")
        return array
    # Without a dtype, pandas would convert dates in object arrays to datetimes.
    parts = [pd.Series(part, dtype=array.dtype) for part in array.reshape(len(array), -1).T]
    columns = [_values(part, plain_column(part, "y"), are_numbers, "y") for part in parts]
    return columns[0] if array.ndim == 1 else _stacked(columns, len(array))


def _as_column(y: Any) -> pd.Series | None:
    """Return a 1d target of pandas, polars or Arrow as a Series, or None for other targets."""
    library = type(y).__module__.partition(".")[0]
    if library == "polars" and hasattr(y, "to_frame"):
        return column_at(y.to_frame(), 0, "y")
    if library == "pyarrow" and hasattr(y, "type"):
        return pd.Series(pd.array(y, dtype=pd.ArrowDtype(y.type)))
    if isinstance(y, (pd.Series, pd.Index, pd.api.extensions.ExtensionArray)):
        is_plain = isinstance(y.dtype, np.dtype) and y.dtype.kind in "biuf"
        return None if is_plain else pd.Series(y)
    return None


def _array_of(y: Any) -> np.ndarray:
    try:
        array = np.asarray(y)
    except ValueError as error:
        raise ValueError(
            "The rows of y must have the same shape. Got rows of unequal length. For rows with "
            "any number of labels use sklearn.preprocessing.MultiLabelBinarizer."
        ) from error
    if array.dtype.kind in "SU" and not hasattr(y, "dtype"):
        # NumPy converts numbers to text if there is text in the same list.
        objects = np.asarray(y, dtype=object)
        is_text = all(isinstance(label, (str, bytes)) for label in objects.flat)
        return array if is_text else objects
    return array


def _stacked(columns: list[np.ndarray], n_samples: int) -> np.ndarray:
    """Return columns as a table, of objects if the kinds of their dtypes differ."""
    kinds = {"n" if column.dtype.kind in "biuf" else column.dtype.kind for column in columns}
    table = np.empty((n_samples, len(columns)), dtype=object)
    if len(kinds) == 1:
        return np.column_stack(columns)
    for position, column in enumerate(columns):
        table[:, position] = column.tolist()
    return table


def _values(given: pd.Series, column: pd.Series, are_numbers: bool, where: str) -> np.ndarray:
    """Return a validated column of a target.

    Parameters
    ----------
    given : Series
        Column before conversion, from which labels are taken.
    column : Series
        Column in the form of `plain_column`.
    are_numbers : bool
        As for `target_array`.
    where : str
        Name of the column in messages.
    """
    kind = "complex" if column.dtype.kind == "c" else kind_of(column, where)
    if not are_numbers or kind == "empty":
        _check_present(column, where)
        return _labels(given, column, kind)
    if kind == "category" and isinstance(column.dtype, pd.CategoricalDtype):
        levels = column.cat.categories
        kind = kind_of(levels.to_series(), where)
    if kind not in ("number", "boolean"):
        what, fix = _NO_NUMBERS[kind]
        place = "" if where == "y" else f" in {where}"
        raise ValueError(f"y must be numbers for a regression. Got {what}{place} instead. {fix}")
    _check_present(column, where)
    numbers: np.ndarray = NumberColumn(where, "number").read(column)[:, 0]
    return numbers


def _check_present(column: pd.Series, where: str) -> None:
    is_missing = column.isna().to_numpy()
    if is_missing.any():
        raise ValueError(
            f"{'Input y' if where == 'y' else where.capitalize()} contains NaN in row "
            f"{int(np.flatnonzero(is_missing)[0])}. Leave out rows without a target."
        )


def _labels(given: pd.Series, column: pd.Series, kind: str) -> np.ndarray:
    """Return labels in the dtype of the given column: a date in an object column stays a date."""
    if kind == "boolean":
        return column.to_numpy(dtype=bool)
    if isinstance(given.dtype, np.dtype) and given.dtype.kind != "O":
        return given.to_numpy()
    labels = np.asarray(given)
    if labels.dtype.kind != "O":
        return labels
    values = labels.tolist()
    classes = {_family(cls) for cls in set(map(type, values))}
    if len(classes) > 1:
        names = sorted({type(label).__name__ for label in values})
        raise ValueError(
            "The labels of y must have one type, so that they can be sorted. "
            f"Got {names}. Convert them all to strings."
        )
    are_plain = all(isinstance(value, (int, float, np.number)) for value in values)
    return np.asarray(values) if kind == "number" and are_plain else labels


def _family(cls: type) -> type:
    """Return a class for all types whose instances can be compared with each other."""
    for family in (str, bytes, bool, datetime.datetime):
        if issubclass(cls, family):
            return family
    return float if issubclass(cls, (Real, Decimal, np.number)) else cls


def comparable_codes(y: np.ndarray) -> np.ndarray:
    """Return labels in a form that ``type_of_target`` accepts: objects other than text as codes.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_columns)
        Labels.
    """
    if y.dtype.kind not in "OMm" or y.ndim > 2:
        return y
    values = y.ravel().tolist() if y.dtype.kind == "O" else [0]
    if all(isinstance(value, str) for value in values):
        return y
    columns = [pd.factorize(column)[0] for column in y.reshape(len(y), -1).T]
    return np.column_stack(columns).reshape(y.shape)
