"""Single values that are neither numbers nor text, such as dates, as plain parts."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

__all__ = ["SCALARS", "ScalarFormat", "zone_of_name"]


class ScalarFormat(NamedTuple):
    """How values of one class are stored.

    Attributes
    ----------
    cls : type
        The class.
    to_fields : callable
        Returns the stored fields of a value: text or integers.
    from_fields : callable
        Returns the value of its fields.
    """

    cls: type
    to_fields: Callable[[Any], list[Any]]
    from_fields: Callable[[list[Any]], Any]


def zone_of_name(name: str) -> Any:
    """Return a time zone by the name that pandas shows, such as "Europe/Rome" or "UTC+01:00"."""
    return pd.DatetimeTZDtype(tz=name).tz


def _datetime_fields(value: datetime.datetime) -> list[Any]:
    zone = None if value.tzinfo is None else str(value.tzinfo)
    # The time is local in its zone; "fold" tells the two hours at the end of summer time apart.
    return [value.replace(tzinfo=None).isoformat(), zone, value.fold]


def _datetime_of(fields: list[Any]) -> datetime.datetime:
    text, zone, fold = fields
    tzinfo = None if zone is None else zone_of_name(zone)
    return datetime.datetime.fromisoformat(text).replace(tzinfo=tzinfo, fold=fold)


def _timestamp_fields(value: pd.Timestamp) -> list[Any]:
    zone = None if value.tzinfo is None else str(value.tzinfo)
    in_utc = value if zone is None else value.tz_convert("UTC").tz_localize(None)
    return [int(in_utc.to_numpy().astype(np.int64)), value.unit, zone]


def _timestamp_of(fields: list[Any]) -> pd.Timestamp:
    number, unit, zone = fields
    moment = pd.Timestamp(np.datetime64(number, unit))
    return moment if zone is None else moment.tz_localize("UTC").tz_convert(zone_of_name(zone))


SCALARS: dict[str, ScalarFormat] = {
    "complex": ScalarFormat(
        complex, lambda value: [value.real, value.imag], lambda fields: complex(*fields)
    ),
    "decimal": ScalarFormat(
        decimal.Decimal, lambda value: [str(value)], lambda fields: decimal.Decimal(fields[0])
    ),
    "date": ScalarFormat(
        datetime.date,
        lambda value: [value.isoformat()],
        lambda fields: datetime.date.fromisoformat(fields[0]),
    ),
    "time": ScalarFormat(
        datetime.time,
        lambda value: [value.isoformat()],
        lambda fields: datetime.time.fromisoformat(fields[0]),
    ),
    "datetime": ScalarFormat(datetime.datetime, _datetime_fields, _datetime_of),
    "timedelta": ScalarFormat(
        datetime.timedelta,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda fields: datetime.timedelta(*fields),
    ),
    "timestamp": ScalarFormat(pd.Timestamp, _timestamp_fields, _timestamp_of),
    "pandas timedelta": ScalarFormat(
        pd.Timedelta,
        lambda value: [int(value.to_numpy().astype(np.int64)), value.unit],
        lambda fields: pd.Timedelta(np.timedelta64(*fields)),
    ),
    "period": ScalarFormat(
        pd.Period,
        lambda value: [value.ordinal, value.freqstr],
        lambda fields: pd.Period(ordinal=fields[0], freq=fields[1]),
    ),
    "not a time": ScalarFormat(type(pd.NaT), lambda value: [], lambda fields: pd.NaT),  # noqa: ARG005
    "missing": ScalarFormat(type(pd.NA), lambda value: [], lambda fields: pd.NA),  # noqa: ARG005
}
"""Formats of single values by the name with which they are stored."""
