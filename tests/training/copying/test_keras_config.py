"""Configurations of Keras objects: round trips, and what they may refer to."""

import json

import keras
import numpy as np
import pytest

import nnkit.layers
import nnkit.optimizers
from nnkit.training.copying.keras_config import ModelFromConfig, StoredConfig, is_keras_object


def doubled(x):
    return 2.0 * x


class Scaled(keras.layers.Layer):
    """A layer that is not registered with Keras."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return self.factor * x

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def model_of(*layers):
    return keras.Sequential([keras.Input((3,)), *layers])


@pytest.mark.parametrize(
    "value",
    [
        keras.losses.Huber(0.3),
        keras.metrics.BinaryAccuracy(threshold=0.3),
        keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10), momentum=0.5),
        nnkit.optimizers.FlatCosine(0.1, n_steps=10),
        keras.regularizers.L2(0.1),
        keras.initializers.RandomNormal(seed=3),
        keras.layers.Dense(3, activation="gelu", kernel_regularizer="l2"),
        nnkit.layers.Scale(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_object_of_keras_or_nnkit_needs_no_custom_objects(value):
    stored = StoredConfig.of(value)

    assert is_keras_object(value)
    assert stored.custom_objects == {}
    assert stored.load().get_config() == value.get_config()


def test_model_with_own_layers_and_functions_lists_them():
    model = model_of(Scaled(2.0), keras.layers.Dense(4, activation=doubled))

    stored = StoredConfig.of(model)
    loaded = stored.load()

    assert stored.custom_objects == {"Scaled": Scaled, "doubled": doubled}
    loaded.set_weights(model.get_weights())
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(loaded(x), model(x))


def test_own_function_that_is_called_like_one_of_keras_is_refused():
    def relu(x):
        return -x

    model = model_of(keras.layers.Dense(2, activation=relu))

    with pytest.raises(
        TypeError, match="uses a function 'relu', which Keras would store as its own"
    ):
        StoredConfig.of(model)


def test_functional_model_with_operations_of_keras():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.ops.concatenate([inputs + 1.0, keras.ops.exp(inputs)]))

    loaded = StoredConfig.of(model).load()

    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(loaded(x), model(x))


def test_compilation_is_left_out_on_request():
    model = model_of(keras.layers.Dense(1))
    model.compile("sgd", loss="mae")

    assert StoredConfig.of(model).load().loss == "mae"
    assert not StoredConfig.of(model, is_compiled=False).load().compiled


def test_local_layer_is_taken_from_the_model():
    class Local(keras.layers.Layer):
        def call(self, x):
            return -x

    stored = StoredConfig.of(model_of(Local()))

    assert stored.custom_objects == {"Local": Local}
    assert float(ModelFromConfig(stored)()(np.ones((1, 3)))[0, 0]) == -1.0


def test_model_without_a_configuration_is_refused():
    class Own(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.dense = keras.layers.Dense(units)

        def get_config(self):
            raise NotImplementedError

    with pytest.raises(TypeError, match="Own has no configuration that Keras can store as JSON"):
        StoredConfig.of(Own(3))


def test_code_in_a_configuration_is_run_only_on_request():
    stored = StoredConfig.of(model_of(keras.layers.Lambda(lambda x: 3.0 * x)))

    with pytest.raises(ValueError, match="has a 'Lambda', which runs code of the file"):
        stored.load()
    assert float(stored.load(allows_code=True)(np.ones((1, 3)))[0, 0]) == 3.0


@pytest.mark.parametrize("name", ["Sequential", "Dense", "function"])
def test_unknown_modules_are_refused(name):
    stored = StoredConfig(json.dumps({"class_name": name, "module": "os", "config": {}}))

    with pytest.raises(ValueError, match=r"refers to os\..*, which the file does not list"):
        stored.check()
