"""Masks, pooling and positions of padded sequences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nnkit.layers import (
    MaskedAveragePooling1D,
    MaskedBatchNormalization,
    MaskedMaxPooling1D,
    SinusoidalPositions,
    StepMask,
    StepValues,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 5, 3)).astype(np.float32)
MASK = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.float32)[:, :, np.newaxis]


def test_step_mask_is_zero_where_all_channels_are():
    x = np.array([[[0.0, 0.0], [0.0, 1e-7], [-1.0, 0.0], [0.0, 0.0]]], np.float32)

    mask = StepMask()(x)

    np.testing.assert_array_equal(mask[0, :, 0], [0, 1, 1, 0])


def test_step_mask_finds_small_values_under_mixed_precision():
    x = np.array([[[2.0**-40], [0.0]]], np.float32)

    mask = StepMask(dtype="mixed_float16")(x)

    assert mask.dtype == "float16"
    np.testing.assert_array_equal(mask[0, :, 0], [1, 0])


@pytest.mark.parametrize(
    ("masked", "plain"),
    [
        (MaskedAveragePooling1D, keras.layers.GlobalAveragePooling1D),
        (MaskedMaxPooling1D, keras.layers.GlobalMaxPooling1D),
    ],
)
def test_pooling_equals_that_of_the_sequence_without_padding(masked, plain):
    outputs = masked()([X, MASK])

    assert masked().compute_output_shape([X.shape, MASK.shape]) == (2, 3)
    np.testing.assert_allclose(outputs[:1], plain()(X[:1, :3]), rtol=1e-6)
    np.testing.assert_allclose(outputs[1:], plain()(X[1:]), rtol=1e-6)


def test_windows_of_maxima_equal_those_of_the_sequence_without_padding():
    x = -np.abs(X)  # zeros of the padding would be maxima
    plain = keras.layers.MaxPooling1D(3, strides=1, padding="same")

    outputs = MaskedMaxPooling1D(pool_size=3)([x, MASK]).numpy()

    assert MaskedMaxPooling1D(3).compute_output_shape([X.shape, MASK.shape]) == X.shape
    np.testing.assert_array_equal(outputs[:1, :3], plain(x[:1, :3]))
    np.testing.assert_array_equal(outputs[0, 3:], 0)
    np.testing.assert_array_equal(outputs[1:], plain(x[1:]))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("layer", [MaskedAveragePooling1D, MaskedMaxPooling1D])
def test_pooling_of_padding_only_is_zero(layer, dtype):
    outputs = layer(dtype=dtype)([X, 0 * MASK])

    np.testing.assert_array_equal(np.asarray(outputs, np.float32), 0)


def test_positions_are_sines_and_cosines():
    outputs = SinusoidalPositions()(np.zeros((1, 3, 4), np.float32)).numpy()[0]

    # Angles t and t / 100, each as a sine and a cosine.
    expected = [[np.sin(t), np.cos(t), np.sin(t / 100), np.cos(t / 100)] for t in range(3)]
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_positions_are_added_and_do_not_depend_on_the_number_of_steps():
    long = SinusoidalPositions()(X)
    short = SinusoidalPositions()(X[:, :3])

    np.testing.assert_array_equal(long[:, :3], short)
    zeros = SinusoidalPositions()(0 * X)
    np.testing.assert_allclose(long - zeros, X, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_layers_compile(jit_compile):
    layers = [MaskedAveragePooling1D(), MaskedMaxPooling1D(), MaskedMaxPooling1D(3)]
    step_mask, positions = StepMask(), SinusoidalPositions()
    positions.build(X.shape)

    def outputs(x):
        mask = step_mask(x)
        return [layer([x, mask]) for layer in layers] + [positions(x)]

    compiled = tf.function(outputs, jit_compile=jit_compile, autograph=False)(X)

    for found, expected in zip(compiled, outputs(X), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("value", [0, 1.5, "all"])
def test_invalid_pool_size_raises(value):
    with pytest.raises(ValueError, match="pool_size must be an integer of at least 1, or None"):
        MaskedMaxPooling1D(value)


def network():
    inputs = keras.Input((5, 3))
    mask = StepMask()(inputs)
    x = MaskedMaxPooling1D(3)([SinusoidalPositions()(inputs), mask])
    x = MaskedBatchNormalization()([x, mask])
    values = StepValues()(keras.layers.Dense(1)(x))
    return keras.Model(inputs, [MaskedAveragePooling1D()([x, mask]), values])


def test_saved_network_predicts_the_same_after_loading(tmp_path):
    model = network()
    model.save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras")

    for found, expected in zip(loaded(X), model(X), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float64", "mixed_float16"])
def test_networks_compute_in_other_dtypes(dtype):
    default = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        outputs = network()(X)
    finally:
        keras.config.set_dtype_policy(default)

    assert [part.dtype.name for part in outputs] == [dtype.removeprefix("mixed_")] * 2
    assert all(np.isfinite(np.asarray(part, np.float32)).all() for part in outputs)


def test_weights_have_gradients_and_padding_has_none():
    model = network()
    x = tf.constant(X * MASK)

    with tf.GradientTape() as tape:
        tape.watch(x)
        pooled, _ = model(x)
        loss = tf.reduce_sum(pooled**2)

    gradient = tape.gradient(loss, x).numpy()
    assert np.any(gradient[0, :3] != 0)
    np.testing.assert_array_equal(gradient[0, 3:], 0)


def test_batch_normalization_equals_that_of_the_steps_without_padding():
    masked, plain = MaskedBatchNormalization(), keras.layers.BatchNormalization()

    outputs = masked([X, MASK], training=True).numpy()

    is_step = MASK[:, :, 0] == 1
    expected = plain(X[is_step], training=True)
    np.testing.assert_allclose(outputs[is_step], expected, rtol=1e-4, atol=1e-5)
    for one, other in zip(masked.weights, plain.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(masked([X, MASK])[is_step], plain(X[is_step]), rtol=1e-4, atol=1e-5)


def test_step_values_have_no_axis_of_channels_and_no_mask():
    layer = StepValues()

    assert layer(X[:, :, :1]).shape == (2, 5)
    assert layer.compute_mask(X, MASK) is None
