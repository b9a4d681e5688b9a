import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from nnkit.encoding.target_values import comparable_codes, target_array


@pytest.mark.parametrize(
    "y",
    [
        [1, 2, 3],
        np.array([1, 2, 3], dtype=np.int8),
        pd.Series([1.0, 2.0, 3.0]),
        pd.Series([1, 2, 3], dtype="Int64"),
        pl.Series([1, 2, 3]),
    ],
    ids=["list", "array", "series", "nullable", "polars"],
)
def test_numbers_of_every_container_are_float64(y):
    found = target_array(y, are_numbers=True)

    assert found.dtype == np.float64
    assert found.tolist() == [1.0, 2.0, 3.0]


def test_labels_keep_their_class():
    day = datetime.date(2024, 1, 2)

    assert target_array(["a", "b"], are_numbers=False).tolist() == ["a", "b"]
    assert target_array([day, day], are_numbers=False).tolist() == [day, day]
    assert target_array([True, False], are_numbers=False).dtype == bool


def test_tables_and_sparse_indicators_keep_their_columns():
    table = pd.DataFrame({"a": [1, 2], "b": [3, 4]})

    assert target_array(table, are_numbers=True).shape == (2, 2)
    indicator = target_array(sparse.csr_array(np.eye(2)), are_numbers=False)
    assert indicator.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("y", "are_numbers", "message"),
    [
        (["a", "b"], True, "y must be numbers for a regression. Got text or other labels"),
        (pd.Series([1, None], dtype="Int64"), True, "Input y contains NaN in row 1"),
        (["a", None], False, "Input y contains NaN in row 1"),
        ([[1], [2, 3]], False, "The rows of y must have the same shape"),
        (["a", 1], False, "The labels of y must have one type"),
        (pd.to_datetime(pd.Series(["2024-01-01"])), True, "Got dates instead. Give numbers"),
    ],
)
def test_other_targets_raise_with_a_remedy(y, are_numbers, message):
    with pytest.raises(ValueError, match=message):
        target_array(y, are_numbers=are_numbers)


def test_objects_are_compared_by_codes():
    days = np.array([datetime.date(2024, 1, 2), datetime.date(2024, 1, 1)], dtype=object)
    text = np.array(["a", "b"], dtype=object)

    assert comparable_codes(days).tolist() == [0, 1]
    assert comparable_codes(text) is text
