"""The score of a classifier, and scorers of scikit-learn that a target does not suit."""

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


def test_score_of_steps_is_the_fraction_of_steps_that_are_right(tagging):
    is_right = tagging.predict(STEPS) == CLASSES

    assert tagging.score(STEPS, CLASSES) == pytest.approx(is_right.mean())
    weight = np.arange(64.0)
    expected = np.average(is_right.mean(axis=1), weights=weight)
    assert tagging.score(STEPS, CLASSES, weight) == pytest.approx(expected)


def test_steps_stop_early_by_the_score_of_the_estimator():
    clf = KerasClassifier(tagger, early_stopping=True, scoring=None, **PARAMS)

    clf.fit(STEPS, CLASSES)

    assert 0 <= clf.history_["val_score"][0] <= 1


def test_several_columns_score_where_all_are_right(iris):
    X, y = iris
    two = np.column_stack([y, np.where(y == "setosa", "yes", "no")])
    clf = KerasClassifier("mlp", **PARAMS).fit(X, two)

    assert clf.score(X, two) == pytest.approx((clf.predict(X) == two).all(axis=1).mean())


def test_score_of_one_column_is_that_of_scikit_learn(iris):
    X, y = iris
    clf = KerasClassifier("mlp", **PARAMS).fit(X, y)

    assert clf.score(X, y) == accuracy_score(y, clf.predict(X))


@pytest.mark.parametrize(
    ("scoring", "hint"),
    [("roc_auc", "use 'roc_auc_ovr' or 'roc_auc_ovo'"), ("f1", "use 'f1_macro' or 'f1_weighted'")],
)
def test_scorers_of_two_classes_name_those_of_several(iris, scoring, hint):
    X, y = iris

    with pytest.raises(ValueError, match=f"scoring='{scoring}' cannot score .*{hint}"):
        KerasClassifier("mlp", early_stopping=True, scoring=scoring, **PARAMS).fit(X, y)


def test_scorers_that_do_not_know_steps_are_named():
    clf = KerasClassifier(tagger, early_stopping=True, scoring="accuracy", **PARAMS)

    with pytest.raises(ValueError, match="scoring='accuracy' cannot score .*scoring=None"):
        clf.fit(STEPS, CLASSES)


def test_a_misspelt_scorer_gets_the_nearest_name(iris):
    with pytest.raises(ValueError, match="Got 'acuracy' instead. Did you mean accuracy?"):
        KerasClassifier("mlp", early_stopping=True, scoring="acuracy", **PARAMS).fit(*iris)


def test_a_text_as_weight_of_a_class_is_refused(iris):
    X, y = iris

    with pytest.raises(ValueError, match="Got '2' for the label 'virginica' instead"):
        KerasClassifier("mlp", class_weight={"virginica": "2"}, **PARAMS).fit(X, y)


def test_one_of_several_columns_may_have_no_class_weight(iris):
    X, y = iris
    two = np.column_stack([y, np.where(y == "setosa", "yes", "no")])

    plain, weighted = (
        KerasClassifier("mlp", class_weight=weights, **PARAMS).fit(X, two).history_["loss"]
        for weights in ([None, None], [None, {"yes": 5.0}])
    )

    assert plain != weighted


def test_a_score_without_rows_to_validate_on_warns(iris):
    clf = KerasClassifier("mlp", scoring="accuracy", epochs=1)

    with pytest.warns(UserWarning, match="scoring='accuracy' has no effect without rows to valid"):
        clf.fit(*iris)
    clf.set_params(validation_split=0.2).fit(*iris)
    clf.set_params(validation_split=None, early_stopping=True).fit(*iris)
    X, y = iris
    clf.set_params(early_stopping=False).fit(X, y, X_val=X, y_val=y)
    clf.partial_fit(X, y)
