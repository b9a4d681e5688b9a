"""NetworkFunction: outputs and derivatives of fitted estimators on encoded features."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from nnkit import KerasClassifier, KerasRegressor
from nnkit.estimators.network_function import NetworkFunction
from nnkit.training.prediction.gradients import Paths


def two_inputs(meta):
    left, right = keras.Input((2, 2), name="left"), keras.Input((3,), name="right")
    both = keras.layers.Concatenate()([keras.layers.Flatten()(left), right])
    outputs = keras.layers.Dense(meta.n_output_units_, activation="sigmoid")(both)
    return keras.Model({"left": left, "right": right}, outputs)


@pytest.fixture(scope="module")
def two_sided():
    """A fitted classifier and a dict whose inputs are in another order than the network's."""
    rng = np.random.default_rng(0)
    X = {
        "right": rng.normal(size=(30, 3)).astype(np.float32),
        "left": rng.normal(size=(30, 2, 2)).astype(np.float32),
    }
    return KerasClassifier(two_inputs, epochs=1, random_state=0).fit(X, np.arange(30) % 2), X


def at(function, encoded):
    """Return the outputs at encoded rows by the derivatives, averaged over the members."""
    paths = Paths(
        function.in_shape(encoded[:1]), function.in_shape(encoded), np.zeros((len(encoded), 1))
    )
    return np.mean([member.read(paths) for member in function.derivatives()], axis=0)


def test_encode_flattens_inputs_and_in_shape_restores_them(two_sided):
    clf, X = two_sided
    function = NetworkFunction(clf)

    encoded = function.encode(X)
    rows = function.in_shape(encoded)

    assert encoded.shape == (30, function.n_encoded) == (30, 7)
    for name, table in X.items():
        np.testing.assert_array_equal(rows[name], table)
    np.testing.assert_array_equal(function(encoded), clf.predict_proba(X))
    assert function.estimator.get_params() == clf.get_params()
    assert function.estimator.model_ is clf.model_


def test_masked_samples_are_predicted_like_their_encoded_rows(two_sided):
    clf, X = two_sided
    function = NetworkFunction(clf)
    encoded = function.encode(X)
    is_from_row = np.random.default_rng(1).random((5, 7)) < 0.5

    found = function.of_masked_samples(
        encoded[:2], function.masked_samples(encoded[10:15], is_from_row)
    )

    expected = [function(np.where(is_from_row, row, encoded[10:15])) for row in encoded[:2]]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("n_estimators", [1, 2])
def test_derivatives_read_the_outputs_of_the_function(iris, diabetes, n_estimators):
    X, y = iris
    options = {"epochs": 2, "n_estimators": n_estimators, "random_state": 0}
    clf = KerasClassifier("mlp", **options).fit(X, y)
    clf.temperature_ = 0.6
    X_patients, y_patients = diabetes
    reg = KerasRegressor("realmlp", **options).fit(X_patients[:100], y_patients[:100])

    for estimator, rows in ((clf, X), (reg, X_patients)):
        for is_raw in (False, True):
            function = NetworkFunction(estimator, is_raw=is_raw)
            encoded = function.encode(rows)

            expected = function(encoded).reshape(len(encoded), -1)

            np.testing.assert_allclose(at(function, encoded), expected, rtol=1e-6, atol=1e-6)


def test_derivatives_read_the_outputs_of_each_time_step():
    def steps(meta):
        inputs = keras.Input(meta.X_shape_[1:])
        return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(inputs))

    X = np.random.default_rng(0).normal(size=(30, 4, 3)).astype(np.float32)
    clf = KerasClassifier(steps, epochs=1, random_state=0).fit(X, (X[..., 0] > 0).astype(int))
    function = NetworkFunction(clf)
    encoded = function.encode(X)

    found = at(function, encoded)

    assert found.shape == (30, 4)
    np.testing.assert_allclose(found, clf.predict_proba(X), atol=1e-6)


def test_derivatives_are_not_changed_by_further_training(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, random_state=0).fit(X, y)
    function = NetworkFunction(clf)
    encoded = function.encode(X)
    before, derivatives = function(encoded), function.derivatives()

    clf.partial_fit(X, y)

    paths = Paths(encoded[:1], encoded, np.zeros((len(encoded), 1)))
    np.testing.assert_allclose(derivatives[0].read(paths), before, atol=1e-6)
    np.testing.assert_array_equal(function(encoded), before)
    assert np.abs(clf.predict_proba(X) - before).max() > 1e-4
