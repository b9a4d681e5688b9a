"""Shapley values by paired antithetic permutations, with standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor

from nnkit.explanation import explain
from nnkit.explanation.attribution.permutation import (
    ContributionMoments,
    draw_ranks,
    pair_contributions,
    pair_masks,
)

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)


def any_regressor(n_features):
    """Return a fitted estimator whose predictions a test replaces."""
    return LinearRegression().fit(np.eye(n_features), np.arange(n_features))


def waves(X):
    """Return a function with interactions of all orders and one unused column, the last."""
    return np.sin(2 * X[:, :-1].sum(axis=1)) + np.prod(1 + X[:, :3], axis=1)


@pytest.fixture(scope="module")
def forest():
    X, y = load_breast_cancer(return_X_y=True)
    return RandomForestClassifier(n_estimators=10, random_state=0).fit(X, y), X


@pytest.fixture(scope="module")
def wavy():
    rng = np.random.default_rng(7)
    return any_regressor(6), rng.normal(size=(40, 6)), rng.normal(size=(50, 6))


def test_pair_masks_worked_by_hand():
    # The permutation is 2, 0, 1.
    ranks = np.array([[1, 2, 0]])

    masks = pair_masks(ranks).astype(int)

    assert masks.tolist() == [[0, 0, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0]]


def test_pair_contributions_worked_by_hand():
    ranks = np.array([[1, 2, 0]])
    f_inner = np.array([2.0, 3.0, 5.0, 9.0]).reshape(1, 1, 2, 2, 1)

    contributions = pair_contributions(ranks, np.array([[1.0]]), f_inner, np.array([[10.0]]))

    # Forward 1 → 2 → 3 → 10 by groups 2, 0, 1; reverse 1 → 5 → 9 → 10 by groups 1, 0, 2.
    assert contributions.ravel().tolist() == [(1 + 4) / 2, (7 + 4) / 2, (1 + 1) / 2]


def test_draw_ranks_depends_on_seed_and_round():
    ranks = draw_ranks(3, 1, (2, 5, 4))

    assert (np.sort(ranks, axis=-1) == np.arange(4)).all()
    assert (ranks == draw_ranks(3, 1, (2, 5, 4))).all()
    assert (ranks != draw_ranks(3, 2, (2, 5, 4))).any()
    assert (ranks != draw_ranks(4, 1, (2, 5, 4))).any()


def test_standard_errors_use_variance_within_background_rows():
    moments = ContributionMoments((1, 2, 1, 1))

    everything = slice(None)

    moments.add(everything, 0, np.array([1.0, 10.0]).reshape(1, 2, 1, 1))
    moments.count = 1
    after_one = moments.standard_errors().item()
    moments.add(everything, 0, np.array([3.0, 10.0]).reshape(1, 2, 1, 1))
    moments.count = 2
    after_two = moments.standard_errors().item()

    assert moments.values().item() == 6.0
    assert after_one == pytest.approx(np.std([1, 10], ddof=1) / np.sqrt(2))
    assert after_two == pytest.approx(np.sqrt(np.var([1, 3], ddof=1) / 2) / 2)


def test_contribution_moments_accept_partial_permutations():
    contributions = np.random.default_rng(0).normal(size=(2, 3 * 4, 5, 1))  # 3 pairs of 4 rows
    expected = contributions.reshape(2, 3, 4, 5, 1)
    moments = ContributionMoments((2, 4, 5, 1))

    for start in range(0, 12, 5):
        moments.add(slice(None), start, contributions[:, start : start + 5])
    moments.count = 3

    np.testing.assert_allclose(moments.mean, expected.mean(axis=1))
    np.testing.assert_allclose(moments.squares / 2, expected.var(axis=1, ddof=1))


def test_permutation_values_of_linear_model_have_closed_form():
    X, y = load_diabetes(return_X_y=True)
    regressor = LinearRegression().fit(X, y)

    explanation = explain(regressor, X[:5], X[:30], method="permutation")

    expected = regressor.coef_ * (X[:5] - X[:30].mean(axis=0))
    np.testing.assert_allclose(explanation.values, expected, atol=1e-9)


def test_one_pair_is_exact_for_products_of_two_columns():
    rng = np.random.default_rng(0)
    X, background = rng.normal(size=(4, 5)), rng.normal(size=(7, 5))
    coupling = np.triu(rng.normal(size=(5, 5)), 1)

    explanation = explain(
        any_regressor(5),
        X,
        background,
        method="permutation",
        output=lambda rows: np.einsum("ni,ij,nj->n", rows, coupling, rows),
    )

    # In x_i x_j, group i contributes the mean of (x_i - b_i) b_j and (x_i - b_i) x_j.
    both = coupling + coupling.T
    difference = X[:, np.newaxis] - background  # (rows, background, columns)
    partner = (X[:, np.newaxis] + background) @ both / 2
    np.testing.assert_allclose(explanation.values, (difference * partner).mean(axis=1), atol=1e-12)


@pytest.mark.parametrize("n_permutations", [1, 3])
def test_permutation_values_sum_to_prediction(forest, n_permutations):
    classifier, X = forest

    explanation = explain(classifier, X[:6], X[:40], n_permutations=n_permutations)

    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, classifier.predict_proba(X[:6])[:, 1], atol=1e-12)
    assert explanation.base_values[0] == pytest.approx(
        classifier.predict_proba(X[:40])[:, 1].mean()
    )


def test_unused_column_has_zero_value_and_error(wavy):
    regressor, X, background = wavy

    explanation = explain(regressor, X, background, method="permutation", output=waves)

    assert np.abs(explanation.values[:, -1]).max() == 0
    assert np.abs(explanation.error_std[:, -1]).max() == 0


def test_more_permutations_reduce_the_error(wavy):
    regressor, X, background = wavy
    exact = explain(regressor, X, background, method="exact", output=waves).values

    errors = [
        np.linalg.norm(
            explain(
                regressor,
                X,
                background,
                method="permutation",
                output=waves,
                n_permutations=n_permutations,
            ).values
            - exact
        )
        for n_permutations in (1, 16)
    ]

    assert errors[1] < errors[0] / 2.5


@pytest.mark.parametrize("n_permutations", [1, 4])
def test_permutation_standard_errors_cover_errors(wavy, n_permutations):
    regressor, X, background = wavy
    exact = explain(regressor, X, background, method="exact", output=waves).values
    is_covered, ratios = [], []

    for seed in range(10):
        explanation = explain(
            regressor,
            X,
            background,
            method="permutation",
            output=waves,
            n_permutations=n_permutations,
            random_state=seed,
        )
        true_error = np.abs(explanation.values - exact)[:, :-1]
        is_covered.append(true_error <= 2 * explanation.error_std[:, :-1])
        ratios.append(true_error / explanation.error_std[:, :-1])

    assert 0.93 < np.mean(is_covered) <= 1
    # The standard error of one pair per background row is too large, that of several is right.
    assert np.sqrt(np.mean(np.square(ratios))) < (1.0 if n_permutations == 1 else 1.1)
    assert np.sqrt(np.mean(np.square(ratios))) > (0.3 if n_permutations == 1 else 0.9)


def test_row_with_tol_does_not_depend_on_other_rows(forest):
    classifier, X = forest

    together = explain(classifier, X[:30], X[:20], tol=0.05, batch_rows=5000)
    alone = explain(classifier, X[7:8], X[:20], tol=0.05)

    np.testing.assert_allclose(alone.values[0], together.values[7], atol=1e-12)
    np.testing.assert_allclose(alone.error_std[0], together.error_std[7], atol=1e-12)


def test_batch_rows_does_not_change_permutation_values(forest):
    classifier, X = forest

    whole = explain(classifier, X[:3], X[:10], n_permutations=5)
    in_pieces = explain(classifier, X[:3], X[:10], n_permutations=5, batch_rows=97)

    np.testing.assert_allclose(in_pieces.values, whole.values, atol=1e-12)
    np.testing.assert_allclose(in_pieces.error_std, whole.error_std, atol=1e-12)


def test_tol_draws_rounds_until_standard_error_is_reached(wavy):
    regressor, X, background = wavy
    settings = {"method": "permutation", "output": waves}
    gap = np.abs(waves(X) - waves(background).mean())
    X, gap = X[gap > 1], gap[gap > 1]

    once = explain(regressor, X, background, **settings)
    to_tolerance = explain(regressor, X, background, tol=0.1, **settings)

    assert (once.error_std.max(axis=1) > 0.1 * gap).any()
    assert (to_tolerance.error_std.max(axis=1) <= 0.1 * gap).all()
    was_enough = once.error_std.max(axis=1) <= 0.1 * gap
    np.testing.assert_array_equal(to_tolerance.values[was_enough], once.values[was_enough])


def test_rows_above_tol_are_counted_in_warning(wavy):
    regressor, X, background = wavy

    with pytest.warns(UserWarning, match=r"3 of 3 row\(s\) did not reach tol=1e-09 in 64 rounds"):
        explain(regressor, X[:3], background[:5], method="permutation", output=waves, tol=1e-9)


def test_standard_error_of_one_pair_and_one_background_row_is_nan(wavy):
    regressor, X, background = wavy

    one = explain(
        regressor, X[:2], background[:1], method="permutation", output=waves, n_permutations=1
    )
    auto = explain(regressor, X[:2], background[:1], method="permutation", output=waves)

    assert np.isnan(one.error_std).all()
    assert np.isfinite(one.values).all()
    assert np.isfinite(auto.error_std).all()  # 100 pairs


def test_single_group_gets_the_whole_difference(wavy):
    regressor, X, background = wavy

    explanation = explain(
        regressor,
        X,
        background,
        method="permutation",
        output=waves,
        feature_groups={"all": range(6)},
    )

    np.testing.assert_allclose(
        explanation.values[:, 0], waves(X) - waves(background).mean(), atol=1e-12
    )


def test_permutation_values_of_groups_converge_to_exact():
    X, y = load_diabetes(return_X_y=True)
    regressor = MLPRegressor(hidden_layer_sizes=(16,), max_iter=50, random_state=0, tol=1.0).fit(
        X * 20, y / 50
    )
    groups = {"body": [2, 3], "blood": [4, 5, 6, 7, 8, 9]}

    exact = explain(regressor, X[:5] * 20, X[:30] * 20, feature_groups=groups)
    estimated = explain(
        regressor,
        X[:5] * 20,
        X[:30] * 20,
        feature_groups=groups,
        method="permutation",
        n_permutations=50,
    )

    np.testing.assert_allclose(estimated.values, exact.values, atol=0.02)
