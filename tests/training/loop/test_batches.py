import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from nnkit.encoding.rows import aligned_empty, n_encoded_rows
from nnkit.training.loop import batches
from nnkit.training.loop.batches import take_on_host, taker, to_device, with_shared_memory

DENSE = np.round(np.random.default_rng(0).normal(size=(9, 5)), 1) * (
    np.random.default_rng(1).random((9, 5)) < 0.4
)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=12))
def test_sparse_batch_equals_the_dense_batch(positions):
    rows = np.array(positions, dtype=np.int32)
    X = sparse.csr_array(DENSE)

    batch = taker(X)(to_device(X), tf.constant(rows))

    np.testing.assert_array_equal(batch.numpy(), DENSE[rows])
    np.testing.assert_array_equal(take_on_host(X, rows), DENSE[rows])


@pytest.mark.parametrize("as_structure", [dict, list])
def test_batches_keep_the_structure_of_several_inputs(as_structure):
    parts = {"a": DENSE, "b": DENSE[:, :2]}
    X = parts if as_structure is dict else list(parts.values())
    rows = np.array([3, 0], dtype=np.int32)

    batch = taker(X)(to_device(X), tf.constant(rows))

    assert n_encoded_rows(X) == 9
    assert isinstance(batch, as_structure)
    for part, whole in zip(tf.nest.flatten(batch), parts.values(), strict=True):
        np.testing.assert_array_equal(part.numpy(), whole[rows])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", ">f4", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_large_tensor_equals_its_array(monkeypatch, dtype, order):
    monkeypatch.setattr(batches, "_MIN_SHARED_BYTES", 0)
    array = np.asarray(np.arange(30).reshape(6, 5) % 7, dtype=dtype, order=order)
    array.flags.writeable = False

    tensor = to_device(array)

    np.testing.assert_array_equal(tensor.numpy(), array)
    assert tensor.dtype.as_numpy_dtype == array.dtype.newbyteorder("=")


def test_large_aligned_array_is_not_copied(monkeypatch):
    monkeypatch.setattr(batches, "_MIN_SHARED_BYTES", 0)
    array = aligned_empty((4, 16), np.float32)
    array[...] = 1.0

    tensor = to_device(array)
    array[2, 3] = 5.0

    assert float(tensor[2, 3]) == 5.0


def test_array_of_other_alignment_is_copied(monkeypatch):
    monkeypatch.setattr(batches, "_MIN_SHARED_BYTES", 0)
    array = aligned_empty((65,), np.float32)[1:]
    array[...] = 1.0

    tensor = to_device(array)
    array[2] = 5.0

    np.testing.assert_array_equal(tensor.numpy(), 1.0)


def test_rows_with_shared_memory_are_not_copied_again(monkeypatch):
    monkeypatch.setattr(batches, "_MIN_SHARED_BYTES", 0)
    X = {"a": np.ones((3, 5), dtype=np.float32)[:, ::2], "b": np.ones(3)}

    shared = with_shared_memory(X)

    assert with_shared_memory(shared)["a"] is shared["a"]
    first, second = to_device(shared), to_device(shared)
    shared["a"][0, 0] = 7.0
    for tensors in (first, second):
        np.testing.assert_array_equal(tensors["a"].numpy(), shared["a"])
    assert X["a"][0, 0] == 1.0
