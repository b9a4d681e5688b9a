"""`BatchSource`: the rows of one pass over datasets of Keras, TensorFlow and iterators."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nnkit.datasets.batch_source import BatchSource, is_batches

X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10)


class Batches(keras.utils.PyDataset):
    def __init__(self, size=4, shift=0.0, **kwargs):
        super().__init__(**kwargs)
        self.size, self.shift, self.n_passes = size, shift, 0

    def __len__(self):
        return -(-len(X) // self.size)

    def __getitem__(self, index):
        rows = slice(index * self.size, (index + 1) * self.size)
        return X[rows] + self.shift * self.n_passes, Y[rows]

    def on_epoch_end(self):
        self.n_passes += 1


def in_batches(*parts, size=4):
    return tf.data.Dataset.from_tensor_slices(parts).batch(size)


@pytest.mark.parametrize(
    "batches",
    [Batches(), in_batches(X, Y), iter([(X[:4], Y[:4]), (X[4:], Y[4:])])],
    ids=["PyDataset", "tf.data", "iterator"],
)
def test_one_pass_has_all_rows_in_order(batches):
    assert is_batches(batches)

    source = BatchSource(batches)
    rows = source.read()

    np.testing.assert_array_equal(rows.X, X)
    np.testing.assert_array_equal(rows.y, Y)
    assert rows.sample_weight is None
    assert source.batch_size == 4


def test_weights_and_named_inputs_are_read():
    rows = BatchSource(in_batches({"a": X, "b": Y}, Y, np.ones(10))).read()

    np.testing.assert_array_equal(rows.X["a"], X)
    np.testing.assert_array_equal(rows.X["b"], Y)
    assert rows.sample_weight.tolist() == [1.0] * 10


def test_rows_without_targets_have_none():
    rows = BatchSource(tf.data.Dataset.from_tensor_slices(X).batch(3)).read()

    assert rows.y is None
    np.testing.assert_array_equal(rows.X, X)


def test_texts_of_tensorflow_are_decoded():
    rows = BatchSource(in_batches(np.array(["añejo", "b"]), Y[:2])).read()

    assert rows.X.tolist() == ["añejo", "b"]


def test_pass_ends_as_that_of_keras():
    batches = Batches()
    source = BatchSource(batches)

    source.read()
    source.read()

    assert batches.n_passes == 2


def test_change_between_passes_is_seen():
    source = BatchSource(Batches(shift=1.0))

    assert source.yields_other_rows(source.read())
    same = BatchSource(Batches())
    assert not same.yields_other_rows(same.read())


def test_iterator_has_a_single_pass():
    source = BatchSource(iter([(X, Y)]))

    assert not source.is_repeatable
    source.read()
    with pytest.raises(ValueError, match="X .*iterator.* yields no batches"):
        source.read()


def test_endless_dataset_raises():
    with pytest.raises(ValueError, match="has no end.*take"):
        BatchSource(in_batches(X, Y).repeat())


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([(X, Y, Y, Y)], "Got a batch of 4 parts"),
        ([((X, X), Y)], "2 inputs without names"),
        ([(X, Y), (X,)], "with and without targets"),
        ([(X, Y), (X[:, :1], Y)], r"rows have the shapes \[\(1,\), \(2,\)\]"),
    ],
)
def test_bad_batches_raise(batches, message):
    with pytest.raises(ValueError, match=message):
        BatchSource(iter(batches)).read()


@pytest.mark.parametrize("X", [X, [X], None, {"a": X}])
def test_tables_are_no_batches(X):
    assert not is_batches(X)
