"""Deep copies of Keras objects."""

import io
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from nnkit.training.copying.copies import NotCopyableError, copy_of, deep_copy_of
from nnkit.training.copying.keras_pickling import KerasPickler, renewed

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
layers = keras.layers


class Projection(layers.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = units
        self.parts = [layers.Dense(2), {"norm": layers.BatchNormalization()}]

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units))

    def call(self, x):
        hidden = self.parts[1]["norm"](self.parts[0](x))
        return keras.ops.concatenate([x @ self.kernel, hidden], axis=-1)


class Subclassed(keras.Model):
    def __init__(self, part):
        super().__init__()
        self.part, self.head = part, layers.Dense(1)

    def call(self, x):
        return self.head(self.part(x))


def sequential():
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(5, "relu"), layers.Dropout(0.3), layers.Dense(1)]
    )


def nested():
    inputs = keras.Input((4,))
    body = sequential()
    body.trainable = False
    hidden = keras.ops.concatenate([body(inputs), body(inputs)], axis=-1)
    hidden = layers.Bidirectional(layers.LSTM(2))(layers.Reshape((2, 1))(hidden))
    hidden = layers.MultiHeadAttention(2, 3)(*[layers.Reshape((4, 1))(hidden)] * 2)
    return keras.Model(inputs, layers.Dense(1)(layers.Flatten()(hidden)))


def subclassed():
    model = Subclassed(Projection(3))
    model(X)
    return model


def own_function():
    factor = 3.0
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(1)(layers.Lambda(lambda x: factor * x)(inputs)))


def deep():
    inputs = hidden = keras.Input((4,))
    for _ in range(120):
        hidden = layers.Dense(4)(hidden)
    return keras.Model(inputs, hidden)


def pickled_and_read(value):
    file = io.BytesIO()
    pickler = KerasPickler(file)
    pickler.dump(value)
    pickler.dump(list(pickler.renewed))
    unpickler = pickle.Unpickler(io.BytesIO(file.getvalue()))
    read = unpickler.load()
    renewed(unpickler.load())
    return read


MODELS = [sequential, nested, subclassed, own_function, deep]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("again", [copy_of, pickled_and_read])
def test_copied_model_predicts_the_same_and_shares_no_variable(make, again):
    model = make()

    copied = again(model)

    np.testing.assert_array_equal(copied(X), model(X))
    assert [v.path for v in copied.variables] == [v.path for v in model.variables]
    assert [v.trainable for v in copied.variables] == [v.trainable for v in model.variables]
    assert not {id(v) for v in copied.variables} & {id(v) for v in model.variables}


@pytest.mark.parametrize("make", [nested, subclassed])
@pytest.mark.parametrize("again", [copy_of, pickled_and_read])
def test_training_a_copy_does_not_change_the_original(make, again):
    model = make()
    model.compile("adam", "mse")
    before = [v.numpy() for v in model.variables]

    copied = again(model)
    copied.compile("adam", "mse")
    copied.fit(X, X[:, :1], verbose=0)

    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    for variable, value in zip(copied.trainable_variables, model.trainable_variables, strict=True):
        assert not np.array_equal(variable, value)


def test_copy_of_a_trained_model_trains_further():
    model = sequential()
    model.compile("adam", "mse")
    model.fit(X, X[:, :1], verbose=0)

    copied = copy_of(model)
    copied.fit(X, X[:, :1], verbose=0)

    assert int(copied.optimizer.iterations) == 2
    assert int(model.optimizer.iterations) == 1


def test_copied_functional_model_has_the_same_configuration_and_layers():
    copied = copy_of(nested())

    rebuilt = keras.Model.from_config(copied.get_config())
    part = keras.Model(copied.input, copied.layers[-2].output)

    assert len(rebuilt.variables) == len(copied.variables)
    assert part(X).shape == (6, 4)


@pytest.mark.parametrize("again", [copy_of, pickled_and_read])
def test_copied_string_lookup_keeps_its_vocabulary(again):
    inputs = keras.Input((1,), dtype="string")
    lookup = layers.StringLookup(vocabulary=["red", "blue"], output_mode="multi_hot")
    model = keras.Model(inputs, layers.Dense(1)(lookup(inputs)))
    words = tf.constant([["red"], ["blue"], ["other"]])

    _, copied = again([keras.losses.Huber(0.5), model])

    np.testing.assert_array_equal(copied(words), model(words))


def test_copy_of_a_layer_excludes_models_that_contain_it():
    layer = layers.Dense(2)
    inputs = keras.Input((4,))
    other = keras.Model(inputs, layers.Dense(3)(layer(inputs)))

    copied = copy_of(layer)

    assert copied._outbound_nodes == []
    assert len(other.layers[1]._outbound_nodes) == 1


def test_deep_copy_of_a_container_keeps_identities():
    layer = layers.Dense(2)
    layer.build((None, 4))

    first, (second,) = deep_copy_of([layer, (layer,)])

    assert first is second is not layer


def test_copy_raises_on_a_layer_with_a_compiled_function():
    layer = layers.Dense(2)
    layer.step = tf.function(layer.call)

    with pytest.raises(NotCopyableError, match="compiled"):
        copy_of(layer)


def test_function_with_keyword_defaults_gets_copied_closure():
    layer = keras.layers.Dense(1)

    def function(x, *, held=0.5, also=(layer,)):
        return layer, x, held, also

    copied = copy_of([function])[0]

    found, _, held, also = copied(1)
    assert found is not layer
    assert held == 0.5
    assert also == (found,)


def test_mutually_recursive_functions_are_copied():
    layer = keras.layers.Dense(1)

    def even(n):
        return layer if n == 0 else odd(n - 1)

    def odd(n):
        return None if n == 0 else even(n - 1)

    copied = copy_of([even])[0]

    assert copied(2) is not layer
    assert copied(2) is copied(4)
    assert copied(1) is None


def test_function_without_keras_objects_is_not_copied():
    scale = 2.0

    def function(x, *, held=0.5):
        return x * scale * held

    assert copy_of([function])[0] is function
