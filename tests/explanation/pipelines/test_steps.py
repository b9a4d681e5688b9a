"""Decomposition of pipelines and searches into transformers and a final predictor."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from nnkit import KerasClassifier, explain
from nnkit.explanation.pipelines.steps import DecomposedPipeline

X, Y = load_iris(return_X_y=True, as_frame=True)
LOGISTIC = LogisticRegression(max_iter=1000)
SMALL = {"model": "mlp", "model__units": (8,), "epochs": 2, "n_estimators": 1, "random_state": 0}


def assert_explained_as_predicted(estimator, rows=X, **arguments):
    explanation = explain(estimator, rows[:3], rows[::10], **arguments)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, estimator.predict_proba(rows[:3]), atol=1e-6)
    return explanation


class Cautious(ClassifierMixin, BaseEstimator):
    """A classifier that mixes the probabilities of another with uniform ones."""

    def fit(self, X, y):
        self.best_estimator_ = LogisticRegression(max_iter=1000).fit(X, y)
        self.classes_ = self.best_estimator_.classes_
        return self

    def predict_proba(self, X):
        return self.best_estimator_.predict_proba(X) / 2 + 1 / 6


class Squared(Pipeline):
    """A pipeline that overrides predict_proba."""

    def predict_proba(self, X):
        squares = super().predict_proba(X) ** 2
        return squares / squares.sum(axis=1, keepdims=True)


def test_best_estimator_attribute_does_not_make_a_search():
    assert_explained_as_predicted(Cautious().fit(X, Y))


@pytest.mark.parametrize(
    "final", [LOGISTIC, KerasClassifier(**SMALL)], ids=["logistic regression", "network"]
)
def test_pipeline_subclass_with_own_predict_proba_is_not_decomposed(final):
    pipeline = Squared([("scale", StandardScaler()), ("final", final)]).fit(X, Y)

    assert DecomposedPipeline.of(pipeline) == DecomposedPipeline(pipeline, [], pipeline)
    assert_explained_as_predicted(pipeline)


@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        (make_pipeline(StandardScaler(), LOGISTIC), {}),
        (make_pipeline(PCA(2), LOGISTIC), {}),
        (make_pipeline(StandardScaler(), LOGISTIC), {"feature_groups": "transformed"}),
        (GridSearchCV(make_pipeline(StandardScaler(), LOGISTIC), {}, cv=2), {"output": "logit"}),
        (make_pipeline(StandardScaler(), KerasClassifier(**SMALL)), {"output": "raw"}),
        (make_pipeline(PCA(2), KerasClassifier(**SMALL)), {"output": "raw"}),
        (make_pipeline(StandardScaler(), KerasClassifier(**SMALL)), {"method": "gradient"}),
    ],
    ids=["columnwise", "mixing", "transformed", "search", "raw", "raw-mixing", "gradient"],
)
def test_explain_decomposes_a_pipeline_once(monkeypatch, estimator, options):
    estimator.fit(X, Y)
    decomposed = []
    of = DecomposedPipeline.of
    monkeypatch.setattr(
        DecomposedPipeline, "of", lambda whole: decomposed.append(whole) or of(whole)
    )

    explain(estimator, X[:2], X[::30], **options)

    assert decomposed == [estimator]


def test_explain_decomposes_a_pipeline_of_texts_once(monkeypatch):
    texts = ["good film", "bad film", "good plot", "bad plot"]
    estimator = make_pipeline(CountVectorizer(), LOGISTIC).fit(texts, [1, 0, 1, 0])
    decomposed = []
    of = DecomposedPipeline.of
    monkeypatch.setattr(
        DecomposedPipeline, "of", lambda whole: decomposed.append(whole) or of(whole)
    )

    explain(estimator, texts)

    assert decomposed == [estimator]


def test_decision_function_of_subclass_is_explained():
    class Deciding(KerasClassifier):
        def decision_function(self, X):
            return 10 * self.predict_proba(X)

    classifier = Deciding(**SMALL).fit(X, Y)

    explanation = explain(classifier, X[:3], output="raw")

    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, classifier.decision_function(X[:3]), atol=1e-5)
    with pytest.raises(ValueError, match="method='gradient' needs a KerasClassifier"):
        explain(classifier, X[:3], output="raw", method="gradient")


def test_search_with_refit_false_raises():
    search = GridSearchCV(LOGISTIC, {"C": [1.0]}, cv=2, refit=False).fit(X, Y)

    with pytest.raises(ValueError, match="GridSearchCV was fitted with refit=False"):
        explain(search, X[:3], X)


@pytest.mark.parametrize(
    "final", [LOGISTIC, KerasClassifier(**SMALL)], ids=["logistic regression", "network"]
)
def test_in_place_transformers_do_not_modify_x(final):
    rows = X.to_numpy(copy=True)
    pipeline = make_pipeline(StandardScaler(copy=False), final).fit(rows.copy(), Y)
    shared, before = rows.copy(), rows.copy()

    explanation = explain(pipeline, shared[:3], shared)

    np.testing.assert_array_equal(shared, before)
    np.testing.assert_array_equal(explanation.data, before[:3])
    expected = pipeline.predict_proba(before[:3].copy())
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, expected, atol=1e-6)


@pytest.mark.parametrize("n_components", [2, 4])
def test_transformed_feature_names_of_nested_pipeline(n_components):
    inner = make_pipeline(PCA(n_components), LOGISTIC)
    pipeline = make_pipeline(StandardScaler(), inner).fit(X, Y)

    explanation = explain(pipeline, X[:3], X, feature_groups="transformed")

    assert explanation.feature_names == [f"pca{i}" for i in range(n_components)]
    assert explanation.values.shape == (3, n_components, 3)


def flagged(rows):
    """Return the three columns and an indicator of missing values in the second."""
    gaps = np.isnan(rows[:, 1])
    return np.column_stack([rows[:, 0], gaps, np.nan_to_num(rows[:, 1]), rows[:, 2]])


def test_rare_value_in_unknown_transformer_is_attributed_to_its_column():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2000, 3))
    rows[1203, 1] = np.nan
    regressor = LinearRegression().fit(flagged(rows), 5 * np.isnan(rows[:, 1]) + rows[:, 0])
    pipeline = make_pipeline(FunctionTransformer(flagged).fit(rows), regressor)
    background = rows[:20]

    fast = explain(pipeline, rows[1195:1210], background)
    whole = explain(pipeline, rows[1195:1210], background, output=pipeline.predict)

    np.testing.assert_allclose(fast.values, whole.values, atol=1e-9)
    assert abs(fast.values[8, 1]) > 4


def test_single_row_without_background_raises():
    with pytest.raises(ValueError, match="X has one row, which cannot be its own background"):
        explain(LOGISTIC.fit(X, Y), X[:1])


def test_one_dimensional_row_raises_with_remedy():
    with pytest.raises(ValueError, match=r"Give one row as X.iloc\[\[0\]\]"):
        explain(LOGISTIC.fit(X, Y), X.iloc[0], X)
    with pytest.raises(ValueError, match=r"Give one row as X.iloc\[\[0\]\]"):
        explain(LOGISTIC.fit(X, Y), pd.Series(["Bern", 3.5]), X)


def test_method_auto_depends_on_cost_of_network():
    X_wide = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 9)))
    target = (X_wide[0] > 0).astype(int)
    X_wide.columns = [f"c{j}" for j in range(9)]
    cheap = KerasClassifier(**SMALL).fit(X_wide, target)
    expensive = KerasClassifier(**(SMALL | {"model__units": (400, 400)})).fit(X_wide, target)

    assert explain(cheap, X_wide[:1]).method == "exact"
    assert explain(expensive, X_wide[:1]).method == "permutation"


def test_multilabel_network_explains_both_labels():
    labels = np.column_stack([Y > 0, Y > 1]).astype(int)
    classifier = KerasClassifier(**SMALL).fit(X, labels)

    explanation = assert_explained_as_predicted(classifier)

    assert explanation.output_names == ["0", "1"]
