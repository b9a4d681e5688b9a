import keras
import numpy as np
import pytest
from sequence_networks import meta_of, sequences

from nnkit.builders.sequences.fcn import fcn


def test_default_layers_are_those_of_the_paper():
    model = fcn(meta_of())

    convolutions = [part for part in model.layers if isinstance(part, keras.layers.Conv1D)]
    assert [layer.filters for layer in convolutions] == [128, 256, 128]
    assert [layer.kernel_size for layer in convolutions] == [(8,), (5,), (3,)]
    assert not any(layer.use_bias for layer in convolutions)


def test_outputs_equal_a_convolution_by_hand():
    model = fcn(meta_of("continuous", 1), filters=(1,), kernel_sizes=2)
    kernel = np.array([[[2.0], [0.0]], [[0.0], [1.0]]])  # 2 x[t, 0] + x[t + 1, 1]
    statistics = [np.array([value]) for value in (1.0, 0.5, 0.0, 1.0 - 1e-3)]
    model.set_weights([kernel, *statistics, np.array([[3.0]]), np.array([1.0])])
    X = sequences(4)

    outputs = model(X).numpy()

    following = np.pad(X[:, 1:, 1], ((0, 0), (0, 1)))
    hidden = np.maximum(2 * X[:, :, 0] + following + 0.5, 0)
    np.testing.assert_allclose(outputs[:, 0], 3 * hidden.mean(axis=1) + 1, rtol=1e-4)


def test_one_width_is_that_of_all_convolutions():
    model = fcn(meta_of(), filters=(3, 4), kernel_sizes=5)

    assert [v.shape for v in model.weights if v.name == "kernel"][:2] == [(5, 2, 3), (5, 3, 4)]


def test_dropout_drops_pooled_channels_in_training():
    model = fcn(meta_of(), filters=(8,), kernel_sizes=3, dropout_rate=0.5)
    X = sequences()

    assert any(isinstance(layer, keras.layers.Dropout) for layer in model.layers)
    assert np.any(model(X, training=True) != model(X, training=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": (4, 0)}, r"filters\[1\] must be an integer of at least 1. Got 0"),
        ({"filters": 4}, "filters must be a sequence of integers.*Got 4"),
        ({"kernel_sizes": 0}, "kernel_sizes must be an integer of at least 1. Got 0"),
        ({"kernel_sizes": (3, 2)}, "one for each of the 3 filters. Got 2 integers"),
        ({"dropout_rate": 1}, r"dropout_rate must be a fraction in \[0, 1\). Got 1"),
        ({"learning_rate": 0}, "learning_rate must be a number in .0, inf.. Got 0"),
        ({"weight_decay": -1}, "weight_decay must be a number in .0, inf.. Got -1"),
    ],
)
def test_fcn_raises_on_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        fcn(meta_of(), **arguments)
