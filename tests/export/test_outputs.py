"""Labels, probabilities and values of ONNX models beside Python, for every kind of target."""

import datetime

import keras
import numpy as np
import pytest
from networks import classifier_network, linear_network
from onnx_models import (
    DIABETES,
    IRIS,
    MIXED,
    SETTINGS,
    assert_classifies_alike,
    assert_predicts_alike,
    run,
)

from nnkit import (
    KerasClassifier,
    KerasRegressor,
    TabularClassifier,
    TabularRegressor,
)
from nnkit.export import to_onnx


@pytest.mark.parametrize("labels", [[0, 1, 2], ["a", "b", "c"], [0, 1, 1], ["no", "yes", "yes"]])
def test_labels_of_a_classifier(labels):
    X, y = IRIS
    assert_classifies_alike(KerasClassifier(**SETTINGS).fit(X, np.array(labels)[y]), X)


@pytest.mark.parametrize("labels", [[False, True, True], [1.0, 2.0, 5.0]])
def test_labels_that_become_integers(labels):
    X, y = IRIS
    clf = KerasClassifier(**SETTINGS).fit(X, np.array(labels)[y])

    found = run(to_onnx(clf, X), X)["label"]

    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, clf.predict(X).astype(int))


def test_labels_without_a_type_in_onnx_are_refused():
    X, y = IRIS
    clf = KerasClassifier(**SETTINGS).fit(
        X, np.array([datetime.date(2020, 1, d) for d in (1, 2, 3)])[y]
    )

    with pytest.raises(
        ValueError, match=r"labels of an ONNX model are text or integers\. Got .*date"
    ):
        to_onnx(clf, X)


def test_several_columns_of_labels():
    X, y = IRIS
    both = np.column_stack([y, (y == 1).astype(int)])
    assert_classifies_alike(KerasClassifier(**SETTINGS).fit(X, both), X)


def test_several_columns_of_text():
    X, y = IRIS
    both = np.column_stack([np.array(["a", "b", "c"])[y], np.where(y == 1, "one", "other")])
    assert_classifies_alike(KerasClassifier(**SETTINGS).fit(X, both.astype(object)), X)


def test_multilabel_indicator():
    X, y = IRIS
    assert_classifies_alike(KerasClassifier(**SETTINGS).fit(X, np.eye(3, dtype=int)[y][:, :2]), X)


def test_one_hot_rows_of_a_softmax():
    X, y = IRIS

    def network(meta):
        return classifier_network(meta, 4) if meta.n_output_units_ > 1 else None

    clf = KerasClassifier(network, **SETTINGS).fit(X, np.eye(3, dtype=int)[y])
    assert_classifies_alike(clf, X)


def test_labels_of_steps():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5, 2)).astype(np.float32)
    y = (X[..., 0] > 0).astype(int) + (X[..., 1] > 0)

    def network(meta):
        n_classes = len(np.unique(np.concatenate(meta.classes_)))
        return keras.Sequential(
            [keras.Input(meta.X_shape_[1:]), keras.layers.Dense(n_classes, activation="softmax")]
        )

    assert_classifies_alike(KerasClassifier(network, **SETTINGS).fit(X, y), X)


def test_binary_labels_of_steps():
    X = np.random.default_rng(0).normal(size=(60, 5, 2)).astype(np.float32)

    def network(meta):
        return keras.Sequential(
            [keras.Input(meta.X_shape_[1:]), keras.layers.Dense(2, activation="softmax")]
        )

    clf = KerasClassifier(network, **SETTINGS).fit(X, (X[..., 0] > 0).astype(int))
    assert_classifies_alike(clf, X)


def test_labels_of_pixels():
    X = np.random.default_rng(0).normal(size=(40, 4, 6, 1)).astype(np.float32)
    y = np.where(X[..., 0] > 0.5, "high", np.where(X[..., 0] > -0.5, "medium", "low"))

    def network(meta):
        softmax = keras.layers.Dense(meta.n_output_units_, activation="softmax")
        return keras.Sequential([keras.Input(meta.X_shape_[1:]), softmax])

    assert_classifies_alike(KerasClassifier(network, **SETTINGS).fit(X, y), X)


def test_logits_of_a_float64_network():
    X, y = IRIS
    for labels in (y, y == 1):
        clf = KerasClassifier(linear_network, **SETTINGS).fit(X, labels)
        found = run(to_onnx(clf, X), X)["probabilities"]
        np.testing.assert_allclose(found, clf.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("n_columns", [1, 2])
def test_values_of_a_regressor(n_columns):
    X, y = DIABETES
    target = np.column_stack([1e6 * y, y / 1e3])[:, :n_columns]
    target = target[:, 0] if n_columns == 1 else target
    assert_predicts_alike(KerasRegressor(**SETTINGS).fit(X, target), X)
    assert_predicts_alike(
        KerasRegressor(lambda meta: linear_network(meta, "float32"), **SETTINGS).fit(X, y / 100.0),
        X,
    )


def test_values_of_a_network_with_several_outputs():
    X, y = DIABETES

    def network(meta):
        inputs = keras.Input(meta.X_shape_[1:])
        return keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])

    reg = KerasRegressor(network, **SETTINGS).fit(X, np.column_stack([y, -y]))
    assert_predicts_alike(reg, X)


@pytest.mark.parametrize("dropout_rate", [0.0, 0.3])
def test_ensemble_with_temperature(dropout_rate):
    X, y = MIXED
    clf = TabularClassifier(n_estimators=3, cv=3, model__dropout_rate=dropout_rate, **SETTINGS)
    clf.fit(X, y)

    assert clf.temperature_ != 1.0
    assert_classifies_alike(clf, X)


def test_temperature_of_a_multilabel_indicator():
    X, y = IRIS
    clf = TabularClassifier(n_estimators=2, cv=2, calibration="temperature", **SETTINGS)
    clf.fit(X, np.column_stack([y > 0, y > 1]).astype(int))

    assert clf.temperature_ != 1.0
    assert_classifies_alike(clf, X)


def test_clipped_ensemble_of_a_regressor():
    X, y = DIABETES
    reg = TabularRegressor(n_estimators=3, cv=3, epochs=5, random_state=0).fit(X, y)
    X_far = X * 50.0

    assert reg.predict(X_far).max() == pytest.approx(y.max())
    assert_predicts_alike(reg, X, X_far)
