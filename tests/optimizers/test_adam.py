import copy
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

import nnkit
from nnkit._compat import optimizer_copy, stateless_optimizer
from nnkit.optimizers import Cosine, CosLog, FlatCosine, GroupedAdam
from nnkit.training.caching.fingerprint import fingerprint
from nnkit.training.loop.state import StateLayout

RNG = np.random.default_rng(0)
GRADIENTS = [RNG.normal(size=(5, 3, 2)), RNG.normal(size=(5, 2))]


def make_weights():
    """Return a kernel and a bias in float64 with the paths of a layer named "dense"."""
    layer = keras.layers.Dense(2, name="dense", dtype="float64", bias_initializer="ones")
    layer.build((None, 3))
    layer.kernel.assign(np.arange(6.0).reshape(3, 2) - 2)
    return layer.trainable_variables


def after_steps(optimizer, weights=None):
    """Return the weights after five steps with fixed gradients."""
    weights = make_weights() if weights is None else weights
    for kernel, bias in zip(*GRADIENTS, strict=True):
        optimizer.apply([keras.ops.convert_to_tensor(part) for part in (kernel, bias)], weights)
    return [keras.ops.convert_to_numpy(weight) for weight in weights]


def assert_same(ours, theirs, **tolerances):
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(our, their, **tolerances)


def test_step_with_factors_and_decay_equals_the_value_by_hand():
    weight = keras.Variable([2.0], name="scale")
    optimizer = GroupedAdam(
        0.1,
        weight_decay=0.5,
        epsilon=0.0,
        learning_rate_factors={"scale": 6.0},
        decay_factors={"scale": 0.25},
    )

    optimizer.apply([keras.ops.convert_to_tensor([3.0])], [weight])

    # The first step of Adam equals the learning rate. The decay is 0.5 * 0.1 * 6 * 0.25.
    assert float(weight[0]) == pytest.approx(2.0 * (1 - 0.075) - 0.6, rel=1e-5)


def test_squared_factors_of_realmlp_equal_the_values_by_hand():
    weight = keras.Variable([1.0], name="scale")
    optimizer = GroupedAdam(
        0.01,
        weight_decay=0.02,
        learning_rate_factors={"scale": 6.0},
        decay_factors={"scale": 6.0},
    )

    optimizer.apply([keras.ops.convert_to_tensor([0.0])], [weight])

    assert 1 - float(weight[0]) == pytest.approx(36 * 0.02 * 0.01, rel=1e-4)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_without_factors_and_decay_equals_adam(amsgrad):
    arguments = {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "amsgrad": amsgrad}

    ours = after_steps(GroupedAdam(0.1, **arguments))

    assert_same(ours, after_steps(keras.optimizers.Adam(0.1, **arguments)), rtol=0)


def test_factors_of_one_have_no_effect():
    ones = {"kernel": 1.0, "bias": 1.0}
    optimizer = GroupedAdam(0.1, learning_rate_factors=ones, decay_factors=ones)

    assert_same(after_steps(optimizer), after_steps(keras.optimizers.Adam(0.1)), rtol=1e-12)


def test_constant_decay_equals_adamw():
    theirs = after_steps(keras.optimizers.AdamW(0.1, weight_decay=0.3))

    assert_same(after_steps(GroupedAdam(0.1, weight_decay=0.3)), theirs, rtol=1e-7)


@pytest.mark.parametrize("options", [{"clipnorm": 0.1}, {"gradient_accumulation_steps": 2}])
def test_options_of_keras_are_applied(options):
    theirs = after_steps(keras.optimizers.AdamW(0.1, weight_decay=0.3, **options))

    ours = after_steps(GroupedAdam(0.1, weight_decay=0.3, **options))

    assert_same(ours, theirs, rtol=1e-7)


def test_weights_that_keras_excludes_do_not_decay():
    optimizers = [
        GroupedAdam(0.1, weight_decay=0.3, decay_factors={"bias": 0.0}),
        GroupedAdam(0.1, weight_decay=0.3),
        keras.optimizers.AdamW(0.1, weight_decay=0.3),
    ]
    for optimizer in optimizers[1:]:
        optimizer.exclude_from_weight_decay(var_names=["bias"])

    by_factor, by_name, theirs = [after_steps(optimizer) for optimizer in optimizers]

    assert_same(by_factor, theirs, rtol=1e-7)
    assert_same(by_name, theirs, rtol=1e-7)


def test_factor_equals_another_learning_rate():
    slow = after_steps(keras.optimizers.AdamW(0.01, weight_decay=0.3))
    fast = after_steps(keras.optimizers.AdamW(0.1, weight_decay=0.3))

    kernel, bias = after_steps(
        GroupedAdam(0.1, weight_decay=0.3, learning_rate_factors={"bias": 0.1})
    )

    assert_same([kernel, bias], [fast[0], slow[1]], rtol=1e-7)


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({"bias": 0.1}, [1.0, 0.1]),
        ({"dense": 0.1}, [0.1, 0.1]),
        ({"^dense/k": 0.1}, [0.1, 1.0]),
        ({"kernel": 3.0, "dense": 0.1}, [3.0, 0.1]),
        ({"bias|kernel": 0.1}, [0.1, 0.1]),
        ({r"\bdense/": 0.1}, [0.1, 0.1]),
    ],
)
def test_first_matching_pattern_applies(factors, expected):
    weights = make_weights()
    before = [keras.ops.convert_to_numpy(weight) for weight in weights]
    optimizer = GroupedAdam(0.01, epsilon=0.0, learning_rate_factors=factors)

    optimizer.apply([keras.ops.ones((3, 2)), keras.ops.ones((2,))], weights)

    steps = [(old - new.numpy()).mean() for old, new in zip(before, weights, strict=True)]
    np.testing.assert_allclose(steps, np.multiply(0.01, expected), rtol=1e-5)


@pytest.mark.parametrize("name", ["learning_rate_factors", "decay_factors"])
@pytest.mark.parametrize("factors", [{"gamma": 2.0}, {"bias": 1.0, "dense/bias": 2.0}])
def test_pattern_that_matches_no_weight_first_raises(name, factors):
    optimizer = GroupedAdam(**{name: factors})
    pattern = list(factors)[-1]

    with pytest.raises(ValueError, match=f"{name} has the pattern '{pattern}'.*'dense/kernel'"):
        optimizer.build(make_weights())


def test_learning_rate_and_decay_follow_their_schedules():
    # Weights with a gradient of 0 only decay.
    rate, decay = CosLog(0.4, n_steps=5), FlatCosine(0.5, n_steps=5)
    weight = keras.Variable([1.0])
    optimizer = GroupedAdam(rate, weight_decay=decay)
    steps = np.arange(7)

    values = []
    for _ in steps:
        optimizer.apply([keras.ops.zeros((1,))], [weight])
        values.append(float(weight[0]))

    np.testing.assert_allclose(values, np.cumprod(1 - rate(steps) * decay(steps)), rtol=1e-5)


def test_decay_can_be_a_schedule_of_keras():
    decay = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.5, 0.0])
    weight = keras.Variable([1.0])
    optimizer = GroupedAdam(0.1, weight_decay=decay)

    for _ in range(3):
        optimizer.apply([keras.ops.zeros((1,))], [weight])

    assert float(weight[0]) == pytest.approx(0.95)


def test_variables_of_tensorflow_have_factors():
    weight = tf.Variable([0.0], name="scale")
    optimizer = GroupedAdam(0.1, learning_rate_factors={"scale": 2.0})

    optimizer.apply([tf.constant([1.0])], [weight])

    assert float(weight[0]) == pytest.approx(-0.2, rel=1e-5)


GROUPED = {
    "learning_rate": CosLog(0.05, n_steps=5),
    "weight_decay": FlatCosine(0.3, n_steps=5),
    "learning_rate_factors": {"bias": 0.1, "kernel": 2.0},
    "decay_factors": {"bias": 0.0},
}


def test_stateless_apply_takes_the_same_steps():
    optimizer = stateless_optimizer(GroupedAdam(**GROUPED))
    weights = make_weights()
    optimizer.build(weights)
    values = [tf.convert_to_tensor(weight.value) for weight in weights]
    state = [tf.convert_to_tensor(variable.value) for variable in optimizer.variables]

    for gradients in zip(*GRADIENTS, strict=True):
        values, state = optimizer.stateless_apply(state, list(gradients), values)

    assert_same(values, after_steps(GroupedAdam(**GROUPED)), rtol=1e-7)


def test_vectorized_networks_take_the_same_steps():
    optimizer = stateless_optimizer(GroupedAdam(**GROUPED))
    weights = make_weights()
    optimizer.build(weights)
    values = [tf.stack([weight.value, 2 * weight.value]) for weight in weights]
    state = [tf.stack([variable.value] * 2) for variable in optimizer.variables]

    def of_one(one):
        values, state, gradients = one
        return optimizer.stateless_apply(list(state), list(gradients), list(values))

    @tf.function
    def of_both(*stacked):
        return tf.vectorized_map(of_one, stacked, warn=False)

    for gradients in zip(*GRADIENTS, strict=True):
        values, state = of_both(values, state, [tf.stack([part, part]) for part in gradients])

    doubled = make_weights()
    for weight in doubled:
        weight.assign(2 * weight.value)
    singles = [after_steps(GroupedAdam(**GROUPED), start) for start in (make_weights(), doubled)]
    for position in (0, 1):
        assert_same([part[position] for part in values], singles[position], rtol=2e-6)


def test_weights_are_not_flattened_into_one_vector():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(GroupedAdam(learning_rate_factors={"bias": 0.1}), "mse")

    assert not StateLayout(model).is_flat


@pytest.mark.parametrize(
    "arguments",
    [GROUPED, {"weight_decay": 0.1, "beta_2": 0.9, "clipnorm": 0.5}, {}],
    ids=["schedules", "numbers", "defaults"],
)
def test_copied_and_saved_optimizers_take_the_same_steps(arguments, tmp_path):
    original = GroupedAdam(**arguments)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    model.compile(optimizer_copy(original, {}), "mse")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").optimizer
    copies = [
        GroupedAdam.from_config(original.get_config()),
        keras.optimizers.deserialize(keras.optimizers.serialize(original)),
        optimizer_copy(original, {}),
        GroupedAdam.from_config(loaded.get_config()),
        copy.deepcopy(GroupedAdam(**arguments)),
    ]

    expected = after_steps(GroupedAdam(**arguments))

    assert loaded.get_config() == original.get_config()
    for copied in copies:
        assert_same(after_steps(copied), expected, rtol=0)


def test_saved_optimizer_keeps_the_order_of_patterns():
    factors = {"kernel": 2.0, "dense": 3.0, "bias": 4.0}
    config = GroupedAdam(learning_rate_factors=factors).get_config()

    assert list(config["learning_rate_factors"].items()) == list(factors.items())


def test_optimizer_copy_replaces_an_argument():
    original = GroupedAdam(weight_decay=0.1, learning_rate_factors={"bias": 0.1})

    changed = optimizer_copy(original, {"weight_decay": Cosine(0.2), "learning_rate_factors": None})

    assert changed.weight_decay == Cosine(0.2)
    assert changed.get_config()["learning_rate_factors"] == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"learning_rate_factors": {"bias": 0.2}},
        {"learning_rate_factors": {}},
        {"decay_factors": {"bias": 0.5}},
        {"weight_decay": 0.2},
        {"beta_1": 0.8},
    ],
)
def test_fingerprint_depends_on_factors(changed):
    arguments = {
        "learning_rate_factors": {"bias": 0.1},
        "decay_factors": {"bias": 0.0},
        "weight_decay": 0.1,
    }
    first, again = GroupedAdam(**arguments), GroupedAdam(**arguments)
    other = GroupedAdam(**{**arguments, **changed})

    assert fingerprint(first) == fingerprint(again)
    assert fingerprint(first) != fingerprint(other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"weight_decay": -0.1},
            "weight_decay must be a number in [0, inf), a LearningRateSchedule or None",
        ),
        ({"weight_decay": "0.1"}, "Got '0.1' instead"),
        (
            {"learning_rate_factors": [("bias", 1)]},
            "learning_rate_factors must be a mapping of patterns",
        ),
        ({"decay_factors": {1: 0.5}}, "decay_factors must have patterns that are str. Got 1"),
        ({"decay_factors": {"(": 0.5}}, "must have patterns that are regular expressions. Got '('"),
        (
            {"decay_factors": {"bias": -1}},
            "decay_factors['bias'] must be a number in [0, inf). Got -1",
        ),
        (
            {"learning_rate_factors": {"bias": None}},
            "learning_rate_factors['bias'] must be a number in [0, inf). Got None",
        ),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        GroupedAdam(**arguments)


def network(meta):
    """Return a model compiled with factors and schedules for 4 epochs of 3 batches."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(5, "tanh", name="hidden"),
            keras.layers.Dense(3, "softmax", name="head"),
        ]
    )
    optimizer = GroupedAdam(
        CosLog(0.1, n_steps=12),
        beta_2=0.95,
        weight_decay=FlatCosine(0.5, n_steps=12),
        learning_rate_factors={r"\bhidden/kernel": 3.0, "bias": 0.1},
        decay_factors={"hidden/kernel": 3.0, "bias": 0.0},
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def weights_of(engine):
    X, y = load_iris(return_X_y=True)
    clf = nnkit.KerasClassifier(
        network, epochs=4, batch_size=50, engine=engine, random_state=0, verbose=0
    )
    return clf.fit(scale(X), y).model_.get_weights()


@pytest.mark.parametrize("engine", ["graph", "xla"])
def test_engine_equals_keras_fit(engine):
    assert_same(weights_of(engine), weights_of("keras"), rtol=2e-4, atol=2e-6)
