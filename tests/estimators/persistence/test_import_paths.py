"""Functions and classes that a file can refer to by name."""

import functools

import keras
import numpy as np
import pytest
from networks import classifier_network

from nnkit import KerasClassifier
from nnkit.builders import mlp
from nnkit.estimators.persistence.import_paths import check_import_path, check_is_no_internal
from nnkit.estimators.persistence.pickling import loads
from nnkit.layers import Scale
from nnkit.training.copying.keras_config import StoredConfig


def local():
    def function():
        return None

    return function


@pytest.mark.parametrize(
    "value",
    [
        classifier_network,
        functools.partial(classifier_network, units=3),
        KerasClassifier,
        np.ones(3),
        keras.callbacks.EarlyStopping(),
        None,
    ],
)
def test_names_of_modules_and_other_values_are_accepted(value):
    check_import_path(value)


@pytest.mark.parametrize(
    "value",
    [
        lambda: None,
        local(),
        functools.partial(local(), 3),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
    ],
)
def test_lambdas_and_local_functions_are_refused(value):
    with pytest.raises(TypeError, match="has no import path, by which a file"):
        check_import_path(value)


@pytest.mark.parametrize("value", [KerasClassifier(), mlp, Scale, classifier_network, np.ones(2)])
def test_estimators_builders_layers_and_values_may_be_in_a_file(value):
    check_is_no_internal([value, {"key": (value,)}])


@pytest.mark.parametrize(
    "value",
    [loads, functools.partial(loads, b""), functools.partial(print, [loads]), StoredConfig("{}")],
)
def test_internals_of_nnkit_may_not_be_in_a_file(value):
    with pytest.raises(ValueError, match="which nnkit never stores"):
        check_is_no_internal([value])
