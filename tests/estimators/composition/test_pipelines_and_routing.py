"""Preprocessing in pipelines, metadata routing, and cross-validation in processes and threads."""

import joblib
import keras
import numpy as np
import pytest
import sklearn
from networks import classifier_network
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from small_estimators import classifier

# Preprocessing


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_feature_names_in_are_those_of_a_column_transformer(container):
    pytest.importorskip(container)
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    columns = make_column_transformer(
        (StandardScaler(), ["mean area"]),
        (MinMaxScaler(), ["mean texture", "worst area"]),
        verbose_feature_names_out=False,
    )

    pipeline = make_pipeline(columns, classifier()).set_output(transform=container).fit(X, y)

    names = ["mean area", "mean texture", "worst area"]
    assert pipeline[-1].feature_names_in_.tolist() == names
    assert list(pipeline[-1].background_.columns) == names
    assert pipeline.score(X, y) > 0.9


def test_function_transformer_as_encoder_equals_a_pipeline_step():
    X, y = load_breast_cancer(return_X_y=True)
    logarithm = FunctionTransformer(np.log1p)

    pipeline = make_pipeline(logarithm, classifier(encoder=None)).fit(X, y)
    clf = classifier(encoder=logarithm).fit(X, y)

    np.testing.assert_array_equal(pipeline.predict_proba(X), clf.predict_proba(X))
    assert clf.score(X, y) > 0.88


def test_imblearn_pipeline_with_smote():
    over_sampling = pytest.importorskip("imblearn.over_sampling")
    imblearn_pipeline = pytest.importorskip("imblearn.pipeline")
    X, y = load_breast_cancer(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:25]])
    X, y = X[rows], y[rows]
    smote = over_sampling.SMOTE(random_state=0, k_neighbors=3)
    cv = StratifiedKFold(2)
    few = classifier(epochs=3, optimizer__learning_rate=0.003)

    resampled = imblearn_pipeline.make_pipeline(StandardScaler(), smote, few)
    scores = cross_val_score(resampled, X, y, cv=cv, scoring="balanced_accuracy")
    plain = cross_val_score(few, X, y, cv=cv, scoring="balanced_accuracy")

    assert scores.mean() > plain.mean() + 0.05
    assert scores.mean() > 0.88


# Metadata routing


class RecordingSplit(GroupShuffleSplit):
    """Splitter that records the groups of the training and validation rows of each split."""

    seen: list = []  # noqa: RUF012

    def split(self, X, y=None, groups=None):
        for training_rows, validation_rows in super().split(X, y, groups):
            self.seen.append((groups[training_rows], groups[validation_rows]))
            yield training_rows, validation_rows


@sklearn.config_context(enable_metadata_routing=True)
def test_metadata_routing_of_groups_and_sample_weight_in_cross_validate(iris):
    X, y = iris
    groups = np.arange(150) % 10
    weight = np.where(y == "setosa", 3.0, 0.5)
    split = RecordingSplit(n_splits=1, test_size=0.3, random_state=0)
    RecordingSplit.seen.clear()
    clf = classifier(validation_split=split)
    clf.set_fit_request(groups=True, sample_weight=True).set_score_request(sample_weight=True)

    result = cross_validate(
        clf, X, y, cv=GroupKFold(3), params={"groups": groups, "sample_weight": weight}
    )

    routed_splits = list(RecordingSplit.seen)
    by_hand = []
    for training, test in GroupKFold(3).split(X, y, groups):
        fitted = classifier(validation_split=split).fit(
            X[training], y[training], sample_weight=weight[training], groups=groups[training]
        )
        assert len(fitted.history_["val_loss"]) == 15
        by_hand.append(fitted.score(X[test], y[test], sample_weight=weight[test]))
    np.testing.assert_array_equal(result["test_score"], by_hand)
    assert len(routed_splits) == 3
    for training_groups, validation_groups in routed_splits:
        assert not set(training_groups) & set(validation_groups)


@sklearn.config_context(enable_metadata_routing=True)
def test_pipeline_transform_input_transforms_validation_rows():
    X, y = load_breast_cancer(return_X_y=True)
    clf = classifier(encoder=None, early_stopping=True, n_iter_no_change=2, epochs=50)
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("net", clf.set_fit_request(X_val=True, y_val=True))],
        transform_input=["X_val"],
    )

    pipeline.fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:])

    scaler = StandardScaler().fit(X[:400])
    by_hand = classifier(encoder=None, early_stopping=True, n_iter_no_change=2, epochs=50).fit(
        scaler.transform(X[:400]), y[:400], X_val=scaler.transform(X[400:]), y_val=y[400:]
    )
    assert pipeline["net"].history_ == by_hand.history_
    assert pipeline["net"].n_iter_ < 50
    assert min(by_hand.history_["val_loss"]) < 0.15


# Processes and threads


@pytest.mark.slow
def test_cross_val_score_in_processes_equals_sequential(iris):
    """The builder is a closure, which the standard pickle cannot serialise."""
    X, y = iris
    activation = "tanh"

    def network(meta, units=8):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.Dense(units, activation=activation),
                keras.layers.Dense(3, activation="softmax"),
            ]
        )

    clf = classifier(network, units=6)

    scores = cross_val_score(clf, X, y, cv=2, scoring="neg_log_loss", n_jobs=2)

    by_one = cross_val_score(clf, X, y, cv=2, scoring="neg_log_loss")
    np.testing.assert_allclose(scores, by_one, rtol=1e-5)
    assert scores.min() > -0.5


def test_cross_val_score_in_threads_equals_sequential(iris):
    X, y = iris
    clf = classifier(classifier_network, early_stopping=True, scoring="accuracy")

    with joblib.parallel_config(backend="threading"):
        scores = cross_val_score(clf, X, y, cv=6, scoring="neg_log_loss", n_jobs=2)

    by_one = cross_val_score(clf, X, y, cv=6, scoring="neg_log_loss")
    np.testing.assert_allclose(scores, by_one, rtol=1e-5)
