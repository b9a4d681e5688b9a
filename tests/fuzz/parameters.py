"""Valid and invalid values of all public parameters, as Python expressions.

Expressions are evaluated for each fit, so that fits share no objects, and a failing example prints
as the call that a user would write.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from nnkit import (
    KerasClassifier,
    KerasRegressor,
    KerasTransformer,
    TabularClassifier,
    TabularRegressor,
)

__all__ = [
    "ESTIMATORS",
    "INVALID_NAMES",
    "JUNK",
    "ROUTED_INVALID",
    "ROUTED_VALID",
    "VALID",
    "value_of",
]

ESTIMATORS = {
    "KerasClassifier": KerasClassifier,
    "KerasRegressor": KerasRegressor,
    "KerasTransformer": KerasTransformer,
    "TabularClassifier": TabularClassifier,
    "TabularRegressor": TabularRegressor,
}


def custom_network(meta, units=4):
    """Build a network for any target with one output."""
    n_units = meta.n_output_units_
    if isinstance(n_units, list):
        n_units = n_units[0]
    layers = [keras.Input(meta.X_shape_[1:]), keras.layers.Dense(units, "relu", name="hidden")]
    return keras.Sequential([*layers, keras.layers.Dense(n_units)])


NAMESPACE = {
    "KFold": KFold,
    "MinMaxScaler": MinMaxScaler,
    "ShuffleSplit": ShuffleSplit,
    "StandardScaler": StandardScaler,
    "functools": functools,
    "keras": keras,
    "np": np,
    "custom_network": custom_network,
    "pd": pd,
}


def value_of(expression):
    """Return a new value of an expression."""
    return eval(expression, dict(NAMESPACE))


_COMMON = {
    "epochs": ["1", "2", "3", "np.int64(2)", "np.uint8(3)"],
    "batch_size": ["7", "1000", "'auto'", "-1", "None", "np.int64(5)"],
    "early_stopping": ["True", "False", "np.True_"],
    "validation_split": [
        "None", "0", "0.25", "np.float32(0.25)", "KFold(2)", "ShuffleSplit(1, random_state=0)"
    ],
    "n_iter_no_change": ["1", "5"],
    "tol": ["0", "0.1", "np.float64(1e-3)", "np.float32(0.1)"],
    "scoring": ["'loss'", "None"],
    "encoder": ["'auto'", "StandardScaler()", "MinMaxScaler()"],
    "shuffle": ["True", "False", "np.False_"],
    "warm_start": ["True", "False"],
    "random_state": ["0", "None", "np.random.RandomState(0)", "2**32 - 1", "np.int64(3)"],
    "device": ["None", "'cpu'", "'/CPU:0'"],
    "dtype_policy": ["None", "'float32'", "'float64'"],
    "engine": ["'auto'", "'graph'"],
    "time_limit": ["None", "100", "1e-9", "np.float32(50)"],
    "optimizer": ["'auto'", "'adam'", "keras.optimizers.SGD", "keras.optimizers.Adam(0.01)"],
    "metrics": ["None", "[]", "'mse'", "['mae']"],
    "callbacks": ["None", "[]", "keras.callbacks.Callback()", "[keras.callbacks.TerminateOnNaN]"],
    "verbose": ["0", "False"],
}  # fmt: skip
_OF_PREDICTORS = {
    "background_size": ["0", "1", "1000", "np.int32(3)"],
    "n_estimators": ["1", "2", "np.int64(2)"],
}
_OF_TABULAR = {
    "preset": ["'default'", "'fast'"],
    "model": ["'auto'", "'mlp'", "custom_network"],
    "cv": ["None", "2", "np.int64(3)", "KFold(2)"],
}

VALID = {
    "KerasClassifier": {
        **_COMMON,
        **_OF_PREDICTORS,
        "model": ["'mlp'", "custom_network", "functools.partial(custom_network, units=4)"],
        "loss": ["None", "'auto'"][:1],
        "class_weight": ["None", "'balanced'", "{}"],
        "metrics": ["None", "[]", "'accuracy'"],
    },
    "KerasRegressor": {
        **_COMMON,
        **_OF_PREDICTORS,
        "model": ["'mlp'", "custom_network"],
        "loss": ["None", "'mse'", "'mae'", "keras.losses.Huber", "keras.losses.Huber(2.0)"],
        "scoring": ["'loss'", "None", "'r2'"],
    },
    "TabularClassifier": {
        **_COMMON,
        **_OF_PREDICTORS,
        **_OF_TABULAR,
        "calibration": ["'auto'", "None"],
        "metrics": ["None", "[]", "'accuracy'"],
    },
    "TabularRegressor": {
        **_COMMON,
        **_OF_PREDICTORS,
        **_OF_TABULAR,
        "loss": ["None", "'mse'", "'mae'"],
    },
    "KerasTransformer": {
        **_COMMON,
        "model": ["'autoencoder'"],
        "layer": ["'representation'", "None"],
        "task": ["'auto'", "'reconstruction'"],
        "loss": ["None", "'mae'"],
        "metrics": ["None"],
    },
}
"""Valid values for a small table of numbers, by estimator and parameter."""

JUNK = [
    "None", "True", "0", "1", "-1", "3", "0.5", "-0.5", "2.5", "float('nan')", "float('inf')",
    "10**30", "2**32", "''", "'a'", "'0'", "b'adam'", "()", "[]", "[1, 2]", "['a']", "{}",
    "{'a': 1}", "{1, 2}", "object()", "object", "int", "len", "1j", "lambda: 1", "np.array([1, 2])",
    "np.array(3)", "np.array('a')", "pd.NA", "pd.NaT", "np.float64(2)", "pd.Series([1])",
    "keras.layers.Dense(1)", "keras.layers.Dense", "StandardScaler", "iter([])", "range(3)",
    "{None: None}", "'a' * 10**5", "'%s {} {0} \\n'",
]  # fmt: skip
"""Values of all types; most are invalid for any one parameter."""

_TOO_SLOW = ["10**30", "2**32"]
# Values in JUNK that are valid, or valid but too slow to fit with.
_VALID_JUNK = {
    "model": ["len"],
    "epochs": ["1", "3", *_TOO_SLOW],
    "batch_size": ["None", "1", "-1", "3", "10**30", "2**32"],
    "early_stopping": ["True"],
    "validation_split": ["None", "0", "0.5"],
    "n_iter_no_change": ["1", "3", "10**30", "2**32"],
    "tol": ["True", "0", "1", "3", "0.5", "2.5", "10**30", "2**32", "np.float64(2)"],
    "scoring": ["None", "len", "lambda: 1", "keras.layers.Dense(1)"],
    "encoder": ["None"],
    "shuffle": ["True"],
    "warm_start": ["True"],
    "random_state": ["None", "0", "1", "3", "True"],
    "device": ["None"],
    "dtype_policy": ["None"],
    "engine": [],
    "time_limit": [
        "None",
        "True",
        "1",
        "float('inf')",
        "3",
        "0.5",
        "2.5",
        "10**30",
        "2**32",
        "np.float64(2)",
    ],
    "optimizer": [],
    "metrics": ["None", "()", "[]", "{}", "{None: None}"],
    "callbacks": ["None", "()", "[]", "{}", "{None: None}"],
    "verbose": ["True", "0", "1"],
    "background_size": ["0", "1", "3", "10**30", "2**32"],
    "n_estimators": ["1", "3", *_TOO_SLOW],
    "preset": ["None"],  # its error names model, not preset
    "loss": ["None", "{}"],
    "class_weight": ["None", "{}"],
    "calibration": ["None"],
    "cv": ["None", "3", *_TOO_SLOW],
    "layer": ["None"],
    "task": [],
}


def invalid_values(parameter):
    """Return values of all types that are invalid for a parameter."""
    return [value for value in JUNK if value not in _VALID_JUNK[parameter]]


ROUTED_VALID = {
    "model__units": ["(4,)", "[4]", "4", "np.int64(4)"],
    "optimizer__learning_rate": ["0.01", "1e-3", "np.float32(0.01)", "1"],
    "fit__epochs": ["1", "2"],
    "fit__batch_size": ["8"],
    "predict__batch_size": ["1", "8", "None", "np.int64(3)"],
}
"""Valid values of routed parameters of an estimator with ``model="mlp"``."""

ROUTED_INVALID = {
    "model__units": ["'a'", "-1", "0", "(4, 0)", "2.5", "None", "(2.5,)", "object()", "[[4]]"],
    "model__activation": ["'rellu'", "3", "object()"],
    "model__dropout_rate": ["1.5", "-0.1", "'a'", "None", "float('nan')", "1"],
    "model__l2": ["-1", "'a'", "float('nan')", "None", "float('inf')"],
    "model__normalization": ["'batches'", "3", "True"],
    "model__kernel_initializer": ["'he'", "3", "object()"],
    "model__category_units": ["0", "'a'", "2.5", "None"],
    "optimizer__learning_rate": [
        "'a'", "None", "-1.0", "float('nan')", "float('inf')", "object()", "[0.1]"
    ],
    "optimizer__beta_1": ["'a'", "2.0", "-1.0", "None"],
    "optimizer__momentun": ["0.9"],
    "optimizer__clipnorm": ["'a'", "-1.0"],
    "loss__reduction": ["'summ'", "3"],
    "loss__label_smoothing": ["'a'", "-1", "2.0", "None"],
    "loss__nonsense": ["1"],
    "metrics__nonsense": ["1"],
    "callbacks__patience": ["3"],
    "compile__nonsense": ["1"],
    "compile__jit_compile": ["'maybe'", "3"],
    "fit__epochs": ["0", "'a'", "2.5", "None"],
    "fit__batch_size": ["0", "'a'", "2.5"],
    "fit__callbacks": ["3", "'a'"],
    "fit__validation_split": ["1.5", "'a'"],
    "fit__shuffle": ["'a'", "None"],
    "fit__verbose": ["'loud'", "7"],
    "fit__initial_epoch": ["-1", "'a'", "2.5"],
    "predict__batch_size": ["'a'", "0", "-3", "2.5", "object()", "[3]"],
}  # fmt: skip
"""Invalid values of routed parameters of an estimator with ``model="mlp"``."""

INVALID_NAMES = [
    "epoch", "batchsize", "optimiser", "metric", "callback", "random_seed", "seed", "lr",
    "learning_rate", "hidden_layer_sizes", "max_iter", "alpha", "patience", "n_jobs",
    "validation_fraction", "nb_epoch", "build_fn", "dropout", "model_", "_model", "modle__units",
    "model__unit", "model__", "__units", "optimizer__", "model__units__x", "loss_", "fit__epoch",
    "predict__batchsize", "class_weights", "units_", "X", "y", "sample_weight",
]  # fmt: skip
"""Names that are not parameters of an estimator with ``model="mlp"``."""
