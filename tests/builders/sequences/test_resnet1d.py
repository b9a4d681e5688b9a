import keras
import numpy as np
import pytest
from sequence_networks import meta_of, sequences

from nnkit.builders.sequences.resnet1d import resnet1d


def test_default_blocks_are_those_of_the_paper():
    model = resnet1d(meta_of())

    shapes = [tuple(v.shape) for v in model.weights if v.name == "kernel"][:-1]
    # The input of the first two blocks passes through a convolution of width 1.
    assert sorted(shape for shape in shapes if shape[0] == 1) == [(1, 2, 64), (1, 64, 128)]
    widths = [shape[0] for shape in shapes if shape[0] != 1]
    assert sorted(widths) == [3, 3, 3, 5, 5, 5, 8, 8, 8]


def test_a_block_without_convolutions_passes_its_input_on():
    model = resnet1d(meta_of("continuous", 1), filters=(2,), kernel_sizes=(3, 1))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv1D):
            layer.set_weights([np.zeros(weight.shape) for weight in layer.weights])
    model.layers[-1].set_weights([np.array([[1.0], [10.0]]), np.array([0.0])])
    X = sequences(4)

    outputs = model(X).numpy()

    expected = np.maximum(X, 0).mean(axis=1) @ [1.0, 10.0]
    np.testing.assert_allclose(outputs[:, 0], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": (0,)}, r"filters\[0\] must be an integer of at least 1. Got 0"),
        ({"kernel_sizes": 3}, "kernel_sizes must be a sequence of integers.*Got 3"),
        ({"dropout_rate": -0.1}, r"dropout_rate must be a fraction in \[0, 1\). Got -0.1"),
    ],
)
def test_resnet1d_raises_on_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        resnet1d(meta_of(), **arguments)
