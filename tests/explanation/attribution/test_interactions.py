"""Shapley interaction values of pairs of feature groups."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, explain
from nnkit.explanation.attribution.exact import interaction_weights

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)


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
    """Return a function with interactions of all orders; the last column has no part in it."""
    return np.sin(2 * X[:, :-1].sum(axis=1)) + np.prod(1 + X[:, :3], axis=1)


def two_waves(X):
    return np.column_stack([waves(X), X[:, 0] * waves(X)])


def value_function_of(function, x, background):
    """Return the value of a coalition of columns, by masked samples of one row."""

    def coalition_value(coalition):
        masked_samples = background.copy()
        masked_samples[:, list(coalition)] = x[list(coalition)]
        return function(masked_samples).mean(axis=0)

    return coalition_value


def coalitions_of(feature_groups):
    for size in range(len(feature_groups) + 1):
        yield from combinations(feature_groups, size)


def shapley_by_definition(coalition_value, n):
    values = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        values.append(
            sum(
                factorial(len(s))
                * factorial(n - len(s) - 1)
                / factorial(n)
                * (coalition_value((*s, i)) - coalition_value(s))
                for s in coalitions_of(others)
            )
        )
    return np.array(values)


def interactions_by_definition(coalition_value, n):
    """Return half of the Shapley interaction index off the diagonal, the rest of phi on it."""
    found = np.zeros((n, n, *np.shape(coalition_value(()))))
    for i, j in combinations(range(n), 2):
        others = [k for k in range(n) if k not in (i, j)]
        index = sum(
            factorial(len(s))
            * factorial(n - len(s) - 2)
            / factorial(n - 1)
            * (
                coalition_value((*s, i, j))
                - coalition_value((*s, i))
                - coalition_value((*s, j))
                + coalition_value(s)
            )
            for s in coalitions_of(others)
        )
        found[i, j] = found[j, i] = index / 2
    phi = shapley_by_definition(coalition_value, n)
    for i in range(n):
        found[i, i] = phi[i] - found[i].sum(axis=0)
    return found


def test_weights_of_two_and_three_players():
    # Coalitions: nobody, 0, 1, both.
    assert interaction_weights(2).tolist() == [[1, -1, -1, 1]]
    # Of the pair (0, 1): without and with feature group 2, half each.
    np.testing.assert_allclose(
        interaction_weights(3)[0], [0.5, -0.5, -0.5, 0.5, 0.5, -0.5, -0.5, 0.5]
    )


@pytest.mark.parametrize("n_columns", [1, 2, 3, 5])
def test_equal_to_the_definition(n_columns):
    X, background = table(3, n_columns), table(7, n_columns, seed=1)

    explanation = explained(waves, X, background)

    expected = [
        interactions_by_definition(value_function_of(waves, x, background), n_columns) for x in X
    ]
    assert explanation.values.shape == (3, n_columns, n_columns)
    np.testing.assert_allclose(explanation.values, expected, rtol=0, atol=1e-12)


def test_groups_equal_the_definition():
    X, background = table(2, 6), table(5, 6, seed=1)
    groups = {"a": [0, 4], "b": [1, 2, 3]}

    explanation = explained(waves, X, background, feature_groups=groups)

    members = [[0, 4], [1, 2, 3], [5]]
    for x, found in zip(X, explanation.values, strict=True):
        of_columns = value_function_of(waves, x, background)
        expected = interactions_by_definition(
            lambda feature_groups, coalition_value=of_columns: coalition_value(
                tuple(column for p in feature_groups for column in members[p])
            ),
            3,
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert explanation.feature_names == ["a", "b", "x5"]


def test_rows_sum_to_shapley_values_and_pairs_are_symmetric():
    X, background = table(4, 6), table(9, 6, seed=1)

    pairs = explained(two_waves, X, background)

    values = explain(any_regressor(6), X, background, output=two_waves).values
    assert pairs.values.shape == (4, 6, 6, 2)
    np.testing.assert_allclose(pairs.values.sum(axis=2), values, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(pairs.values, pairs.values.swapaxes(1, 2))
    total = pairs.values.sum(axis=(1, 2)) + pairs.base_values
    np.testing.assert_allclose(total, two_waves(X), rtol=0, atol=1e-12)
    assert (np.abs(pairs.values[:, 0, 1]) > 1e-3).all()


def test_an_additive_function_has_none_off_the_diagonal():
    X, background = table(4, 4), table(9, 4, seed=1)

    def additive(rows):
        return rows[:, 0] ** 3 + np.sin(rows[:, 1]) - 2 * rows[:, 2]

    values = explained(additive, X, background).values

    alone = [lambda x: x**3, np.sin, lambda x: -2 * x, lambda x: 0 * x]
    expected = np.zeros((4, 4, 4))
    for j, part in enumerate(alone):
        expected[:, j, j] = part(X[:, j]) - part(background[:, j]).mean()
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_a_product_of_two_columns_has_the_closed_form():
    X, background = table(4, 3), table(9, 3, seed=1)

    values = explained(lambda rows: rows[:, 0] * rows[:, 1], X, background).values

    # The pair adds mean_b (x0 - b0)(x1 - b1), half of it to each of its two cells; alone column
    # 0 adds (x0 - b0) b1.
    gap = X[:, np.newaxis] - background  # (rows, background, columns)
    both = (gap[..., 0] * gap[..., 1]).mean(axis=1)
    first = (gap[..., 0] * background[:, 1]).mean(axis=1)
    second = (gap[..., 1] * background[:, 0]).mean(axis=1)
    expected = np.zeros((4, 3, 3))
    expected[:, 0, 1] = expected[:, 1, 0] = both / 2
    expected[:, 0, 0], expected[:, 1, 1] = first, second
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_a_column_without_effect_has_nothing_with_anybody():
    X, background = table(4, 5), table(9, 5, seed=1)

    values = explained(waves, X, background).values

    np.testing.assert_allclose(values[:, -1], 0, rtol=0, atol=1e-13)
    np.testing.assert_allclose(values[:, :, -1], 0, rtol=0, atol=1e-13)
    assert np.abs(values[:, :-1, :-1]).min() > 1e-6


@pytest.mark.parametrize("batch_rows", [1, 10, 64])
def test_the_size_of_the_calls_does_not_change_the_values(batch_rows):
    X, background = table(3, 4), table(5, 4, seed=1)
    whole = explained(two_waves, X, background)

    in_pieces = explained(two_waves, X, background, batch_rows=batch_rows)

    np.testing.assert_allclose(in_pieces.values, whole.values, rtol=0, atol=1e-12)


def test_one_player():
    X, background = table(3, 4), table(5, 4, seed=1)

    explanation = explained(waves, X, background, feature_groups={"all": range(4)})

    assert explanation.values.shape == (3, 1, 1)
    np.testing.assert_allclose(
        explanation.values[:, 0, 0], waves(X) - waves(background).mean(), rtol=0, atol=1e-12
    )


def test_two_and_several_classes():
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


def test_a_network_on_encoded_rows():
    X = table(60, 4)
    classifier = KerasClassifier(
        "mlp", model__units=(8,), epochs=3, n_estimators=1, random_state=0
    ).fit(X, X[:, 0] * X[:, 1] > 0)

    found = explain(classifier, X[:3], X[20:29], interactions=True).values

    expected = [
        interactions_by_definition(
            value_function_of(
                lambda rows: classifier.predict_proba(rows)[:, 1].astype(float), x, X[20:29]
            ),
            4,
        )
        for x in X[:3]
    ]
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)


def test_refuses_more_than_twelve_players():
    X = table(2, 13)

    with pytest.raises(
        ValueError,
        match=r"interactions=True takes at most 12 feature groups, .* Got 13 feature groups. Group columns with",
    ):
        explained(waves, X, X)
    assert explained(waves, X, X, feature_groups={"pair": [0, 1]}).values.shape == (2, 12, 12)


@pytest.mark.parametrize("method", ["permutation", "gradient", "saliency"])
def test_refuses_other_methods(method):
    X = table(2, 3)

    with pytest.raises(
        ValueError, match=f"all coalitions, which method='{method}' does not evaluate. Use"
    ):
        explained(waves, X, X, method=method)
