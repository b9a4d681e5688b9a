"""Tables and columns of pandas, polars, Arrow and NumPy in common forms."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "array_of_rows",
    "as_table",
    "check_unique_names",
    "column_at",
    "is_dataframe",
    "nested_values_error",
    "numeric_matrix",
    "plain_column",
]

# datetime.datetime and pd.Timestamp are subclasses of datetime.date.
_DATES = (datetime.date, np.datetime64, pd.Period)
_DURATIONS = (datetime.timedelta, np.timedelta64)


def is_dataframe(X: Any) -> bool:
    """Return whether a table is a DataFrame of pandas or polars."""
    # Avoids an import of polars: if it is not imported yet, X is not one of its tables.
    polars = sys.modules.get("polars")
    return isinstance(X, pd.DataFrame) or (polars is not None and isinstance(X, polars.DataFrame))


def as_table(X: Any) -> Any:
    """Convert a table of Arrow to a DataFrame, and collect a LazyFrame of polars.

    Masked values of a NumPy array become NaN. Other tables are returned unchanged.
    """
    if isinstance(X, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(X), np.nan, X.data) if np.ma.is_masked(X) else X.data
    library = type(X).__module__.partition(".")[0]
    if library == "polars" and type(X).__name__ == "LazyFrame":
        return X.collect()
    if library == "pyarrow" and hasattr(X, "column_names"):
        columns = [_from_arrow(X.column(name)) for name in range(X.num_columns)]
        frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(X.num_rows))
        return frame.set_axis(X.column_names, axis=1)
    return X


def _from_arrow(column: Any) -> pd.Series:
    dtype = pd.ArrowDtype(column.type)
    return pd.Series(pd.array(column, dtype=dtype))


def check_unique_names(X: Any) -> None:
    """Raise a ValueError if two columns of a table have the same name."""
    seen: set[Any] = set()
    for name in getattr(X, "columns", ()):
        if name in seen:
            raise ValueError(
                f"Column names must be unique. Got {name!r} more than once; rename one of them."
            )
        seen.add(name)


def array_of_rows(rows: Any) -> np.ndarray:
    """Return a list of rows as an array, of objects if it contains text."""
    array = np.asarray(rows)
    # NumPy would convert numbers to text if there is text in another column.
    return array if array.dtype.kind in "fiubc" else np.asarray(rows, dtype=object)


def columns_in_order(X: Any) -> Any:
    """Return the columns of a table for `column_at`.

    A DataFrame of pandas becomes the list of its columns, because its ``iloc`` takes longer than
    the encoding of a column of one row. Other tables are returned unchanged.
    """
    return [column for _, column in X.items()] if isinstance(X, pd.DataFrame) else X


def column_at(X: Any, position: int, label: str) -> pd.Series:
    """Return a column of a table as a Series, in the form of `plain_column`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), DataFrame of pandas or polars, or list of Series
        The table, or its columns from `columns_in_order`.
    position : int
        Position of the column.
    label : str
        Name of the column in messages.

    Raises
    ------
    ValueError
        If the values are lists or structs.
    """
    if isinstance(X, list):
        return plain_column(X[position], label)
    if isinstance(X, pd.DataFrame):
        return plain_column(X.iloc[:, position], label)
    if isinstance(X, np.ndarray):
        values = X[:, position]
        is_text = values.dtype.kind in "STU"
        return plain_column(pd.Series(values.astype(object) if is_text else values), label)
    return plain_column(_from_polars(X.to_series(position), label), label)


def numeric_matrix(X: Any) -> np.ndarray | None:
    """Convert a table to float64 in one step, or return None.

    The result is None if a column has a dtype that is not a number of NumPy or polars.
    """
    if isinstance(X, pd.DataFrame):
        if not all(isinstance(dtype, np.dtype) and dtype.kind in "fiu" for dtype in X.dtypes):
            return None
    elif isinstance(X, np.ndarray):
        if X.dtype.kind not in "fiub":
            return None
    elif not all(_is_numpy_number(dtype) for dtype in X.dtypes):
        return None
    matrix = X if isinstance(X, np.ndarray) else X.to_numpy()
    return matrix.astype(np.float64, copy=False)


def _is_numpy_number(dtype: Any) -> bool:
    return bool(dtype.is_float() or dtype.is_integer()) and "Int128" not in str(dtype)


def _from_polars(column: Any, label: str) -> pd.Series:
    dtype = column.dtype
    if dtype.is_nested():
        raise nested_values_error(label, str(dtype))
    if dtype.is_decimal() or "Int128" in str(dtype):
        column = column.cast(float)
    elif dtype.is_integer() and column.null_count():
        # NumPy would represent missing values as float64, which is not exact beyond 2**53.
        is_missing = column.is_null().to_numpy()
        values = column.fill_null(0).to_numpy().copy()
        return pd.Series(pd.arrays.IntegerArray(values, is_missing))
    series = pd.Series(column.to_numpy())
    zone = getattr(dtype, "time_zone", None)
    return series if zone is None else series.dt.tz_localize("UTC").dt.tz_convert(zone)


def plain_column(column: pd.Series, label: str) -> pd.Series:
    """Return a column with a dtype of NumPy or pandas that corresponds to its values.

    Decimals, fractions and Arrow's decimals become floats. Periods and dates become datetimes, and
    times of the day become durations since midnight. The same applies to the levels of a
    categorical. Text, Boolean values and mixtures of types are unchanged.

    Parameters
    ----------
    column : Series
        The column.
    label : str
        Name of the column in messages.

    Raises
    ------
    ValueError
        If the values of an Arrow column are lists or structs, or if datetimes with and without
        time zone are mixed.
    """
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return _plain_objects(column, label) if dtype.kind == "O" else column
    if isinstance(dtype, pd.ArrowDtype):
        return _plain_arrow(column, label)
    if isinstance(dtype, pd.CategoricalDtype):
        levels = column.cat.categories
        plain = plain_column(levels.to_series().reset_index(drop=True), label)
        if plain.dtype == levels.dtype:
            return column
        codes = column.cat.codes.to_numpy()
        known, places = np.unique(plain.to_numpy(), return_inverse=True)
        codes = np.append(places, -1)[codes]
        values = pd.Categorical.from_codes(codes, categories=pd.Index(known))
        return pd.Series(values, index=column.index)
    if isinstance(dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    if isinstance(dtype, pd.SparseDtype):
        return pd.Series(np.asarray(column.array), index=column.index)
    return column


def _plain_arrow(column: pd.Series, label: str) -> pd.Series:
    import pyarrow as pa

    assert isinstance(column.dtype, pd.ArrowDtype)
    kind = column.dtype.pyarrow_dtype
    if pa.types.is_nested(kind):
        raise nested_values_error(label, str(kind))
    is_time = pa.types.is_time(kind)
    if pa.types.is_decimal(kind):
        kind = pa.float64()
    elif pa.types.is_date(kind) or is_time:
        kind = pa.timestamp("us") if pa.types.is_date(kind) else pa.time64("us")
    elif not (
        pa.types.is_timestamp(kind)
        or pa.types.is_duration(kind)
        or pa.types.is_dictionary(kind)
        or pa.types.is_null(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_float16(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    ):
        return column  # pandas converts numbers and text of Arrow
    values = pa.array(column.array)
    values = pa.chunked_array([values]) if len(column) == 0 else values
    values = values.cast(kind, safe=False)
    if is_time:
        values = values.cast(pa.int64()).cast(pa.duration("us"))
    plain = values.to_pandas()
    plain.index = column.index
    return plain_column(plain, label)


def _plain_objects(column: pd.Series, label: str) -> pd.Series:
    values = column.to_numpy()
    is_present = ~pd.isna(values)
    present = values[is_present].tolist()
    classes = set(map(type, present))
    if not classes or classes <= {str}:
        return column
    if _are(classes, (Real, Decimal)):
        return _plain_numbers(column, present, is_present)
    if _are(classes, _DATES):
        return _plain_dates(column, present, is_present, label)
    if _are(classes, _DURATIONS):
        return pd.to_timedelta(column)
    if _are(classes, (datetime.time,)):
        microseconds = [
            ((at.hour * 60 + at.minute) * 60 + at.second) * 1_000_000 + at.microsecond
            for at in present
        ]
        seconds = np.full(len(values), "NaT", dtype="timedelta64[us]")
        seconds[is_present] = np.array(microseconds, dtype="timedelta64[us]")
        return pd.Series(seconds, index=column.index)
    return column


def _are(classes: set[type], wanted: tuple[type, ...]) -> bool:
    """Return whether all classes are subclasses of the wanted ones. Booleans are not numbers."""
    return all(issubclass(cls, wanted) and not issubclass(cls, (bool, np.bool_)) for cls in classes)


def _plain_numbers(column: pd.Series, present: Sequence[Any], is_present: np.ndarray) -> pd.Series:
    if all(isinstance(value, (int, np.integer)) for value in present):
        try:
            integers = np.zeros(len(column), dtype=np.int64)
            integers[is_present] = present
        except OverflowError:
            return column
        if is_present.all():
            return pd.Series(integers, index=column.index)
        return pd.Series(pd.arrays.IntegerArray(integers, ~is_present), index=column.index)
    floats = np.full(len(column), np.nan)
    floats[is_present] = [float(value) for value in present]
    return pd.Series(floats, index=column.index)


def _plain_dates(
    column: pd.Series, present: Sequence[Any], is_present: np.ndarray, label: str
) -> pd.Series:
    """Return datetimes in microseconds, in their time zone, or in UTC if they have several."""
    moments = [value.to_timestamp() if isinstance(value, pd.Period) else value for value in present]
    zones = [getattr(moment, "tzinfo", None) for moment in moments]
    dates = np.full(len(column), "NaT", dtype="datetime64[us]")
    if all(zone is None for zone in zones):
        dates[is_present] = np.array(moments, dtype="datetime64[us]")
        return pd.Series(dates, index=column.index)
    if any(zone is None for zone in zones):
        raise ValueError(
            f"Column {label} has times with a time zone and times without. "
            "Use pandas' tz_localize on those without."
        )
    in_utc = [moment.astimezone(datetime.UTC).replace(tzinfo=None) for moment in moments]
    dates[is_present] = np.array(in_utc, dtype="datetime64[us]")
    zone = zones[0] if len(set(map(str, zones))) == 1 else datetime.UTC
    series = pd.Series(dates, index=column.index)
    return series.dt.tz_localize("UTC").dt.tz_convert(zone)


def nested_values_error(label: str, value: str) -> ValueError:
    """Return the error for a column whose values are lists or other containers."""
    return ValueError(
        f"The values of column {label} must be scalars. Got {value} instead. "
        "Convert them to several columns, or leave the column out."
    )
