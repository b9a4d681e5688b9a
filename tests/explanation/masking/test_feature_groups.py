"""Feature groups of the columns of a table, and the data displayed with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nnkit.explanation.masking import feature_groups as module
from nnkit.explanation.masking.input_layout import flat_table


def choose_feature_groups(feature_groups, X):
    return module.choose_feature_groups(feature_groups, *flat_table(X, "X"))


def displayed_data(X, feature_groups):
    table, layout = flat_table(X, "X")
    return module.displayed_data(table, feature_groups, layout.column_names(table))


@pytest.fixture
def frame():
    return pd.DataFrame({"age": [51.25, np.nan], "sex": ["f", "m"], "height": [1, 2]})


def test_input_gives_one_group_per_column(frame):
    feature_groups = choose_feature_groups("input", frame)

    assert feature_groups.names == ["age", "sex", "height"]
    assert feature_groups.of_column.tolist() == [0, 1, 2]


def test_array_columns_are_named_by_position():
    X = np.zeros((1, 3))

    assert choose_feature_groups("input", X).names == ["x0", "x1", "x2"]
    assert choose_feature_groups({"g": [2, "x0"]}, X).of_column.tolist() == [0, 1, 0]


def test_named_groups_come_before_single_columns(frame):
    feature_groups = choose_feature_groups({"body": ["height", "age"]}, frame)

    assert feature_groups.names == ["body", "sex"]
    assert feature_groups.of_column.tolist() == [0, 1, 0]
    assert feature_groups.columns(0).tolist() == [0, 2]


def test_group_may_be_a_single_column_name(frame):
    assert choose_feature_groups({"years": "age"}, frame).names == ["years", "sex", "height"]
    assert choose_feature_groups({"last": 2}, np.zeros((1, 3))).names == ["last", "x0", "x1"]


def test_integer_column_names_become_strings():
    assert choose_feature_groups("input", pd.DataFrame({3: [1], 5: [2]})).names == ["3", "5"]


@pytest.mark.parametrize(
    ("feature_groups", "message"),
    [
        (
            "columns",
            "feature_groups must be 'input', 'transformed' or a dict .* Got 'columns' instead",
        ),
        ({}, "feature_groups must be 'input', 'transformed' or a dict"),
        ({"g": []}, "feature_groups must have at least one column in the group 'g'"),
        ({"g": ["weight"]}, "names the column 'weight' in the group 'g', but X has no such"),
        ({"g": [["age"]]}, r"names the column \['age'\] in the group 'g', but X has no such"),
        ({"g": ["age"], "h": ["age"]}, "names the column 'age' twice"),
        ({"sex": ["age"]}, "would give the name 'sex' to two feature groups"),
    ],
)
def test_invalid_groups_raise(frame, feature_groups, message):
    with pytest.raises(ValueError, match=message):
        choose_feature_groups(feature_groups, frame)


def test_displayed_data_of_numeric_columns_is_float64(frame):
    numeric = frame[["age", "height"]]

    data = displayed_data(numeric, choose_feature_groups("input", numeric))

    assert data.dtype == np.float64
    np.testing.assert_array_equal(data, [[51.25, 1], [np.nan, 2]])


def test_displayed_data_of_nullable_columns_is_float64():
    X = pd.DataFrame({"n": pd.array([1, None], dtype="Int64"), "b": [True, False]})

    data = displayed_data(X, choose_feature_groups("input", X))

    np.testing.assert_array_equal(data, [[1, 1], [np.nan, 0]])


def test_displayed_data_keeps_strings(frame):
    data = displayed_data(frame, choose_feature_groups("input", frame))

    assert data.dtype == object
    assert data[0].tolist() == [51.25, "f", 1]


def test_displayed_data_of_group_is_text(frame):
    data = displayed_data(frame, choose_feature_groups({"who": ["sex", "age"]}, frame))

    assert data.tolist() == [["age=51.25, sex=f", 1], ["age=nan, sex=m", 2]]


def test_displayed_data_of_array_group_is_text():
    X = np.array([[1 / 3, 2.0, 5.0]])

    data = displayed_data(X, choose_feature_groups({"g": [0, 2]}, X))

    assert data.tolist() == [["x0=0.333333, x2=5", 2.0]]


def test_displayed_data_follows_group_order():
    X = np.array([[1.0, 2.0, 3.0]])

    data = displayed_data(X, choose_feature_groups({"last": [2]}, X))

    assert data.tolist() == [[3.0, 1.0, 2.0]]


def test_displayed_data_converts_dates_to_text():
    X = pd.DataFrame(
        {
            "day": pd.to_datetime(["2024-01-31", None]),
            "text": pd.Series([None, "a"], dtype="str"),
            "object": pd.Series([1, 2], dtype=object),
        }
    )

    data = displayed_data(X, choose_feature_groups("input", X))

    assert data.tolist() == [["2024-01-31", "nan", 1], ["nan", "a", 2]]


def test_displayed_data_of_missing_objects_is_nan():
    X = np.array([[1, "a"], [None, "b"]], dtype=object)

    data = displayed_data(X, choose_feature_groups("input", X))

    assert data[0].tolist() == [1, "a"]
    assert np.isnan(data[1, 0])
