"""Number, selection and samples of rows."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from nnkit.encoding.rows import (
    aligned_empty,
    background_rows,
    is_aligned,
    n_encoded_rows,
    n_samples_of,
    rows_at,
    rows_of,
)

X = np.arange(12.0).reshape(4, 3)
AT = np.array([2, 0])


@pytest.mark.parametrize(
    "table",
    [X, X.tolist(), pd.DataFrame(X), sparse.csr_array(X), {"a": X.tolist(), "b": X}],
    ids=["array", "list", "frame", "sparse", "dict"],
)
def test_n_samples_of_every_container(table):
    assert n_samples_of(table) == 4


@pytest.mark.parametrize(
    "X_encoded",
    [X, sparse.csr_array(X), [X, X[:, :1]], (X,), {"a": X, "b": X}, {"a": [X]}],
    ids=["array", "sparse", "list", "tuple", "dict", "nested"],
)
def test_n_encoded_rows_of_every_container(X_encoded):
    assert n_encoded_rows(X_encoded) == 4


def test_rows_at_selects_rows_of_every_input():
    np.testing.assert_array_equal(rows_at(X, AT), X[AT])
    np.testing.assert_array_equal(rows_at(sparse.csr_array(X), AT).toarray(), X[AT])
    np.testing.assert_array_equal(rows_at([X, X], AT)[1], X[AT])
    np.testing.assert_array_equal(rows_at({"a": X}, slice(1, 3))["a"], X[1:3])


def test_rows_at_without_positions_returns_all_rows_without_a_copy():
    assert rows_at(X, None) is X


def test_rows_of_keeps_the_container():
    pd.testing.assert_frame_equal(rows_of(pd.DataFrame(X), AT), pd.DataFrame(X).iloc[AT])
    assert rows_of(X.tolist(), AT) == X[AT].tolist()
    np.testing.assert_array_equal(rows_of({"a": X}, AT)["a"], X[AT])


def test_background_is_a_sorted_seeded_sample():
    assert background_rows(5, 10, seed=0).tolist() == [0, 1, 2, 3, 4]
    sample = background_rows(1000, 10, seed=0)
    assert sample.tolist() == sorted(set(sample.tolist()))
    assert sample.tolist() == background_rows(1000, 10, seed=0).tolist()
    assert sample.tolist() != background_rows(1000, 10, seed=1).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint8])
def test_aligned_empty_has_the_shape_dtype_and_alignment(dtype):
    array = aligned_empty((5, 3), dtype)

    assert (array.shape, array.dtype) == ((5, 3), np.dtype(dtype))
    assert array.ctypes.data % 64 == 0
    assert array.flags.writeable
    assert is_aligned(array)
    assert not is_aligned(array[1:])
    assert not is_aligned(array.T)
