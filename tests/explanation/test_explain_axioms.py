"""Axioms of Shapley values, and agreement with closed forms and with shap."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import scale

from nnkit import KerasClassifier, KerasRegressor, explain

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
    """Return a function with interactions of all orders; the last column is unused."""
    return np.sin(2 * X[:, :-1].sum(axis=1)) + np.prod(1 + X[:, :3], axis=1)


@pytest.fixture(scope="module")
def wine():
    """Three classes, twelve columns: few enough for all coalitions."""
    X, y = load_wine(return_X_y=True)
    X = scale(X)[:, :12]
    return KerasClassifier(**SMALL | {"epochs": 30}).fit(X, y), X


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return KerasRegressor(**SMALL).fit(scale(X), y), scale(X)


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
    assert drawn.error_std.max() > 0.01  # the estimate of one pair does not detect exactness


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
