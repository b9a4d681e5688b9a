"""Classifiers with many classes are explained for the predicted class of each row."""

import numpy as np
import pandas as pd
import pytest
import shap
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from nnkit import KerasClassifier, explain
from nnkit.explanation import feature_importance
from nnkit.explanation.pipelines.outputs import MAX_CLASSES

N_CLASSES = MAX_CLASSES + 2


def table_of_classes(n_classes):
    rng = np.random.default_rng(0)
    y = np.arange(6 * n_classes) % n_classes
    X = np.column_stack([np.cos(y), np.sin(y), y / n_classes]) + rng.normal(0, 0.05, (len(y), 3))
    return pd.DataFrame(X, columns=["a", "b", "c"]), np.array([f"class {i:02}" for i in y])


@pytest.fixture(scope="module")
def table():
    return table_of_classes(N_CLASSES)


@pytest.fixture(scope="module")
def network(table):
    return KerasClassifier("mlp", epochs=2, batch_size=16, random_state=0).fit(*table)


def own_column(classifier, X, values):
    """The column of the predicted class, row by row, by a loop."""
    labels = classifier.classes_.tolist()
    at = [labels.index(label) for label in classifier.predict(X)]
    return np.stack([row[..., column] for row, column in zip(values, at, strict=True)])


@pytest.mark.parametrize("output", ["auto", "logit", "raw"])
@pytest.mark.parametrize("method", ["exact", "permutation", "gradient", "integrated_gradients"])
def test_many_classes_default_to_predicted_class(network, table, method, output):
    X = table[0][:9]
    every = explain(network, X, classes=list(network.classes_), method=method, output=output)

    explanation = explain(network, X, method=method, output=output)

    assert explanation.values.shape == (9, 3)
    assert explanation.base_values.shape == (9,)
    expected = own_column(network, X, every.values)
    np.testing.assert_allclose(explanation.values, expected, rtol=1e-4, atol=1e-6)
    expected = own_column(network, X, every.base_values)
    np.testing.assert_allclose(explanation.base_values, expected, rtol=1e-4, atol=1e-6)


def test_predicted_class_values_sum_to_probability(table):
    X, y = table
    classifier = LogisticRegression(max_iter=500).fit(X, y)

    explanation = explain(classifier, X[:7], X)

    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, classifier.predict_proba(X[:7]).max(axis=1), atol=1e-9)
    assert "of the class predicted for each row, of 12 classes" in repr(explanation)


def test_ten_classes_are_all_explained():
    X, y = table_of_classes(MAX_CLASSES)
    classifier = LogisticRegression().fit(X, y)

    assert explain(classifier, X[:2], X).values.shape == (2, 3, MAX_CLASSES)
    assert explain(classifier, X[:2], X, classes="predicted").values.shape == (2, 3)


def test_classes_selects_among_many_classes(network, table):
    X = table[0][:2]

    assert explain(network, X, classes="class 03").output_names == "class 03"
    assert explain(network, X, classes=["class 03", "class 01"]).values.shape == (2, 3, 2)


def test_class_label_named_predicted_is_a_label():
    X, y = table_of_classes(3)
    labels = np.where(y == "class 01", "predicted", y)
    classifier = LogisticRegression().fit(X, labels)

    explanation = explain(classifier, X[:2], X, classes="predicted")

    assert explanation.output_names == "predicted"


def test_interactions_and_importance_of_predicted_class(network, table):
    X = table[0][:4]
    explanation = explain(network, X)

    pairs = explain(network, X, interactions=True)

    np.testing.assert_allclose(pairs.values.sum(axis=2), explanation.values, atol=1e-6)
    assert feature_importance(explanation).shape == (3, 2)


def test_shap_plots_accept_predicted_class(network, table):
    import matplotlib.pyplot as plt

    explanation = explain(network, table[0][:4])

    shap.plots.waterfall(explanation[0], show=False)
    shap.plots.beeswarm(explanation, show=False)
    plt.close("all")


def test_multioutput_and_multilabel_explain_all_outputs(table):
    X, _ = table
    y = np.random.default_rng(0).normal(size=(len(X), N_CLASSES))
    labels = OneVsRestClassifier(LogisticRegression()).fit(X, (y > 0).astype(int))

    assert explain(Ridge().fit(X, y), X[:2], X).values.shape == (2, 3, N_CLASSES)
    assert explain(labels, X[:2], X).values.shape == (2, 3, N_CLASSES)


def test_texts_of_many_classes_default_to_predicted_class():
    words = [chr(ord("a") + i) * 3 for i in range(N_CLASSES)]
    classifier = make_pipeline(CountVectorizer(), MultinomialNB()).fit(words, words)

    explanation = explain(classifier, ["aaa bbb bbb", "ccc", ""])

    total = [
        v.sum() + base for v, base in zip(explanation.values, explanation.base_values, strict=True)
    ]
    proba = classifier.predict_proba(["aaa bbb bbb", "ccc", ""])
    np.testing.assert_allclose(total, proba.max(axis=1), atol=1e-9)


def test_predicted_class_with_mixing_preprocessing(network, table):
    X, y = table
    mixing = make_pipeline(FunctionTransformer(lambda rows: rows.cumsum(axis=1)), network)
    mixing.fit(X, y)

    explanation = explain(mixing, X[:5], X)

    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, mixing.predict_proba(X[:5]).max(axis=1), atol=1e-6)


def test_summary_shows_expression_that_selects_one_class():
    X, y = table_of_classes(3)
    explanation = explain(LogisticRegression().fit(X, y), X[:4], X)
    line = "explanation[..., 'class 00']"

    of_one = eval(line)

    assert line in repr(explanation)
    assert "explanation[..., &#x27;class 00&#x27;]" in explanation._repr_html_()
    np.testing.assert_array_equal(of_one.values, explanation.values[..., 0])
    assert "explanation[" not in repr(of_one)
    np.testing.assert_array_equal(explanation[0][..., "class 01"].values, of_row(explanation))
    shap.plots.beeswarm(of_one, show=False)


def of_row(explanation):
    return explanation.values[0, :, 1]
