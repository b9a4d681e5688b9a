"""What a fitted estimator predicts for encoded rows, and what that is derived by."""

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


@pytest.fixture
def two_sided():
    """A classifier of a dict whose inputs come in another order than the network's."""
    rng = np.random.default_rng(0)
    X = {
        "right": rng.normal(size=(30, 3)).astype(np.float32),
        "left": rng.normal(size=(30, 2, 2)).astype(np.float32),
    }
    return KerasClassifier(two_inputs, epochs=1, random_state=0).fit(X, np.arange(30) % 2), X


def at(function, cells):
    """Return what the members' derivatives read at cells, in the mean."""
    paths = Paths(function.in_shape(cells[:1]), function.in_shape(cells), np.zeros((len(cells), 1)))
    return np.mean([member.read(paths) for member in function.derivatives()], axis=0)


def test_rows_are_flat_and_come_back_in_the_shape_of_inputs(two_sided):
    clf, X = two_sided
    function = NetworkFunction(clf)

    cells = function.encode(X)
    rows = function.in_shape(cells)

    assert cells.shape == (30, function.n_encoded) == (30, 7)
    for name, part in X.items():
        np.testing.assert_array_equal(rows[name], part)
    np.testing.assert_array_equal(function(cells), clf.predict_proba(X))
    assert function.estimator.get_params() == clf.get_params()
    assert function.estimator.model_ is clf.model_


def test_hybrids_are_predicted_as_rows_of_their_cells(two_sided):
    clf, X = two_sided
    function = NetworkFunction(clf)
    cells = function.encode(X)
    is_from_row = np.random.default_rng(1).random((5, 7)) < 0.5

    found = function.of_masked_samples(
        cells[:2], function.masked_samples(cells[10:15], is_from_row)
    )

    wanted = [function(np.where(is_from_row, row, cells[10:15])) for row in cells[:2]]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("n_estimators", [1, 2])
def test_derivatives_read_what_the_function_returns(iris, diabetes, n_estimators):
    X, y = iris
    options = {"epochs": 2, "n_estimators": n_estimators, "random_state": 0}
    clf = KerasClassifier("mlp", **options).fit(X, y)
    clf.temperature_ = 0.6
    X_patients, y_patients = diabetes
    reg = KerasRegressor("realmlp", **options).fit(X_patients[:100], y_patients[:100])

    for estimator, rows in ((clf, X), (reg, X_patients)):
        for is_raw in (False, True):
            function = NetworkFunction(estimator, is_raw=is_raw)
            cells = function.encode(rows)

            wanted = function(cells).reshape(len(cells), -1)

            np.testing.assert_allclose(at(function, cells), wanted, rtol=1e-6, atol=1e-6)


def test_steps_of_a_sequence_are_read_by_step():
    def steps(meta):
        inputs = keras.Input(meta.X_shape_[1:])
        return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(inputs))

    X = np.random.default_rng(0).normal(size=(30, 4, 3)).astype(np.float32)
    clf = KerasClassifier(steps, epochs=1, random_state=0).fit(X, (X[..., 0] > 0).astype(int))
    function = NetworkFunction(clf)
    cells = function.encode(X)

    found = at(function, cells)

    assert found.shape == (30, 4)
    np.testing.assert_allclose(found, clf.predict_proba(X), atol=1e-6)


def test_a_network_is_a_snapshot_for_its_derivatives(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, random_state=0).fit(X, y)
    function = NetworkFunction(clf)
    cells = function.encode(X)
    before, derivatives = function(cells), function.derivatives()

    clf.partial_fit(X, y)

    paths = Paths(cells[:1], cells, np.zeros((len(cells), 1)))
    np.testing.assert_allclose(derivatives[0].read(paths), before, atol=1e-6)
    np.testing.assert_array_equal(function(cells), before)
    assert np.abs(clf.predict_proba(X) - before).max() > 1e-4
