"""Targets and losses that train, and mean nothing."""

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


def test_one_hot_rows_as_labels_warn(iris):
    X, y = iris

    with pytest.warns(UserWarning, match=r"exactly one 1 among 3 columns.*y\.argmax\(axis=1\)"):
        KerasClassifier(with_head(3, "sigmoid"), **PARAMS).fit(X, one_hot(y))


def test_one_hot_rows_with_a_softmax_do_not_warn(iris):
    X, y = iris

    clf = KerasClassifier(with_head(3, "softmax"), **PARAMS).fit(X, one_hot(y))

    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


def test_labels_that_do_not_exclude_each_other_do_not_warn(iris):
    X, y = iris
    labels = one_hot(y)
    labels[0] = 1

    KerasClassifier(with_head(3, "sigmoid"), **PARAMS).fit(X, labels)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", keras.losses.MeanSquaredError()])
@pytest.mark.parametrize(("n_units", "activation"), [(3, "softmax"), (1, "sigmoid")])
def test_distances_of_scores_are_refused(iris, loss, n_units, activation):
    X, y = iris
    y = y if n_units == 3 else y == "setosa"

    with pytest.raises(ValueError, match=f"measures distances.*the activation '{activation}'"):
        KerasClassifier(with_head(n_units, "linear"), loss=loss, **PARAMS).fit(X, y)


@pytest.mark.parametrize(("n_units", "activation"), [(3, "softmax"), (1, "sigmoid")])
def test_squared_error_of_probabilities_is_the_brier_score(iris, n_units, activation):
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
def test_a_last_activation_that_cannot_give_the_target_warns(activation, y, bounds):
    reg = KerasRegressor(one_layer(activation), epochs=1, random_state=0)

    with pytest.warns(UserWarning, match=f"activation is '{activation}', .* {bounds}, but y goes"):
        reg.fit(ROWS, y)


@pytest.mark.parametrize("activation", ["relu", "softplus", "tanh", None])
def test_a_last_activation_that_gives_the_target_does_not_warn(activation):
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
@pytest.mark.parametrize("repeat", [1, 2])  # the second fit finds the network compiled
def test_a_loss_that_does_not_lead_to_probabilities_warns(loss, activation, n_units, repeat):
    clf = KerasClassifier(one_layer(activation, n_units), epochs=1, loss=loss, random_state=0)

    for _ in range(repeat):
        with pytest.warns(UserWarning, match="so that predict_proba gives no probabilities"):
            clf.fit(ROWS, (ROWS[:, 0] > 0).astype(int))


@pytest.mark.parametrize("loss", ["mse", "huber", "kl_divergence", "poisson", None])
def test_a_proper_loss_does_not_warn(loss):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*predict_proba")
        KerasClassifier(one_layer("softmax", 2), epochs=1, loss=loss).fit(
            ROWS, (ROWS[:, 0] > 0).astype(int)
        )


def test_the_absolute_error_of_probabilities_is_least_for_the_most_frequent_class():
    """Why it warns: with shares 0.7 and 0.3 the squared error is least there, the absolute at 1."""
    member_data = np.linspace(0, 1, 101)

    def expected(loss):
        return 0.7 * loss(1 - member_data) + 0.3 * loss(member_data)

    assert member_data[np.argmin(expected(np.square))] == pytest.approx(0.7)
    assert member_data[np.argmin(expected(np.abs))] == 1.0
