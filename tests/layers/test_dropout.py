import keras
import numpy as np
import pytest
import tensorflow as tf

from nnkit.layers import ScheduledDropout

ONES = np.ones((400, 500), np.float32)


def dropout_at(progress, rate=0.4, n_steps=1000, **arguments):
    layer = ScheduledDropout(rate, n_steps, seed=0, **arguments)
    layer.build(ONES.shape)
    layer.steps_done.assign(progress * n_steps)
    return layer


@pytest.mark.parametrize(
    ("progress", "arguments", "expected"),
    [
        (0.0, {}, 0.4),
        (0.49, {}, 0.4),
        (0.75, {}, 0.2),  # cos(pi / 2) = 0
        (5 / 6, {}, 0.1),  # cos(2 pi / 3) = -1/2
        (1.0, {}, 0.0),
        (3.0, {}, 0.0),  # after the last step of the schedule
        (0.5, {"flat_fraction": 0.0}, 0.2),
        (0.5, {"flat_fraction": 0.9}, 0.4),
    ],
)
def test_rate_is_constant_and_then_decreases_along_a_cosine(progress, arguments, expected):
    layer = dropout_at(progress, **arguments)

    outputs = layer(ONES, training=True).numpy()

    # 200,000 draws: six standard deviations are 0.007.
    np.testing.assert_allclose(np.mean(outputs == 0), expected, atol=0.007)
    np.testing.assert_allclose(outputs[outputs != 0], 1 / (1 - expected), rtol=1e-5)


def test_inference_is_the_identity_and_does_not_count_a_step():
    layer = dropout_at(0.0)

    outputs = layer(ONES)

    np.testing.assert_array_equal(outputs, ONES)
    assert layer.steps_done.numpy() == 0


def test_each_call_in_training_counts_a_step_and_draws_anew():
    layer = dropout_at(0.0)

    first, second = (layer(ONES, training=True).numpy() for _ in range(2))

    assert np.any(first != second)
    assert layer.steps_done.numpy() == 2


def test_rate_of_zero_is_the_identity_without_variables():
    layer = ScheduledDropout(0.0, n_steps=10)

    outputs = layer(ONES, training=True)

    np.testing.assert_array_equal(outputs, ONES)
    assert layer.variables == []


@pytest.mark.parametrize("jit_compile", [False, True])
def test_stateless_calls_return_the_counted_steps(jit_compile):
    layer = dropout_at(0.0)
    others = [variable.value for variable in layer.non_trainable_variables]
    call = tf.function(
        lambda others, x: layer.stateless_call([], others, x, training=True),
        jit_compile=jit_compile,
        autograph=False,
    )

    for _ in range(3):
        outputs, others = call(others, ONES)

    by_name = dict(zip([v.name for v in layer.non_trainable_variables], others, strict=True))
    assert by_name["steps_done"].numpy() == 3
    assert layer.steps_done.numpy() == 0
    np.testing.assert_allclose(np.mean(outputs.numpy() == 0), 0.4, atol=0.007)


def test_keras_fit_counts_the_batches():
    layer = ScheduledDropout(0.2, n_steps=12)
    model = keras.Sequential([keras.Input((500,)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")

    model.fit(ONES, np.zeros(400), batch_size=100, epochs=3, verbose=0)

    assert layer.steps_done.numpy() == 12


def test_vectorized_networks_have_their_own_steps_and_draws():
    layer = dropout_at(0.0)
    seeds = {v.name: v.numpy() for v in layer.non_trainable_variables}
    names = list(seeds)
    stacked = [np.stack([seeds[name], seeds[name]]) for name in names]
    stacked[names.index("steps_done")] = np.array([0.0, 750.0], np.float32)
    stacked[1 - names.index("steps_done")][1] += 1

    outputs, others = tf.vectorized_map(
        lambda one: layer.stateless_call([], list(one), ONES, training=True),
        tuple(tf.constant(part) for part in stacked),
        warn=False,
    )

    np.testing.assert_allclose(np.mean(outputs.numpy() == 0, axis=(1, 2)), [0.4, 0.2], atol=0.007)
    np.testing.assert_array_equal(others[names.index("steps_done")], [1.0, 751.0])


def test_steps_are_counted_exactly_under_mixed_precision():
    layer = dropout_at(0.0, n_steps=10_000, dtype="mixed_float16")
    layer.steps_done.assign(4096)

    outputs = layer(ONES, training=True)

    assert outputs.dtype == "float16"
    assert layer.steps_done.numpy() == 4097


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 1.0}, r"rate must be a fraction in \[0, 1\). Got 1.0"),
        ({"rate": "high"}, r"rate must be a fraction in \[0, 1\). Got 'high'"),
        ({"n_steps": 0}, "n_steps must be an integer of at least 1. Got 0"),
        ({"n_steps": 2**24 + 1}, "n_steps must be at most 16,777,216. Got 16,777,217"),
        ({"flat_fraction": 1.0}, r"flat_fraction must be a fraction in \[0, 1\). Got 1.0"),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        ScheduledDropout(**{"rate": 0.1, "n_steps": 10, **arguments})
