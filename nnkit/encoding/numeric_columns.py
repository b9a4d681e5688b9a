"""Codecs of columns of numbers, durations and dates: raw values to float64, and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

import numpy as np
import pandas as pd

from nnkit.encoding.kinds import check_all_missing, kind_of, warn_of_unknown_values

__all__ = ["DateColumn", "NumberColumn"]

_MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class NumberColumn:
    """Codec of a column of numbers, or of durations in seconds.

    Parameters
    ----------
    label : str
        Name of the column in messages.
    unit : {"number", "duration", "empty"}
        Kind of the values. In an "empty" column, all values were missing in ``fit``, and all
        further values are treated as missing.
    """

    label: str
    unit: str

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Suffixes of the names of the encoded features."""
        return ("",)

    @classmethod
    def of(cls, column: pd.Series, label: str) -> NumberColumn:
        """Create the codec of a column in ``fit``."""
        return cls(label, "duration" if kind_of(column, label) == "duration" else "number")

    def read(self, column: pd.Series) -> np.ndarray:
        """Return the numbers of a column.

        Returns
        -------
        numbers : ndarray of shape (n_samples, 1)
            In float64, NaN where a value is missing.

        Raises
        ------
        ValueError
            If the column has another kind than in ``fit``.
        """
        if self.unit == "empty":
            if len(column) > 1:
                warn_of_unknown_values(column, self.label, None)
            return np.full((len(column), 1), np.nan)
        values = _without_categories(column)
        kind = kind_of(values, self.label)
        kind = "number" if kind == "boolean" else kind
        if kind != self.unit:
            check_all_missing(column, self.label, kind_in_fit=self.unit, kind=kind)
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
        """Return the column of numbers (n_samples, 1): the inverse of ``read``."""
        values = pd.Series(numbers[:, 0])
        return pd.to_timedelta(values, unit="s") if self.unit == "duration" else values


@dataclass(frozen=True)
class DateColumn:
    """Codec of a column of dates: days since 1970, and calendar parts.

    Parameters
    ----------
    label : str
        Name of the column in messages.
    zone : tzinfo or None
        Time zone in ``fit``, in which the calendar parts are computed.
    parts : tuple of {"year", "month", "weekday", "hour"}
        Calendar parts. Monday is weekday 0.
    """

    label: str
    zone: tzinfo | None
    parts: tuple[str, ...]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Suffixes of the names of the encoded features."""
        return ("", *(f"_{part}" for part in self.parts))

    @classmethod
    def of(cls, column: pd.Series, label: str, *, with_parts: bool) -> DateColumn:
        """Create the codec of a column in ``fit``, with the calendar parts that vary in it."""
        every = cls(label, _dates(column, label).dt.tz, ("year", "month", "weekday", "hour"))
        if not with_parts:
            return cls(label, every.zone, ())
        numbers = every.read(column)
        present = numbers[~np.isnan(numbers[:, 0]), 1:]
        varies = (present != present[:1]).any(axis=0)
        parts = tuple(np.array(every.parts)[varies].tolist())
        return cls(label, every.zone, parts)

    def read(self, column: pd.Series) -> np.ndarray:
        """Return days since 1970-01-01 and calendar parts.

        Returns
        -------
        numbers : ndarray of shape (n_samples, 1 + n_parts)
            In float64, NaN where the date is missing.

        Raises
        ------
        ValueError
            If the column has another kind than in ``fit``, or only one of both has a time zone.
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
        # Days are computed in UTC, which preserves the order. Parts are in local time.
        in_utc, local = dates, dates
        if self.zone is not None:
            in_utc = dates.dt.tz_convert("UTC").dt.tz_localize(None)
            local = dates.dt.tz_convert(self.zone).dt.tz_localize(None)
        microseconds = _as_datetime64(in_utc)[present].astype(np.int64)
        numbers[present, 0] = microseconds / _MICROSECONDS_PER_DAY
        times = _as_datetime64(local)[present]
        for column_of_part, part in enumerate(self.parts, start=1):
            numbers[present, column_of_part] = _calendar_part(times, part)
        return numbers

    def restore(self, numbers: np.ndarray) -> pd.Series:
        """Return the dates of numbers (n_samples, 1 + n_parts), from the days only."""
        microseconds = np.round(numbers[:, 0] * _MICROSECONDS_PER_DAY)
        present = np.isfinite(microseconds)
        dates = np.full(len(numbers), np.datetime64("NaT"), dtype="datetime64[us]")
        dates[present] = microseconds[present].astype(np.int64).astype("datetime64[us]")
        values = pd.Series(dates)
        if self.zone is None:
            return values
        return values.dt.tz_localize("UTC").dt.tz_convert(self.zone)


def _dates(column: pd.Series, label: str) -> pd.Series:
    """Return a column as datetimes, with or without a time zone."""
    column = _without_categories(column)
    kind = kind_of(column, label)
    if kind != "date":
        check_all_missing(column, label, kind_in_fit="date", kind=kind)
        return pd.Series(np.full(len(column), np.datetime64("NaT"), dtype="datetime64[us]"))
    return column


def _without_categories(column: pd.Series) -> pd.Series:
    """Return the values of a categorical, in the dtype of its levels if that can be missing."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    # Missing values have the code -1, for which reindex returns a missing value.
    values = pd.Series(column.cat.categories).reindex(column.cat.codes.to_numpy())
    return values.set_axis(column.index)


def _as_datetime64(dates: pd.Series) -> np.ndarray:
    values: np.ndarray = dates.to_numpy(dtype="datetime64[us]")
    return values


def _calendar_part(times: np.ndarray, part: str) -> np.ndarray:
    if part == "year":
        return times.astype("datetime64[Y]").astype(np.int64) + 1970
    if part == "month":
        return times.astype("datetime64[M]").astype(np.int64) % 12 + 1
    if part == "weekday":
        # 1970-01-01 was a Thursday, three days after a Monday.
        return (times.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return times.astype("datetime64[h]").astype(np.int64) % 24
