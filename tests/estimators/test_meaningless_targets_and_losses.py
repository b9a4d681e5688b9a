"""Targets and losses that train, and mean nothing."""

import keras
import numpy as np
import pytest

from nnkit import KerasClassifier

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
