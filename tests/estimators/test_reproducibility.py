"""random_state, global random states, and predictions that do not depend on other rows."""

import numpy as np
import pytest
from networks import classifier_network

from nnkit import KerasClassifier


def fitted(iris, **params):
    X, y = iris
    return KerasClassifier(
        classifier_network,
        **{
            "model__dropout_rate": 0.3,
            "epochs": 3,
            "batch_size": 16,
            "early_stopping": True,
            "random_state": 0,
            **params,
        },
    ).fit(X, y)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_random_state_makes_fits_identical(iris, engine):
    """The seed determines initial weights, row order, dropout and the validation split."""
    X, _ = iris
    first, again = fitted(iris, engine=engine), fitted(iris, engine=engine)

    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert first.history_ == again.history_


def test_another_random_state_gives_other_predictions(iris):
    X, _ = iris

    assert not np.array_equal(
        fitted(iris).predict_proba(X), fitted(iris, random_state=1).predict_proba(X)
    )


def test_random_state_none_gives_other_predictions_in_each_fit(iris):
    X, _ = iris

    first, other = (fitted(iris, random_state=None).predict_proba(X) for _ in range(2))

    assert not np.array_equal(first, other)


def test_random_state_instance_is_consumed_as_in_scikit_learn(iris):
    X, _ = iris
    stream = np.random.RandomState(0)

    first = fitted(iris, random_state=stream).predict_proba(X)
    second = fitted(iris, random_state=stream).predict_proba(X)
    again = fitted(iris, random_state=np.random.RandomState(0)).predict_proba(X)

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("engine", ["graph", "keras"])
@pytest.mark.parametrize("random_state", [0, None])
def test_fit_does_not_change_global_random_states(iris, engine, random_state, global_random_states):
    before = global_random_states()

    fitted(iris, engine=engine, random_state=random_state).predict(iris[0])

    assert global_random_states() == before


def test_fit_does_not_depend_on_global_random_states(iris):
    X, _ = iris
    import random

    import keras

    state = random.getstate(), np.random.get_state()
    try:
        results = []
        for seed in (1, 2):
            keras.utils.set_random_seed(seed)
            results.append(fitted(iris).predict_proba(X))
    finally:
        random.setstate(state[0])
        np.random.set_state(state[1])

    np.testing.assert_array_equal(*results)


def test_predictions_do_not_depend_on_other_rows(iris):
    X, _ = iris
    clf = fitted(iris)

    one_by_one = np.vstack([clf.predict_proba(X[i : i + 1]) for i in range(20)])

    np.testing.assert_allclose(clf.predict_proba(X)[:20], one_by_one, atol=1e-6)
    np.testing.assert_allclose(clf.predict_proba(X[::-1])[::-1], clf.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, object])
def test_fit_does_not_depend_on_the_dtype_of_the_table(iris, dtype):
    X, y = iris
    X = np.round(X)

    plain = KerasClassifier("mlp", epochs=2, random_state=0).fit(X, y)
    other = KerasClassifier("mlp", epochs=2, random_state=0).fit(X.astype(dtype), y)

    np.testing.assert_allclose(
        other.predict_proba(X), plain.predict_proba(X.astype(dtype)), atol=2e-3
    )
