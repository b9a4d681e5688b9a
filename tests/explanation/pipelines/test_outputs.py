"""Which function of the estimator is explained, and the names of its outputs."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from nnkit.explanation.pipelines.outputs import choose_output
from nnkit.explanation.pipelines.steps import DecomposedPipeline

decomposed = DecomposedPipeline.of


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    return X, make_pipeline(StandardScaler(), LogisticRegression()).fit(X, names)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return X, make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)


def test_binary_explains_second_class(cancer):
    X, classifier = cancer

    output = choose_output(decomposed(classifier), "auto", None)

    np.testing.assert_array_equal(
        output.predictions(decomposed(classifier), X), classifier.predict_proba(X)[:, [1]]
    )
    assert output.names(1) == ["1"]


def test_multiclass_explains_all_classes(iris):
    X, classifier = iris

    output = choose_output(decomposed(classifier), "auto", None)

    np.testing.assert_array_equal(
        output.predictions(decomposed(classifier), X), classifier.predict_proba(X)
    )
    assert output.names(3) == ["setosa", "versicolor", "virginica"]


@pytest.mark.parametrize(
    ("classes", "columns"),
    [("virginica", [2]), (["versicolor"], [1]), (["virginica", "setosa"], [2, 0])],
)
def test_classes_selects_by_label(iris, classes, columns):
    X, classifier = iris

    output = choose_output(decomposed(classifier), "proba", classes)

    np.testing.assert_array_equal(
        output.predictions(decomposed(classifier), X), classifier.predict_proba(X)[:, columns]
    )
    assert output.names(len(columns)) == [str(classifier.classes_[c]) for c in columns]


def test_logit_equals_decision_function_of_logistic_regression(cancer):
    X, classifier = cancer
    decision = classifier.decision_function(X)
    is_inside = np.abs(decision) < 10

    logit = choose_output(decomposed(classifier), "logit", None).predictions(
        decomposed(classifier), X
    )[:, 0]

    np.testing.assert_allclose(logit[is_inside], decision[is_inside], rtol=1e-6)


def test_logit_of_probability_one_is_finite():
    X, y = load_iris(return_X_y=True)
    classifier = KNeighborsClassifier(1).fit(X, y)

    logit = choose_output(decomposed(classifier), "logit", None).predictions(
        decomposed(classifier), X
    )

    assert np.abs(logit).max() == pytest.approx(-np.log(np.finfo(np.float32).eps), rel=1e-6)


def test_raw_binary_has_both_signs(cancer):
    X, classifier = cancer

    raw = choose_output(decomposed(classifier), "raw", [0, 1]).predictions(
        decomposed(classifier), X
    )

    decision = classifier.decision_function(X)
    np.testing.assert_array_equal(raw, np.column_stack([-decision, decision]))


def test_raw_multiclass_is_decision_function(iris):
    X, classifier = iris

    np.testing.assert_array_equal(
        choose_output(decomposed(classifier), "raw", None).predictions(decomposed(classifier), X),
        classifier.decision_function(X),
    )


def test_auto_without_predict_proba_is_decision_function():
    X, y = load_iris(return_X_y=True)
    classifier = LinearSVC(C=0.01).fit(X, y)

    np.testing.assert_array_equal(
        choose_output(decomposed(classifier), "auto", None).predictions(decomposed(classifier), X),
        classifier.decision_function(X),
    )


@pytest.mark.parametrize("output", ["auto", "raw"])
def test_regressor_output_is_prediction(output):
    X, y = load_diabetes(return_X_y=True)
    regressor = LinearRegression().fit(X, y)

    chosen = choose_output(decomposed(regressor), output, None)

    np.testing.assert_array_equal(
        chosen.predictions(decomposed(regressor), X)[:, 0], regressor.predict(X)
    )
    assert chosen.names(1) is None


def test_multioutput_regressor_has_numbered_outputs():
    X, y = load_diabetes(return_X_y=True)
    regressor = LinearRegression().fit(X, np.column_stack([y, -y]))

    chosen = choose_output(decomposed(regressor), "auto", None)

    assert chosen.predictions(decomposed(regressor), X).shape == (len(X), 2)
    assert chosen.names(2) == ["output 0", "output 1"]


def test_callable_output_is_called_with_rows(iris):
    X, classifier = iris

    output = choose_output(decomposed(classifier), lambda rows: rows[:, 0], None)

    np.testing.assert_array_equal(output.predictions(decomposed(classifier), X), X[:, [0]])


def test_callable_output_with_other_number_of_rows_raises(iris):
    X, classifier = iris

    output = choose_output(decomposed(classifier), lambda rows: rows[:3], None)

    with pytest.raises(ValueError, match=r"must have shape \(150,\) or .* Got shape \(3, 4\)"):
        output.predictions(decomposed(classifier), X)


def test_unavailable_output_raises(iris):
    X, classifier = iris
    without_proba = LinearSVC(C=0.01).fit(X, np.arange(len(X)) % 2)
    without_decision = GaussianNB().fit(X, np.arange(len(X)) % 2)
    regressor = LinearRegression().fit(X, X[:, 0])
    voting = VotingClassifier([("nb", without_decision)]).fit(X, X[:, 0] > 5)
    several_targets = KNeighborsClassifier().fit(X, X[:, :2].round().astype(int))

    with pytest.raises(ValueError, match=r"output must be one of 'auto'.* Got 'margin' instead"):
        choose_output(decomposed(classifier), "margin", None)
    with pytest.raises(ValueError, match="output='proba' needs predict_proba, which LinearSVC"):
        choose_output(decomposed(without_proba), "proba", None)
    with pytest.raises(ValueError, match="output='logit' needs predict_proba, which LinearSVC"):
        choose_output(decomposed(without_proba), "logit", None)
    with pytest.raises(ValueError, match="output='raw' needs decision_function, which GaussianNB"):
        choose_output(decomposed(without_decision), "raw", None)
    with pytest.raises(ValueError, match="output='logit' needs a classifier, but LinearRegression"):
        choose_output(decomposed(regressor), "logit", None)
    with pytest.raises(ValueError, match="KNeighborsClassifier predicts 2 targets at once"):
        choose_output(decomposed(several_targets), "auto", None)
    with pytest.raises(ValueError, match=r"must be a classifier or a regressor. Got KMeans"):
        choose_output(decomposed(KMeans(2)), "auto", None)
    with pytest.raises(ValueError, match="VotingClassifier has neither predict_proba nor"):
        choose_output(decomposed(voting), "auto", None)


def test_proba_with_other_number_of_columns_than_classes_raises():
    class Wide(GaussianNB):
        def predict_proba(self, X):
            return np.zeros((len(X), 45))

    X, y = load_digits(return_X_y=True)
    classifier = Wide().fit(X[:200], y[:200])

    with pytest.raises(ValueError, match=r"has 45 column\(s\), but the estimator has 10 classes"):
        choose_output(decomposed(classifier), "auto", None).predictions(decomposed(classifier), X)


def test_one_vs_one_decision_function_raises(iris):
    X, _ = iris
    y = np.arange(len(X)) % 3
    classifier = SVC(decision_function_shape="ovo").fit(X, y)  # three classes, and three pairs

    with pytest.raises(
        ValueError, match="SVC has one per pair of classes.*decision_function_shape='ovr'"
    ):
        choose_output(decomposed(classifier), "raw", None)


def test_multilabel_classifier_explains_both_labels():
    X, y = load_iris(return_X_y=True)
    labels = np.column_stack([y > 0, y > 1]).astype(int)
    classifier = MLPClassifier((4,), solver="lbfgs", max_iter=2000, random_state=0).fit(X, labels)

    output = choose_output(decomposed(classifier), "auto", None)

    np.testing.assert_array_equal(
        output.predictions(decomposed(classifier), X), classifier.predict_proba(X)
    )


def test_classes_may_be_dates():
    X, y = load_iris(return_X_y=True)
    days = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="datetime64[ns]")
    classifier = GaussianNB().fit(X, y)
    classifier.classes_ = days

    output = choose_output(decomposed(classifier), "auto", days[1])

    assert output.columns == [1]
    with pytest.raises(ValueError, match="classes holds .*2021.*2020-01-01"):
        choose_output(decomposed(classifier), "auto", np.datetime64("2021-01-01"))


def test_unknown_or_repeated_classes_raise(iris):
    X, classifier = iris
    regressor = LinearRegression().fit(X, X[:, 0])

    with pytest.raises(
        ValueError,
        match="classes holds 'rose', but the estimator's classes are 'setosa', 'versicolor'",
    ):
        choose_output(decomposed(classifier), "auto", "rose")
    with pytest.raises(ValueError, match="classes must name at least one class"):
        choose_output(decomposed(classifier), "auto", [])
    with pytest.raises(ValueError, match=r"classes holds \['setosa'\], but"):
        choose_output(decomposed(classifier), "auto", [["setosa"]])
    with pytest.raises(ValueError, match="classes names 'setosa' twice"):
        choose_output(decomposed(classifier), "auto", ["setosa", "setosa"])
    with pytest.raises(ValueError, match="classes must be None for a regressor"):
        choose_output(decomposed(regressor), "auto", 1)
    with pytest.raises(ValueError, match="classes must be None when output is a callable"):
        choose_output(decomposed(classifier), classifier.predict_proba, "setosa")
