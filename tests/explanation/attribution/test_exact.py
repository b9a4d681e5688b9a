"""Shapley values by all coalitions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnkit.explanation import explain
from nnkit.explanation.attribution.exact import coalition_masks, coalition_weights

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)


def test_coalition_masks_are_bits():
    coalitions = np.array([0, 1, 6])

    masks = coalition_masks(coalitions, 3)

    assert masks.tolist() == [[False] * 3, [True, False, False], [False, True, True]]


def test_coalition_weights_of_two_groups():
    weights = coalition_weights(2)

    # Columns: nobody, the first, the second, both.
    assert weights.tolist() == [[-0.5, 0.5, -0.5, 0.5], [-0.5, -0.5, 0.5, 0.5]]


def test_glove_game_worked_by_hand():
    # One left glove (feature group 0), two right ones: only a pair is worth 1.
    coalition_value = np.array([0, 0, 0, 1, 0, 1, 0, 1])

    values = coalition_weights(3) @ coalition_value

    np.testing.assert_allclose(values, [4 / 6, 1 / 6, 1 / 6])


def test_exact_values_of_linear_model_have_closed_form():
    X, y = load_diabetes(return_X_y=True)
    regressor = LinearRegression().fit(X, y)

    explanation = explain(regressor, X[:5], X[:30])

    expected = regressor.coef_ * (X[:5] - X[:30].mean(axis=0))
    np.testing.assert_allclose(explanation.values, expected, atol=1e-9)
    np.testing.assert_allclose(explanation.error_std, 0)


def test_exact_values_sum_to_prediction():
    X, y = load_wine(return_X_y=True)
    classifier = make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(X[:, :8], y)

    explanation = explain(classifier, X[::50, :8], X[::9, :8])

    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, classifier.predict_proba(X[::50, :8]), atol=1e-12)


def test_exact_values_equal_shap_exact_explainer():
    import shap

    X, y = load_wine(return_X_y=True)
    X = X[:, :5]
    classifier = make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(X, y)
    background = X[::20]

    explanation = explain(classifier, X[1::60], background, method="exact")

    masker = shap.maskers.Independent(background, max_samples=len(background))
    reference = shap.ExactExplainer(classifier.predict_proba, masker)(X[1::60])
    np.testing.assert_allclose(explanation.values, reference.values, atol=1e-9)
    np.testing.assert_allclose(explanation.base_values, reference.base_values, atol=1e-9)


def test_exact_values_of_groups_worked_by_hand():
    # f = x0 x1 + x2; x0 and x1 are one feature group, so that the product is all theirs.
    X = np.array([[2.0, 3.0, 5.0]])
    background = np.array([[1.0, 1.0, 1.0], [0.0, 4.0, 3.0]])
    regressor = LinearRegression().fit(X, [0.0])

    explanation = explain(
        regressor,
        X,
        background,
        feature_groups={"product": [0, 1]},
        output=lambda rows: rows[:, 0] * rows[:, 1] + rows[:, 2],
    )

    assert explanation.base_values.tolist() == [2.5]
    np.testing.assert_allclose(explanation.values, [[6 - 0.5, 5 - 2]])


def test_single_group_gets_the_whole_difference():
    X, y = load_diabetes(return_X_y=True)
    regressor = LinearRegression().fit(X, y)

    explanation = explain(regressor, X[:4], X, feature_groups={"all": list(range(10))})

    assert explanation.values.shape == (4, 1)
    np.testing.assert_allclose(
        explanation.values[:, 0], regressor.predict(X[:4]) - explanation.base_values
    )


def test_batch_rows_does_not_change_exact_values():
    X, y = load_wine(return_X_y=True)
    classifier = KNeighborsClassifier().fit(X[:, :5], y)

    whole = explain(classifier, X[:6, :5], X[::5, :5])
    in_pieces = explain(classifier, X[:6, :5], X[::5, :5], batch_rows=7)

    np.testing.assert_allclose(in_pieces.values, whole.values, atol=1e-12)
