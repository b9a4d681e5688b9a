"""The score method of classifiers, and errors on scorers that do not suit the target."""

import keras
import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from nnkit import KerasClassifier

STEPS = np.random.default_rng(0).normal(size=(64, 5, 1)).astype(np.float32)
CLASSES = (STEPS[..., 0] > 0).astype(int) + (STEPS[..., 0] > 1)
PARAMS = {"epochs": 2, "random_state": 0}


def tagger():
    return keras.Sequential([keras.Input((5, 1)), keras.layers.Dense(3, "softmax")])


@pytest.fixture(scope="module")
def tagging():
    return KerasClassifier(tagger, **PARAMS).fit(STEPS, CLASSES)


def test_score_of_time_steps_is_the_fraction_of_correct_steps(tagging):
    is_right = tagging.predict(STEPS) == CLASSES

    assert tagging.score(STEPS, CLASSES) == pytest.approx(is_right.mean())
    weight = np.arange(64.0)
    expected = np.average(is_right.mean(axis=1), weights=weight)
    assert tagging.score(STEPS, CLASSES, weight) == pytest.approx(expected)


def test_early_stopping_of_time_steps_uses_the_score_method():
    clf = KerasClassifier(tagger, early_stopping=True, scoring=None, **PARAMS)

    clf.fit(STEPS, CLASSES)

    assert 0 <= clf.history_["val_score"][0] <= 1


def test_score_of_multioutput_classes_is_the_subset_accuracy(iris):
    X, y = iris
    y_two = np.column_stack([y, np.where(y == "setosa", "yes", "no")])
    clf = KerasClassifier("mlp", **PARAMS).fit(X, y_two)

    assert clf.score(X, y_two) == pytest.approx((clf.predict(X) == y_two).all(axis=1).mean())


def test_score_equals_sklearn_accuracy(iris):
    X, y = iris
    clf = KerasClassifier("mlp", **PARAMS).fit(X, y)

    assert clf.score(X, y) == accuracy_score(y, clf.predict(X))


@pytest.mark.parametrize(
    ("scoring", "hint"),
    [("roc_auc", "use 'roc_auc_ovr' or 'roc_auc_ovo'"), ("f1", "use 'f1_macro' or 'f1_weighted'")],
)
def test_scoring_raises_on_a_binary_scorer_and_suggests_multiclass_ones(iris, scoring, hint):
    X, y = iris

    with pytest.raises(ValueError, match=f"scoring='{scoring}' cannot score .*{hint}"):
        KerasClassifier("mlp", early_stopping=True, scoring=scoring, **PARAMS).fit(X, y)


def test_scoring_raises_on_time_steps_and_suggests_none():
    clf = KerasClassifier(tagger, early_stopping=True, scoring="accuracy", **PARAMS)

    with pytest.raises(ValueError, match="scoring='accuracy' cannot score .*scoring=None"):
        clf.fit(STEPS, CLASSES)


def test_scoring_raises_on_a_misspelt_scorer(iris):
    with pytest.raises(ValueError, match="Got 'acuracy' instead. Did you mean accuracy?"):
        KerasClassifier("mlp", early_stopping=True, scoring="acuracy", **PARAMS).fit(*iris)


def test_class_weight_raises_on_text(iris):
    X, y = iris

    with pytest.raises(ValueError, match="Got '2' for the label 'virginica' instead"):
        KerasClassifier("mlp", class_weight={"virginica": "2"}, **PARAMS).fit(X, y)


def test_class_weight_can_be_none_for_some_outputs(iris):
    X, y = iris
    two = np.column_stack([y, np.where(y == "setosa", "yes", "no")])

    plain, weighted = (
        KerasClassifier("mlp", class_weight=weights, **PARAMS).fit(X, two).history_["loss"]
        for weights in ([None, None], [None, {"yes": 5.0}])
    )

    assert plain != weighted


def test_scoring_warns_without_validation_rows(iris):
    clf = KerasClassifier("mlp", scoring="accuracy", epochs=1)

    with pytest.warns(UserWarning, match="scoring='accuracy' has no effect without rows to valid"):
        clf.fit(*iris)
    clf.set_params(validation_split=0.2).fit(*iris)
    clf.set_params(validation_split=None, early_stopping=True).fit(*iris)
    X, y = iris
    clf.set_params(early_stopping=False).fit(X, y, X_val=X, y_val=y)
    clf.partial_fit(X, y)
