"""Variables are on the requested device, and memory of GPUs grows on demand."""

import keras
import pytest

from nnkit.training.placement import let_memory_grow, on_device


def build():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.5)])


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
