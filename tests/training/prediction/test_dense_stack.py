import keras
import numpy as np
import pytest

from nnkit.training.network import Network
from nnkit.training.prediction.dense_stack import DenseStack
from nnkit.training.specification.compilation import Compilation
from nnkit.training.specification.heads import Task
from nnkit.training.specification.model_spec import ModelSpec

L = keras.layers
X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)


def functional():
    inputs = keras.Input((5,))
    hidden = L.Dense(4, "relu", name="hidden")(inputs)
    return keras.Model(inputs, L.Dense(2, "softmax")(L.Dropout(0.5)(hidden)))


def one_by_one():
    model = keras.Sequential()
    for part in (keras.Input((5,)), L.Dense(6, "relu"), L.Dense(3, "tanh"), L.Dense(2)):
        model.add(part)
    return model


STACKS = {
    **{
        name: lambda name=name: keras.Sequential(
            [keras.Input((5,)), L.Dense(6, name), L.Dense(2, "sigmoid")]
        )
        for name in ("linear", "relu", "sigmoid", "tanh", "softmax")
    },
    "functional": functional,
    "one by one": one_by_one,
    "activation": lambda: keras.Sequential(
        [keras.Input((5,)), L.Activation("tanh"), L.Dense(2, use_bias=False), L.Activation("relu")]
    ),
    "float64": lambda: keras.Sequential(
        [keras.Input((5,), dtype="float64"), L.Dense(2, "tanh", dtype="float64")]
    ),
}


def with_a_shortcut():
    inputs = keras.Input((5,))
    hidden = L.Dense(5)(inputs)
    return keras.Model(inputs, L.Add()([L.Dense(5)(hidden), hidden]))


def used_twice():
    inputs, layer = keras.Input((5,)), L.Dense(5)
    return keras.Model(inputs, layer(layer(inputs)))


OTHERS = {
    "shortcut": with_a_shortcut,
    "twice": used_twice,
    "normalised": lambda: keras.Sequential([keras.Input((5,)), L.BatchNormalization(), L.Dense(2)]),
    "activation": lambda: keras.Sequential([keras.Input((5,)), L.Dense(2, "gelu")]),
    "own": lambda: keras.Sequential([keras.Input((5,)), L.Dense(2, lambda x: x + 1)]),
    "axes": lambda: keras.Sequential([keras.Input((2, 5)), L.Dense(2)]),
    "bfloat16": lambda: keras.Sequential([keras.Input((5,)), L.Dense(2, dtype="mixed_bfloat16")]),
}


def network_of(build):
    units = build().output_shape[-1]
    rows = np.zeros((1, 2, 5), np.float32) if build is OTHERS["axes"] else X[:1]
    task = Task("regression", row_shape=(2, units) if rows.ndim == 3 else (units,))
    try:
        return Network(ModelSpec(build, {}, Compilation()), [[task]], rows, None)
    except ValueError:  # a sigmoid or softmax is for labels
        task = Task("multilabel", row_shape=(units,))
        return Network(ModelSpec(build, {}, Compilation()), [[task]], rows, None)


@pytest.mark.parametrize("name", STACKS)
def test_dense_stack_equals_keras_predictions(name):
    network = network_of(STACKS[name])
    compiled_model = network.compiled_model
    assert DenseStack.carries(compiled_model)

    (outputs,) = network.outputs(X)

    expected = keras.ops.convert_to_numpy(network.model(X))
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    assert outputs.dtype == expected.dtype
    assert not any(key == "forward" for key in compiled_model._programs)


def test_dense_stack_does_not_change_its_input():
    network = network_of(STACKS["activation"])
    rows = X.copy()

    network.outputs(rows)

    np.testing.assert_array_equal(rows, X)


def test_dense_stack_leaves_many_rows_to_tensorflow():
    network = network_of(STACKS["relu"])
    many = np.tile(X, (20_000, 1))

    (few,), (outputs,) = network.outputs(X), network.outputs(many)

    assert "forward" in network.compiled_model._programs
    np.testing.assert_allclose(outputs[: len(X)], few, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OTHERS)
def test_dense_stack_does_not_carry_other_networks(name):
    assert not DenseStack.carries(network_of(OTHERS[name]).compiled_model)
