import keras
import numpy as np
import pytest

from nnkit.layers import ColumnSlice

X = np.arange(8.0, dtype=np.float32).reshape(2, 4)


@pytest.mark.parametrize(("start", "stop"), [(0, 2), (1, 3), (2, None), (0, None), (3, 4)])
def test_output_equals_a_slice_of_the_input(start, stop):
    np.testing.assert_array_equal(ColumnSlice(start, stop)(X), X[:, start:stop])


def test_dtype_is_that_of_the_input_under_mixed_precision():
    layer = ColumnSlice(0, 1, dtype="mixed_float16")

    outputs = layer(np.array([[4097.0]], np.float32))

    assert outputs.dtype == "float32"
    assert layer(keras.Input((4,))).dtype == "float32"
    assert outputs.numpy() == 4097


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1,), "start must be an integer of at least 0. Got -1"),
        ((2, 2), "stop must be an integer of at least 3. Got 2"),
        ((0, 1.5), "stop must be an integer of at least 1. Got 1.5"),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        ColumnSlice(*arguments)


@pytest.mark.parametrize(("start", "stop"), [(4, None), (1, 5)])
def test_input_with_too_few_columns_raises(start, stop):
    with pytest.raises(ValueError, match=f"must have at least 5 columns for start={start} .*Got 4"):
        ColumnSlice(start, stop)(X)
