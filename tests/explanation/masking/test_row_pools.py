"""Validation of X and the background, and masked samples of their rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from nnkit.explanation.masking.row_pools import align_background, check_table, make_pool


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "number": [1.5, np.nan, 3.0],
            "count": [1, 2, 3],
            "text": pd.Series(["a", None, "c"], dtype="str"),
            "object": pd.Series(["p", 1, None], dtype=object),
            "level": pd.Categorical(["low", "high", None], ["low", "high"], ordered=True),
            "day": pd.to_datetime(["2024-01-01", "2024-02-01", None]),
            "moment": pd.to_datetime(["2024-01-01", "2024-02-01", None], utc=True),
            "flag": [True, False, True],
            "nullable": pd.array([1, None, 3], dtype="Int64"),
        }
    )


def test_masked_samples_keep_dtypes_of_frame(frame):
    pool = make_pool(frame, frame.iloc[[1]])
    sources = np.array([[0, 3, 2, 0, 1, 0, 2, 3, 2], [3] * 9])

    masked_samples = pool.take(sources)

    expected = pd.DataFrame(
        {
            name: frame[name].iloc[[rows[0] if rows[0] < 3 else 1, 1]].reset_index(drop=True)
            for name, rows in zip(frame.columns, sources.T, strict=True)
        }
    )
    pd.testing.assert_frame_equal(masked_samples, expected)


def test_masked_samples_of_numeric_frame_are_a_frame():
    frame = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=["a", "b"])

    masked_samples = make_pool(frame, frame + 10).take(np.array([[0, 3], [2, 1]]))

    pd.testing.assert_frame_equal(
        masked_samples, pd.DataFrame([[1.0, 14.0], [11.0, 4.0]], columns=["a", "b"])
    )


def test_masked_samples_of_array_are_an_array():
    X = np.array([["a", 1], ["b", 2]], dtype=object)

    masked_samples = make_pool(X, np.array([["c", 3]], dtype=object)).take(
        np.array([[0, 2], [2, 1]])
    )

    assert masked_samples.tolist() == [["a", 3], ["c", 2]]


def test_masked_samples_have_categories_of_both_tables():
    X = pd.DataFrame({"c": pd.Categorical(["a", "b"])})
    background = pd.DataFrame({"c": pd.Categorical(["b", "z"])})

    masked_samples = make_pool(X, background).take(np.arange(4)[:, np.newaxis])

    assert isinstance(masked_samples["c"].dtype, pd.CategoricalDtype)
    assert masked_samples["c"].tolist() == ["a", "b", "b", "z"]


def test_align_background_reorders_columns(frame):
    reversed_frame = frame[frame.columns[::-1]]

    aligned = align_background(reversed_frame, frame, "background")

    pd.testing.assert_frame_equal(aligned, frame)


def test_check_table_keeps_numbers_in_mixed_list():
    X_checked = check_table([["a", 1.5], ["b", 2.5]], "X")

    assert X_checked[0, 1] == 1.5


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1.0, 2.0], r"X must have two dimensions, rows and columns. Got shape \(2,\)"),
        (np.zeros((2, 2, 2)), r"X must have two dimensions.*\(2, 2, 2\)"),
        (np.zeros((0, 3)), r"X must have at least one row and one column. Got shape \(0, 3\)"),
        (pd.DataFrame({"a": []}), "X must have at least one row"),
        (csr_matrix(np.eye(2)), "X must be a pandas DataFrame or a dense array.*toarray"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"X has the column name\(s\) 'a' more than"),
    ],
)
def test_check_table_raises_on_non_tables(X, message):
    with pytest.raises(ValueError, match=message):
        check_table(X, "X")


def test_check_table_converts_polars_to_pandas():
    polars = pytest.importorskip("polars")

    frame = check_table(polars.DataFrame({"a": [1.5, None], "text": ["x", None]}), "X")

    assert isinstance(frame, pd.DataFrame)
    assert frame["a"].tolist()[0] == 1.5
    assert frame["text"].tolist()[0] == "x"
    assert frame.isna().sum().tolist() == [1, 1]


def test_check_table_raises_on_frame_of_other_library():
    class Frame:
        columns = ("a",)

    with pytest.raises(ValueError, match=r"X must be a pandas DataFrame.*Use its to_pandas"):
        check_table(Frame(), "X")


def test_align_background_raises_on_other_columns(frame):
    array = np.zeros((2, 3))

    with pytest.raises(ValueError, match=r"background lacks the column\(s\) 'text', 'day' of X"):
        align_background(frame.drop(columns=["day", "text"]), frame, "background")
    with pytest.raises(ValueError, match=r"background has the column\(s\) 'y', which X lacks"):
        align_background(frame.assign(y=1), frame, "background")
    with pytest.raises(ValueError, match=r"background must have the 3 column\(s\) of X. Got 2"):
        align_background(array[:, :2], array, "background")
    with pytest.raises(ValueError, match="background must be of the same type as X"):
        align_background(frame.to_numpy(dtype=object), frame, "background")
    with pytest.raises(ValueError, match="background must hold values like those of X"):
        align_background(array.astype(str), array, "background")
