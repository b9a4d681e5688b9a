import inspect
import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import nnkit.optimizers
from nnkit.optimizers import (
    Cosine,
    CosLog,
    FlatCosine,
    GroupedAdam,
    OneCycle,
    StepDecay,
    TrainingSchedule,
    WarmUp,
    with_n_steps,
)


def one_cycle_by_hand(s):
    if s < 0.25:
        return 0.1 + 0.9 * 0.5 * (1 - math.cos(math.pi * s / 0.25))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (s - 0.25) / 0.75))


# Schedules, and their shapes in double precision.
SHAPES = {
    "warm-up": (WarmUp(2.0), lambda s: 1.0),
    "cosine": (
        Cosine(2.0, final_factor=0.1, warmup_fraction=0.2),
        lambda s: 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * s)),
    ),
    "coslog": (
        CosLog(2.0, n_cycles=3),
        lambda s: 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 7 * s))),
    ),
    "flat cosine": (
        FlatCosine(2.0, flat_fraction=0.6, warmup_fraction=0.1),
        lambda s: 1.0 if s < 0.6 else 0.5 * (1 + math.cos(math.pi * (s - 0.6) / 0.4)),
    ),
    "step decay": (
        StepDecay(2.0, factor=0.5, at=(0.25, 0.5, 0.75)),
        lambda s: 0.5 ** math.floor(4 * min(s, 0.75)),
    ),
    "one cycle": (
        OneCycle(2.0, peak_fraction=0.25, start_factor=0.1, final_factor=0.01),
        one_cycle_by_hand,
    ),
}


def value_by_hand(schedule, shape, step):
    t, w = min(step / schedule.n_steps, 1.0), schedule.warmup_fraction
    if t < w:
        return schedule.peak * t / w * shape(0.0)
    return schedule.peak * shape((t - w) / (1 - w))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("n_steps", [10, 1_000_000])
def test_values_equal_the_formula(name, n_steps):
    schedule, shape = SHAPES[name]
    schedule = schedule.for_steps(n_steps)
    steps = np.unique(np.linspace(0, n_steps + 3, 300).astype(int))

    values = schedule(steps)

    expected = [value_by_hand(schedule, shape, step) for step in steps]
    np.testing.assert_allclose(values, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        (CosLog(0.04, n_steps=1500), 0, 0.0),
        (CosLog(0.04, n_steps=1500), 300, 0.0),  # the end of the second cycle
        (CosLog(0.04, n_steps=3), 1, 0.04 * 0.930431),  # log2(1 + 15 / 3) = 2.584963
        (FlatCosine(0.02, n_steps=100), 49, 0.02),
        (FlatCosine(0.02, n_steps=100), 75, 0.01),
        (Cosine(1.0, n_steps=3), 1, 0.75),
        (Cosine(1.0, n_steps=4, final_factor=0.2), 2, 0.6),
        (WarmUp(1.0, n_steps=100, warmup_fraction=0.5), 20, 0.4),
        (StepDecay(1.0, n_steps=100), 50, 0.1),
        (OneCycle(1.0, n_steps=100), 30, 1.0),
        (OneCycle(1.0, n_steps=100), 15, 0.52),
    ],
)
def test_values_equal_those_by_hand(schedule, step, expected):
    assert float(schedule(step)) == pytest.approx(expected, abs=2e-6)


def test_cosine_equals_cosine_decay_of_keras():
    steps = np.arange(120)
    theirs = keras.optimizers.schedules.CosineDecay(0.3, decay_steps=100, alpha=0.25)

    values = Cosine(0.3, n_steps=100, final_factor=0.25)(steps)

    np.testing.assert_allclose(values, theirs(steps), atol=1e-7)


@pytest.mark.parametrize("name", SHAPES)
def test_value_after_the_last_step_is_the_last_value(name):
    schedule = SHAPES[name][0].for_steps(50)

    assert float(schedule(51)) == float(schedule(50)) == float(schedule(10**9))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("jit", [False, True])
def test_compiled_values_equal_eager_values(name, jit):
    schedule = SHAPES[name][0].for_steps(1_000_000)
    compiled = tf.function(schedule, jit_compile=jit)

    values = [float(compiled(tf.constant(step, tf.int64))) for step in (0, 777_777, 999_999)]

    direct = [float(schedule(step)) for step in (0, 777_777, 999_999)]
    np.testing.assert_allclose(values, direct, rtol=1e-5, atol=1e-6)


def test_adjacent_steps_of_a_long_training_have_different_values():
    schedule = WarmUp(1.0, n_steps=1_000_000, warmup_fraction=0.999)

    values = keras.ops.convert_to_numpy(schedule(np.arange(998_000, 999_000)))

    assert np.all(np.diff(values) > 0)


@settings(max_examples=50, deadline=None)
@given(st.integers(100, 50_000), st.sampled_from([0.1, 0.3, 0.5, 0.7]), st.sampled_from([0.0, 0.2]))
def test_step_decay_decreases_at_the_first_step_that_reaches_a_fraction(
    n_steps, stair, warmup_fraction
):
    schedule = StepDecay(1.0, at=[stair], n_steps=n_steps, warmup_fraction=warmup_fraction)
    exact = n_steps * (warmup_fraction + stair * (1 - warmup_fraction))
    first = math.ceil(exact - 1e-6)

    before, reached = (float(value) for value in schedule(np.array([first - 1, first])))

    assert reached == pytest.approx(0.1)
    assert before > 0.3


def test_warm_up_is_continuous_with_the_shape():
    warm = Cosine(0.2, n_steps=100, warmup_fraction=0.2)
    cold = Cosine(0.2, n_steps=80)

    np.testing.assert_allclose(warm(np.arange(21)), 0.01 * np.arange(21), atol=1e-7)
    np.testing.assert_allclose(warm(np.arange(20, 101)), cold(np.arange(81)), atol=1e-6)


def test_learning_rate_of_an_optimizer_follows_the_schedule():
    schedule = OneCycle(0.5, n_steps=8)
    weight = keras.Variable(0.0)
    sgd = keras.optimizers.SGD(schedule)
    steps = []

    for _ in range(8):
        before = float(weight)
        sgd.apply([keras.ops.convert_to_tensor(1.0)], [weight])
        steps.append(before - float(weight))

    np.testing.assert_allclose(steps, schedule(np.arange(8)), atol=1e-6)


def test_call_raises_without_a_number_of_steps():
    with pytest.raises(ValueError, match=re.escape("Set n_steps to epochs * batches per epoch")):
        Cosine(0.1)(0)


def test_for_steps_sets_the_number_of_steps_once():
    schedule = FlatCosine(0.1, flat_fraction=0.2, warmup_fraction=0.1)

    filled = schedule.for_steps(70)

    assert filled == FlatCosine(0.1, n_steps=70, flat_fraction=0.2, warmup_fraction=0.1)
    assert schedule.n_steps is None
    assert filled.for_steps(1000) is filled


def test_with_n_steps_sets_all_schedules_of_an_optimizer():
    optimizer = GroupedAdam(CosLog(0.1), weight_decay=FlatCosine(0.2), beta_2=0.95)

    config = with_n_steps(optimizer, 30).get_config()

    assert config["learning_rate"]["config"]["n_steps"] == 30
    assert config["weight_decay"]["config"]["n_steps"] == 30
    assert config["beta_2"] == 0.95


def test_with_n_steps_sets_schedules_of_an_inner_optimizer():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(Cosine(0.1)))

    filled = with_n_steps(optimizer, 30)

    assert filled.inner_optimizer.get_config()["learning_rate"]["config"]["n_steps"] == 30


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.Adam(0.1),
        keras.optimizers.Adam(Cosine(0.1, n_steps=10)),
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10)),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1)),
    ],
    ids=["number", "known", "of Keras", "inner"],
)
def test_with_n_steps_returns_other_optimizers_unchanged(optimizer):
    assert with_n_steps(optimizer, 30) is optimizer


class Linear(TrainingSchedule):
    def shape(self, progress):
        return 1 - progress


def test_subclass_with_a_shape_is_a_schedule():
    optimizer = with_n_steps(keras.optimizers.Adam(Linear(0.1, warmup_fraction=0.5)), 8)

    optimizer.iterations.assign(6)

    assert float(optimizer.learning_rate) == pytest.approx(0.05)


def test_call_raises_without_a_shape():
    with pytest.raises(NotImplementedError, match=r"Define its method shape\(progress\)"):
        TrainingSchedule(0.1, n_steps=10)(0)


@pytest.mark.parametrize("name", SHAPES)
def test_saved_schedule_is_equal_after_loading(name, tmp_path):
    schedule = SHAPES[name][0].for_steps(12)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(schedule), "mse")
    model.optimizer.build(model.trainable_variables)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    config = loaded.optimizer.get_config()["learning_rate"]
    assert keras.optimizers.schedules.deserialize(config) == schedule
    assert type(schedule).from_config(schedule.get_config()) == schedule


def test_numpy_numbers_become_python_numbers():
    schedule = CosLog(np.float32(0.5), n_cycles=np.int64(3), n_steps=np.int32(10))

    assert repr(schedule) == "CosLog(peak=0.5, n_steps=10, n_cycles=3)"
    assert [type(value) for value in schedule.get_config().values()] == [float, int, int]


@pytest.mark.parametrize(
    ("cls", "changed"),
    [
        (WarmUp, {"warmup_fraction": 0.3}),
        (Cosine, {"warmup_fraction": 0.3}),
        (Cosine, {"final_factor": 0.3}),
        (CosLog, {"n_cycles": 3}),
        (FlatCosine, {"flat_fraction": 0.3}),
        (FlatCosine, {"warmup_fraction": 0.3}),
        (StepDecay, {"factor": 0.3}),
        (StepDecay, {"at": (0.3,)}),
        (StepDecay, {"warmup_fraction": 0.3}),
        (OneCycle, {"peak_fraction": 0.5}),
        (OneCycle, {"start_factor": 0.3}),
        (OneCycle, {"final_factor": 0.3}),
        (Cosine, {"peak": 0.2}),
        (Cosine, {"n_steps": 99}),
    ],
)
def test_every_parameter_changes_the_values(cls, changed):
    arguments = {"peak": 0.1, "n_steps": 100}
    steps = np.arange(101)

    values = cls(**arguments)(steps)

    assert not np.allclose(values, cls(**{**arguments, **changed})(steps), atol=1e-4)


@pytest.mark.parametrize(
    ("cls", "arguments", "required"),
    [
        (Cosine, {"peak": -0.1}, "a number in [0, inf)"),
        (Cosine, {"peak": "0.1"}, "a number in [0, inf)"),
        (Cosine, {"peak": math.nan}, "a number in [0, inf)"),
        (Cosine, {"peak": math.inf}, "a number in [0, inf)"),
        (Cosine, {"n_steps": 0}, "an integer of at least 1, or None"),
        (Cosine, {"n_steps": 10.0}, "an integer of at least 1, or None"),
        (WarmUp, {"warmup_fraction": 1.0}, "a number in [0, 1)"),
        (Cosine, {"final_factor": 2}, "a number in [0, 1]"),
        (CosLog, {"n_cycles": 0}, "an integer of at least 1"),
        (CosLog, {"n_cycles": 2.5}, "an integer of at least 1"),
        (FlatCosine, {"flat_fraction": 1}, "a number in [0, 1)"),
        (StepDecay, {"factor": 1.1}, "a number in [0, 1]"),
        (StepDecay, {"at": ()}, "a sequence of fractions in (0, 1)"),
        (StepDecay, {"at": 0.5}, "a sequence of fractions in (0, 1)"),
        (StepDecay, {"at": (0.5, 1.0)}, "a sequence of fractions in (0, 1)"),
        (OneCycle, {"peak_fraction": 0.0}, "a number in (0, 1)"),
        (OneCycle, {"start_factor": -1}, "a number in [0, 1]"),
        (OneCycle, {"final_factor": True}, "a number in [0, 1]"),
    ],
)
def test_arguments_out_of_range_raise(cls, arguments, required):
    [(name, value)] = arguments.items()
    message = f"{name} of {cls.__name__} must be {required}. Got {value!r} instead."

    with pytest.raises(ValueError, match=re.escape(message)):
        cls(**{"peak": 0.1, **arguments})


@pytest.mark.parametrize("name", nnkit.optimizers.__all__)
def test_documented_defaults_equal_the_signature(name):
    public = getattr(nnkit.optimizers, name)
    parameters = inspect.signature(public).parameters.values()
    documented = dict(re.findall(r"^ *(\w+) : .*default=(.+)$", public.__doc__, re.MULTILINE))

    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}

    assert documented == {key: repr(default) for key, default in defaults.items()}
