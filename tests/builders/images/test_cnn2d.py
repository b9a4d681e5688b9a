"""The small convolutional network: shapes, arguments, training and accuracy."""

import keras
import numpy as np
import pytest

from nnkit import KerasClassifier, KerasRegressor
from nnkit.builders import cnn2d
from nnkit.encoding.samples.image_encoder import ImageEncoder


def sizes_after_blocks(model):
    return [
        layer.output.shape[1:3]
        for layer in model.layers
        if isinstance(layer, keras.layers.Activation) and len(layer.output.shape) == 4
    ]


@pytest.mark.parametrize(
    ("target", "n_units", "activation"),
    [
        ("multiclass", 3, "softmax"),
        ("binary", 1, "sigmoid"),
        ("continuous", 1, "linear"),
        ("continuous-multioutput", 4, "linear"),
        ("multilabel-indicator", 4, "sigmoid"),
    ],
)
def test_output_fits_the_target(facts, target, n_units, activation):
    model = cnn2d(facts(target=target, n_units=n_units))

    assert model.output_shape == (None, n_units)
    assert model.layers[-1].activation.__name__ == activation


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((28, 28, 1), [(14, 14), (7, 7), (4, 4)]),
        ((32, 32, 3), [(16, 16), (8, 8), (4, 4)]),
        ((8, 8, 1), [(8, 8), (4, 4), (4, 4)]),
        ((5, 5, 1), [(5, 5), (5, 5), (5, 5)]),
        ((1, 1, 1), [(1, 1), (1, 1), (1, 1)]),
        ((40, 6, 2), [(40, 6), (20, 3), (20, 3)]),
    ],
)
def test_pooling_stops_when_images_are_small(facts, shape, sizes):
    assert sizes_after_blocks(cnn2d(facts(shape))) == sizes


def test_large_images_are_averaged_before_the_hidden_layers(facts):
    model = cnn2d(facts((224, 200, 3)))

    (flat,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Flatten))
    assert flat.input.shape[1:] == (7, 7, 64)


@pytest.mark.parametrize(
    ("changed", "of_what"),
    [
        ({"filters": (8,)}, "weights"),
        ({"kernel_size": 5}, "weights"),
        ({"units": ()}, "weights"),
        ({"dropout_rate": 0.0}, "layers"),
        ({"augment": None}, "layers"),
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

    assert found(cnn2d(facts(), **changed)) != found(cnn2d(facts()))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"filters": (0,)}, r"filters\[0\] must be an integer of at least 1. Got 0 instead"),
        ({"filters": ()}, "filters must have at least one entry"),
        ({"kernel_size": 0}, "kernel_size must be an integer of at least 1. Got 0 instead"),
        ({"dropout_rate": 1}, r"dropout_rate must be a fraction in \[0, 1\). Got 1 instead"),
        ({"augment": "strong"}, "augment must be 'auto', 'light' or 'photos'. Got 'strong'"),
        ({"learning_rate": 0}, "learning_rate must be a number in .0, inf.. Got 0 instead"),
        ({"weight_decay": -1}, "weight_decay must be a number in .0, inf.. Got -1 instead"),
    ],
)
def test_wrong_arguments_raise(facts, changed, message):
    with pytest.raises(ValueError, match=message):
        cnn2d(facts(), **changed)


def test_rows_that_are_no_images_raise(facts):
    with pytest.raises(ValueError, match=r"takes images of shape .* Got rows of shape \(64,\)"):
        cnn2d(facts((64,)))


def test_digits_are_classified(digits):
    X, y = digits
    clf = KerasClassifier("cnn2d", epochs=15, random_state=0).fit(X[:150], y[:150])

    assert clf.score(X[150:], y[150:]) > 0.9
    assert isinstance(clf.encoder_, ImageEncoder)


def test_values_are_predicted(digits):
    X, _ = digits
    y = X.mean(axis=(1, 2)) * 100.0
    reg = KerasRegressor("cnn2d", epochs=20, random_state=0, model__augment=None)

    assert reg.fit(X[:150], y[:150]).score(X[150:], y[150:]) > 0.6


def test_compiled_training_equals_keras_fit_without_random_layers(digits):
    X, y = digits
    settings = {
        "epochs": 2,
        "random_state": 0,
        "shuffle": False,
        "batch_size": 50,  # a divisor of the rows: batch normalisation depends on the batch
        "model__augment": None,
        "model__dropout_rate": 0.0,
    }

    graph, by_keras = (
        KerasClassifier("cnn2d", engine=engine, **settings).fit(X, y).predict_proba(X)
        for engine in ("graph", "keras")
    )

    np.testing.assert_allclose(graph, by_keras, atol=1e-3)
