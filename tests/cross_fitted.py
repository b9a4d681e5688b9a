"""Tabular estimators with three small networks on three folds, and their outputs by member."""

import keras
import numpy as np

from nnkit import TabularClassifier, TabularRegressor

CROSSED = {
    "model": "mlp",
    "model__units": (8,),
    "n_estimators": 3,
    "cv": 3,
    "epochs": 6,
    "batch_size": 32,
    "optimizer__learning_rate": 0.02,
    "random_state": 0,
}
AUTO = {"model__units": (8,), "epochs": 3, "n_estimators": 2, "random_state": 0}


def crossed(**params):
    return TabularClassifier(**{**CROSSED, "calibration": None, **params})


def crossed_regressor(**params):
    return TabularRegressor(**{**CROSSED, **params})


def by_member(estimator, X):
    """Return the outputs of each member, without calibration."""
    rows = X if estimator.encoder_ is None else estimator.encoder_.transform(X)
    return [keras.ops.convert_to_numpy(model(rows)) for model in estimator.models_]


def codes_of(y):
    return np.unique(y, return_inverse=True)[1]


def assert_same_members(first, second):
    for one, other in zip(first.models_, second.models_, strict=True):
        for our, their in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(our, their)
