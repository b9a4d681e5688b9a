"""Kinds of columns, and columns that differ from those of fit."""

import warnings

import numpy as np
import pandas as pd
import pytest
from raw_columns import as_objects

from nnkit.encoding import TabularEncoder


def frame(values):
    return pd.DataFrame({"x": values})


@pytest.mark.parametrize(
    "listed", [["zip"], [0], [True, False], np.array(["zip"], dtype=object), pd.Index(["zip"])]
)
def test_categorical_features_accepts_names_positions_and_masks(listed):
    X = pd.DataFrame({"zip": [1000, 2000, 3000], "age": [1.0, 2.0, 3.0]})

    encoder = TabularEncoder(categorical_features=listed).fit(X)

    assert encoder.feature_kinds_.tolist() == ["category", "number"]
    assert encoder.categories_["zip"].tolist() == [1000, 2000, 3000]


def test_categorical_features_raises_on_names_for_an_array():
    with pytest.raises(ValueError, match="which have no names. Got 'zip' instead"):
        TabularEncoder(categorical_features=["zip"]).fit(np.eye(2))


@pytest.mark.parametrize("listed", [None, [], ["age"]])
def test_fit_raises_on_text_that_is_not_in_categorical_features(trips, listed):
    with pytest.raises(ValueError, match="Column 'city' holds text .*'Rome', and categorical_fea"):
        TabularEncoder(categorical_features=listed).fit(trips)


def test_columns_not_in_categorical_features_are_numbers():
    """Boolean values are 0 and 1, and a Categorical of numbers has these numbers."""
    X = pd.DataFrame({"paid": [True, False], "rank": pd.Categorical([10, 2])})

    encoder = TabularEncoder(categorical_features=None, scaling=None).fit(X)

    assert encoder.feature_kinds_.tolist() == ["number", "number"]
    assert encoder.transform(X).tolist() == [[1.0, 10.0], [0.0, 2.0]]


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
def test_transform_raises_on_columns_of_another_kind(later, message):
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


def test_transform_accepts_another_kind_without_values():
    X = pd.DataFrame({"n": [1.0, 2.0], "d": pd.to_datetime(["2020", "2021"]), "c": ["a", "b"]})
    encoder = TabularEncoder().fit(X)

    for nothing in (None, np.nan, pd.NaT, pd.NA):
        empty = pd.DataFrame(dict.fromkeys("ndc", as_objects([nothing, nothing])))
        assert encoder.transform(empty).tolist() == [[0.0] * 5] * 2  # with the weekday


@pytest.mark.parametrize(
    ("learnt", "later"),
    [(["a", "b", "c"], ["A", "B"]), ([True, False, True], ["yes", "no"]), ([None] * 3, ["a", "b"])],
)
def test_transform_warns_if_no_value_of_a_column_occurred_in_fit(learnt, later):
    encoder = TabularEncoder().fit(frame(learnt))

    with pytest.warns(
        UserWarning, match=f"No value of column 'x' occurred in fit, such as '{later[0]}'"
    ):
        encoder.transform(frame(later))


@pytest.mark.parametrize("later", [["a", "Z"], [None, None], ["Z"]])
def test_transform_does_not_warn_of_some_unknown_values_or_single_rows(later):
    encoder = TabularEncoder().fit(frame(["a", "b", "c"]))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(frame(later))


@pytest.mark.parametrize("later", [["a", "b"], pd.to_datetime(["2020-01-01"] * 2, utc=True)])
@pytest.mark.parametrize("learnt", [[np.nan] * 2, pd.to_datetime([None, None])])
def test_column_without_values_in_fit_is_encoded_as_zero(learnt, later):
    encoder = TabularEncoder().fit(frame(learnt))

    with pytest.warns(UserWarning, match="All values were missing in fit"):
        assert not encoder.transform(frame(later)).any()


REVIEWS = [
    f"I saw film number {row} with friends and we did not like it at all." for row in range(30)
]


@pytest.mark.parametrize("dtype", [object, "string", "str"])
def test_fit_raises_on_a_column_of_free_text(dtype):
    X = pd.DataFrame({"stars": range(31), "review": pd.Series([*REVIEWS, None], dtype=dtype)})

    message = (
        "Column 'review' holds free text, 30 distinct values of 15 words on average, such as 'I "
        r"saw film number 0 .*Leave the column out, encode it by TextEncoder\(column='review'\) in "
        "a dict of encoders, or name it in categorical_features"
    )
    with pytest.raises(ValueError, match=message):
        TabularEncoder().fit(X)


@pytest.mark.filterwarnings("ignore:Nearly every value of column")
@pytest.mark.parametrize("column", [REVIEWS, pd.Categorical(REVIEWS)], ids=["listed", "declared"])
def test_free_text_that_is_declared_a_category_is_encoded(column):
    listed = "from_dtype" if isinstance(column, pd.Categorical) else ["x"]

    encoder = TabularEncoder(categorical_features=listed).fit(frame(column))

    assert encoder.cardinalities_ == (31,)


@pytest.mark.filterwarnings("ignore:Nearly every value of column")
@pytest.mark.parametrize(
    "value",
    [
        "Cumings, Mrs. John Bradley (Florence Briggs Thayer) {}",
        "Dr. Strangelove or: How I Learned to Stop Worrying {}",
        "{} Old Mill Road, Apartment 4, Springfield, IL 62704, USA",
        "A/5 21171 {}",
        "https://example.org/a/long/path/{}?with=many&arguments=1",
        "3f2a9c{}",
    ],
)
def test_names_titles_addresses_and_identifiers_are_categories(value):
    X = frame([value.format(row) for row in range(40)])

    assert TabularEncoder().fit(X).feature_kinds_.tolist() == ["category"]


def test_a_few_long_levels_are_categories():
    X = frame(REVIEWS[:3] * 20)

    assert TabularEncoder().fit(X).feature_kinds_.tolist() == ["category"]
