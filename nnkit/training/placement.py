"""The device of a network, and the memory that TensorFlow takes on GPUs."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf

from nnkit._messages import shown

__all__ = ["is_on_cpu", "let_memory_grow", "on_device"]


def let_memory_grow() -> None:
    """Enable memory growth on all GPUs, unless the user has configured their memory.

    By default, TensorFlow reserves all memory of a GPU at the first use, so that no other process
    can use the GPU. The user configures the memory by the environment variable
    ``TF_FORCE_GPU_ALLOW_GROWTH`` or by a logical device configuration. Nothing changes if
    TensorFlow has already used the GPU.
    """
    if "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ:
        return
    for gpu in tf.config.list_physical_devices("GPU"):
        if tf.config.get_logical_device_configuration(gpu) is not None:
            continue
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # TensorFlow has already used the GPU
            return


def on_device(device: str | None) -> AbstractContextManager[Any]:
    """Return a context in which TensorFlow places variables and operations on ``device``.

    Parameters
    ----------
    device : str or None
        A TensorFlow device such as "/GPU:0", "cpu" or "gpu:1". With None, TensorFlow chooses.

    Raises
    ------
    ValueError
        If this process has no such device.
    """
    if device is None:
        return nullcontext()
    known = [logical.name for logical in tf.config.list_logical_devices()]
    try:
        wanted = tf.DeviceSpec.from_string(_canonical(device))
    except ValueError:
        wanted = None
    if wanted is not None:
        for name in known:
            found = tf.DeviceSpec.from_string(name)
            if (found.device_type, found.device_index) == (
                wanted.device_type,
                wanted.device_index or 0,
            ):
                return tf.device(name)
    short = [name.removeprefix("/device:") for name in known]
    raise ValueError(f"device={shown(device)} is not a device of this process, which has {short}.")


def is_on_cpu(device: str | None) -> bool:
    """Return whether a device, as in `on_device`, is a CPU."""
    if device is None:
        return not tf.config.list_physical_devices("GPU")
    return _canonical(device).startswith("/CPU")


def _canonical(device: str) -> str:
    name = device.strip().removeprefix("/")
    kind, _, index = name.rpartition(":")
    if not index.isdigit():
        kind, index = name, "0"
    kind = kind.upper() if ":" not in kind and "/" not in kind else kind
    return f"/{kind}:{index}"
