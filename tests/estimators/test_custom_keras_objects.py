"""Losses, metrics, optimizers and layers of custom Keras classes that are not registered."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from nnkit import KerasClassifier, KerasRegressor

ops = keras.ops
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = X @ [1.0, 2.0, 0.0, 1.0]


class CustomLoss(keras.losses.Loss):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, y_true, y_pred):
        return self.factor * ops.mean((y_true - y_pred) ** 2, axis=-1)


class CustomMetric(keras.metrics.Metric):
    def __init__(self, factor):
        super().__init__(name="own")
        self.factor = factor
        self.count = self.add_weight(initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.count.assign_add(1.0)

    def result(self):
        return self.factor * self.count


class CustomSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        return self.rate / (1.0 + ops.cast(step, "float32"))


class ConfiguredSchedule(CustomSchedule):
    def get_config(self):
        return {"rate": self.rate}


class CustomOptimizer(keras.optimizers.SGD):
    def __init__(self, learning_rate=0.01, factor=1.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.factor = factor

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, self.factor * learning_rate)


class CustomRegularizer(keras.regularizers.Regularizer):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * ops.sum(x**2)


class CustomConstraint(keras.constraints.Constraint):
    def __init__(self, limit):
        self.limit = limit

    def __call__(self, w):
        return ops.clip(w, -self.limit, self.limit)


class CustomInitializer(keras.initializers.Initializer):
    def __init__(self, value):
        self.value = value

    def __call__(self, shape, dtype=None):
        return self.value * ops.ones(shape, dtype=dtype)


class CustomLayer(keras.layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units))

    def call(self, x):
        return x @ self.kernel


class CustomModel(keras.Model):
    def __init__(self, part):
        super().__init__()
        self.part, self.head = part, keras.layers.Dense(1)

    def call(self, x):
        return self.head(self.part(x))


def network(meta, regularizer=None, constraint=None, initializer="ones", layer=None):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Dense(5) if layer is None else layer,
            keras.layers.Dense(
                1,
                kernel_regularizer=regularizer,
                kernel_constraint=constraint,
                kernel_initializer=initializer,
            ),
        ]
    )


def custom_model():
    model = CustomModel(CustomLayer(3))
    model(X)
    return model


OBJECTS = {
    "loss": lambda: {"loss": CustomLoss(3.0)},
    "metric": lambda: {"metrics": [CustomMetric(2.0)]},
    "schedule": lambda: {"optimizer__learning_rate": CustomSchedule(0.02)},
    "schedule in an optimizer": lambda: {"optimizer": keras.optimizers.Adam(CustomSchedule(0.02))},
    "schedule with a configuration": lambda: {
        "optimizer": keras.optimizers.Adam(ConfiguredSchedule(0.02))
    },
    "optimizer": lambda: {"optimizer": CustomOptimizer(0.02, factor=2.0)},
    "schedule in a custom optimizer": lambda: {"optimizer": CustomOptimizer(CustomSchedule(0.02))},
    "inner optimizer": lambda: {
        "optimizer": keras.optimizers.LossScaleOptimizer(CustomOptimizer(CustomSchedule(0.02)))
    },
    "regularizer": lambda: {"model__regularizer": CustomRegularizer(0.1)},
    "constraint": lambda: {"model__constraint": CustomConstraint(0.1)},
    "initializer": lambda: {"model__initializer": CustomInitializer(0.1)},
    "layer": lambda: {"model__layer": CustomLayer(3)},
    "model": lambda: {"model": custom_model()},
}


def regressor(kind, **settings):
    parameters = {"model": network, "epochs": 2, "random_state": 0, "optimizer": "adam"}
    return KerasRegressor(**{**parameters, **OBJECTS[kind](), **settings})


@pytest.mark.parametrize("kind", OBJECTS)
def test_custom_object_is_cloned_and_pickled_before_and_after_fit(kind):
    estimator = regressor(kind)

    cloned = clone(estimator).fit(X, Y)
    read = pickle.loads(pickle.dumps(clone(estimator))).fit(X, Y)
    read_fitted = pickle.loads(pickle.dumps(cloned))

    np.testing.assert_array_equal(read_fitted.predict(X), cloned.predict(X))
    if kind != "model":  # its initial weights are drawn anew in each call
        np.testing.assert_allclose(read.predict(X), cloned.predict(X), atol=1e-6)
    assert read_fitted.model_.count_params() == read.model_.count_params()


@pytest.mark.parametrize("kind", sorted(set(OBJECTS) - {"model"}))
def test_custom_object_trains_the_same_with_graph_and_keras_backends(kind):
    on_graph = regressor(kind, engine="graph").fit(X, Y)
    in_keras = regressor(kind, engine="keras").fit(X, Y)

    np.testing.assert_allclose(on_graph.predict(X), in_keras.predict(X), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        on_graph.history_["loss"], in_keras.history_["loss"], rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("kind", ["schedule", "optimizer", "constraint", "regularizer"])
def test_custom_object_trains_the_same_with_the_xla_backend(kind):
    on_graph = regressor(kind, engine="graph").fit(X, Y)
    in_xla = regressor(kind, engine="xla").fit(X, Y)

    np.testing.assert_allclose(on_graph.predict(X), in_xla.predict(X), rtol=1e-3, atol=1e-4)


def test_custom_learning_rate_schedule_is_applied():
    # One batch an epoch: steps of 0.5 and 0.25 on the mean of the target from 0.
    estimator = KerasRegressor(
        lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, trainable=True)]),
        optimizer=keras.optimizers.SGD(CustomSchedule(0.01)),
        batch_size=60,
        epochs=2,
        random_state=0,
    ).fit(X, Y)
    constant = clone(estimator).set_params(optimizer=keras.optimizers.SGD(0.01)).fit(X, Y)

    # The schedules agree in the first step and differ in the second.
    assert estimator.history_["loss"][1] == pytest.approx(constant.history_["loss"][1])
    assert not np.allclose(estimator.predict(X), constant.predict(X))


@pytest.mark.parametrize("engine", ["graph", "xla", "keras"])
def test_identity_constraint_does_not_change_training(engine):
    bound = clone(regressor("regularizer", engine=engine)).set_params(model__constraint=lambda w: w)
    free = clone(bound).set_params(model__constraint=None)

    np.testing.assert_allclose(bound.fit(X, Y).predict(X), free.fit(X, Y).predict(X), atol=1e-5)


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_activation_layer_is_trained(engine):
    def build():
        hidden = keras.layers.Dense(8, activation=keras.layers.PReLU())
        return keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])

    estimator = KerasRegressor(build, epochs=3, random_state=0, engine=engine).fit(X, Y)
    read = pickle.loads(pickle.dumps(estimator))

    slopes = next(v for v in estimator.model_.trainable_variables if "alpha" in v.path)
    assert np.any(slopes.numpy() != 0)
    np.testing.assert_array_equal(read.predict(X), estimator.predict(X))


class AlwaysDropout(keras.layers.Dropout):
    def call(self, x, training=None):
        return super().call(x, training=True)


@pytest.mark.parametrize(("random_state", "is_repeated"), [(None, False), (0, True)])
def test_layer_random_at_inference_is_repeatable_only_with_random_state(random_state, is_repeated):
    estimator = KerasRegressor(
        lambda: keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(50), AlwaysDropout(0.5), keras.layers.Dense(1)]
        ),
        epochs=1,
        random_state=random_state,
    ).fit(X, Y)
    read = pickle.loads(pickle.dumps(estimator))

    for one in (estimator, read):
        assert np.allclose(one.predict(X), one.predict(X)) == is_repeated
    estimator.model_.summary(print_fn=lambda *_, **__: None)
    assert np.allclose(estimator.predict(X), estimator.predict(X)) == is_repeated


def test_fit_raises_on_a_keras_model_with_another_input_width():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])

    with pytest.raises(
        ValueError,
        match=r"takes rows of shape \(6,\).*A keras.Model keeps the size of its input layer",
    ):
        KerasRegressor(model).fit(X, Y)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_predict_raises_on_an_unfitted_keras_model_and_names_initialize(method):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "sigmoid")])

    with pytest.raises(NotFittedError, match=r"call 'initialize\(X, y\)'"):
        getattr(KerasClassifier(model), method)(X)
