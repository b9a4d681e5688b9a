"""X_val, y_val, validation_data and validation_split with splitters and groups."""

import keras
import numpy as np
import pytest
from sklearn.model_selection import GroupShuffleSplit, KFold, ShuffleSplit

from nnkit import KerasClassifier, KerasRegressor

PARAMS = {"batch_size": 32, "random_state": 0}


def test_validation_rows_are_encoded_like_the_training_rows(diabetes):
    """``val_loss`` is the loss of the predictions, in units of the scaled target and columns."""
    X, y = diabetes
    X = 100.0 * X + 7.0
    freeze = keras.callbacks.LearningRateScheduler(lambda epoch, _: 0.01 if epoch == 0 else 0.0)
    reg = KerasRegressor("mlp", epochs=2, callbacks=freeze, **PARAMS)

    reg.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])

    error = np.mean((reg.predict(X[300:]) - y[300:]) ** 2) / np.var(y[:300])
    assert reg.history_["val_loss"][-1] == pytest.approx(error, rel=1e-4)


def test_y_val_accepts_string_labels(iris):
    """SciKeras raises 'Invalid dtype: str32'."""
    X, y = iris
    clf = KerasClassifier("mlp", epochs=3, early_stopping=True, metrics=["accuracy"], **PARAMS)

    clf.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])

    assert clf.X_shape_ == (75, 4)
    assert set(clf.history_) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_validation_data_equals_separate_validation_arguments(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=2, **PARAMS)
    weight = np.linspace(1, 2, 75)

    named = clf.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2], sample_weight_val=weight).history_
    by_tuple = clf.fit(X[::2], y[::2], validation_data=(X[1::2], y[1::2], weight)).history_
    unweighted = clf.fit(X[::2], y[::2], validation_data=(X[1::2], y[1::2])).history_

    assert named == by_tuple
    assert named["val_loss"] != unweighted["val_loss"]


def test_class_weight_applies_to_validation_rows(cancer):
    X, y = cancer
    clf = KerasClassifier("mlp", epochs=1, class_weight={0: 9.0}, **PARAMS)

    weighted = clf.fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:]).history_["val_loss"][0]

    clf.set_params(class_weight=None)
    by_hand = clf.fit(
        X[:400],
        y[:400],
        sample_weight=np.where(y[:400] == 0, 9.0, 1.0),
        X_val=X[400:],
        y_val=y[400:],
        sample_weight_val=np.where(y[400:] == 0, 9.0, 1.0),
    ).history_["val_loss"][0]
    assert weighted == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (lambda X, y: {"X_val": X}, "X_val and y_val belong together"),
        (lambda X, y: {"X_val": X, "y_val": np.full(150, "rosa")}, "y holds the label 'rosa'"),
        (lambda X, y: {"X_val": X[:, :3], "y_val": y}, "X has 3 features"),
        (lambda X, y: {"X_val": X, "y_val": y[:3]}, "Got 3 values and 150 rows"),
        (lambda X, y: {"validation_data": X}, "validation_data must be a tuple"),
        (
            lambda X, y: {"validation_data": (X, y), "X_val": X, "y_val": y},
            "Give either X_val and y_val, or validation_data",
        ),
        (lambda X, y: {"groups": [1, 2]}, r"groups must have the shape \(150,\)"),
    ],
)
def test_fit_raises_on_invalid_validation_data(iris, validation, message):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1)

    with pytest.raises(ValueError, match=message):
        clf.fit(X, y, **validation(X, y))

    assert not hasattr(clf, "classes_")


def test_validation_split_accepts_splitters_and_index_pairs(iris):
    X, y = iris
    clf = KerasClassifier("mlp", epochs=1, **PARAMS)

    by_folds = clf.set_params(validation_split=KFold(3, shuffle=True, random_state=0)).fit(X, y)
    assert by_folds.X_shape_ == (100, 4)
    by_shuffle = clf.set_params(validation_split=ShuffleSplit(1, test_size=0.4)).fit(X, y)
    assert by_shuffle.X_shape_ == (90, 4)
    by_hand = clf.set_params(validation_split=[(np.arange(120), np.arange(120, 150))]).fit(X, y)
    assert by_hand.X_shape_ == (120, 4)


def test_validation_split_keeps_groups_together(cancer):
    X, y = cancer
    groups = np.arange(569) // 10
    seen = {}

    def scorer(estimator, X_validation, y_validation):
        seen["X"] = X_validation
        return 0.0

    KerasClassifier(
        "mlp",
        epochs=1,
        validation_split=GroupShuffleSplit(1, test_size=0.2, random_state=0),
        scoring=scorer,
        encoder=None,
    ).fit(X, y, groups=groups)

    held_out = (X[:, None] == seen["X"][None]).all(axis=2).any(axis=1)
    for group in np.unique(groups):
        assert held_out[groups == group].all() or not held_out[groups == group].any()


def test_validation_split_raises_on_an_empty_split(iris):
    with pytest.raises(ValueError, match="yields no split of the rows"):
        KerasClassifier("mlp", epochs=1, validation_split=[]).fit(*iris)
    empty = [(np.arange(150), np.arange(0))]
    with pytest.raises(ValueError, match="yields 150 rows to train on and 0 to validate on"):
        KerasClassifier("mlp", epochs=1, validation_split=empty).fit(*iris)


def test_validation_split_positions_include_rows_with_zero_weight(diabetes):
    X, y = diabetes
    weight = np.ones(442)
    weight[:10] = 0
    split = [(np.arange(20), np.arange(20, 30))]
    seen = {}

    def scorer(estimator, X_validation, y_validation, sample_weight=None):
        seen["y"] = y_validation
        return 0.0

    reg = KerasRegressor("mlp", epochs=1, validation_split=split, scoring=scorer)

    reg.fit(X, y, sample_weight=weight)

    assert reg.X_shape_ == (10, 10)
    np.testing.assert_array_equal(seen["y"], y[20:30])
