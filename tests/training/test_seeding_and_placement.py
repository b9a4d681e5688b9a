import random
import threading

import keras
import numpy as np
import pytest

from nnkit.training.placement import let_memory_grow, on_device
from nnkit.training.specification.model_spec import seeded_build


def build():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])


def test_seed_determines_initial_weights_and_random_layers():
    models = []
    for seed in (1, 1, 2):
        with seeded_build(seed):
            models.append(build())
    first, again, other = models

    np.testing.assert_array_equal(first.get_weights()[0], again.get_weights()[0])
    assert not np.array_equal(first.get_weights()[0], other.get_weights()[0])
    X = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(first(X, training=True), again(X, training=True))


def test_seeded_build_does_not_change_global_random_states(global_random_states):
    before = global_random_states()

    with seeded_build(0):
        build()

    assert global_random_states() == before


def test_random_state_is_restored_after_an_error():
    state = random.getstate()

    with pytest.raises(RuntimeError), seeded_build(0):
        raise RuntimeError

    assert random.getstate() == state


def test_seeded_builds_in_threads_are_independent():
    found = {}

    def build_with(seed):
        with seeded_build(seed):
            found[seed] = build().get_weights()[0]

    threads = [threading.Thread(target=build_with, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for seed in range(8):
        with seeded_build(seed):
            np.testing.assert_array_equal(found[seed], build().get_weights()[0])


@pytest.mark.parametrize("device", ["cpu:1", "CPU:1", "/CPU:1", "/device:CPU:1"])
def test_variables_are_placed_on_the_device(device):
    with on_device(device):
        variable = keras.Variable(0.0)

    assert variable.value.device.endswith("CPU:1")


def test_device_without_index_is_the_first_and_none_is_the_default():
    with on_device("cpu"):
        assert keras.Variable(0.0).value.device.endswith("CPU:0")
    with on_device(None):
        assert keras.Variable(0.0).value.device.endswith("CPU:0")


@pytest.mark.parametrize("device", ["/GPU:0", "cpu:7", "the fast one", ""])
def test_unknown_device_raises_with_the_known_devices(device):
    with pytest.raises(ValueError, match=r"is not a device of this process, which has \['CPU:0'"):
        on_device(device)


class FakeConfig:
    """TensorFlow's configuration on a machine with GPUs, one of them limited by the user."""

    def __init__(self, has_started=False):
        self.has_started = has_started
        self.growing = []
        self.experimental = self

    def list_physical_devices(self, kind):
        return [f"{kind}:0", f"{kind}:1"]

    def get_logical_device_configuration(self, gpu):
        return ["limited"] if gpu == "GPU:1" else None

    def set_memory_growth(self, gpu, enable):
        if self.has_started:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        self.growing.append((gpu, enable))


@pytest.mark.parametrize(
    ("environment", "has_started", "growing"),
    [
        ({}, False, [("GPU:0", True)]),
        ({"TF_FORCE_GPU_ALLOW_GROWTH": "false"}, False, []),
        ({}, True, []),
    ],
    ids=["first use", "chosen by the user", "too late"],
)
def test_memory_growth_is_enabled_unless_configured(monkeypatch, environment, has_started, growing):
    """The configuration of TensorFlow is replaced, since the tests run without a GPU."""
    import tensorflow as tf

    config = FakeConfig(has_started)
    monkeypatch.setattr(tf, "config", config)
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    let_memory_grow()

    assert config.growing == growing
