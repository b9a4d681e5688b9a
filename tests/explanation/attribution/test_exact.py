"""Shapley values and interactions by all coalitions."""

from __future__ import annotations

import numpy as np
import pytest
from shapley_definition import interaction_values, value_function
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, explain
from nnkit.explanation.attribution.exact import (
    coalition_masks,
    coalition_weights,
    interaction_weights,
)

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

    # Columns: the empty coalition, {0}, {1}, {0, 1}.
    assert weights.tolist() == [[-0.5, 0.5, -0.5, 0.5], [-0.5, -0.5, 0.5, 0.5]]


def test_glove_game_worked_by_hand():
    # Group 0 is a left glove, 1 and 2 are right gloves. The value of a pair is 1.
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


def test_exact_values_equal_shap_exact_explainer(shap_without_numba):
    X, y = load_wine(return_X_y=True)
    X = X[:, :5]
    classifier = make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(X, y)
    background = X[::20]

    explanation = explain(classifier, X[1::60], background, method="exact")

    masker = shap_without_numba.maskers.Independent(background, max_samples=len(background))
    reference = shap_without_numba.ExactExplainer(classifier.predict_proba, masker)(X[1::60])
    np.testing.assert_allclose(explanation.values, reference.values, atol=1e-9)
    np.testing.assert_allclose(explanation.base_values, reference.base_values, atol=1e-9)


def test_exact_values_of_groups_worked_by_hand():
    # f = x0 x1 + x2. x0 and x1 are one feature group, which gets the whole product.
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


# Interactions


def table(n_rows, n_columns, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n_columns))


def any_regressor(n_columns):
    """Return a fitted estimator whose predictions a test replaces."""
    return LinearRegression().fit(np.eye(n_columns), np.arange(n_columns))


def explained(function, X, background, **options):
    return explain(
        any_regressor(X.shape[1]), X, background, output=function, interactions=True, **options
    )


def waves(X):
    """Return a function with interactions of all orders; the last column is unused."""
    return np.sin(2 * X[:, :-1].sum(axis=1)) + np.prod(1 + X[:, :3], axis=1)


def two_waves(X):
    return np.column_stack([waves(X), X[:, 0] * waves(X)])


def test_interaction_weights_of_two_and_three_groups():
    # Coalitions: empty, {0}, {1}, {0, 1}.
    assert interaction_weights(2).tolist() == [[1, -1, -1, 1]]
    # The pair (0, 1) without and with feature group 2, with the weight 1/2 each.
    np.testing.assert_allclose(
        interaction_weights(3)[0], [0.5, -0.5, -0.5, 0.5, 0.5, -0.5, -0.5, 0.5]
    )


@pytest.mark.parametrize("n_columns", [1, 2, 3, 5])
def test_interactions_equal_definition(n_columns):
    X, background = table(3, n_columns), table(7, n_columns, seed=1)

    explanation = explained(waves, X, background)

    expected = [
        interaction_values(value_function(waves, x, background, range(n_columns)), n_columns)
        for x in X
    ]
    assert explanation.values.shape == (3, n_columns, n_columns)
    np.testing.assert_allclose(explanation.values, expected, rtol=0, atol=1e-12)


def test_interactions_of_groups_equal_definition():
    X, background = table(2, 6), table(5, 6, seed=1)
    groups = {"a": [0, 4], "b": [1, 2, 3]}

    explanation = explained(waves, X, background, feature_groups=groups)

    of_column = [0, 1, 1, 1, 0, 2]
    expected = [interaction_values(value_function(waves, x, background, of_column), 3) for x in X]
    np.testing.assert_allclose(explanation.values, expected, rtol=0, atol=1e-12)
    assert explanation.feature_names == ["a", "b", "x5"]


def test_interactions_are_symmetric_and_sum_to_shapley_values():
    X, background = table(4, 6), table(9, 6, seed=1)

    pairs = explained(two_waves, X, background)

    values = explain(any_regressor(6), X, background, output=two_waves).values
    assert pairs.values.shape == (4, 6, 6, 2)
    np.testing.assert_allclose(pairs.values.sum(axis=2), values, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(pairs.values, pairs.values.swapaxes(1, 2))
    total = pairs.values.sum(axis=(1, 2)) + pairs.base_values
    np.testing.assert_allclose(total, two_waves(X), rtol=0, atol=1e-12)
    assert (np.abs(pairs.values[:, 0, 1]) > 1e-3).all()


def test_additive_function_has_no_interactions():
    X, background = table(4, 4), table(9, 4, seed=1)

    def additive(rows):
        return rows[:, 0] ** 3 + np.sin(rows[:, 1]) - 2 * rows[:, 2]

    values = explained(additive, X, background).values

    alone = [lambda x: x**3, np.sin, lambda x: -2 * x, lambda x: 0 * x]
    expected = np.zeros((4, 4, 4))
    for j, part in enumerate(alone):
        expected[:, j, j] = part(X[:, j]) - part(background[:, j]).mean()
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_interaction_of_a_product_has_closed_form():
    X, background = table(4, 3), table(9, 3, seed=1)

    values = explained(lambda rows: rows[:, 0] * rows[:, 1], X, background).values

    # The interaction is mean_b (x0 - b0)(x1 - b1), half of it in each of its two entries. Column 0
    # alone adds (x0 - b0) b1.
    gap = X[:, np.newaxis] - background  # (rows, background, columns)
    both = (gap[..., 0] * gap[..., 1]).mean(axis=1)
    first = (gap[..., 0] * background[:, 1]).mean(axis=1)
    second = (gap[..., 1] * background[:, 0]).mean(axis=1)
    expected = np.zeros((4, 3, 3))
    expected[:, 0, 1] = expected[:, 1, 0] = both / 2
    expected[:, 0, 0], expected[:, 1, 1] = first, second
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_unused_column_has_no_interactions():
    X, background = table(4, 5), table(9, 5, seed=1)

    values = explained(waves, X, background).values

    np.testing.assert_allclose(values[:, -1], 0, rtol=0, atol=1e-13)
    np.testing.assert_allclose(values[:, :, -1], 0, rtol=0, atol=1e-13)
    assert np.abs(values[:, :-1, :-1]).min() > 1e-6


@pytest.mark.parametrize("batch_rows", [1, 10, 64])
def test_batch_rows_does_not_change_interactions(batch_rows):
    X, background = table(3, 4), table(5, 4, seed=1)
    whole = explained(two_waves, X, background)

    in_pieces = explained(two_waves, X, background, batch_rows=batch_rows)

    np.testing.assert_allclose(in_pieces.values, whole.values, rtol=0, atol=1e-12)


def test_interactions_of_a_single_group():
    X, background = table(3, 4), table(5, 4, seed=1)

    explanation = explained(waves, X, background, feature_groups={"all": range(4)})

    assert explanation.values.shape == (3, 1, 1)
    np.testing.assert_allclose(
        explanation.values[:, 0, 0], waves(X) - waves(background).mean(), rtol=0, atol=1e-12
    )


def test_interactions_of_binary_and_multiclass():
    X, y = load_wine(return_X_y=True, as_frame=True)
    X = X.iloc[:, :4]
    three = make_pipeline(StandardScaler(), KNeighborsClassifier(20)).fit(X, y)
    two = make_pipeline(StandardScaler(), KNeighborsClassifier(20)).fit(X, y == 1)

    of_three = explain(three, X.iloc[:2], X.iloc[::20], interactions=True)
    of_two = explain(two, X.iloc[:2], X.iloc[::20], interactions=True)
    of_one = explain(three, X.iloc[:2], X.iloc[::20], interactions=True, classes=1)

    assert of_three.values.shape == of_three.error_std.shape == (2, 4, 4, 3)
    assert of_three.base_values.shape == (2, 3)
    assert of_three.output_names == ["0", "1", "2"]
    assert of_three.feature_names == list(X.columns)
    assert of_three.method == "exact"
    assert not of_three.error_std.any()
    np.testing.assert_allclose(of_three.values.sum(axis=3), 0, rtol=0, atol=1e-12)
    assert of_two.values.shape == of_one.values.shape == (2, 4, 4)
    np.testing.assert_allclose(of_one.values, of_three.values[..., 1], rtol=0, atol=1e-15)


def test_interactions_of_network_equal_definition():
    X = table(60, 4)
    classifier = KerasClassifier(
        "mlp", model__units=(8,), epochs=3, n_estimators=1, random_state=0
    ).fit(X, X[:, 0] * X[:, 1] > 0)

    found = explain(classifier, X[:3], X[20:29], interactions=True).values

    def proba(rows):
        return classifier.predict_proba(rows)[:, 1]

    expected = [interaction_values(value_function(proba, x, X[20:29], range(4)), 4) for x in X[:3]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)


def test_interactions_raise_above_twelve_groups():
    X = table(2, 13)

    with pytest.raises(
        ValueError,
        match=r"interactions=True takes at most 12 feature groups, .* Got 13 feature groups. Group",
    ):
        explained(waves, X, X)
    assert explained(waves, X, X, feature_groups={"pair": [0, 1]}).values.shape == (2, 12, 12)


@pytest.mark.parametrize("method", ["permutation", "gradient", "saliency"])
def test_interactions_raise_for_other_methods(method):
    X = table(2, 3)

    with pytest.raises(
        ValueError, match=f"all coalitions, which method='{method}' does not evaluate. Use"
    ):
        explained(waves, X, X, method=method)
