"""Errors and warnings on losses and last activations that do not suit the target."""

import warnings

import keras
import numpy as np
import pytest

from nnkit import KerasClassifier, KerasRegressor

PARAMS = {"epochs": 1, "random_state": 0}


def with_head(n_units, activation):
    return lambda: keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(n_units, activation=activation)]
    )


def one_hot(y):
    return (y[:, None] == np.unique(y)).astype(int)


def test_fit_warns_on_one_hot_rows_with_a_sigmoid_output(iris):
    X, y = iris

    with pytest.warns(UserWarning, match=r"exactly one 1 among 3 columns.*y\.argmax\(axis=1\)"):
        KerasClassifier(with_head(3, "sigmoid"), **PARAMS).fit(X, one_hot(y))


def test_fit_does_not_warn_on_one_hot_rows_with_a_softmax_output(iris):
    X, y = iris

    clf = KerasClassifier(with_head(3, "softmax"), **PARAMS).fit(X, one_hot(y))

    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


def test_fit_does_not_warn_on_multilabel_rows(iris):
    X, y = iris
    labels = one_hot(y)
    labels[0] = 1

    KerasClassifier(with_head(3, "sigmoid"), **PARAMS).fit(X, labels)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", keras.losses.MeanSquaredError()])
@pytest.mark.parametrize(("n_units", "activation"), [(3, "softmax"), (1, "sigmoid")])
def test_fit_raises_on_a_distance_loss_without_an_output_activation(
    iris, loss, n_units, activation
):
    X, y = iris
    y = y if n_units == 3 else y == "setosa"

    with pytest.raises(ValueError, match=f"measures distances.*the activation '{activation}'"):
        KerasClassifier(with_head(n_units, "linear"), loss=loss, **PARAMS).fit(X, y)


@pytest.mark.parametrize(("n_units", "activation"), [(3, "softmax"), (1, "sigmoid")])
def test_squared_error_of_probabilities_is_the_brier_score_loss(iris, n_units, activation):
    X, y = iris
    y = y if n_units == 3 else y == "setosa"
    clf = KerasClassifier(
        with_head(n_units, activation), loss="mse", optimizer__learning_rate=1e-12, **PARAMS
    )

    proba = clf.fit(X, y).predict_proba(X)

    truth = (y[:, None] == clf.classes_).astype(float)
    expected = np.mean((proba - truth) ** 2)
    assert clf.history_["loss"][0] == pytest.approx(expected, rel=1e-3)


def one_layer(activation, n_units=1):
    def builder(meta):
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(n_units, activation)])

    return builder


ROWS = np.random.default_rng(0).normal(size=(40, 3))


@pytest.mark.parametrize(
    ("activation", "y", "bounds"),
    [
        ("relu", ROWS[:, 0], "from 0 up"),
        ("softplus", ROWS[:, 0], "from 0 up"),
        ("tanh", ROWS[:, 0] * 10, "from -1 to 1"),
        ("relu6", np.abs(ROWS[:, 0]) * 10, "from 0 to 6"),
    ],
)
def test_fit_warns_on_a_last_activation_that_cannot_reach_the_target(activation, y, bounds):
    reg = KerasRegressor(one_layer(activation), epochs=1, random_state=0)

    with pytest.warns(UserWarning, match=f"activation is '{activation}', .* {bounds}, but y goes"):
        reg.fit(ROWS, y)


@pytest.mark.parametrize("activation", ["relu", "softplus", "tanh", None])
def test_fit_does_not_warn_on_a_last_activation_that_reaches_the_target(activation):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*last activation")
        KerasRegressor(one_layer(activation), epochs=1).fit(ROWS, np.abs(np.tanh(ROWS[:, 0])))


@pytest.mark.parametrize(
    ("loss", "activation", "n_units"),
    [
        ("mae", "softmax", 2),
        ("msle", "sigmoid", 1),
        ("log_cosh", "softmax", 2),
        ("hinge", None, 1),
        ("categorical_hinge", None, 2),
    ],
)
@pytest.mark.parametrize("n_fits", [1, 2])  # the second fit uses the cached compiled model
def test_fit_warns_on_a_loss_that_does_not_estimate_probabilities(
    loss, activation, n_units, n_fits
):
    clf = KerasClassifier(one_layer(activation, n_units), epochs=1, loss=loss, random_state=0)

    for _ in range(n_fits):
        with pytest.warns(UserWarning, match="so that predict_proba gives no probabilities"):
            clf.fit(ROWS, (ROWS[:, 0] > 0).astype(int))


@pytest.mark.parametrize("loss", ["mse", "huber", "kl_divergence", "poisson", None])
def test_fit_does_not_warn_on_a_proper_loss(loss):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*predict_proba")
        KerasClassifier(one_layer("softmax", 2), epochs=1, loss=loss).fit(
            ROWS, (ROWS[:, 0] > 0).astype(int)
        )


def test_absolute_error_is_least_at_probability_one_of_the_most_frequent_class():
    """The reason of the warning: the absolute error is not a proper score.

    With class frequencies 0.7 and 0.3, the expected squared error is least at a probability of
    0.7, and the expected absolute error at 1.
    """
    proba = np.linspace(0, 1, 101)

    def expected(loss):
        return 0.7 * loss(1 - proba) + 0.3 * loss(proba)

    assert proba[np.argmin(expected(np.square))] == pytest.approx(0.7)
    assert proba[np.argmin(expected(np.abs))] == 1.0
