"""What tables of numbers, dates and categories become, by hand, by equivalence, by property."""

import datetime
import decimal
import inspect
import pickle
import time
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, RobustScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from nnkit.encoding import TabularEncoder

CLIP = 3.0


def clipped(x):
    return x / np.sqrt(1 + np.square(np.divide(x, CLIP)))


def as_objects(values):
    """Return an object array whose cells are the values, lists too."""
    cells = np.empty(len(values), dtype=object)
    cells[:] = values
    return cells


def origin_of(column):
    library = type(column).__module__.split(".")[0]
    return f"{library}-{column.dtype}-{type(column[0]).__name__}"


@pytest.fixture
def trips():
    """Six rows with a column of every kind, each with a missing value where it can."""
    return pd.DataFrame(
        {
            "age": [10.0, 20.0, 30.0, 40.0, np.nan, 110.0],
            "stops": [0, 0, 0, 0, 0, 8],
            "city": ["Rome", "Paris", "Oslo", None, "Rome", "Rome"],
            "paid": pd.array([True, False, None, True, False, True], dtype="boolean"),
            "day": pd.to_datetime(["2020-01-01", "2020-01-03", None] * 2),
            "line": list("abcdef"),
        }
    )


# --- the contract of scikit-learn


@parametrize_with_checks(
    [
        TabularEncoder(),
        TabularEncoder(categorical_features=None, scaling="quantile"),
        TabularEncoder(categorical_features=[0], max_one_hot=2, scaling=None),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_tags_say_what_it_takes():
    tags = TabularEncoder().__sklearn_tags__()

    assert tags.input_tags.allow_nan
    assert tags.input_tags.string
    assert tags.input_tags.categorical
    assert not tags.input_tags.sparse
    assert not tags.target_tags.required


def test_docstring_defaults_are_those_of_the_signature():
    documented = inspect.getdoc(TabularEncoder)

    for name, parameter in inspect.signature(TabularEncoder).parameters.items():
        default = parameter.default
        written = f'"{default}"' if isinstance(default, str) else default
        line = documented.split(f"\n{name} : ")[1].split("\n    ")
        assert f"default={written}" in "".join(line[:2]), name


# --- hand-worked values


def test_a_number_is_scaled_by_median_and_quartiles_and_clipped():
    X = np.array([[10.0], [20.0], [30.0], [40.0], [110.0]])

    X_encoded = TabularEncoder().fit_transform(X)

    # Median 30, quartiles 20 and 40: 110 is 4 quartile distances up, 4 / sqrt(1 + 16 / 9) = 2.4.
    expected = [-1 / np.sqrt(10 / 9), -0.5 / np.sqrt(37 / 36), 0, 0.5 / np.sqrt(37 / 36), 2.4]
    np.testing.assert_allclose(X_encoded[:, 0], expected, rtol=1e-6)


def test_a_column_without_quartile_distance_is_scaled_by_half_its_range():
    X = np.array([[0.0], [0.0], [0.0], [0.0], [8.0]])

    X_encoded = TabularEncoder().fit_transform(X)

    np.testing.assert_allclose(X_encoded[:, 0], [0, 0, 0, 0, 6 / np.sqrt(13)], rtol=1e-6)


def test_a_constant_column_is_zero_also_for_other_values():
    encoder = TabularEncoder().fit(np.full((4, 1), 7.0))

    assert encoder.transform([[7.0], [8.0], [np.nan]]).tolist() == [[0.0], [0.0], [0.0]]


def test_missing_numbers_are_the_median_of_the_others_and_flagged():
    X = pd.DataFrame({"age": [1.0, 2.0, 6.0, np.nan], "size": [1.0, 2.0, 3.0, 4.0]})

    X_encoded = TabularEncoder(scaling=None).fit_transform(X)

    assert X_encoded[:, 0].tolist() == [1.0, 2.0, 6.0, 2.0]
    assert X_encoded[:, 2].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_a_number_missing_only_in_transform_is_the_median_without_flag():
    encoder = TabularEncoder().fit([[1.0], [2.0], [6.0]])

    assert encoder.transform([[np.nan]]).tolist() == [[0.0]]


@pytest.mark.parametrize("scaling", ["robust", "standard", "quantile", None])
def test_a_column_that_is_all_missing_is_zero(scaling):
    X = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    encoder = TabularEncoder(scaling=scaling).fit(X)

    assert encoder.get_feature_names_out().tolist() == ["x0", "x1"]
    assert encoder.transform(X)[:, 0].tolist() == [0.0, 0.0]
    assert encoder.transform([[5.0, 1.0]])[0, 0] == 0.0
    assert encoder.inverse_transform(encoder.transform(X))["x0"].isna().all()


def test_few_levels_are_one_hot_columns_scaled_like_numbers():
    X = pd.DataFrame({"city": ["Oslo"] * 3 + ["Paris"] * 6 + ["Rome", None, None]})

    encoder = TabularEncoder().fit(X)
    rows = encoder.transform(pd.DataFrame({"city": ["Oslo", "Paris", "Rome", None, "Bonn"]}))

    # A quarter are Oslo, whose upper quartile is 0.25; a half Paris, with the median 0.5 and
    # the quartiles 0 and 1; one in twelve Rome, whose quartiles are equal, half range 0.5.
    oslo = [4.0, 0.0, 0.0, 0.0, 0.0]
    paris = [-0.5, 0.5, -0.5, -0.5, -0.5]
    rome = [0.0, 0.0, 2.0, 0.0, 0.0]
    np.testing.assert_allclose(rows, clipped(np.transpose([oslo, paris, rome])), rtol=1e-6)


def test_two_levels_are_one_column_of_opposite_signs():
    X = pd.DataFrame({"sex": ["m", "f", "m", None]})
    encoder = TabularEncoder(scaling=None).fit(X)

    assert encoder.get_feature_names_out().tolist() == ["sex_f"]
    assert encoder.transform(X)[:, 0].tolist() == [-1.0, 1.0, -1.0, 0.0]


def test_truth_values_are_two_levels_and_take_zero_and_one():
    X = pd.DataFrame({"paid": [True, False, True]})
    encoder = TabularEncoder(scaling=None).fit(X)

    assert encoder.transform(X)[:, 0].tolist() == [-1.0, 1.0, -1.0]
    later = pd.DataFrame({"paid": [1.0, 0.0, np.nan, 7.0]})
    assert encoder.transform(later)[:, 0].tolist() == [-1.0, 1.0, 0.0, 0.0]


def test_one_level_says_where_it_is_present():
    X = pd.DataFrame({"flag": ["x", None, "x", None], "same": ["y"] * 4})

    assert TabularEncoder(scaling=None).fit_transform(X).tolist() == [[1, 1], [0, 1]] * 2
    assert TabularEncoder().fit_transform(X)[:, 1].tolist() == [0.0] * 4


def test_many_levels_are_codes_that_stay_unscaled():
    X = pd.DataFrame({"line": [*"cabdab", None]})
    encoder = TabularEncoder(max_one_hot=3).fit(X)

    assert encoder.transform(X)[:, 0].tolist() == [3, 1, 2, 4, 1, 2, 0]
    assert encoder.transform(pd.DataFrame({"line": ["zebra"]})).tolist() == [[0.0]]
    assert encoder.cardinalities_ == (5,)


@pytest.mark.parametrize(("n_levels", "n_columns"), [(2, 1), (3, 3), (8, 8), (9, 1)])
def test_the_number_of_levels_decides_the_columns(n_levels, n_columns):
    X = pd.DataFrame({"c": [f"level {i}" for i in range(n_levels)]})

    encoder = TabularEncoder().fit(X)

    assert encoder.transform(X).shape == (n_levels, n_columns)
    assert encoder.cardinalities_ == ((10,) if n_levels == 9 else ())


MONDAY_AND_OTHERS = pd.to_datetime(
    ["1970-01-01 12:00", "1970-01-05 00:00", "1969-01-31 00:00", None]
)


def test_a_date_is_days_and_the_parts_that_vary():
    X = pd.DataFrame({"at": MONDAY_AND_OTHERS})

    encoder = TabularEncoder(scaling=None).fit(X)

    names = ["at", "at_year", "at_weekday", "at_hour", "at_missing"]
    assert encoder.get_feature_names_out().tolist() == names
    assert encoder.n_numeric_ == 4
    # Thursday noon, Monday, a Friday 335 days before 1970; medians where missing.
    assert encoder.transform(X).tolist() == [
        [0.5, 1970, 3, 12, 0],
        [4, 1970, 0, 0, 0],
        [-335, 1969, 4, 0, 0],
        [0.5, 1970, 3, 0, 1],
    ]


def test_parts_of_a_date_are_those_of_the_time_zone_of_fit():
    utc = pd.to_datetime(["2024-06-30 23:00", "2024-07-02 12:00"], utc=True)
    X = pd.DataFrame({"at": utc.tz_convert("Europe/Paris")})

    encoder = TabularEncoder(scaling=None).fit(X)
    X_encoded = encoder.transform(pd.DataFrame({"at": utc}))

    # In Paris it is one in the morning of Monday, July 1.
    assert encoder.get_feature_names_out().tolist() == ["at", "at_weekday", "at_hour"]
    assert X_encoded[:, 1:].tolist() == [[0, 1], [1, 14]]
    np.testing.assert_array_equal(X_encoded, encoder.transform(X))


def test_a_duration_is_its_seconds():
    X = pd.DataFrame({"for": pd.to_timedelta([1.5, 2.0, None], unit="min")})

    X_encoded = TabularEncoder(scaling=None, missing_indicator=False).fit_transform(X)

    assert X_encoded[:, 0].tolist() == [90.0, 120.0, 105.0]


def test_the_layout_is_numbers_indicators_one_hot_codes(trips):
    encoder = TabularEncoder(max_one_hot=3).fit(trips)

    assert encoder.get_feature_names_out().tolist() == [
        *("age", "stops", "day", "day_weekday"),
        *("age_missing", "day_missing"),
        *("city_Oslo", "city_Paris", "city_Rome", "paid_False"),
        "line",
    ]
    assert encoder.n_numeric_ == 4
    assert encoder.cardinalities_ == (7,)
    kinds = ["number", "number", "category", "boolean", "date", "category"]
    assert encoder.feature_kinds_.tolist() == kinds
    assert {name: list(levels) for name, levels in encoder.categories_.items()} == {
        "city": ["Oslo", "Paris", "Rome"],
        "paid": [False, True],
        "line": list("abcdef"),
    }


# --- each parameter


@pytest.mark.parametrize(
    "changed",
    [
        {"categorical_features": ["stops", "city", "paid", "line"]},
        {"max_one_hot": 2},
        {"scaling": "standard"},
        {"scaling": "quantile"},
        {"scaling": None},
        {"clip": 1.0},
        {"clip": None},
        {"missing_indicator": False},
        {"dates": "number"},
    ],
)
def test_every_parameter_changes_the_result(trips, changed):
    default = TabularEncoder().fit_transform(trips)

    X_encoded = TabularEncoder(**changed).fit_transform(trips)

    assert X_encoded.shape != default.shape or not np.allclose(X_encoded, default)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"max_one_hot": -1}, "max_one_hot must be an integer of at least 0. Got -1 instead"),
        ({"max_one_hot": 2.5}, "max_one_hot must be an integer of at least 0. Got 2.5 instead"),
        ({"scaling": "min-max"}, "scaling must be 'robust', .* Got 'min-max' instead"),
        ({"clip": 0.0}, "clip must be a number in .0, inf., or None. Got 0.0 instead"),
        ({"clip": np.inf}, "clip must be a number in .0, inf., or None. Got inf instead"),
        ({"missing_indicator": "yes"}, "missing_indicator must be True or False. Got 'yes'"),
        ({"dates": "year"}, "dates must be 'parts' or 'number'. Got 'year' instead"),
        ({"categorical_features": "city"}, "names of columns, positions .* Got 'city' instead"),
        ({"categorical_features": ["town"]}, "must name columns of X.* Got 'town' instead"),
        ({"categorical_features": [6]}, r"positions from 0 to 5.* Got \[6\] instead"),
        ({"categorical_features": [-1]}, r"positions from 0 to 5.* Got \[-1\] instead"),
        ({"categorical_features": [True]}, r"a mask of length 6. Got \[True\] instead"),
    ],
)
def test_parameters_out_of_range_are_refused(trips, changed, message):
    with pytest.raises(ValueError, match=message):
        TabularEncoder(**changed).fit(trips)


@pytest.mark.parametrize(
    "listed", [["zip"], [0], [True, False], np.array(["zip"], dtype=object), pd.Index(["zip"])]
)
def test_categories_are_named_by_name_position_or_mask(listed):
    X = pd.DataFrame({"zip": [1000, 2000, 3000], "age": [1.0, 2.0, 3.0]})

    encoder = TabularEncoder(categorical_features=listed).fit(X)

    assert encoder.feature_kinds_.tolist() == ["category", "number"]
    assert encoder.categories_["zip"].tolist() == [1000, 2000, 3000]


def test_names_need_a_table_with_names():
    with pytest.raises(ValueError, match="which have no names. Got 'zip' instead"):
        TabularEncoder(categorical_features=["zip"]).fit(np.eye(2))


@pytest.mark.parametrize("listed", [None, [], ["age"]])
def test_text_that_is_not_listed_is_refused(trips, listed):
    with pytest.raises(ValueError, match="Column 'city' holds text .*'Rome', and categorical_fea"):
        TabularEncoder(categorical_features=listed).fit(trips)


def test_what_is_not_listed_is_a_number():
    """Truth values are 0 and 1 then, and numbers behind a Categorical are these numbers."""
    X = pd.DataFrame({"paid": [True, False], "rank": pd.Categorical([10, 2])})

    encoder = TabularEncoder(categorical_features=None, scaling=None).fit(X)

    assert encoder.feature_kinds_.tolist() == ["number", "number"]
    assert encoder.transform(X).tolist() == [[1.0, 10.0], [0.0, 2.0]]


# --- equivalence with scikit-learn


def test_robust_scaling_is_that_of_robust_scaler(diabetes):
    X, _ = diabetes
    X = X[:, [0, 2, 3, 4, 5]]  # without the two values of sex, of which a quartile is

    X_encoded = TabularEncoder(clip=None).fit_transform(X)

    np.testing.assert_allclose(X_encoded, RobustScaler().fit_transform(X), atol=1e-5)
    smooth = TabularEncoder().fit_transform(X)
    np.testing.assert_allclose(smooth, clipped(RobustScaler().fit_transform(X)), atol=1e-5)


def test_standard_scaling_is_that_of_standard_scaler(diabetes):
    X, _ = diabetes
    X[::7, 2] = np.nan

    X_encoded = TabularEncoder(scaling="standard", clip=None).fit_transform(X)

    X_standard = StandardScaler().fit_transform(X)
    present = ~np.isnan(X_standard)
    np.testing.assert_allclose(X_encoded[:, :10][present], X_standard[present], atol=1e-5)


def test_quantile_scaling_is_that_of_quantile_transformer(diabetes):
    X, _ = diabetes

    X_encoded = TabularEncoder(scaling="quantile", clip=None).fit_transform(X)

    quantiles = QuantileTransformer(n_quantiles=14, output_distribution="normal")
    np.testing.assert_allclose(X_encoded, quantiles.fit_transform(X), atol=1e-5)


def test_quantile_scaling_leaves_one_hot_columns_as_they_are():
    X = pd.DataFrame({"city": ["Rome", "Paris", "Oslo", None]})

    X_encoded = TabularEncoder(scaling="quantile").fit_transform(X)

    assert X_encoded.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_unscaled_encoding_is_that_of_one_hot_encoder():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.choice(list("xyz"), 50), "b": rng.choice(list("pqrst"), 50)})
    one_hot = make_column_transformer((OneHotEncoder(), ["a", "b"]), sparse_threshold=0)

    X_encoded = TabularEncoder(scaling=None).fit_transform(X)

    np.testing.assert_array_equal(X_encoded, one_hot.fit_transform(X))


# --- containers and dtypes


def test_pandas_polars_and_objects_agree(trips):
    in_polars = pl.DataFrame(
        {name: trips[name].astype(object).tolist() for name in ("age", "stops", "line")}
        | {name: [None if pd.isna(v) else v for v in trips[name]] for name in ("city", "paid")}
    ).select("age", "stops", "city", "paid", "line")
    days = pl.Series("day", [None if pd.isna(day) else day.date() for day in trips["day"]])
    in_polars = in_polars.insert_column(4, days).with_columns(pl.col("age").fill_nan(None))

    expected = TabularEncoder(max_one_hot=3).fit_transform(trips)

    for table in (in_polars, trips.astype(object), trips.to_numpy(dtype=object)):
        X_encoded = TabularEncoder(max_one_hot=3).fit(table).transform(table)
        np.testing.assert_array_equal(X_encoded, expected)
    as_lists = TabularEncoder().fit_transform([["a", 1], ["b", 2], ["c", 5]])
    as_frame = TabularEncoder().fit_transform(pd.DataFrame({"s": list("abc"), "n": [1, 2, 5]}))
    np.testing.assert_array_equal(as_lists, as_frame)


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
def test_numbers_of_every_dtype_are_the_same(column):
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame

    encoder = TabularEncoder().fit(frame({"n": column}))

    assert encoder.feature_kinds_.tolist() == ["number"]
    X_encoded = encoder.transform(frame({"n": column}))
    np.testing.assert_allclose(X_encoded, [[-np.sqrt(0.9), 0], [0, 1], [np.sqrt(0.9), 0]])


LEVELS = ["b", None, "a", "c"]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(LEVELS),
        pl.Series(LEVELS, dtype=pl.Categorical),
        pl.Series(LEVELS, dtype=pl.Enum(["never", "c", "b", "a"])),
        pl.Series([None if level is None else level.encode() for level in LEVELS]),
        pd.array(LEVELS, dtype="string"),
        pd.Categorical(LEVELS, categories=["never", "c", "b", "a"]),
        as_objects(LEVELS),
        as_objects([b"b", np.nan, b"a", b"c"]),
    ],
    ids=origin_of,
)
def test_levels_of_every_dtype_are_the_same(column):
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame

    encoder = TabularEncoder(max_one_hot=2).fit(frame({"c": column}))

    assert encoder.transform(frame({"c": column}))[:, 0].tolist() == [2, 0, 1, 3]
    assert encoder.categories_["c"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("dtype", ["U1", "S1", np.dtypes.StringDType()])
def test_arrays_of_text_are_categories(dtype):
    X = np.array([["b"], ["a"], ["c"]], dtype=dtype)

    assert TabularEncoder(max_one_hot=2).fit_transform(X)[:, 0].tolist() == [2, 1, 3]


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
def test_dates_of_every_dtype_are_the_same(column):
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame

    encoder = TabularEncoder(scaling=None).fit(frame({"at": column}))

    assert encoder.feature_kinds_.tolist() == ["date"]
    X_encoded = encoder.transform(frame({"at": column}))
    assert X_encoded[0].tolist() == [18262.25, 2020, 1, 2, 6, 0]
    assert X_encoded[2].tolist() == [18691.75, 2021, 3, 4, 18, 0]


def test_dates_of_several_time_zones_are_instants():
    """Objects may each have their own time zone."""
    zones = ["Europe/Paris", "America/New_York"]
    X = pd.DataFrame({"at": as_objects([pd.Timestamp("2024-01-01", tz=zone) for zone in zones])})

    X_encoded = TabularEncoder(scaling=None, dates="number").fit_transform(X)

    assert np.diff(X_encoded[:, 0]).tolist() == pytest.approx([6 / 24], abs=0.002)


def test_a_mixture_of_text_and_numbers_is_levels_by_their_text():
    X = pd.DataFrame({"code": as_objects(["a", 1, 1.0, True, None, 2.5, "1"])})

    encoder = TabularEncoder(max_one_hot=2).fit(X)

    assert encoder.categories_["code"].tolist() == ["1", "2.5", "True", "a"]
    assert encoder.transform(X)[:, 0].tolist() == [4, 1, 1, 3, 0, 2, 1]


def test_a_mixture_is_encoded_row_by_row_as_together():
    """One row alone is no mixture: its dtype is that of its only value."""
    moments = [datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), datetime.timedelta(1)]
    X = pd.DataFrame({"code": as_objects([*moments, False, 0, decimal.Decimal("1.0"), 1.5, "a"])})
    encoder = TabularEncoder(max_one_hot=2).fit(X)

    X_encoded = encoder.transform(X)

    assert X_encoded[0] == X_encoded[1]
    for row in range(len(X)):
        assert encoder.transform(X.iloc[[row]])[0] == X_encoded[row]


@pytest.mark.parametrize("later", [[1, 3, 9], [1.0, 3.0, np.nan], ["1", "3", "9"], [True, 3, 0]])
def test_levels_are_recognised_by_their_text(later):
    X = pd.DataFrame({"rank": pd.Categorical([10, 3, 1, 2])})
    encoder = TabularEncoder(max_one_hot=2).fit(X)

    codes = encoder.transform(pd.DataFrame({"rank": as_objects(later)}))[:, 0]

    assert encoder.categories_["rank"].tolist() == [1, 2, 3, 10]
    assert codes.tolist() == [0 if later[0] is True else 1, 3, 0]


def test_announced_levels_that_never_occur_are_unseen():
    X = pd.DataFrame({"c": pd.Categorical(["a", "b"], categories=["a", "b", "never"])})
    encoder = TabularEncoder(max_one_hot=1).fit(X)

    assert encoder.cardinalities_ == (3,)
    with pytest.warns(UserWarning, match="No value of column 'c' occurred in fit"):
        assert encoder.transform(X.assign(c="never"))[:, 0].tolist() == [0.0, 0.0]


def test_output_is_a_dataframe_on_request(trips):
    trips.index = list("uvwxyz")
    encoder = TabularEncoder().fit(trips)
    X_encoded = encoder.transform(trips)

    in_pandas = clone(encoder).set_output(transform="pandas").fit_transform(trips)
    in_polars = clone(encoder).set_output(transform="polars").fit_transform(trips)

    assert in_pandas.index.tolist() == list("uvwxyz")
    for table in (in_pandas, in_polars):
        assert list(table.columns) == encoder.get_feature_names_out().tolist()
        np.testing.assert_array_equal(table.to_numpy(), X_encoded)
        pd.testing.assert_frame_equal(
            encoder.inverse_transform(table), encoder.inverse_transform(X_encoded)
        )


def test_names_that_would_be_the_same_are_numbered():
    X = pd.DataFrame({"a": [1.0, np.nan], "a_missing": [1, 2], "c": ["x", "y"], "c_x": [1, 2]})

    names = TabularEncoder().fit(X).get_feature_names_out().tolist()

    assert names == ["a", "a_missing", "c_x", "a_missing_2", "c_x_2"]


def test_names_of_the_raw_columns_can_be_given_where_there_are_none():
    encoder = TabularEncoder().fit(np.array([["a", 1], ["b", 2], ["c", 3]], dtype=object))

    names = encoder.get_feature_names_out(["city", "age"]).tolist()

    assert names == ["age", "city_a", "city_b", "city_c"]
    with pytest.raises(ValueError, match=r"equal to number of features \(2\), got 1"):
        encoder.get_feature_names_out(["city"])
    named = TabularEncoder().fit(pd.DataFrame({"a": [1, 2]}))
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        named.get_feature_names_out(["b"])


# --- tables that are refused


@pytest.mark.parametrize(
    ("later", "message"),
    [
        ({"n": ["3.5", "4"]}, "Column 'n' held numbers in fit and holds text .*'3.5'.*to_numeric"),
        ({"n": as_objects([1, "?"])}, "Column 'n' held numbers .* such as '\\?'"),
        ({"n": pd.to_datetime(["2020", "2021"])}, "Column 'n' held numbers .* holds dates here"),
        ({"n": pd.to_timedelta([1, 2])}, "Column 'n' held numbers .* holds durations here"),
        ({"n": [1.0, -np.inf]}, "numbers of column 'n' must be finite. Got infinity"),
        ({"n": as_objects([1.0, np.inf])}, "numbers of column 'n' must be finite. Got infinity"),
        ({"d": [1, 2]}, "Column 'd' held dates in fit and holds numbers here.*to_datetime"),
        ({"d": ["2020-01-01", None]}, "Column 'd' held dates .* such as '2020-01-01'"),
        ({"d": pd.to_datetime(["2020", "2021"], utc=True)}, "'d' had no time zone in fit and has"),
        ({"t": [1, 2]}, "Column 't' held durations in fit and holds numbers .*to_timedelta"),
        (
            {"c": as_objects([["a"], "b"])},
            r"values of column 'c' must be scalars.* \['a'\] instead",
        ),
    ],
)
def test_columns_of_another_kind_are_refused_by_name(later, message):
    X = pd.DataFrame(
        {
            "n": [1.0, 2.0],
            "d": pd.to_datetime(["2020", "2021"]),
            "t": pd.to_timedelta([1, 2], unit="s"),
            "c": ["a", "b"],
        }
    )
    encoder = TabularEncoder().fit(X)

    with pytest.raises(ValueError, match=message):
        encoder.transform(X.assign(**later))


def test_a_column_of_another_kind_may_be_all_missing():
    X = pd.DataFrame({"n": [1.0, 2.0], "d": pd.to_datetime(["2020", "2021"]), "c": ["a", "b"]})
    encoder = TabularEncoder().fit(X)

    for nothing in (None, np.nan, pd.NaT, pd.NA):
        empty = pd.DataFrame(dict.fromkeys("ndc", as_objects([nothing, nothing])))
        assert encoder.transform(empty).tolist() == [[0.0] * 5] * 2  # the weekday too


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "names must be unique. Got 'a' more than"),
        (pd.DataFrame({"a": [1.0, np.inf]}), "numbers of column 'a' must be finite"),
        (np.array([[1.0, 2.0], [3.0, np.inf]]), "numbers of column 1 must be finite"),
        (pd.DataFrame({"a": [[1], [2]]}), r"values of column 'a' must be scalars.* Got \[1\]"),
        (pd.DataFrame({"a": [{"b": 1}, "c"]}), r"values of column 'a' must be .* Got {'b': 1}"),
        (pd.DataFrame({"a": [(1, 2), (3, 4)]}), r"values of column 'a' must be .* Got \(1, 2\)"),
        (pl.DataFrame({"a": [[1], [2]]}), r"values of column 'a' must be .* Got List\(Int64\)"),
        (pl.DataFrame({"a": [{"b": 1}]}), r"values of column 'a' must be .* Got Struct"),
        (pd.DataFrame({"a": [1j, 2.0]}), "Complex data not supported: column 'a'"),
        (pd.DataFrame({"a": []}), r"Found array with 0 sample\(s\) \(shape=\(0, 1\)\)"),
        (pl.DataFrame({"a": []}), r"Found array with 0 sample\(s\) \(shape=\(0, 1\)\)"),
        (pd.DataFrame(index=[0, 1]), r"Found array with 0 feature\(s\) \(shape=\(2, 0\)\)"),
        ([1, 2, 3], "Reshape your data"),
        (pd.Series([1, 2]), "Expected a 2-dimensional container"),
        (np.zeros((2, 2, 2)), "Found array with dim 3"),
    ],
)
def test_tables_that_cannot_be_encoded_are_refused(table, message):
    with pytest.raises(ValueError, match=message):
        TabularEncoder().fit(table)


def test_sparse_tables_are_refused():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        TabularEncoder().fit(sparse.csr_array(np.eye(3)))


def test_columns_in_another_order_are_refused(trips):
    encoder = TabularEncoder().fit(trips)

    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        encoder.transform(trips[trips.columns[::-1]])
    with pytest.raises(ValueError, match="seen at fit time, yet now missing:\n- age"):
        encoder.transform(trips.drop(columns="age"))


def test_an_unfitted_encoder_says_so(trips):
    for method in ("transform", "inverse_transform", "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            getattr(TabularEncoder(), method)(trips)


# --- back again


def test_inverse_transform_restores_the_table(trips):
    encoder = TabularEncoder(max_one_hot=3).fit(trips)

    restored = encoder.inverse_transform(encoder.transform(trips))

    assert restored.columns.tolist() == trips.columns.tolist()
    np.testing.assert_allclose(restored["age"], trips["age"], rtol=1e-5)
    np.testing.assert_allclose(restored["stops"], trips["stops"], atol=1e-5)
    assert restored["city"].fillna("").tolist() == trips["city"].fillna("").tolist()
    assert restored["paid"].astype("boolean").equals(trips["paid"])
    assert restored["line"].tolist() == trips["line"].tolist()
    error = (restored["day"] - trips["day"]).abs().dropna()
    assert len(error) == 4
    assert error.max() < pd.Timedelta("1s")


@pytest.mark.parametrize("scaling", ["robust", "standard", "quantile", None])
def test_inverse_transform_undoes_every_scaling(diabetes, scaling):
    X, _ = diabetes
    encoder = TabularEncoder(scaling=scaling).fit(X)

    restored = encoder.inverse_transform(encoder.transform(X))

    np.testing.assert_allclose(restored, X, atol=1e-4)


def test_inverse_transform_restores_units():
    moments = pd.to_datetime(["2020-06-01 12:00", "2021-06-01 00:00"]).tz_localize("Europe/Paris")
    X = pd.DataFrame({"at": moments, "for": pd.to_timedelta([1, 2], unit="h")})
    encoder = TabularEncoder().fit(X)

    restored = encoder.inverse_transform(encoder.transform(X))

    assert str(restored["at"].dt.tz) == "Europe/Paris"
    assert ((restored["at"] - X["at"]).abs() < pd.Timedelta("10s")).all()
    assert ((restored["for"] - X["for"]).abs() < pd.Timedelta("1s")).all()


def test_inverse_transform_takes_the_only_level_or_constant_it_knows():
    X = pd.DataFrame({"c": ["a", "a"], "n": [7.0, 7.0]})
    encoder = TabularEncoder().fit(X)

    restored = encoder.inverse_transform(encoder.transform(X))

    pd.testing.assert_frame_equal(restored, X)


def test_inverse_transform_refuses_other_widths(trips):
    encoder = TabularEncoder().fit(trips)

    with pytest.raises(ValueError, match="X_encoded must have 16 columns.* Got 2 instead"):
        encoder.inverse_transform(np.zeros((3, 2)))


# --- extremes


@pytest.mark.parametrize("scaling", ["robust", "standard", "quantile", None])
@pytest.mark.parametrize("clip", [3.0, None])
def test_extreme_numbers_stay_finite_and_below_the_clip(scaling, clip):
    X = np.array([[1e308, 5e-324], [-1e308, 0.0], [5.0, 0.0], [1e-310, 0.0], [0.1, 0.0]])

    X_encoded = TabularEncoder(scaling=scaling, clip=clip).fit_transform(X)

    assert np.isfinite(X_encoded).all()
    assert scaling is None or clip is None or np.abs(X_encoded).max() < clip


def test_one_row_is_enough(trips):
    row = trips.iloc[:1]

    assert not TabularEncoder().fit_transform(row).any()
    assert np.isfinite(TabularEncoder().fit(trips).transform(row)).all()


@pytest.mark.parametrize("max_one_hot", [0, 8])
def test_tables_without_numbers_are_encoded(max_one_hot):
    X = pd.DataFrame({"a": ["x", "y", "z"], "b": [True, False, True]})
    encoder = TabularEncoder(max_one_hot=max_one_hot).fit(X)

    assert encoder.n_numeric_ == 0
    assert encoder.transform(X).shape == (3, 4 if max_one_hot else 2)
    assert encoder.cardinalities_ == (() if max_one_hot else (4, 3))
    pd.testing.assert_frame_equal(
        encoder.inverse_transform(encoder.transform(X)), X, check_dtype=False
    )


def test_memory_is_linear_with_ten_thousand_levels():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": [f"shop {i}" for i in rng.integers(0, 10_000, 30_000)]})
    encoder = TabularEncoder().fit(X)

    tracemalloc.start()
    encoder.transform(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # A row is a string of some 60 bytes; a column for each level would be 1.2 GB.
    assert peak < 3 * X.memory_usage(deep=True).sum()


def test_a_row_of_numbers_is_encoded_in_well_below_a_millisecond():
    X = np.random.default_rng(0).normal(size=(100, 20))
    encoder = TabularEncoder().fit(X)

    seconds = []
    for row in X:
        start = time.perf_counter()
        encoder.transform(row[np.newaxis])
        seconds.append(time.perf_counter() - start)

    assert np.median(seconds) < 1e-3


# --- properties

COLUMNS = {
    "n": st.floats(-1e6, 1e6) | st.just(np.nan),
    "i": st.integers(-3, 3),
    "c": st.sampled_from(["a", "b", "c", "d", None]),
    "b": st.sampled_from([True, False, None]),
    "d": st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2050, 1, 1)) | st.none(),
}


@st.composite
def tables(draw):
    rows = draw(st.lists(st.tuples(*COLUMNS.values()), min_size=1, max_size=12))
    values = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    return pd.DataFrame(
        {
            "n": np.array(values["n"]),
            "i": np.array(values["i"]),
            "c": pd.Series(values["c"], dtype="str"),
            "b": pd.array(values["b"], dtype="boolean"),
            "d": pd.Series(values["d"], dtype="datetime64[us]"),
        }
    )


encoders = st.builds(
    TabularEncoder,
    max_one_hot=st.sampled_from([0, 2, 8]),
    scaling=st.sampled_from(["robust", "quantile", None]),
    clip=st.sampled_from([1.0, 3.0, None]),
    missing_indicator=st.booleans(),
    dates=st.sampled_from(["parts", "number"]),
)
few = settings(max_examples=25, deadline=None)


@few
@given(tables(), encoders, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(X, encoder, random):
    order = list(range(len(X)))
    random.shuffle(order)

    X_encoded = encoder.fit(X).transform(X)
    of_permuted = clone(encoder).fit(X.iloc[order]).transform(X)

    np.testing.assert_array_equal(of_permuted, X_encoded)


@few
@given(tables(), encoders, st.data())
def test_rows_are_encoded_one_by_one_as_together(X, encoder, data):
    some = data.draw(st.lists(st.integers(0, len(X) - 1), min_size=1))

    X_encoded = encoder.fit(X).transform(X)

    np.testing.assert_array_equal(encoder.transform(X.iloc[some]), X_encoded[some])


@pytest.mark.filterwarnings("ignore:No value of column")
@few
@given(tables(), tables(), encoders)
def test_output_is_finite_float32_within_the_clip(X, later, encoder):
    before = X.copy(deep=True)

    X_encoded = encoder.fit(X).transform(later)

    assert X_encoded.dtype == np.float32
    assert X_encoded.shape == (len(later), len(encoder.get_feature_names_out()))
    assert np.isfinite(X_encoded).all()
    if encoder.clip is not None and encoder.scaling is not None:
        assert (np.abs(X_encoded[:, : encoder.n_numeric_]) < encoder.clip).all()
    pd.testing.assert_frame_equal(X, before)


@few
@given(tables(), encoders)
def test_a_pickle_and_a_clone_encode_the_same(X, encoder):
    X_encoded = encoder.fit(X).transform(X)

    np.testing.assert_array_equal(pickle.loads(pickle.dumps(encoder)).transform(X), X_encoded)
    np.testing.assert_array_equal(clone(encoder).fit(X).transform(X), X_encoded)


@few
@given(tables(), st.sampled_from([0, 2, 8]))
def test_levels_and_numbers_come_back(X, max_one_hot):
    encoder = TabularEncoder(max_one_hot=max_one_hot, scaling="standard").fit(X)

    restored = encoder.inverse_transform(encoder.transform(X))

    scale = 1 + X["n"].abs().fillna(0).max()
    np.testing.assert_allclose(restored["n"] / scale, X["n"] / scale, atol=1e-5)
    np.testing.assert_allclose(restored["i"], X["i"], atol=1e-4)
    for name in "cb":
        present = X[name].notna()
        assert restored[name][present].tolist() == X[name][present].tolist()
        if X[name][present].nunique() > 1:
            assert restored[name].isna().tolist() == X[name].isna().tolist()


@few
@given(tables())
def test_polars_and_objects_are_encoded_as_pandas(X):
    in_polars = pl.DataFrame(
        {
            name: pl.Series([None if pd.isna(v) else v for v in X[name]], dtype=dtype)
            for name, dtype in zip(
                X, (pl.Float64, pl.Int64, pl.String, pl.Boolean, pl.Datetime), strict=True
            )
        }
    )
    encoder = TabularEncoder().fit(X)
    X_encoded = encoder.transform(X)

    np.testing.assert_array_equal(TabularEncoder().fit(in_polars).transform(in_polars), X_encoded)
    np.testing.assert_array_equal(encoder.transform(in_polars), X_encoded)
    np.testing.assert_array_equal(encoder.transform(X.astype(object)), X_encoded)


def test_rare_levels_of_a_coded_column_count_as_unseen():
    X = pd.DataFrame({"city": ["a"] * 3 + ["b"] * 2 + ["c"] * 3})

    encoder = TabularEncoder(max_one_hot=2, min_frequency=3).fit(X)

    assert encoder.cardinalities_ == (3,)
    assert encoder.categories_["city"].tolist() == ["a", "c"]
    assert encoder.transform(X)[:, 0].tolist() == [1] * 3 + [0] * 2 + [2] * 3


def test_levels_of_one_hot_columns_may_be_rare():
    X = pd.DataFrame({"city": ["a"] * 3 + ["b"]})

    encoder = TabularEncoder(max_one_hot=2, min_frequency=3).fit(X)

    assert encoder.categories_["city"].tolist() == ["a", "b"]


def test_a_column_whose_levels_are_all_rare_is_one_of_unseen_ones():
    X = pd.DataFrame({"name": ["a", "b", "c"]})

    encoder = TabularEncoder(max_one_hot=2, min_frequency=2).fit(X)

    assert encoder.cardinalities_ == (1,)
    assert encoder.transform(X).tolist() == [[0.0]] * 3


@pytest.mark.parametrize("scaling", ["robust", "standard", "quantile"])
@pytest.mark.parametrize("size", [1e-290, 1e-155, 1e-9, 1e30, 1e155, 1e299])
def test_columns_of_any_size_are_encoded_alike(scaling, size):
    """All but the units: also where squares overflow or vanish."""
    X = np.random.default_rng(0).normal(size=(50, 2)).round(6)

    found = TabularEncoder(scaling=scaling).fit(X * size).transform(X * size)

    expected = TabularEncoder(scaling=scaling).fit(X).transform(X)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
