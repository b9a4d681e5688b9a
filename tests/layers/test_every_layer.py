"""Properties of all layers for tables: shapes, dtypes, gradients, saving, and all kinds of execution."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import nnkit.layers
import nnkit.layers.members
import nnkit.layers.sequences
from nnkit.layers import (
    CategoryBias,
    CategoryEmbeddings,
    ColumnSlice,
    NTKDense,
    ParametricActivation,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    Scale,
    ScheduledDropout,
)

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
CODES = np.array([[0, 4], [2, 1], [1, 0], [2, 3], [2, 4], [0, 2]], np.float32)

# Constructor of the layer, its input and the width of its output, by name.
LAYERS = {
    "Scale": (Scale, X, 3),
    "NTKDense": (lambda **k: NTKDense(4, bias_initializer="standard_normal", **k), X, 4),
    "NTKDense without bias": (lambda **k: NTKDense(4, use_bias=False, **k), X, 4),
    "ParametricActivation": (lambda **k: ParametricActivation("mish", **k), X, 3),
    "PeriodicEmbedding": (lambda **k: PeriodicEmbedding(5, 2, sigma=0.5, **k), X, 9),
    "PeriodicEmbedding alone": (lambda **k: PeriodicEmbedding(keeps_input=False, **k), X, 9),
    "PiecewiseLinearEmbedding": (lambda **k: PiecewiseLinearEmbedding(5, 2, **k), X, 6),
    "CategoryEmbeddings": (
        lambda **k: CategoryEmbeddings((3, 5), 2, regularizer="l2", missing_rate=0.5, **k),
        CODES,
        4,
    ),
    "CategoryEmbeddings of widths": (
        lambda **k: CategoryEmbeddings((3, 5), (2, 3), initializer="uniform", **k),
        CODES,
        5,
    ),
    "CategoryBias": (
        lambda **k: CategoryBias((3, 5), 2, initializer="standard_normal", **k),
        CODES,
        2,
    ),
    "ScheduledDropout": (lambda **k: ScheduledDropout(0.5, n_steps=9, seed=1, **k), X, 3),
    "ColumnSlice": (lambda **k: ColumnSlice(1, **k), X, 2),
}


@pytest.fixture(params=LAYERS)
def case(request):
    """Return a built layer, its input and the width of its output."""
    make, inputs, width = LAYERS[request.param]
    layer = make()
    layer(inputs)
    return layer, inputs, width


def values_of(variables):
    return [variable.numpy() for variable in variables]


def test_table_of_cases_has_all_layers_for_tables():
    # These have tests of their own.
    others = {
        *nnkit.layers.sequences.__all__,
        *nnkit.layers.augmentation.__all__,
        *nnkit.layers.tokens.__all__,
        *nnkit.layers.members.__all__,
    }

    found = {type(make()).__name__ for make, _, _ in LAYERS.values()}

    assert found == set(nnkit.layers.__all__) - others


def test_symbolic_shape_equals_the_shape_of_outputs(case):
    layer, inputs, width = case

    symbolic = layer(keras.Input((inputs.shape[1],)))

    assert symbolic.shape == (None, width)
    assert layer.compute_output_shape((7, inputs.shape[1])) == (7, width)
    assert layer(inputs).shape == (len(inputs), width)
    assert layer(inputs).dtype == symbolic.dtype


def test_layer_from_config_is_equal(case):
    layer, inputs, _ = case

    again = type(layer).from_config(layer.get_config())
    again.build(inputs.shape)
    again.set_weights(layer.get_weights())

    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(again(inputs), layer(inputs))


def test_saved_model_predicts_the_same_after_loading(case, tmp_path):
    layer, inputs, _ = case
    x = keras.Input((inputs.shape[1],))
    model = keras.Model(x, layer(x))
    for variable in layer.trainable_variables:
        variable.assign(variable + 0.25)

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert [type(part).__name__ for part in loaded.layers][1] == type(layer).__name__
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


@pytest.mark.parametrize("name", LAYERS)
def test_float64_layers_compute_in_float64(name):
    make, inputs, _ = LAYERS[name]
    layer = make(dtype="float64")

    outputs = layer(inputs.astype(np.float64), training=name == "ScheduledDropout")

    assert outputs.dtype == "float64"
    assert {str(v.dtype) for v in layer.trainable_variables} <= {"float64"}


def test_every_weight_has_a_gradient(case):
    layer, inputs, _ = case

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(inputs) ** 2)
    weights = [variable.value for variable in layer.trainable_variables]
    gradients = tape.gradient(loss, weights)

    assert all(np.any(np.asarray(gradient) != 0) for gradient in gradients)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graph_and_xla_outputs_equal_eager_outputs(case, jit_compile):
    layer, inputs, _ = case

    compiled = tf.function(layer, jit_compile=jit_compile, autograph=False)

    np.testing.assert_allclose(compiled(tf.constant(inputs)), layer(inputs), rtol=1e-5, atol=1e-6)


def test_vectorized_networks_equal_single_networks(case):
    layer, inputs, _ = case
    factors = np.array([1.0, 0.5, -2.0], np.float32)
    weights = [np.stack([factor * w for factor in factors]) for w in layer.get_weights()]
    others = values_of(layer.non_trainable_variables)
    n_trainable = len(layer.trainable_variables)
    trainable = [tf.constant(stack) for stack in weights[:n_trainable]]

    def of_one(member):
        return layer.stateless_call(member[0], others, member[1])[0]

    rows = tf.constant(np.stack([inputs] * 3))
    together = tf.vectorized_map(of_one, (trainable, rows))

    for i in range(3):
        alone = layer.stateless_call([stack[i] for stack in trainable], others, inputs)[0]
        np.testing.assert_allclose(together[i], alone, rtol=1e-5, atol=1e-6)


def test_further_leading_axes_are_preserved():
    sequences = np.ones((2, 5, 3), np.float32)

    shapes = [
        layer(sequences).shape
        for layer in (Scale(), NTKDense(4), ParametricActivation("relu"), ColumnSlice(1))
    ]

    assert shapes == [(2, 5, 3), (2, 5, 4), (2, 5, 3), (2, 5, 2)]
