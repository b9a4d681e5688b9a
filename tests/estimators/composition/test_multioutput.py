"""Multilabel and multi-output targets, and targets with time steps."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_iris, load_linnerud
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import KFold, cross_val_predict, cross_val_score
from small_estimators import classifier, regressor


def tagger(n_units, activation):
    """Return a builder of a network with an output at each time step."""

    def build(meta):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.LSTM(12, return_sequences=True),
                keras.layers.Dense(n_units, activation=activation),
            ]
        )

    return build


def test_multilabel_predictions(iris, flower_labels):
    X, _ = iris

    clf = classifier(epochs=30).fit(X, flower_labels)

    y_proba = clf.predict_proba(X)
    assert y_proba.shape == (150, 3)
    np.testing.assert_array_equal(clf.predict(X), y_proba > 0.5)
    assert clf.predict(X).dtype == flower_labels.dtype
    assert clf.score(X, flower_labels) > 0.88


def test_multilabel_cross_validation(iris, flower_labels):
    X, _ = iris
    cv = KFold(3, shuffle=True, random_state=0)

    f1 = cross_val_score(classifier(), X, flower_labels, cv=cv, scoring="f1_macro")
    y_proba = cross_val_predict(classifier(), X, flower_labels, cv=cv, method="predict_proba")

    assert f1.min() > 0.85
    assert y_proba.shape == (150, 3)


def test_multioutput_classification(iris):
    X, y = iris
    columns = np.column_stack([y, np.where(X[:, 0] > 0, "long", "short")])

    clf = classifier(epochs=30).fit(X, columns)

    y_proba = clf.predict_proba(X)
    assert [proba.shape for proba in y_proba] == [(150, 3), (150, 2)]
    for classes, proba, predicted in zip(clf.classes_, y_proba, clf.predict(X).T, strict=True):
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        np.testing.assert_array_equal(classes[proba.argmax(axis=1)], predicted)
    assert (clf.predict(X) == columns).mean(axis=0).min() > 0.9


def test_multioutput_classification_in_cross_val_predict(iris):
    X, _ = iris
    columns = np.column_stack([load_iris().target, X[:, 0] > 0])
    cv = KFold(3, shuffle=True, random_state=0)

    y_proba = cross_val_predict(classifier(), X, columns, cv=cv, method="predict_proba")

    assert [proba.shape for proba in y_proba] == [(150, 3), (150, 2)]
    assert (y_proba[0].argmax(axis=1) == columns[:, 0]).mean() > 0.85


def test_multioutput_regression(two_targets):
    X, y = two_targets

    reg = regressor().fit(X[:350], y[:350])

    assert reg.predict(X).shape == y.shape
    assert reg.score(X[350:], y[350:]) > 0.25


def test_inspection_of_multioutput_regression(two_targets):
    X, y = two_targets
    reg = regressor(epochs=40).fit(X, y)

    importance = permutation_importance(reg, X, y, n_repeats=2, random_state=0)
    dependence = partial_dependence(reg, X, [7], grid_resolution=4)

    assert importance.importances_mean.argmax() == 7
    assert dependence["average"].shape == (2, 4)
    assert np.diff(dependence["average"][0]).min() > 0


@pytest.mark.parametrize("kind", ["labels", "strings", "values"])
def test_predict_keeps_the_shape_of_a_single_column_target(iris, kind):
    X, labels = iris
    y = {"labels": load_iris().target, "strings": labels, "values": X[:, 3]}[kind]
    make = regressor if kind == "values" else classifier
    data = X[:, :3]

    fitted = make().fit(data, y[:, np.newaxis])

    flat = make().fit(data, y)
    assert fitted.predict(data).shape == (150, 1)
    np.testing.assert_array_equal(fitted.predict(data)[:, 0], flat.predict(data))
    assert fitted.score(data, y[:, np.newaxis]) == pytest.approx(flat.score(data, y))


def test_classification_of_each_time_step(bits):
    y = np.array(["even", "odd"])[np.cumsum(bits[:, :, 0], axis=1) % 2]

    clf = classifier(tagger(2, "softmax"), epochs=80, optimizer__learning_rate=0.03).fit(bits, y)

    y_proba = clf.predict_proba(bits)
    assert clf.predict(bits).shape == y.shape
    assert (clf.predict(bits) == y).mean() > 0.9
    assert [proba.shape for proba in y_proba] == [(240, 2)] * 6


def test_classification_of_time_steps_with_classes_missing_at_some_steps(bits):
    """The count is 0 or 1 at the first step, and 0, 1 or 2 at the second."""
    y = np.array(["none", "one", "two", "more"])[np.minimum(np.cumsum(bits[:, :, 0], axis=1), 3)]

    clf = classifier(tagger(4, "softmax"), epochs=60, optimizer__learning_rate=0.03).fit(bits, y)

    assert clf.predict(bits).shape == y.shape
    assert (clf.predict(bits) == y).mean() > 0.85


def test_classification_of_time_steps_with_labels_0_and_1(bits):
    """scikit-learn's type_of_target is multilabel-indicator; the output shape decides here."""
    y = np.cumsum(bits[:, :, 0], axis=1) % 2

    clf = classifier(tagger(2, "softmax"), epochs=80, optimizer__learning_rate=0.03).fit(bits, y)

    assert clf.predict(bits).shape == y.shape
    assert (clf.predict(bits) == y).mean() > 0.9


def test_regression_of_each_time_step(bits):
    y = np.stack([np.cumsum(bits[:, :, 0], axis=1), np.cumsum(1 - bits[:, :, 0], axis=1)], axis=-1)

    reg = regressor(tagger(2, "linear"), epochs=60, optimizer__learning_rate=0.03).fit(bits, y)

    y_pred = reg.predict(bits)
    assert y_pred.shape == (240, 6, 2)
    assert np.square(y_pred - y).mean() < 0.1 * y.var()


def test_regression_of_time_steps_keeps_a_last_axis_of_one(bits):
    y = np.cumsum(bits, axis=1).astype(float)

    reg = regressor(tagger(1, "linear"), epochs=2).fit(bits, y)

    assert reg.predict(bits).shape == (240, 6, 1)


def test_multioutput_regression_on_twenty_rows():
    X, y = load_linnerud(return_X_y=True, as_frame=True)

    reg = regressor(epochs=100).fit(X, y)

    assert reg.predict(X).shape == (20, 3)
    assert reg.score(X, y) > 0.3
