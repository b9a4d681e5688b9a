"""Batch size, other rows, seeds, copies and threads do not change explanations."""

from __future__ import annotations

import pickle

import cloudpickle
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.preprocessing import scale

from nnkit import KerasClassifier, KerasRegressor, batched_training, explain

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)


SMALL = {"model": "mlp", "model__units": (8,), "epochs": 3, "n_estimators": 1, "random_state": 0}


def table(n_rows, n_columns, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n_columns))


def waves(X):
    """Return a function with interactions of all orders; the last column is unused."""
    return np.sin(2 * X[:, :-1].sum(axis=1)) + np.prod(1 + X[:, :3], axis=1)


class CountingRegressor(RegressorMixin, BaseEstimator):
    """Predicts by `waves`, and counts the rows."""

    def fit(self, X, y=None):
        self.n_predicted_ = 0
        return self

    def predict(self, X):
        self.n_predicted_ += len(X)
        return waves(X)


@pytest.fixture(scope="module")
def wine():
    """Three classes, twelve columns: few enough for all coalitions."""
    X, y = load_wine(return_X_y=True)
    X = scale(X)[:, :12]
    return KerasClassifier(**SMALL | {"epochs": 30}).fit(X, y), X


@pytest.fixture(scope="module")
def cancer():
    """Two classes, 30 columns, a data frame."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return KerasClassifier(**SMALL).fit(X, y), X


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return KerasRegressor(**SMALL).fit(scale(X), y), scale(X)


# Batch size and other rows


@pytest.mark.parametrize("batch_rows", [1, 100, 4097])
def test_batch_rows_does_not_change_the_values(cancer, batch_rows):
    classifier, X = cancer
    rows, background = X.iloc[:2], X.iloc[100 : 103 if batch_rows == 1 else 130]
    options = (
        {"n_permutations": 2} if batch_rows > 1 else {"feature_groups": {"all": X.columns[2:]}}
    )
    whole = explain(classifier, rows, background, **options)

    in_pieces = explain(classifier, rows, background, batch_rows=batch_rows, **options)

    np.testing.assert_allclose(in_pieces.values, whole.values, rtol=0, atol=1e-6)
    np.testing.assert_allclose(in_pieces.error_std, whole.error_std, rtol=0, atol=1e-6)
    np.testing.assert_allclose(in_pieces.base_values, whole.base_values, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_values_of_a_row_do_not_depend_on_other_rows(diabetes, method):
    regressor, X = diabetes
    together = explain(regressor, X[:40], X[100:120], method=method)

    alone = explain(regressor, X[13:14], X[100:120], method=method)
    reversed_ = explain(regressor, X[:40][::-1], X[100:120], method=method)

    # Predictions of float32 networks around 150.
    np.testing.assert_allclose(alone.values[0], together.values[13], rtol=0, atol=2e-4)
    np.testing.assert_allclose(alone.error_std[0], together.error_std[13], rtol=0, atol=2e-4)
    np.testing.assert_allclose(reversed_.values[::-1], together.values, rtol=0, atol=2e-4)


def test_values_of_a_row_do_not_depend_on_other_rows_with_tol(cancer):
    classifier, X = cancer
    together = explain(classifier, X.iloc[:40], X.iloc[100:150], tol=0.5)

    alone = explain(classifier, X.iloc[13:14], X.iloc[100:150], tol=0.5)

    np.testing.assert_allclose(alone.values[0], together.values[13], rtol=0, atol=1e-6)
    np.testing.assert_allclose(alone.error_std[0], together.error_std[13], rtol=0, atol=1e-6)


def test_values_do_not_depend_on_the_index(cancer):
    classifier, X = cancer
    rows, background = X.iloc[:3], X.iloc[100:150]

    first = explain(classifier, rows, background)
    copied = explain(
        classifier,
        rows.copy().set_axis([5, 5, 1]),
        background.sample(frac=1, random_state=0).sort_index().set_axis(range(50)),
    )

    np.testing.assert_array_equal(copied.values, first.values)


# Seeds and global states


@pytest.mark.parametrize(
    "random_state", [0, 7, np.int64(7), 2**40], ids=["zero", "seven", "numpy", "large"]
)
def test_same_random_state_gives_same_values(cancer, random_state):
    classifier, X = cancer
    options = {"max_background": 20, "random_state": random_state}

    first = explain(classifier, X.iloc[:3], X, **options)
    again = explain(classifier, X.iloc[:3], X, **options)
    other = explain(classifier, X.iloc[:3], X, max_background=20, random_state=1)

    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_array_equal(again.error_std, first.error_std)
    np.testing.assert_array_equal(again.base_values, first.base_values)
    assert (other.values != first.values).any()
    assert (other.base_values != first.base_values).all()


def test_random_state_draws_permutations(cancer):
    classifier, X = cancer
    background = X.iloc[100:120]

    first, other = (
        explain(classifier, X.iloc[:3], background, random_state=seed) for seed in (0, 1)
    )

    np.testing.assert_array_equal(first.base_values, other.base_values)
    assert (first.values != other.values).mean() > 0.9


def test_random_state_none_differs_between_calls(cancer):
    classifier, X = cancer

    values = [
        explain(classifier, X.iloc[:2], X.iloc[100:120], random_state=None).values for _ in range(2)
    ]

    assert (values[0] != values[1]).any()


@pytest.mark.parametrize("random_state", [0, None], ids=["seed", "none"])
def test_explain_keeps_global_random_states(cancer, random_state, global_random_states):
    classifier, X = cancer

    def work():
        for method in ("exact", "permutation"):
            explain(
                classifier,
                X.iloc[:2],
                X,
                method=method,
                feature_groups={"rest": X.columns[3:]},
                max_background=9,
                random_state=random_state,
            )

    def draws(between):
        keras.utils.set_random_seed(5)
        tf.random.get_global_generator().reset_from_seed(5)
        between()
        return [
            np.asarray(tf.random.uniform((3,))),
            np.asarray(tf.random.get_global_generator().uniform((3,))),
            np.asarray(keras.random.uniform((3,))),
        ]

    work()
    before = global_random_states()
    work()
    after = global_random_states()
    expected, found = draws(lambda: None), draws(work)

    assert after == before
    for wanted, drawn in zip(expected, found, strict=True):
        np.testing.assert_array_equal(drawn, wanted)


# Side effects on estimators and tables


def state_of(estimator):
    """Return the parameters, weights and attributes of a fitted estimator."""
    return {
        "params": repr(estimator.get_params()),
        "weights": [weights.copy() for weights in estimator.model_.get_weights()],
        "names": sorted(vars(estimator)),
        "shown": {key: repr(each) for key, each in vars(estimator).items() if key[-1] == "_"},
    }


@pytest.mark.parametrize("method", ["exact", "permutation", "gradient", "saliency"])
def test_explain_does_not_modify_estimator_or_tables(cancer, method):
    classifier, X = cancer
    rows, background = X.iloc[:3].copy(), X.iloc[100:150].copy()
    groups = {"rest": list(X.columns[3:])}
    before, kept = state_of(classifier), classifier.background_.copy()
    proba = classifier.predict_proba(rows)

    explain(classifier, rows, background, method=method, feature_groups=groups, max_background=9)
    explain(classifier, rows, method=method, feature_groups=groups)

    after = state_of(classifier)
    for wanted, found in zip(before.pop("weights"), after.pop("weights"), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert after == before
    pd.testing.assert_frame_equal(pd.DataFrame(classifier.background_), pd.DataFrame(kept))
    pd.testing.assert_frame_equal(rows, X.iloc[:3])
    pd.testing.assert_frame_equal(background, X.iloc[100:150])
    assert groups == {"rest": list(X.columns[3:])}
    np.testing.assert_array_equal(classifier.predict_proba(rows), proba)


def test_read_only_arrays_are_explained(diabetes):
    regressor, X = diabetes
    rows, background = X[:3].copy(), X[100:120].copy()
    for array in (rows, background):
        array.flags.writeable = False

    found = explain(regressor, rows, background, method="permutation")

    expected = explain(regressor, X[:3], X[100:120], method="permutation")
    np.testing.assert_array_equal(found.values, expected.values)


@pytest.mark.parametrize("library", [pickle, cloudpickle], ids=["pickle", "cloudpickle"])
def test_pickled_estimator_gives_equal_values(cancer, library):
    classifier, X = cancer
    expected = explain(classifier, X.iloc[:3])

    copied = library.loads(library.dumps(classifier))

    found = explain(copied, X.iloc[:3])
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-7)
    assert found.background == "100 rows kept by the estimator"


# Threads and tasks


def jobs(classifier, X):
    rest = {"rest": list(X.columns[4:])}
    return [
        {"X": X.iloc[:4], "random_state": 0},
        {"X": X.iloc[4:9], "random_state": 1},
        {"X": X.iloc[:4], "feature_groups": rest},
        {"X": X.iloc[9:12], "output": "logit", "n_permutations": 2},
    ]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(one.data, other.data)


def test_concurrent_calls_in_threads_give_equal_values(cancer):
    classifier, X = cancer
    calls = jobs(classifier, X)
    expected = [explain(classifier, **each) for each in calls]

    found = Parallel(n_jobs=4, backend="threading")(
        delayed(explain)(classifier, **each) for each in calls * 3
    )

    assert_same(found, expected * 3)


def test_first_calls_in_threads_give_equal_values():
    """The compiled model has no compiled functions before the threads start."""
    X = table(40, 9)
    classifier = KerasClassifier(**SMALL | {"model__units": (5,)}).fit(X, X[:, 0] > 0)

    found = Parallel(n_jobs=4, backend="threading")(
        delayed(explain)(classifier, X[:3], X[20:30]) for _ in range(4)
    )

    assert_same(found, [explain(classifier, X[:3], X[20:30])] * 4)


def test_explain_inside_batched_training(cancer):
    classifier, X = cancer
    calls = jobs(classifier, X)
    expected = [explain(classifier, **each) for each in calls]

    with batched_training():
        here = [explain(classifier, **each) for each in calls]
        tasks = Parallel()(delayed(explain)(classifier, **each) for each in calls)

    assert_same(here, expected)
    assert_same(tasks, expected)


def fitted_and_explained(seed):
    X = table(40, 6)
    classifier = KerasClassifier(**SMALL | {"random_state": seed}).fit(X, X[:, 0] * X[:, 1] > 0)
    return explain(classifier, X[:3], X[20:30])


@pytest.mark.parametrize("vectorize", [None, True], ids=["threads", "vectorized"])
def test_tasks_of_batched_training_fit_and_explain(vectorize):
    expected = [fitted_and_explained(seed) for seed in range(3)]

    with batched_training(vectorize=vectorize):
        found = Parallel()(delayed(fitted_and_explained)(seed) for seed in range(3))

    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=0, atol=1e-4)
    assert np.abs(expected[0].values - expected[1].values).max() > 1e-3


# Number of permutations


@pytest.mark.parametrize(
    ("background_size", "n_permutations"), [(1, 100), (30, 4), (50, 2), (99, 2), (100, 1)]
)
def test_n_permutations_auto_draws_about_100_pairs(background_size, n_permutations):
    X, background = table(3, 5), table(100, 5, seed=1)[:background_size]
    regressor = CountingRegressor().fit(X)

    auto = explain(regressor, X, background, method="permutation")

    n_masked = 3 * 2 * (5 - 1) * background_size * n_permutations
    assert regressor.n_predicted_ == 3 + background_size + n_masked
    given = explain(regressor, X, background, method="permutation", n_permutations=n_permutations)
    np.testing.assert_array_equal(auto.values, given.values)


def test_tol_draws_rounds_until_standard_error_is_reached(wine):
    classifier, X = wine
    rows, background = X[::20], X[7::18]
    options = {"method": "permutation", "n_permutations": 1}

    once = explain(classifier, rows, background, **options)
    met = explain(classifier, rows, background, tol=0.03, **options)

    gap = np.abs(met.values.sum(axis=1)).max(axis=1)
    was_met = once.error_std.max(axis=(1, 2)) <= 0.03 * gap
    assert not was_met.all()
    assert (met.error_std.max(axis=(1, 2)) <= 0.03 * gap * (1 + 1e-5)).all()
    np.testing.assert_allclose(met.values[was_met], once.values[was_met], rtol=0, atol=1e-6)
    assert np.abs(met.values - once.values)[~was_met].max() > 1e-4
