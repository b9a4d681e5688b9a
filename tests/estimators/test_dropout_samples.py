"""Predictions with dropout: ``predict(X, dropout_samples=...)`` and that of probabilities."""

import threading

import keras
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from nnkit import KerasClassifier, KerasRegressor, TabularRegressor

RATE = 0.25


def dropped_sum(kind=keras.layers.Dropout, with_normalization=False):
    """Return a network whose output is the sum of its three inputs, after dropout."""
    inputs = keras.Input((3,))
    hidden = kind(RATE)(inputs)
    if with_normalization:
        # In training it would divide by the standard deviation of the batch.
        hidden = keras.layers.BatchNormalization(epsilon=0.0)(hidden)
    return keras.Model(
        inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(hidden)
    )


def regressor_of(network, **parameters):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)).astype("float32"), rng.normal(size=20)
    return KerasRegressor(network, random_state=0, **parameters).initialize(X, y)


@pytest.mark.parametrize("with_normalization", [False, True], ids=["alone", "normalized"])
def test_mean_and_spread_are_those_of_the_bernoulli_distribution(with_normalization):
    reg = regressor_of(dropped_sum(with_normalization=with_normalization))
    X = np.array([[1, 2, -3], [4, 0, 0]], dtype="float32")

    y_pred, y_std = reg.predict(X, return_std=True, dropout_samples=4000)

    # Var[sum_j x_j b_j / (1 - p)] = p / (1 - p) sum_j x_j^2, with b_j of Bernoulli(1 - p)
    expected = np.sqrt(RATE / (1 - RATE) * (X**2).sum(axis=1))
    np.testing.assert_allclose(y_std, expected, rtol=0.05)
    assert (np.abs(y_pred - X.sum(axis=1)) < 4 * expected / np.sqrt(4000)).all()
    np.testing.assert_allclose(reg.predict(X), X.sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize("kind", [keras.layers.GaussianDropout, keras.layers.AlphaDropout])
def test_other_layers_of_dropout_are_drawn(kind):
    reg = regressor_of(dropped_sum(kind))

    _, y_std = reg.predict(np.ones((2, 3), "float32"), return_std=True, dropout_samples=20)

    assert (y_std > 0).all()


def test_draws_repeat_with_a_seed_and_not_without():
    X = np.ones((2, 3), "float32")
    seeded, free = regressor_of(dropped_sum()), regressor_of(dropped_sum())
    free.set_params(random_state=None)

    np.testing.assert_array_equal(*[seeded.predict(X, dropout_samples=5) for _ in range(2)])
    assert (free.predict(X, dropout_samples=5) != free.predict(X, dropout_samples=5)).any()


def test_probabilities_of_an_ensemble_are_averaged_over_networks_and_draws():
    X, y = load_iris(return_X_y=True)
    clf = KerasClassifier(
        "mlp", model__dropout_rate=0.4, n_estimators=2, epochs=3, random_state=0
    ).fit(X, y)
    before = clf.predict_proba(X)

    y_proba, y_std = clf.predict_proba(X, return_std=True, dropout_samples=30)

    assert y_proba.shape == y_std.shape == (150, 3)
    np.testing.assert_allclose(y_proba.sum(axis=1), 1)
    np.testing.assert_allclose(y_proba, before, atol=0.25)
    assert np.abs(y_proba - before).max() > 1e-3
    assert (y_std > clf.predict_proba(X, return_std=True)[1]).mean() > 0.8
    np.testing.assert_array_equal(clf.predict_proba(X), before)


def test_quantiles_of_draws_do_not_cross():
    X, y = load_diabetes(return_X_y=True)
    reg = KerasRegressor(
        "mlp", model__dropout_rate=0.4, loss="quantile", epochs=3, random_state=0
    ).fit(X, y)

    quantiles = reg.predict(X, quantiles=(0.1, 0.5, 0.9), dropout_samples=5)

    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert (quantiles != reg.predict(X, quantiles=(0.1, 0.5, 0.9))).any()


def test_fits_and_predictions_in_other_threads_are_not_affected():
    X, y = load_iris(return_X_y=True)
    clf = KerasClassifier("mlp", model__dropout_rate=0.4, epochs=2, random_state=0)
    expected = clf.fit(X, y).predict_proba(X)
    found = []

    def fit_and_predict():
        other = KerasClassifier("mlp", model__dropout_rate=0.4, epochs=2, random_state=0)
        found.append(other.fit(X, y).predict_proba(X))

    threads = [threading.Thread(target=fit_and_predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        clf.predict_proba(X, dropout_samples=3)
    for thread in threads:
        thread.join()

    assert len(found) == 3
    for y_proba in found:
        np.testing.assert_array_equal(y_proba, expected)


@pytest.mark.parametrize("value", [0, -1, 2.5, "50", True])
def test_invalid_numbers_of_samples_are_refused(value):
    reg = regressor_of(dropped_sum())

    with pytest.raises((TypeError, ValueError), match="dropout_samples must be an integer"):
        reg.predict(np.ones((2, 3)), dropout_samples=value)


def test_one_draw_has_no_spread():
    reg = regressor_of(dropped_sum())

    with pytest.raises(ValueError, match=r"return_std=True needs.*dropout_samples=50"):
        reg.predict(np.ones((2, 3)), return_std=True, dropout_samples=1)


def test_networks_without_dropout_are_refused():
    X, y = load_diabetes(return_X_y=True)
    without = KerasRegressor("mlp", model__dropout_rate=0.0, epochs=1).fit(X, y)
    scheduled = TabularRegressor(n_estimators=1, epochs=1, model__dropout_rate=0.2).fit(X, y)

    with pytest.raises(ValueError, match="the network has none with a rate above 0"):
        without.predict(X, dropout_samples=3)
    with pytest.raises(ValueError, match="is 0 at the end of the training"):
        scheduled.predict(X, dropout_samples=3)
