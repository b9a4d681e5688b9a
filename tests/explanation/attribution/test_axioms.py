"""What makes Shapley values Shapley values, and what callers may rely on besides."""

from __future__ import annotations

import pickle
import sys

import cloudpickle
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import scale

from nnkit import KerasClassifier, KerasRegressor, batched_training, explain

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)

SMALL = {"model": "mlp", "model__units": (8,), "epochs": 3, "n_estimators": 1, "random_state": 0}


def table(n_rows, n_columns, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n_columns))


def any_regressor(n_columns):
    """Return a fitted estimator whose predictions a test replaces."""
    return LinearRegression().fit(np.eye(n_columns), np.arange(n_columns))


def waves(X):
    """Return a function with interactions of all orders; the last column has no part in it."""
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


@pytest.fixture
def shap_without_numba(monkeypatch):
    """Return shap, with the functions that it would compile for seconds in plain Python."""
    import shap

    for name, module in list(sys.modules.items()):
        if name.startswith("shap."):
            for key, function in list(vars(module).items()):
                # Links are told apart by what they are.
                if hasattr(function, "py_func") and function.__module__ != "shap.links":
                    monkeypatch.setattr(module, key, function.py_func)
    return shap


# Axioms


@pytest.mark.parametrize(
    "options",
    [
        {"method": "exact"},
        {"method": "permutation"},
        {"method": "permutation", "n_permutations": 1},
        {"method": "permutation", "n_permutations": 3, "tol": 0.2},
    ],
    ids=["exact", "permutation", "one pair", "tol"],
)
@pytest.mark.parametrize("output", ["proba", "logit", "raw"])
def test_values_sum_to_network_output(wine, output, options):
    classifier, X = wine
    groups = {"first": [0, 1, 2, 3], "last": [10, 11]}

    explanation = explain(
        classifier, X[::60], X[5::10], output=output, feature_groups=groups, **options
    )

    proba = classifier.predict_proba(X[::60]).astype(float)
    expected = {
        "proba": proba,
        "logit": np.log(proba) - np.log1p(-proba),
        "raw": np.asarray(classifier.model_(classifier.encoder_.transform(X[::60]))),
    }
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, expected[output], rtol=0, atol=2e-5)
    assert np.abs(explanation.values).max() > 0.01


def test_values_sum_to_callable_output_in_float64():
    X, background = table(5, 7), table(9, 7, seed=1)

    for options in ({"method": "exact"}, {"method": "permutation"}):
        explanation = explain(any_regressor(7), X, background, output=waves, **options)
        total = explanation.values.sum(axis=1) + explanation.base_values
        np.testing.assert_allclose(total, waves(X), rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_unused_column_has_zero_value(method):
    X, background = table(8, 6), table(9, 6, seed=1)

    explanation = explain(any_regressor(6), X, background, output=waves, method=method)

    np.testing.assert_allclose(explanation.values[:, -1], 0, rtol=0, atol=4e-15)
    np.testing.assert_allclose(explanation.error_std[:, -1], 0, rtol=0, atol=4e-15)
    assert (np.abs(explanation.values[:, :-1]).max(axis=0) > 0.01).all()


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_column_unused_by_network_has_zero_value(method):
    def blind(meta):
        inputs = keras.Input(meta.X_shape_[1:])
        hidden = keras.layers.Dense(4, activation="tanh")(inputs[:, :4])
        return keras.Model(inputs, keras.layers.Dense(1)(hidden))

    X = table(40, 5)
    regressor = KerasRegressor(blind, epochs=1, n_estimators=1, random_state=0).fit(X, X[:, 0])

    explanation = explain(regressor, X[:4], X[20:], method=method)

    np.testing.assert_allclose(explanation.values[:, 4], 0, rtol=0, atol=3e-7)
    assert (np.abs(explanation.values[:, :4]).max(axis=0) > 1e-3).all()


def test_equal_columns_have_equal_values():
    X, background = table(6, 5), table(9, 5, seed=1)
    X[:, 1], background[:, 1] = X[:, 3], background[:, 3]

    def function(rows):
        return rows[:, 1] * rows[:, 3] * rows[:, 0] + np.tanh(rows[:, 1] + rows[:, 3]) * rows[:, 4]

    values = explain(any_regressor(5), X, background, output=function).values

    np.testing.assert_allclose(values[:, 1], values[:, 3], rtol=0, atol=4e-16)
    assert np.abs(values[:, 1] - values[:, 0]).min() > 1e-3


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_values_are_linear_in_the_function(method):
    X, background = table(5, 6), table(9, 6, seed=1)

    def values(function):
        return explain(any_regressor(6), X, background, output=function, method=method).values

    both = values(lambda rows: 2 * waves(rows) - 3 * np.prod(rows[:, 2:], axis=1) + 7)

    parts = 2 * values(waves) - 3 * values(lambda rows: np.prod(rows[:, 2:], axis=1))
    np.testing.assert_allclose(both, parts, rtol=0, atol=1e-12)


# Against other implementations and closed forms


def test_exact_values_of_groups_equal_shap_exact_explainer(wine, shap_without_numba):
    classifier, X = wine
    groups = {"rest": list(range(5, 12))}
    rows, background = X[::70], X[3::20]

    found = explain(classifier, rows, background, feature_groups=groups)

    maskers, members = shap_without_numba.maskers, [[0], [1], [2], [3], [4], range(5, 12)]
    for row, values in zip(rows, found.values[:, [1, 2, 3, 4, 5, 0]], strict=True):

        def coalition_values(coalitions, row=row):
            coalition_values = []
            for coalition in coalitions:
                masked_samples = background.copy()
                columns = [j for p in np.flatnonzero(coalition) for j in members[p]]
                masked_samples[:, columns] = row[columns]
                coalition_values.append(classifier.predict_proba(masked_samples).mean(axis=0))
            return np.array(coalition_values)

        explainer = shap_without_numba.ExactExplainer(
            coalition_values, maskers.Independent(np.zeros((1, 6)))
        )
        expected = explainer(np.ones((1, 6))).values[0]
        np.testing.assert_allclose(values, expected, rtol=0, atol=3e-6)


def test_exact_values_of_columns_equal_shap_exact_explainer(diabetes, shap_without_numba):
    regressor, X = diabetes
    rows, background = X[:2, :], X[10:16]

    found = explain(regressor, rows, background)

    masker = shap_without_numba.maskers.Independent(background, max_samples=6)
    expected = shap_without_numba.ExactExplainer(regressor.predict, masker)(rows)
    # In units of the target, whose standard deviation is 77.
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=77 * 3e-6)
    np.testing.assert_allclose(found.base_values, expected.base_values, rtol=0, atol=77 * 3e-6)
    assert np.abs(found.values).max() > 1


def test_one_permutation_pair_is_exact_for_products_of_two_groups():
    X, background = table(4, 8), table(6, 8, seed=1)
    options = {"feature_groups": {"a": [0, 5], "b": [1, 2], "c": [3, 6, 7]}}

    def function(rows):
        a, b, c = np.sin(rows[:, 0] * rows[:, 5]), rows[:, 1] / (1 + rows[:, 2] ** 2), rows[:, 7]
        return a * b + b * c - a * c * 2 + rows[:, 4] * c + np.exp(rows[:, 6])

    exact = explain(any_regressor(8), X, background, output=function, method="exact", **options)
    drawn = explain(
        any_regressor(8),
        X,
        background,
        output=function,
        method="permutation",
        n_permutations=1,
        **options,
    )

    np.testing.assert_allclose(drawn.values, exact.values, rtol=0, atol=1e-13)
    assert drawn.error_std.max() > 0.01  # it cannot know


@pytest.mark.parametrize("n_permutations", [1, 4])
def test_standard_errors_cover_errors_on_wine_data(wine, n_permutations):
    classifier, X = wine
    rows, background = X[::45], X[7::18]
    groups = {"rest": [8, 9, 10, 11]}
    exact = explain(classifier, rows, background, method="exact", feature_groups=groups).values
    n_sigma = []

    for seed in range(8):
        drawn = explain(
            classifier,
            rows,
            background,
            method="permutation",
            feature_groups=groups,
            n_permutations=n_permutations,
            random_state=seed,
        )
        n_sigma.append(np.abs(drawn.values - exact) / drawn.error_std)

    assert np.mean(np.array(n_sigma) < 2) >= 0.9
    assert np.mean(np.array(n_sigma) < 0.01) < 0.2  # not by being huge


# What does not matter


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
    together = explain(classifier, X.iloc[:40], X.iloc[100:150], tol=0.2)

    alone = explain(classifier, X.iloc[13:14], X.iloc[100:150], tol=0.2)

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


# Estimators and tables stay as they are


def state_of(estimator):
    """Return all that a fitted estimator shows."""
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
    asked = jobs(classifier, X)
    expected = [explain(classifier, **each) for each in asked]

    found = Parallel(n_jobs=4, backend="threading")(
        delayed(explain)(classifier, **each) for each in asked * 3
    )

    assert_same(found, expected * 3)


def test_first_calls_in_threads_give_equal_values():
    """No call has made programs for this compiled model before the threads start."""
    X = table(40, 9)
    classifier = KerasClassifier(**SMALL | {"model__units": (5,)}).fit(X, X[:, 0] > 0)

    found = Parallel(n_jobs=4, backend="threading")(
        delayed(explain)(classifier, X[:3], X[20:30]) for _ in range(4)
    )

    assert_same(found, [explain(classifier, X[:3], X[20:30])] * 4)


def test_explain_inside_batched_training(cancer):
    classifier, X = cancer
    asked = jobs(classifier, X)
    expected = [explain(classifier, **each) for each in asked]

    with batched_training():
        here = [explain(classifier, **each) for each in asked]
        tasks = Parallel()(delayed(explain)(classifier, **each) for each in asked)

    assert_same(here, expected)
    assert_same(tasks, expected)


def fitted_and_explained(seed):
    X = table(40, 6)
    classifier = KerasClassifier(**SMALL | {"random_state": seed}).fit(X, X[:, 0] * X[:, 1] > 0)
    return explain(classifier, X[:3], X[20:30])


@pytest.mark.parametrize("vectorize", [None, True], ids=["threads", "one program"])
def test_tasks_of_batched_training_fit_and_explain(vectorize):
    expected = [fitted_and_explained(seed) for seed in range(3)]

    with batched_training(vectorize=vectorize):
        found = Parallel()(delayed(fitted_and_explained)(seed) for seed in range(3))

    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=0, atol=1e-4)
    assert np.abs(expected[0].values - expected[1].values).max() > 1e-3


# How much is drawn


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
