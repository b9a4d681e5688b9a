"""ONNX models of networks beside Python."""

import keras
import numpy as np
import pytest
from networks import classifier_network
from onnx_models import IRIS, MIXED, SETTINGS, assert_classifies_alike, assert_predicts_alike, run

from nnkit import (
    KerasClassifier,
    KerasRegressor,
    KerasTransformer,
)
from nnkit.encoding import TabularEncoder
from nnkit.export import to_onnx


@pytest.mark.parametrize("name", ["mlp", "realmlp", "realmlp_simplified"])
def test_ready_made_networks_with_embeddings(name):
    X, y = MIXED
    clf = KerasClassifier(name, encoder=TabularEncoder(max_one_hot=2), **SETTINGS).fit(X, y)
    assert_classifies_alike(clf, X)


@pytest.mark.parametrize("layer", ["representation", None])
def test_representation_of_a_transformer(layer):
    X, _ = IRIS
    transformer = KerasTransformer("autoencoder", layer=layer, **SETTINGS).fit(X)

    found = run(to_onnx(transformer, X), X)["variable"]

    np.testing.assert_allclose(found, transformer.transform(X), rtol=1e-5, atol=1e-5)


def test_convolutional_network_for_images():
    X = np.random.default_rng(0).random((40, 8, 8, 1)).astype(np.float32)
    y = (X.mean(axis=(1, 2, 3)) > 0.5).astype(int)

    def network(meta):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.Conv2D(4, 3, activation="relu"),
                keras.layers.BatchNormalization(),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )

    assert_classifies_alike(KerasClassifier(network, **SETTINGS).fit(X, y), X)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.LSTM(4),
        lambda: keras.layers.Bidirectional(keras.layers.GRU(4)),
        lambda: keras.layers.SimpleRNN(4),
    ],
    ids=["LSTM", "bidirectional GRU", "SimpleRNN"],
)
def test_recurrent_networks_for_sequences(layer):
    X = np.random.default_rng(0).normal(size=(40, 7, 3)).astype(np.float32)
    y = (X[..., 0].sum(axis=1) > 0).astype(int)

    def network(meta):
        layers = [keras.Input(meta.X_shape_[1:]), keras.layers.Masking(), layer()]
        return keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])

    assert_classifies_alike(KerasClassifier(network, **SETTINGS).fit(X, y), X)


@pytest.mark.parametrize("activation", ["gelu", "celu", "elu", "mish", "silu", "softplus", "tanh"])
def test_activations(activation):
    X, y = IRIS
    clf = KerasClassifier(classifier_network, model__activation=activation, **SETTINGS)
    assert_classifies_alike(clf.fit(X, y), X)


def test_constant_that_is_no_weight_is_refused():
    X, y = IRIS

    def network(meta):
        normalization = keras.layers.Normalization(mean=0.0, variance=1.0)
        return keras.Sequential(
            [keras.Input((4,)), normalization, keras.layers.Dense(3, activation="softmax")]
        )

    clf = KerasClassifier(network, **SETTINGS).fit(X, y)

    with pytest.raises(ValueError, match="The network has the constant .*, which is no weight"):
        to_onnx(clf, X)


def test_network_with_several_inputs():
    rng = np.random.default_rng(0)
    X = {"numbers": rng.normal(size=(50, 3)), "codes": rng.integers(5, size=(50, 1))}
    y = X["numbers"][:, 0] + X["codes"][:, 0]

    def network(meta):
        numbers = keras.Input((3,), name="numbers")
        codes = keras.Input((1,), dtype="int32", name="codes")
        vectors = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(codes))
        hidden = keras.layers.Concatenate()([vectors, numbers])
        return keras.Model([codes, numbers], keras.layers.Dense(1)(hidden))

    assert_predicts_alike(KerasRegressor(network, **SETTINGS).fit(X, y), X)


def test_half_precision_is_refused():
    X, y = IRIS
    clf = KerasClassifier("mlp", dtype_policy="mixed_bfloat16", **SETTINGS).fit(X, y)

    with pytest.raises(ValueError, match="computes in bfloat16, which ONNX does not support"):
        to_onnx(clf, X)


def test_export_leaves_the_estimator_unchanged():
    X, y = MIXED
    clf = KerasClassifier("mlp", **SETTINGS).fit(X, y)
    before = clf.predict_proba(X)

    to_onnx(clf, X)

    assert not clf._network.live.is_attached
    np.testing.assert_array_equal(clf.predict_proba(X), before)
