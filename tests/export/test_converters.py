"""Pipelines of scikit-learn and nnkit as ONNX models."""

import pandas as pd
import pytest
from onnx_models import IRIS, IRIS_FRAME, MIXED, SETTINGS, assert_classifies_alike
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_wine
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from nnkit import (
    KerasClassifier,
)


def test_pipeline_of_scikit_learn_with_raw_columns():
    X, y = MIXED
    X = X.drop(columns=["since", "is_paid"]).astype({"grade": str})
    pipeline = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "height"]),
            (OneHotEncoder(handle_unknown="ignore"), ["grade"]),
            (TargetEncoder(), ["road"]),
        ),
        KerasClassifier("mlp", **SETTINGS),
    ).fit(X, y)

    assert_classifies_alike(pipeline, X, X.assign(grade=X["grade"].mask(X.index == 3, "z")))


@pytest.mark.parametrize("as_frame", [False, True])
def test_scaler_before_a_network(as_frame):
    X, y = load_wine(return_X_y=True, as_frame=as_frame)
    if as_frame:
        X = X.assign(proline=X["proline"].astype(int))
    assert_classifies_alike(
        make_pipeline(StandardScaler(), KerasClassifier(**SETTINGS)).fit(X, y), X
    )


def test_encoder_of_scikit_learn_inside_an_estimator():
    X, y = IRIS_FRAME
    clf = KerasClassifier(
        "mlp", encoder=make_pipeline(SimpleImputer(), StandardScaler()), **SETTINGS
    )
    assert_classifies_alike(clf.fit(X, y), X)


def test_texts_through_a_vectorizer():
    X = pd.Series(["a good film", "a bad film", "good", "bad bad film"] * 10)
    y = X.str.contains("good").astype(int)
    pipeline = make_pipeline(
        TfidfVectorizer(lowercase=False), KerasClassifier("mlp", **SETTINGS)
    ).fit(X, y)

    assert_classifies_alike(pipeline, X, atol=1e-5)


def test_best_estimator_of_a_search():
    X, y = IRIS
    search = GridSearchCV(KerasClassifier("mlp", **SETTINGS), {"units": [(3,), (4,)]}, cv=2).fit(
        X, y
    )
    assert_classifies_alike(search, X)


class Own(KerasClassifier):
    """A subclass of a user."""


def test_subclass_of_a_user():
    X, y = IRIS
    assert_classifies_alike(Own("mlp", **SETTINGS).fit(X, y), X)
