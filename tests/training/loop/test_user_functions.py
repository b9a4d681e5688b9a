"""Error messages for custom losses and metrics that cannot be compiled."""

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.metrics import mean_absolute_error

from nnkit import KerasRegressor

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = X[:, 0]


def by_numpy(y_true, y_pred):
    return np.mean(np.abs(y_true - y_pred), axis=-1)


def forgetful(y_true, y_pred):
    ops.mean(ops.abs(y_true - y_pred), axis=-1)


class ForgetfulLoss(keras.losses.Loss):
    def call(self, y_true, y_pred):
        ops.mean(ops.abs(y_true - y_pred), axis=-1)


class ForgetfulMetric(keras.metrics.Metric):
    def update_state(self, y_true, y_pred, sample_weight=None):
        pass

    def result(self):
        pass


class MetricWithAttribute(keras.metrics.Metric):
    """Stores a value in an attribute, which a compiled program cannot update."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.seen = ops.mean(y_true)

    def result(self):
        return self.seen


def compiled(**arguments):
    def builder(meta):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("adam", **{"loss": "mse", **arguments})
        return model

    return builder


@pytest.mark.parametrize("engine", ["auto", "keras"])
@pytest.mark.parametrize("is_built_with", [False, True], ids=["parameter", "builder"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": by_numpy}, "^loss=by_numpy computes with NumPy"),
        ({"loss": mean_absolute_error}, "^loss=mean_absolute_error computes with NumPy"),
        ({"loss": forgetful}, "^loss=forgetful returns None"),
        ({"loss": ForgetfulLoss()}, "^loss=ForgetfulLoss returns None"),
        ({"metrics": [by_numpy]}, "^The metric by_numpy computes with NumPy"),
        ({"metrics": [forgetful]}, "^The metric forgetful returns None"),
        ({"metrics": [ForgetfulMetric()]}, "^The metric ForgetfulMetric returns None"),
        ({"metrics": [MetricWithAttribute()]}, "MetricWithAttribute stores values in .*seen"),
    ],
    ids=[
        "numpy loss", "scikit-learn loss", "loss without return", "loss class without return",
        "numpy metric", "metric without return", "metric class without return", "attribute",
    ],
)  # fmt: skip
def test_fit_names_a_loss_or_metric_that_cannot_be_traced(
    arguments, message, is_built_with, engine
):
    if is_built_with:
        reg = KerasRegressor(compiled(**arguments), epochs=1, engine=engine)
    else:
        reg = KerasRegressor("mlp", epochs=1, engine=engine, **arguments)

    with pytest.raises(ValueError, match=message):
        reg.fit(X, Y)
    assert not hasattr(reg, "n_features_in_")


def test_error_raised_by_a_loss_is_not_replaced():
    def loss(y_true, y_pred):
        raise ValueError("not today")

    with pytest.raises(ValueError, match="^not today$"):
        KerasRegressor("mlp", epochs=1, loss=loss).fit(X, Y)


def test_fit_names_a_loss_of_steps_that_returns_none():
    def builder(meta):
        return keras.Sequential([keras.Input((4, 3)), keras.layers.Dense(2)])

    steps = np.random.default_rng(0).normal(size=(8, 4, 3)).astype(np.float32)
    reg = KerasRegressor(builder, epochs=1, loss=forgetful)

    with pytest.raises(ValueError, match="^loss=forgetful returns None"):
        reg.fit(steps, steps[..., :2], sample_weight=np.ones(8))
