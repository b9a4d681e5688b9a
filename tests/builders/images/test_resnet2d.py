"""The residual network: shapes, residual blocks, arguments and training."""

import keras
import numpy as np
import pytest

from nnkit import KerasClassifier
from nnkit.builders import resnet2d


@pytest.mark.parametrize(("n_blocks", "n_layers"), [(1, 8), (3, 20)])
def test_number_of_layers_is_that_of_the_paper(facts, n_blocks, n_layers):
    model = resnet2d(facts((32, 32, 3), n_units=10), n_blocks=n_blocks)

    layers = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Dense)
        or (isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (3, 3))
    ]
    assert len(layers) == n_layers
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize(
    ("shape", "last"),
    [((32, 32, 3), (8, 8)), ((28, 28, 1), (7, 7)), ((8, 8, 1), (4, 4)), ((5, 5, 1), (5, 5))],
)
def test_stages_halve_images_that_are_large_enough(facts, shape, last):
    model = resnet2d(facts(shape), n_blocks=1)

    (pooling,) = (
        layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    )
    assert pooling.input.shape[1:] == (*last, 64)


def test_blocks_begin_as_the_identity(facts):
    images = np.random.default_rng(0).random((4, 8, 8, 1)).astype(np.float32)
    keras.utils.set_random_seed(0)
    model = resnet2d(facts((8, 8, 1)), filters=8, n_blocks=1, augment=None)
    keras.utils.set_random_seed(0)
    deep = resnet2d(facts((8, 8, 1)), filters=8, n_blocks=4, augment=None)
    deep.layers[-1].set_weights(model.layers[-1].get_weights())

    np.testing.assert_allclose(deep(images), model(images), atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "of_what"),
    [
        ({"filters": (8,)}, "weights"),
        ({"n_blocks": 1}, "weights"),
        ({"dropout_rate": 0.2}, "layers"),
        ({"augment": {"cutout": 4}}, "layers"),
        ({"learning_rate": 0.1}, "optimizer"),
        ({"weight_decay": 0.0}, "optimizer"),
        ({"n_steps": 10}, "optimizer"),
    ],
)
def test_every_argument_changes_the_network(facts, changed, of_what):
    def found(model):
        return {
            "weights": [tuple(weight.shape) for weight in model.weights],
            "layers": [type(layer).__name__ for layer in model.layers],
            "optimizer": keras.saving.serialize_keras_object(model.optimizer)["config"],
        }[of_what]

    assert found(resnet2d(facts(), **changed)) != found(resnet2d(facts()))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_blocks": 0}, "n_blocks must be an integer of at least 1. Got 0 instead"),
        ({"dropout_rate": -0.1}, r"dropout_rate must be a fraction in \[0, 1\)"),
        ({"augment": {"tilt": 3}}, "augment has the unknown change 'tilt'"),
    ],
)
def test_wrong_arguments_raise(facts, changed, message):
    with pytest.raises(ValueError, match=message):
        resnet2d(facts(), **changed)


def test_digits_are_classified(digits):
    X, y = digits
    clf = KerasClassifier("resnet2d", epochs=15, random_state=0, model__n_blocks=1)

    assert clf.fit(X[:150], y[:150]).score(X[150:], y[150:]) > 0.85
