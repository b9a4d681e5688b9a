"""Sample weights and class weights."""

import keras
import numpy as np
import pytest
from networks import classifier_network, linear_network
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from nnkit import KerasClassifier, KerasRegressor, TabularClassifier

FULL_BATCH = {
    "encoder": None,
    "batch_size": -1,
    "epochs": 20,
    "shuffle": False,
    "optimizer": keras.optimizers.SGD(0.1, momentum=0.5),
    "random_state": 0,
}


def repeated(X, y, counts):
    rows = np.repeat(np.arange(len(y)), counts)
    return X[rows], y[rows]


@pytest.mark.parametrize("cls", [KerasClassifier, KerasRegressor])
def test_sample_weight_equals_repeated_rows_with_full_batches_in_float64(cls, iris):
    """The equivalence of scikit-learn's estimator checks, with their tolerance of 1e-7."""
    X, labels = iris
    _, y = np.unique(labels, return_inverse=True)
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    method = "predict_proba" if cls is KerasClassifier else "predict"

    weighted = cls(linear_network, **FULL_BATCH).fit(X, y, sample_weight=counts)
    by_rows = cls(linear_network, **FULL_BATCH).fit(*repeated(X, y, counts))

    np.testing.assert_allclose(
        getattr(weighted, method)(X), getattr(by_rows, method)(X), rtol=1e-7, atol=1e-9
    )


def test_sample_weight_equals_repeated_rows_with_balanced_class_weight(iris):
    X, y = iris
    counts = np.random.default_rng(0).integers(0, 4, len(y))
    params = {**FULL_BATCH, "class_weight": "balanced"}

    weighted = KerasClassifier(linear_network, **params).fit(X, y, sample_weight=counts)
    by_rows = KerasClassifier(linear_network, **params).fit(*repeated(X, y, counts))

    np.testing.assert_allclose(weighted.predict_proba(X), by_rows.predict_proba(X), rtol=1e-7)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_constant_sample_weight_does_not_change_training(iris, engine):
    """AdaBoost passes weights of 1 / n_samples."""
    X, y = iris
    clf = KerasClassifier(classifier_network, epochs=3, engine=engine, random_state=0)

    with_ones = clf.fit(X, y, sample_weight=np.ones(150)).predict_proba(X)
    with_tiny = clf.fit(X, y, sample_weight=np.full(150, 1 / 150)).predict_proba(X)

    np.testing.assert_allclose(with_tiny, with_ones, rtol=1e-4)


def test_rows_with_zero_weight_are_ignored(iris):
    X, y = iris
    weight = (np.arange(150) % 3 > 0).astype(float)
    clf = KerasClassifier("mlp", epochs=3, batch_size=16, early_stopping=True, random_state=0)

    with_zeros = clf.fit(X, y, sample_weight=weight).predict_proba(X)
    kept = weight > 0
    without = clf.fit(X[kept], y[kept], sample_weight=weight[kept]).predict_proba(X)

    np.testing.assert_array_equal(with_zeros, without)


@pytest.mark.parametrize("class_weight", [{1: 20.0}, {0: 1.0, 1: 20.0}])
def test_class_weight_raises_the_probability_of_a_class(cancer, class_weight):
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=5, random_state=0)

    plain = clf.fit(X, y).predict_proba(X)[:, 1]
    weighted = clf.set_params(class_weight=class_weight).fit(X, y).predict_proba(X)[:, 1]

    assert weighted.mean() > plain.mean() + 0.05


def test_class_weight_multiplies_sample_weight(iris):
    X, y = iris
    sample_weight = np.random.default_rng(0).uniform(0.5, 2.0, 150)
    factor = np.where(y == "setosa", 4.0, 1.0)
    clf = KerasClassifier(linear_network, **FULL_BATCH)

    by_hand = clf.fit(X, y, sample_weight=sample_weight * factor).predict_proba(X)
    clf.set_params(class_weight={"setosa": 4.0})
    by_parameter = clf.fit(X, y, sample_weight=sample_weight).predict_proba(X)

    np.testing.assert_allclose(by_parameter, by_hand, rtol=1e-9)


def test_balanced_class_weight_improves_recall_of_a_rare_class(cancer):
    X, y = cancer
    X = X[:, [1, 8, 9]]  # columns that separate the classes poorly
    rare = np.flatnonzero(y == 0)[:15]
    rows = np.concatenate([rare, np.flatnonzero(y == 1)])
    clf = KerasClassifier("mlp", epochs=30, random_state=0)

    plain = clf.fit(X[rows], y[rows])
    missed = (plain.predict(X[y == 0]) == 1).mean()
    balanced = clf.set_params(class_weight="balanced").fit(X[rows], y[rows])

    assert (balanced.predict(X[y == 0]) == 1).mean() < missed - 0.1


@pytest.fixture(scope="module", params=["graph", "xla", "keras"])
def weighted(request):
    """An unfitted estimator, data with weights, and the probabilities of a fit on them."""
    X, y = load_iris(return_X_y=True)
    data = scale(X), y, np.random.default_rng(0).uniform(0.5, 2.0, 150)
    clf = TabularClassifier(
        model="mlp", epochs=3, engine=request.param, cv=3, n_estimators=1,
        class_weight="balanced", random_state=0,
    )  # fmt: skip
    return clf, data, clone(clf).fit(*data).predict_proba(data[0])


@pytest.mark.parametrize("factor", [1e-300, 1e-40, 1e36, 1e300])
def test_fit_does_not_depend_on_the_scale_of_sample_weight(weighted, factor):
    clf, (X, y, weight), y_proba = weighted

    scaled = clone(clf).fit(X, y, factor * weight).predict_proba(X)

    np.testing.assert_allclose(scaled, y_proba, rtol=1e-4)


def test_partial_fit_does_not_depend_on_the_scale_of_sample_weight(iris):
    X, y = iris
    found = []
    for factor in (1.0, 1e-300):
        clf = KerasClassifier("mlp", random_state=0)
        for _ in range(3):
            clf.partial_fit(X, y, sample_weight=np.full(150, factor))
        found.append(clf.predict_proba(X))

    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)


@pytest.mark.parametrize("cls", [KerasClassifier, KerasRegressor])
def test_early_stopping_raises_on_a_single_row_with_positive_weight(cls, iris):
    X, labels = iris
    y = np.unique(labels, return_inverse=True)[1]
    weight = (np.arange(150) == 3).astype(float)

    with pytest.raises(ValueError, match="held out of 1 row with a weight above 0. Give more rows"):
        cls("mlp", epochs=1, early_stopping=True).fit(X, y, sample_weight=weight)
