"""Tables and columns of every library, as pandas and NumPy hold them."""

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
    "nested_cells",
    "numeric_matrix",
    "plain_column",
]

_DATES = (datetime.date, np.datetime64, pd.Period)  # datetime and Timestamp are dates too
_DURATIONS = (datetime.timedelta, np.timedelta64)
_NESTED = (dict, list, set, frozenset, tuple, np.ndarray)


def is_dataframe(X: Any) -> bool:
    """Return whether a table is a DataFrame of pandas or polars."""
    # A polars table cannot exist before polars is imported.
    polars = sys.modules.get("polars")
    return isinstance(X, pd.DataFrame) or (polars is not None and isinstance(X, polars.DataFrame))


def as_table(X: Any) -> Any:
    """Return a table of Arrow as a pandas DataFrame, and a LazyFrame of polars collected.

    Masked cells of a NumPy array become NaN.

    Everything else is returned as it is.
    """
    if isinstance(X, np.ma.MaskedArray):
        # What is masked is missing.
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
    """Return one column of a table as a Series, as `plain_column` does.

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
        If its cells hold lists or structs.
    """
    if isinstance(X, pd.DataFrame):
        return plain_column(X.iloc[:, position], label)
    if isinstance(X, np.ndarray):
        values = X[:, position]
        is_text = values.dtype.kind in "STU"
        return plain_column(pd.Series(values.astype(object) if is_text else values), label)
    return plain_column(_from_polars(X.to_series(position), label), label)


def numeric_matrix(X: Any) -> np.ndarray | None:
    """Return a table of plain numbers as a float64 array in one step, None for other tables."""
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
        raise nested_cells(label, str(dtype))
    if dtype.is_decimal() or "Int128" in str(dtype):
        column = column.cast(float)
    elif dtype.is_integer() and column.null_count():
        # Floats, which NumPy would have for the gaps, are not exact from 2**53 on.
        is_missing = column.is_null().to_numpy()
        values = column.fill_null(0).to_numpy().copy()
        return pd.Series(pd.arrays.IntegerArray(values, is_missing))
    series = pd.Series(column.to_numpy())
    zone = getattr(dtype, "time_zone", None)
    return series if zone is None else series.dt.tz_localize("UTC").dt.tz_convert(zone)


def plain_column(column: pd.Series, label: str) -> pd.Series:
    """Return a column whose dtype says what its values are.

    Numbers of every class (Decimal, Fraction) and of Arrow's decimals become floats, periods
    and dates become datetimes, and times of the day durations since midnight; so do the levels
    of a categorical. Text, truth values, mixtures, and what is plain already stay as they are.

    Parameters
    ----------
    column : Series
        The column.
    label : str
        How messages call it.

    Raises
    ------
    ValueError
        If the cells of an Arrow column are lists or structs, or if datetimes with and without
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
        raise nested_cells(label, str(kind))
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
        return column  # numbers and text, which pandas reads
    cells = pa.chunked_array([pa.array(column.array)]) if len(column) == 0 else None
    cells = pa.array(column.array) if cells is None else cells
    cells = cells.cast(kind, safe=False)
    if is_time:
        cells = cells.cast(pa.int64()).cast(pa.duration("us"))
    plain = cells.to_pandas()
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
    """Return whether all classes are among those wanted; truth values are no numbers."""
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
    """Return datetimes in microseconds, in the time zone of the first where they have one."""
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


def nested_cells(label: str, cell: str) -> ValueError:
    """Return the error for a column whose cells are lists or other containers."""
    return ValueError(
        f"The cells of column {label} must be single values. Got {cell} instead. "
        "Spread it over columns of its own, or leave the column out."
    )
