"""Searches, meta-estimators and feature selectors of scikit-learn."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, RFECV, SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    HalvingGridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.semi_supervised import SelfTrainingClassifier
from small_estimators import classifier, regressor

from nnkit import KerasRegressor

LEARNING_RATES = [1e-6, 1e-4, 0.02]


# Searches


def test_halving_grid_search_over_epochs(iris):
    X, y = iris

    search = HalvingGridSearchCV(
        classifier(),
        {"optimizer__learning_rate": LEARNING_RATES},
        resource="epochs",
        min_resources=3,
        max_resources=27,
        cv=2,
    ).fit(X, y)

    assert search.n_resources_ == [3, 9]
    assert search.best_params_ == {"optimizer__learning_rate": 0.02, "epochs": 9}
    assert search.best_estimator_.n_iter_ == 9
    assert search.best_score_ > 0.85


def test_halving_grid_search_over_n_samples(cancer):
    X, y = cancer

    search = HalvingGridSearchCV(
        classifier(epochs=8),
        {"optimizer__learning_rate": LEARNING_RATES},
        cv=2,
        random_state=0,
    ).fit(X, y)

    assert search.n_resources_ == [189, 567]
    assert search.best_params_["optimizer__learning_rate"] == 0.02
    assert search.best_score_ > 0.94


def test_randomized_search_over_distributions(iris):
    X, y = iris
    distributions = {
        "optimizer__learning_rate": loguniform(1e-6, 0.05),
        "model__units": [(4,), (16, 8)],
        "class_weight": [None, "balanced"],
    }

    search = RandomizedSearchCV(classifier(), distributions, n_iter=5, cv=2, random_state=0)
    search.fit(X, y)

    assert search.best_score_ > 0.9
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0.2
    assert search.best_estimator_.model_.layers[1].units == search.best_params_["model__units"][0]


# Wrappers


@pytest.mark.parametrize("wrapper", [OneVsRestClassifier, OneVsOneClassifier])
def test_one_vs_rest_and_one_vs_one_classifier(iris, wrapper):
    X, y = iris

    fitted = wrapper(classifier(epochs=30)).fit(X[::2], y[::2])

    assert fitted.score(X[1::2], y[1::2]) > 0.88
    # The first binary problem: setosa against the rest, or against versicolor.
    rows = np.flatnonzero((y == "setosa") | (wrapper is OneVsRestClassifier) | (y == "versicolor"))
    rows = rows[rows % 2 == 0]
    is_positive = (y[rows] == "setosa") == (wrapper is OneVsRestClassifier)
    by_hand = classifier(epochs=30).fit(X[rows], is_positive.astype(int))
    np.testing.assert_array_equal(fitted.estimators_[0].predict_proba(X), by_hand.predict_proba(X))


def test_multi_output_classifier(iris, flower_labels):
    X, _ = iris

    wrapped = MultiOutputClassifier(classifier()).fit(X, flower_labels)

    y_proba = wrapped.predict_proba(X)
    assert len(y_proba) == 3
    for position, proba in enumerate(y_proba):
        by_hand = classifier().fit(X, flower_labels[:, position])
        np.testing.assert_array_equal(proba, by_hand.predict_proba(X))
    assert wrapped.score(X, flower_labels) > 0.85


@pytest.mark.parametrize("cv", [None, 2])
def test_classifier_chain(iris, flower_labels, cv):
    X, _ = iris

    chain = ClassifierChain(classifier(), cv=cv).fit(X, flower_labels)

    assert [link.n_features_in_ for link in chain.estimators_] == [4, 5, 6]
    assert chain.predict_proba(X).shape == (150, 3)
    assert chain.score(X, flower_labels) > 0.85


def test_multi_output_regressor(two_targets):
    X, y = two_targets

    wrapped = MultiOutputRegressor(regressor()).fit(X, y)

    by_hand = [regressor().fit(X, column).predict(X) for column in y.T]
    np.testing.assert_array_equal(wrapped.predict(X), np.column_stack(by_hand))
    assert wrapped.score(X, y) > 0.35


def test_regressor_chain(two_targets):
    X, y = two_targets

    chain = RegressorChain(regressor(), order=[1, 0]).fit(X, y)

    first = regressor().fit(X, y[:, 1]).predict(X)
    np.testing.assert_array_equal(chain.predict(X)[:, 1], first)
    assert chain.score(X, y) > 0.35


def test_transformed_target_regressor(diabetes):
    X, y = diabetes

    wrapped = TransformedTargetRegressor(regressor(), func=np.log, inverse_func=np.exp)
    wrapped.fit(X[:350], y[:350])

    by_hand = np.exp(regressor().fit(X[:350], np.log(y[:350])).predict(X[350:]))
    np.testing.assert_allclose(wrapped.predict(X[350:]), by_hand, rtol=1e-12)
    assert wrapped.score(X[350:], y[350:]) > 0.3


def test_self_training_classifier_uses_unlabeled_rows(iris):
    X, _ = iris
    y = load_iris().target
    hidden = np.where(np.arange(150) % 10 > 0, -1, y)

    trained = SelfTrainingClassifier(classifier(epochs=40), threshold=0.9, max_iter=3)
    trained.fit(X, hidden)

    assert (trained.labeled_iter_ > 0).sum() > 60
    assert trained.score(X, y) > 0.88


# Feature selection


class RankingRegressor(KerasRegressor):
    """Regressor with feature_importances_, computed by permutation of the training rows."""

    def fit(self, X, y, **fit_arguments):
        super().fit(X, y, **fit_arguments)
        found = permutation_importance(self, X, y, n_repeats=2, random_state=0)
        self.feature_importances_ = found.importances_mean
        return self


def test_rfe_by_permutation_importance():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    ranking = RankingRegressor("mlp", epochs=20, batch_size=64, random_state=0)

    selector = RFE(ranking, n_features_to_select=3, step=2).fit(X, y)

    assert {"bmi", "s5"} <= set(X.columns[selector.support_])
    assert selector.estimator_.n_features_in_ == 3
    assert selector.score(X, y) > 0.4


def test_rfecv_by_weights_of_a_linear_network():
    X, y = load_diabetes(return_X_y=True)
    linear = regressor(model__units=(), optimizer__learning_rate=0.05)

    selector = RFECV(
        linear,
        step=3,
        cv=2,
        importance_getter=lambda fitted: np.abs(fitted.model_.get_weights()[0][:, 0]),
    ).fit(X, y)

    assert selector.support_[[2, 8]].all()
    assert max(selector.cv_results_["mean_test_score"]) > 0.4


def test_sequential_feature_selector():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = X[["age", "bmi", "s3", "s5"]]

    selector = SequentialFeatureSelector(
        regressor(epochs=10, batch_size=32), n_features_to_select=2, cv=2
    ).fit(X, y)

    assert selector.get_feature_names_out().tolist() == ["bmi", "s5"]


def test_validation_curve_over_epochs(iris):
    X, y = iris

    _, scores = validation_curve(
        classifier(), X, y, param_name="epochs", param_range=[1, 20], cv=StratifiedKFold(3)
    )

    assert scores[1].mean() > scores[0].mean()
    assert scores[1].mean() > 0.85
