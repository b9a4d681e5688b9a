"""Columns of numbers, durations and dates."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from raw_columns import as_objects, origin_of

from nnkit.encoding import TabularEncoder


def test_missing_numbers_are_imputed_by_the_median_and_marked():
    X = pd.DataFrame({"age": [1.0, 2.0, 6.0, np.nan], "size": [1.0, 2.0, 3.0, 4.0]})

    X_encoded = TabularEncoder(scaling=None).fit_transform(X)

    assert X_encoded[:, 0].tolist() == [1.0, 2.0, 6.0, 2.0]
    assert X_encoded[:, 2].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_numbers_missing_only_in_transform_are_imputed_without_indicator():
    encoder = TabularEncoder().fit([[1.0], [2.0], [6.0]])

    assert encoder.transform([[np.nan]]).tolist() == [[0.0]]


@pytest.mark.parametrize("scaling", ["robust", "standard", "quantile", None])
def test_column_without_values_is_encoded_as_zero(scaling):
    X = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    encoder = TabularEncoder(scaling=scaling).fit(X)

    assert encoder.get_feature_names_out().tolist() == ["x0", "x1"]
    assert encoder.transform(X)[:, 0].tolist() == [0.0, 0.0]
    assert encoder.transform([[5.0, 1.0]])[0, 0] == 0.0
    assert encoder.inverse_transform(encoder.transform(X))["x0"].isna().all()


MONDAY_AND_OTHERS = pd.to_datetime(
    ["1970-01-01 12:00", "1970-01-05 00:00", "1969-01-31 00:00", None]
)


def test_dates_are_days_and_varying_calendar_parts():
    X = pd.DataFrame({"at": MONDAY_AND_OTHERS})

    encoder = TabularEncoder(scaling=None).fit(X)

    names = ["at", "at_year", "at_weekday", "at_hour", "at_missing"]
    assert encoder.get_feature_names_out().tolist() == names
    assert encoder.n_numeric_ == 4
    # Thursday noon, a Monday, and a Friday 335 days before 1970. Missing values are medians.
    assert encoder.transform(X).tolist() == [
        [0.5, 1970, 3, 12, 0],
        [4, 1970, 0, 0, 0],
        [-335, 1969, 4, 0, 0],
        [0.5, 1970, 3, 0, 1],
    ]


def test_calendar_parts_are_in_the_time_zone_of_fit():
    utc = pd.to_datetime(["2024-06-30 23:00", "2024-07-02 12:00"], utc=True)
    X = pd.DataFrame({"at": utc.tz_convert("Europe/Paris")})

    encoder = TabularEncoder(scaling=None).fit(X)
    X_encoded = encoder.transform(pd.DataFrame({"at": utc}))

    # In Paris, the time is 1:00 on Monday, July 1.
    assert encoder.get_feature_names_out().tolist() == ["at", "at_weekday", "at_hour"]
    assert X_encoded[:, 1:].tolist() == [[0, 1], [1, 14]]
    np.testing.assert_array_equal(X_encoded, encoder.transform(X))


def test_durations_are_encoded_as_seconds():
    X = pd.DataFrame({"for": pd.to_timedelta([1.5, 2.0, None], unit="min")})

    X_encoded = TabularEncoder(scaling=None, missing_indicator=False).fit_transform(X)

    assert X_encoded[:, 0].tolist() == [90.0, 120.0, 105.0]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([1, None, 3], dtype=pl.Int16),
        pl.Series([1.0, None, 3.0], dtype=pl.Float32),
        pl.Series([decimal.Decimal("1.0"), None, decimal.Decimal("3.0")]),
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1.0, None, 3.0], dtype="Float32"),
        pd.arrays.SparseArray([1.0, np.nan, 3.0]),
        as_objects([1, pd.NA, 3.0]),
        as_objects([decimal.Decimal(1), None, decimal.Decimal(3)]),
        np.array([1.0, np.nan, 3.0], dtype=np.float16),
    ],
    ids=origin_of,
)
def test_numbers_of_every_dtype_are_encoded_alike(column):
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame

    encoder = TabularEncoder().fit(frame({"n": column}))

    assert encoder.feature_kinds_.tolist() == ["number"]
    X_encoded = encoder.transform(frame({"n": column}))
    np.testing.assert_allclose(X_encoded, [[-np.sqrt(0.9), 0], [0, 1], [np.sqrt(0.9), 0]])


MOMENTS = [datetime.datetime(2020, 1, 1, 6), None, datetime.datetime(2021, 3, 5, 18)]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(MOMENTS),
        pl.Series(MOMENTS, dtype=pl.Datetime("ms")).dt.replace_time_zone("UTC"),
        pd.Series(MOMENTS, dtype="datetime64[s]"),
        pd.Series(MOMENTS, dtype="datetime64[ns]").dt.tz_localize("UTC"),
        pd.Series(MOMENTS, dtype="datetime64[ns]").dt.to_period("h"),
        pd.Series(as_objects(MOMENTS), dtype=object),
        pd.Series(MOMENTS, dtype="datetime64[us]").dt.tz_localize("UTC").astype(object),
    ],
    ids=origin_of,
)
def test_dates_of_every_dtype_are_encoded_alike(column):
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame

    encoder = TabularEncoder(scaling=None).fit(frame({"at": column}))

    assert encoder.feature_kinds_.tolist() == ["date"]
    X_encoded = encoder.transform(frame({"at": column}))
    assert X_encoded[0].tolist() == [18262.25, 2020, 1, 2, 6, 0]
    assert X_encoded[2].tolist() == [18691.75, 2021, 3, 4, 18, 0]


def test_dates_of_several_time_zones_are_converted_to_utc():
    """Each object can have another time zone."""
    zones = ["Europe/Paris", "America/New_York"]
    X = pd.DataFrame({"at": as_objects([pd.Timestamp("2024-01-01", tz=zone) for zone in zones])})

    X_encoded = TabularEncoder(scaling=None, dates="number").fit_transform(X)

    assert np.diff(X_encoded[:, 0]).tolist() == pytest.approx([6 / 24], abs=0.002)


def test_inverse_transform_restores_durations_and_dates():
    moments = pd.to_datetime(["2020-06-01 12:00", "2021-06-01 00:00"]).tz_localize("Europe/Paris")
    X = pd.DataFrame({"at": moments, "for": pd.to_timedelta([1, 2], unit="h")})
    encoder = TabularEncoder().fit(X)

    restored = encoder.inverse_transform(encoder.transform(X))

    assert str(restored["at"].dt.tz) == "Europe/Paris"
    assert ((restored["at"] - X["at"]).abs() < pd.Timedelta("10s")).all()
    assert ((restored["for"] - X["for"]).abs() < pd.Timedelta("1s")).all()
