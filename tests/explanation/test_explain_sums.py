"""Values and base value sum to the prediction, for all kinds of estimators and outputs."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from nnkit import KerasClassifier, KerasRegressor, explain

N = 80
OWN = {"epochs": 2, "random_state": 0}


def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(N, 4)), columns=["a", "b", "c", "d"])
    frame["e"] = rng.choice(["x", "y", "z"], N)
    return frame


def selecting():
    columns = make_column_transformer(
        (OneHotEncoder(), ["e"]), (StandardScaler(), ["d", "a"]), ("drop", ["b"])
    )
    return make_pipeline(
        columns, VarianceThreshold(), SelectKBest(k=3), KerasClassifier("mlp", **OWN)
    )


CLASSIFIERS = {
    "network": lambda: KerasClassifier("mlp", **OWN),
    "ensemble": lambda: KerasClassifier("mlp", n_estimators=2, **OWN),
    "pipeline that selects": selecting,
    "calibrated": lambda: CalibratedClassifierCV(KerasClassifier("mlp", **OWN), cv=2),
}


@cache
def fitted(name, n_classes):
    return CLASSIFIERS[name]().fit(table(), np.arange(N) % n_classes)


@cache
def fitted_regressor(n_targets, is_weighted):
    X = table()[["a", "b", "c"]]
    y = np.column_stack([1e4 * X["a"], X["b"] - 1e5])[:, :n_targets]
    weights = np.linspace(0, 2, N) if is_weighted else None
    return KerasRegressor("mlp", n_estimators=2, **OWN).fit(X, y, sample_weight=weights)


@pytest.mark.parametrize("method", ["exact", "permutation"])
@pytest.mark.parametrize("output", ["proba", "logit"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifier_values_sum_to_output(name, n_classes, output, method):
    X = table()
    classifier = fitted(name, n_classes)
    classes = list(classifier.classes_)

    explanation = explain(
        classifier, X[:3], X, method=method, output=output, classes=classes, max_background=5
    )

    proba = classifier.predict_proba(X[:3])
    expected = proba if output == "proba" else np.log(proba) - np.log1p(-proba)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, expected, rtol=1e-3, atol=1e-5)
    # A dropped column has the value 0.
    if name == "pipeline that selects":
        assert not explanation.values[:, explanation.feature_names.index("b")].any()


@pytest.mark.parametrize("method", ["exact", "permutation", "integrated_gradients"])
@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_regressor_values_sum_to_prediction(is_weighted, n_targets, method):
    X = table()[["a", "b", "c"]]
    regressor = fitted_regressor(n_targets, is_weighted)

    explanation = explain(regressor, X[:3], X, method=method)

    total = explanation.values.sum(axis=1) + explanation.base_values
    expected = regressor.predict(X[:3]).reshape(total.shape)
    rtol = 1e-2 if method == "integrated_gradients" else 1e-4
    np.testing.assert_allclose(total, expected, rtol=rtol, atol=rtol * np.abs(expected).max())


def test_transformed_target_values_are_in_target_units():
    X = table()
    inner = KerasRegressor("mlp", **OWN)
    regressor = TransformedTargetRegressor(inner, func=np.log1p, inverse_func=np.expm1)
    regressor.fit(X, np.exp(X["a"]))

    explanation = explain(regressor, X[:3], X, max_background=5)

    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, regressor.predict(X[:3]), rtol=1e-4, atol=1e-5)


def test_values_do_not_depend_on_column_order():
    X = table()
    pipeline = fitted("pipeline that selects", 2)
    order = ["e", "c", "a", "d", "b"]

    explanation = explain(pipeline, X[:3], X, method="exact")
    reordered = explain(pipeline, X[:3][order], X, method="exact")

    at = [reordered.feature_names.index(name) for name in explanation.feature_names]
    np.testing.assert_allclose(reordered.values[:, at], explanation.values, atol=1e-6)
