"""Readers of raw columns, one for each kind: numbers, dates and levels, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta, tzinfo
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from nnkit.encoding.containers import nested_cells
from nnkit.encoding.kinds import kind_of
from nnkit.encoding.unknown_values import warn_of_unknown_values

__all__ = ["DateColumn", "LevelColumn", "NumberColumn", "nearest_rows", "one_hot_rows"]

_MICROSECONDS_PER_DAY = 86_400_000_000
_FEW_ROWS = 16

# What infer_dtype finds in levels that can be sorted as they are; others are sorted as text.
_SORTABLE = {
    "string",
    "integer",
    "floating",
    "mixed-integer-float",
    "decimal",
    "boolean",
    "datetime64",
    "timedelta64",
    "interval",
}
_TRUTH_VALUES = {"0": "False", "1": "True", "false": "False", "true": "True"}
_WORDS = {
    "number": "numbers",
    "boolean": "truth values",
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


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, or of durations in seconds.

    Parameters
    ----------
    label : str
        How messages call the column.
    unit : {"number", "duration", "empty"}
        What its values are; of an "empty" column all were missing in ``fit``, and whatever
        comes later counts as missing.
    """

    label: str
    unit: str

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the name of each output column adds to that of this column."""
        return ("",)

    @classmethod
    def of(cls, column: pd.Series, label: str) -> NumberColumn:
        """Return the reader of a column, by its kind in ``fit``."""
        return cls(label, "duration" if kind_of(column, label) == "duration" else "number")

    def read(self, column: pd.Series) -> np.ndarray:
        """Return numbers (n_samples, 1) in float64, NaN where they are missing.

        Raises
        ------
        ValueError
            If the column holds something else than in ``fit``.
        """
        if self.unit == "empty":
            if len(column) > 1:
                warn_of_unknown_values(column, self.label, None)
            return np.full((len(column), 1), np.nan)
        values = _without_categories(column)
        kind = kind_of(values, self.label)
        kind = "number" if kind == "boolean" else kind
        if kind != self.unit:
            _check_all_missing(column, self.label, then=self.unit, now=kind)
            return np.full((len(column), 1), np.nan)
        if kind == "duration":
            seconds = pd.to_timedelta(values).dt.total_seconds()
            return seconds.to_numpy(dtype=np.float64)[:, np.newaxis]
        if pd.api.types.is_object_dtype(values.dtype):
            values = values.mask(values.isna(), np.nan)
        elif not isinstance(values.dtype, np.dtype):
            return values.to_numpy(dtype=np.float64, na_value=np.nan)[:, np.newaxis]
        return values.to_numpy(dtype=np.float64)[:, np.newaxis]

    def restore(self, numbers: np.ndarray) -> pd.Series:
        """Return the column that numbers (n_samples, 1) were read from."""
        values = pd.Series(numbers[:, 0])
        return pd.to_timedelta(values, unit="s") if self.unit == "duration" else values


@dataclass(frozen=True)
class DateColumn:
    """A column of dates: days since 1970, and parts of the calendar.

    Parameters
    ----------
    label : str
        How messages call the column.
    zone : tzinfo or None
        The time zone in ``fit``, in which the parts are taken.
    parts : tuple of {"year", "month", "weekday", "hour"}
        Those that are read, of which Monday is weekday 0.
    """

    label: str
    zone: tzinfo | None
    parts: tuple[str, ...]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """What the name of each output column adds to that of this column."""
        return ("", *(f"_{part}" for part in self.parts))

    @classmethod
    def of(cls, column: pd.Series, label: str, *, with_parts: bool) -> DateColumn:
        """Return the reader of a column, with the parts that vary in ``fit``."""
        every = cls(label, _dates(column, label).dt.tz, ("year", "month", "weekday", "hour"))
        if not with_parts:
            return cls(label, every.zone, ())
        numbers = every.read(column)
        present = numbers[~np.isnan(numbers[:, 0]), 1:]
        varies = (present != present[:1]).any(axis=0)
        parts = tuple(np.array(every.parts)[varies].tolist())
        return cls(label, every.zone, parts)

    def read(self, column: pd.Series) -> np.ndarray:
        """Return days since 1970 and the parts in float64, NaN where the date is missing.

        Returns
        -------
        numbers : ndarray of shape (n_samples, 1 + n_parts)

        Raises
        ------
        ValueError
            If the column holds no dates, or has a time zone and had none in ``fit``.
        """
        dates = _dates(column, self.label)
        numbers = np.full((len(dates), 1 + len(self.parts)), np.nan)
        present = dates.notna().to_numpy()
        if not present.any():
            return numbers
        if (dates.dt.tz is None) != (self.zone is None):
            had, has = ("no time zone", "one") if self.zone is None else ("a time zone", "none")
            raise ValueError(
                f"Column {self.label} had {had} in fit and has {has} here. "
                "Use pandas' .dt.tz_localize on one of them."
            )
        # Instants order the rows; the parts are what the clocks on the wall show.
        instants, wall = dates, dates
        if self.zone is not None:
            instants = dates.dt.tz_convert("UTC").dt.tz_localize(None)
            wall = dates.dt.tz_convert(self.zone).dt.tz_localize(None)
        microseconds = _as_datetime64(instants)[present].astype(np.int64)
        numbers[present, 0] = microseconds / _MICROSECONDS_PER_DAY
        times = _as_datetime64(wall)[present]
        for column_of_part, part in enumerate(self.parts, start=1):
            numbers[present, column_of_part] = _part(times, part)
        return numbers

    def restore(self, numbers: np.ndarray) -> pd.Series:
        """Return the dates of numbers (n_samples, 1 + n_parts); only the days count."""
        microseconds = np.round(numbers[:, 0] * _MICROSECONDS_PER_DAY)
        present = np.isfinite(microseconds)
        dates = np.full(len(numbers), np.datetime64("NaT"), dtype="datetime64[us]")
        dates[present] = microseconds[present].astype(np.int64).astype("datetime64[us]")
        values = pd.Series(dates)
        if self.zone is None:
            return values
        return values.dt.tz_localize("UTC").dt.tz_convert(self.zone)


@dataclass(frozen=True)
class LevelColumn:
    """A column of categories, read as codes: 0 for missing or unseen, 1 to C for known levels.

    Parameters
    ----------
    label : str
        How messages call the column.
    levels : Index of length C
        The levels in order, numbers as numbers and a mixture as text.
    keys : Index of str of length C
        The text of each level, by which values are recognised.
    """

    label: str
    levels: pd.Index
    keys: pd.Index

    @classmethod
    def of(cls, column: pd.Series, label: str) -> LevelColumn:
        """Return the reader of a column, with the levels that occur in it."""
        codes, levels, keys = _distinct(column, label)
        # A Categorical may announce levels that never occur: nothing could be learnt for them.
        occurring = np.unique(codes[codes >= 0])
        levels, keys = levels[occurring], keys[occurring]
        inferred = pd.api.types.infer_dtype(levels)
        if inferred == "boolean":
            levels = levels.astype(bool)
        if not keys.is_unique or inferred not in _SORTABLE:
            keys = keys.unique()
            levels = keys
        order = levels.argsort()
        return cls(label, levels[order], keys[order])

    def read(self, column: pd.Series) -> np.ndarray:
        """Return codes (n_samples,), 0 where the value is missing or was not in ``fit``.

        Values are recognised by their text, whole numbers without decimals, so that "1", 1 and
        1.0 are one level. A column of truth values takes 0 and 1 too,
        and "true" and "false" in any case.
        """
        if len(column) <= _FEW_ROWS and self.levels.dtype != bool:
            values = column.tolist()
            if set(map(type, values)) == {str}:
                # The distinct values of a few rows take longer to find than the rows to look up.
                return np.array([self._codes.get(value, 0) for value in values], dtype=np.intp)
        codes, _, keys = _distinct(column, self.label)
        if self.levels.dtype == bool:
            keys = keys.map(lambda key: _TRUTH_VALUES.get(key.lower(), key))
        known = self.keys.get_indexer(keys) + 1
        # Missing values have the code -1, which is the place of the 0 appended here.
        return np.append(known, 0)[codes]

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {key: code for code, key in enumerate(self.keys.tolist(), start=1)}

    def without_rare(self, codes: np.ndarray, min_frequency: int) -> LevelColumn:
        """Return the reader of those levels that occur in so many of the rows."""
        counts = np.bincount(codes, minlength=len(self.levels) + 1)[1:]
        stays = counts >= min_frequency
        return (
            self if stays.all() else replace(self, levels=self.levels[stays], keys=self.keys[stays])
        )

    def restore(self, codes: np.ndarray) -> pd.Series:
        """Return the levels of codes (n_samples,), missing for code 0."""
        levels = pd.Series(self.levels.to_numpy())
        return levels.reindex(codes - 1).reset_index(drop=True)


def one_hot_rows(n_levels: int) -> np.ndarray:
    """Return the one-hot columns of the codes 0 to ``n_levels``, unscaled; code 0 is all zeros.

    Parameters
    ----------
    n_levels : int
        Two levels are one column, +1 for the first and -1 for the second.

    Returns
    -------
    table : ndarray of shape (1 + n_levels, n_columns)
        At least one column.
    """
    if n_levels == 2:
        return np.array([[0.0], [1.0], [-1.0]])
    return np.eye(n_levels + 1, max(n_levels, 1), k=-1)


def nearest_rows(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return which row of a table each row of values is nearest to.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_columns)
    table : ndarray of shape (n_rows, n_columns)
        Of rows that are equal the first is taken, but row 0 last of all.

    Returns
    -------
    rows : ndarray of shape (n_samples,)
    """
    distances = [np.square(values - row).sum(axis=1) for row in np.roll(table, -1, axis=0)]
    return (np.argmin(distances, axis=0) + 1) % len(table)


def _distinct(column: pd.Series, label: str) -> tuple[np.ndarray, pd.Index, pd.Index]:
    """Return each row's place among the distinct values (-1 for missing), these, and their text."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        levels = column.cat.categories
        return column.cat.codes.to_numpy(), levels, _keys(levels, label)
    values = column
    if _is_mixture(column):
        # Before they are told apart: True and 1 are equal, and lists cannot be hashed.
        values = column.map(lambda value: _key(value, label), na_action="ignore")
    codes, levels = pd.factorize(values)
    return codes, pd.Index(levels), _keys(pd.Index(levels), label)


def _keys(levels: pd.Index, label: str) -> pd.Index:
    if pd.api.types.infer_dtype(levels) == "string":
        return levels.astype(object)
    return pd.Index([_key(level, label) for level in levels.tolist()], dtype=object)


def _is_mixture(column: pd.Series) -> bool:
    if not pd.api.types.is_object_dtype(column.dtype):
        return False
    found = pd.api.types.infer_dtype(column, skipna=True)
    return found.startswith("mixed") and found != "mixed-integer-float"


def _key(value: Any, label: str) -> str:
    """Return the text by which a value is recognised: "1" for 1, 1.0 and "1"."""
    if isinstance(value, (dict, list, set, tuple, np.ndarray)):
        raise nested_cells(label, repr(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (float, np.floating, Decimal)) and abs(float(value)) < 2**63:
        return str(int(value)) if value == int(value) else str(value)
    # Python, NumPy and pandas write the same moment differently.
    if isinstance(value, (date, np.datetime64)):
        return str(pd.Timestamp(value))
    if isinstance(value, (timedelta, np.timedelta64)):
        return str(pd.Timedelta(value))
    return str(value)


def _dates(column: pd.Series, label: str) -> pd.Series:
    """Return a column as datetimes, with or without a time zone."""
    column = _without_categories(column)
    kind = kind_of(column, label)
    if kind != "date":
        _check_all_missing(column, label, then="date", now=kind)
        return pd.Series(np.full(len(column), np.datetime64("NaT"), dtype="datetime64[us]"))
    return column


def _without_categories(column: pd.Series) -> pd.Series:
    """Return the values of a categorical, in the dtype of its levels if that can have gaps."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    # The code of a missing value is -1, which is no position.
    values = pd.Series(column.cat.categories).reindex(column.cat.codes.to_numpy())
    return values.set_axis(column.index)


def _as_datetime64(dates: pd.Series) -> np.ndarray:
    values: np.ndarray = dates.to_numpy(dtype="datetime64[us]")
    return values


def _part(times: np.ndarray, part: str) -> np.ndarray:
    if part == "year":
        return times.astype("datetime64[Y]").astype(np.int64) + 1970
    if part == "month":
        return times.astype("datetime64[M]").astype(np.int64) % 12 + 1
    if part == "weekday":
        # 1970-01-01 was a Thursday, three days after a Monday.
        return (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return times.astype("datetime64[h]").astype(np.int64) % 24


def _check_all_missing(column: pd.Series, label: str, *, then: str, now: str) -> None:
    present = column.dropna()
    if len(present) == 0:
        return
    values = present.tolist()
    # In a column of numbers with one "?" the "?" is the fault.
    example = next((value for value in values if isinstance(value, str)), values[0])
    raise ValueError(
        f"Column {label} held {_WORDS[then]} in fit and holds {_WORDS[now]} here, "
        f"such as {example!r}. {_REMEDIES[then]}"
    )
