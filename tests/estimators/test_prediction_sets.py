"""predict_set of classifiers: sets of classes with a given probability."""

import pickle

import keras
import numpy as np
import pytest
import skops.io
from mapie.classification import SplitConformalClassifier

from nnkit import KerasClassifier, TabularClassifier
from nnkit.estimators.conformal_prediction import more_probable_mass
from nnkit.export import TRUSTED_TYPES


def classes_that_overlap(n_samples, seed, n_classes=5):
    """Return rows whose class is uncertain: normal around the position of the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n_samples)
    return (y + rng.normal(scale=0.8, size=n_samples))[:, None].astype(np.float32), y


def fitted(n_samples=900, **parameters):
    X, y = classes_that_overlap(n_samples, 0)
    settings = {"epochs": 15, "validation_split": 0.5, "random_state": 0, **parameters}
    return KerasClassifier("mlp", model__units=(16,), **settings).fit(X, y)


@pytest.fixture(scope="module")
def clf():
    return fitted()


def test_mass_by_hand():
    proba = np.array([[0.5, 0.3, 0.2], [0.1, 0.7, 0.2], [0.4, 0.4, 0.2]])

    mass = more_probable_mass(proba)

    np.testing.assert_allclose(mass, [[0, 0.5, 0.8], [0.9, 0, 0.7], [0, 0, 0.8]])


def test_mass_equals_its_definition():
    proba = np.random.default_rng(0).dirichlet(np.ones(6), size=40)
    proba[:20] = np.round(proba[:20], 1)  # with equal probabilities

    mass = more_probable_mass(proba)

    larger = proba[:, None, :] > proba[:, :, None]
    np.testing.assert_allclose(mass, np.sum(larger * proba[:, None, :], axis=2), atol=1e-12)


@pytest.mark.parametrize("confidence", [0.7, 0.8, 0.95])
def test_sets_contain_the_class_of_new_rows(clf, confidence):
    X_new, y_new = classes_that_overlap(4000, 1)
    assert clf.score(X_new, y_new) < 0.6

    is_in_set = clf.predict_set(X_new, confidence)

    # With 450 held-out rows, the coverage has a standard deviation of at most 0.022.
    coverage = is_in_set[np.arange(4000), y_new].mean()
    assert coverage == pytest.approx(confidence, abs=0.05)


def test_sets_of_an_ensemble_by_folds_contain_the_class_of_new_rows():
    X, y = classes_that_overlap(600, 0)
    X_new, y_new = classes_that_overlap(3000, 1)
    clf = TabularClassifier(
        preset="fast", n_estimators=3, cv=3, epochs=8, random_state=0
    ).fit(X, y)  # fmt: skip

    is_in_set = clf.predict_set(X_new, 0.8)

    assert 0.76 < is_in_set[np.arange(3000), y_new].mean() < 0.88


def test_sets_are_smaller_than_those_of_mapie():
    """MAPIE's adaptive sets without random numbers contain the class more often than asked for."""
    X, y = classes_that_overlap(900, 0)
    X_new, y_new = classes_that_overlap(3000, 1)
    clf = KerasClassifier("mlp", epochs=15, random_state=0).fit(X[:450], y[:450])
    others = SplitConformalClassifier(
        estimator=clf, confidence_level=0.8, conformity_score="aps", prefit=True
    ).conformalize(X[450:], y[450:])
    split = [(np.arange(450), np.arange(450, 900))]

    own = KerasClassifier("mlp", epochs=15, validation_split=split, random_state=0).fit(X, y)

    sets = [own.predict_set(X_new, 0.8), others.predict_set(X_new)[1][:, :, 0]]
    sizes = [is_in_set.sum(axis=1).mean() for is_in_set in sets]
    coverages = [is_in_set[np.arange(3000), y_new].mean() for is_in_set in sets]
    assert sizes[0] < sizes[1]
    assert abs(coverages[0] - 0.8) < abs(coverages[1] - 0.8)


def test_sets_hold_the_most_probable_classes(clf):
    X_new, _ = classes_that_overlap(200, 1)
    proba = clf.predict_proba(X_new)

    is_in_set = clf.predict_set(X_new, 0.8)

    assert is_in_set[np.arange(200), proba.argmax(axis=1)].all()
    least_inside = np.where(is_in_set, proba, np.inf).min(axis=1)
    assert (least_inside >= np.where(is_in_set, -np.inf, proba).max(axis=1)).all()


def test_sets_adapt_to_the_row(clf):
    """Rows below all classes are certain, those between classes are not."""
    sizes = clf.predict_set(np.array([[-4.0], [2.0]]), 0.9).sum(axis=1)

    assert sizes[0] < sizes[1]


def test_sets_grow_with_the_confidence(clf):
    X_new, _ = classes_that_overlap(100, 1)

    sets = [clf.predict_set(X_new, confidence) for confidence in (0.5, 0.8, 0.99)]

    assert (sets[0] <= sets[1]).all()
    assert (sets[1] <= sets[2]).all()
    assert sets[0].sum() < sets[2].sum()


def test_a_classifier_that_is_right_often_enough_has_sets_of_one_class():
    X = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    X[:, 0] += 6 * np.sign(X[:, 0])
    y = np.where(X[:, 0] > 0, "up", "down")
    clf = KerasClassifier("mlp", validation_split=0.3, epochs=10, random_state=0).fit(X, y)

    is_in_set = clf.predict_set(X, 0.9)

    np.testing.assert_array_equal(is_in_set.sum(axis=1), 1)
    np.testing.assert_array_equal(clf.classes_[is_in_set.argmax(axis=1)], clf.predict(X))


def test_files_keep_the_sets(clf):
    X_new, _ = classes_that_overlap(50, 1)
    expected = clf.predict_set(X_new, 0.8)

    for copy in (
        pickle.loads(pickle.dumps(clf)),
        skops.io.loads(skops.io.dumps(clf), trusted=TRUSTED_TYPES),
    ):
        np.testing.assert_array_equal(copy.predict_set(X_new, 0.8), expected)


def test_without_held_out_rows_it_raises():
    X, y = classes_that_overlap(60, 0)

    with pytest.raises(ValueError, match=r"predict_set needs rows that fit held out"):
        KerasClassifier("mlp", epochs=1).fit(X, y).predict_set(X)
    with pytest.raises(ValueError, match="partial_fit removes"):
        fitted(60, epochs=1).partial_fit(X, y).predict_set(X)


def test_several_columns_raise():
    X, y = classes_that_overlap(60, 0)
    labels = np.column_stack([y, y[::-1]])
    clf = KerasClassifier("mlp", validation_split=0.5, epochs=1).fit(X, labels)

    with pytest.raises(ValueError, match="a target of one column of classes"):
        clf.predict_set(X)


def test_confidence_that_needs_more_rows_raises():
    clf = fitted(40, epochs=1)
    X, _ = classes_that_overlap(2, 1)

    with pytest.raises(ValueError, match="confidence=0.99 needs at least 99 held-out rows"):
        clf.predict_set(X, 0.99)
    for confidence in (0, 1, "0.9"):
        with pytest.raises(ValueError, match=r"confidence must be a number in \(0, 1\)"):
            clf.predict_set(X, confidence)


def test_target_with_a_column_axis_has_sets():
    X, y = classes_that_overlap(60, 0)
    clf = KerasClassifier("mlp", validation_split=0.5, epochs=1, random_state=0)

    assert clf.fit(X, y[:, None]).predict_set(X, 0.8).shape == (60, 5)


def two_units(meta):
    softmax = keras.layers.Dense(2, activation="softmax")
    return keras.Sequential([keras.Input(meta.X_shape_[1:]), softmax])


def test_two_units_for_two_classes():
    X, y = classes_that_overlap(80, 0, n_classes=2)
    clf = KerasClassifier(two_units, validation_split=0.5, epochs=1, random_state=0).fit(X, y)

    assert clf.predict_set(X, 0.8).shape == (80, 2)
