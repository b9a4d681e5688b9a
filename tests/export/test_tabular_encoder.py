"""ONNX models of TabularEncoder beside Python, with gaps and unknown levels."""

import numpy as np
import pandas as pd
import pytest
from onnx_models import IRIS_FRAME, MIXED, run

from nnkit.encoding import TabularEncoder
from nnkit.export import to_onnx

DATES = pd.to_datetime(
    [
        "1890-02-28 23:59:00",
        "1969-12-31 23:59:59",
        "1970-01-01 00:00:00",
        "2000-02-29 12:00:00",
        None,
        "2024-12-31 05:00:00",
    ]
)

COLUMNS = {
    "empty text and <missing>": ["", "a", None, "<missing>", "c", ""],
    "integers": np.array([3, 1, 2, 2, 5, -7]),
    "small integers": np.array([3, 1, 2, 2, 5, 7], np.int8),
    "float32": np.array([0.1, np.nan, 2, 2, 5, 7], np.float32),
    "nullable integers": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"),
    "nullable Boolean": pd.array([True, None, False, True, True, False], dtype="boolean"),
    "Boolean": np.array([True, False, False, True, True, False]),
    "one level": ["a"] * 6,
    "empty text": ["", "a", None, "b", "c", ""],
    "all missing": [None] * 6,
    "levels of integers": pd.Categorical([1, 2, None, 1, 3, 3]),
    "levels of floats": pd.Categorical([0.1, 2.5, None, 0.1, 1 / 3, 1 / 3]),
    "levels of Boolean": pd.Categorical([True, False, None, True, True, False]),
    "levels of dates": pd.Categorical(DATES),
    "levels of durations": pd.Categorical(pd.to_timedelta([1, 2, None, 1, 2, 3], unit="h")),
    "levels of periods": pd.Categorical(pd.PeriodIndex(["2020-01", "2020-02"] * 3, freq="M")),
    "mixture": np.array([1, "a", None, 2.0, "1", "b"], dtype=object),
    "dates": DATES,
    "dates in UTC": DATES.tz_localize("UTC"),
    "dates of a fixed zone": DATES.tz_localize("UTC").tz_convert("UTC+05:30"),
    "durations": pd.to_timedelta([1, 2, None, 4, 5.5, 6], unit="h"),
    "decimals": pd.Series([1.5, 2, None, 4, 5, 6]).astype("object"),
}


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"scaling": "standard"},
        {"scaling": None},
        {"clip": None},
        {"max_one_hot": 0, "min_frequency": 2},
        {"max_one_hot": 20},
        {"missing_indicator": False, "dates": "number"},
    ],
    ids=str,
)
def test_encoder_settings_with_gaps_and_unknown_levels(parameters):
    X, _ = MIXED
    encoder = TabularEncoder(**parameters).fit(X)
    X_new = X.assign(
        road=X["road"].mask(X.index % 3 == 0, "a new road"),
        age=X["age"].mask(X.index % 4 == 0),
        height=X["height"] * np.where(X.index % 5 == 0, 1e4, 1.0),
    )

    found = run(to_onnx(encoder, X), X_new)["variable"]

    np.testing.assert_allclose(found, encoder.transform(X_new), rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", COLUMNS)
def test_column_of_each_kind(name):
    X = pd.DataFrame({name: COLUMNS[name], "other": np.arange(6.0)})
    encoder = TabularEncoder(max_one_hot=4).fit(X)

    found = run(to_onnx(encoder, X), X)["variable"]

    np.testing.assert_allclose(found, encoder.transform(X), rtol=1e-6, atol=1e-6)


def test_calendar_of_four_centuries():
    dates = pd.date_range("1700-01-01", "2262-01-01", freq="17D4h", unit="us")
    X = pd.DataFrame({"date": dates})
    encoder = TabularEncoder(scaling=None).fit(X)

    found = run(to_onnx(encoder, X), X)["variable"]

    assert len(encoder.get_feature_names_out()) == 5
    np.testing.assert_allclose(found, encoder.transform(X), rtol=1e-7)


def test_categories_given_as_numbers():
    X = pd.DataFrame({"code": [1, 2, 2, 3], "size": [0.5, 1.5, 1.5, 0.5]})
    encoder = TabularEncoder(categorical_features=["code", "size"], max_one_hot=2).fit(X)

    found = run(to_onnx(encoder, X), X.assign(code=[3, 4, 1, 2], size=[1.5, 0.7, 0.5, 0.5]))

    expected = encoder.transform(X.assign(code=[3, 4, 1, 2], size=[1.5, 0.7, 0.5, 0.5]))
    np.testing.assert_allclose(found["variable"], expected)


def test_calendar_of_a_zone_with_summer_time_is_refused():
    X = pd.DataFrame({"since": DATES.tz_localize("UTC").tz_convert("Europe/Rome")})

    with pytest.raises(ValueError, match=r"column 'since' are in the time zone Europe/Rome"):
        to_onnx(TabularEncoder().fit(X), X)


def test_quantiles_are_refused():
    X, _ = IRIS_FRAME

    with pytest.raises(ValueError, match="scaling='quantile'"):
        to_onnx(TabularEncoder(scaling="quantile").fit(X), X)
