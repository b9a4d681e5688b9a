"""Private settings of Keras: those of threads, registered objects and automatic names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = [
    "fresh_names",
    "registered_objects",
    "safe_mode",
    "settings_of_thread",
    "thread_settings",
]

_KERAS_SETTINGS = ("dtype_policy", "custom_objects_scope_dict")


@contextmanager
def thread_settings(settings: Mapping[str, Any]) -> Iterator[None]:
    """Apply the settings of another thread in this thread, within a context.

    Reason: Keras stores the dtype policy and the scopes of custom objects per thread, and
    TensorFlow the device. No public function copies them to another thread
    (Keras 3.15, TensorFlow 2.21).

    Parameters
    ----------
    settings : mapping
        From `settings_of_thread`.
    """
    import tensorflow as tf
    from keras.src.backend.common import global_state

    kept = {name: global_state.get_global_attribute(name) for name in _KERAS_SETTINGS}
    for name in _KERAS_SETTINGS:
        global_state.set_global_attribute(name, settings[name])
    try:
        with tf.device(settings["device"] or None):
            yield
    finally:
        for name, value in kept.items():
            global_state.set_global_attribute(name, value)


def settings_of_thread() -> dict[str, Any]:
    """Return the settings of this thread: dtype policy, custom object scopes and device.

    Reason: as for `thread_settings`.
    """
    from keras.src.backend.common import global_state
    from tensorflow.python.eager import context

    settings = {name: global_state.get_global_attribute(name) for name in _KERAS_SETTINGS}
    return {**settings, "device": context.context().device_name}


def registered_objects() -> dict[str, Any]:
    """Return the custom objects of Keras by name: registered ones and those of open scopes.

    Reason: no public function returns the custom objects of a scope (Keras 3.15).
    """
    import keras
    from keras.src.backend.common import global_state

    registered = dict(keras.saving.get_custom_objects())
    registered.update(global_state.get_global_attribute("custom_objects_scope_dict") or {})
    return registered


@contextmanager
def fresh_names() -> Iterator[None]:
    """Restart the counters of Keras' automatic names ("dense", "dense_1"), within a context.

    Reason: TensorFlow keeps about 35 kB for each distinct name of a variable, and the counters
    have no public setter (Keras 3.15, TensorFlow 2.21).
    """
    from keras.src.backend.common import global_state

    before = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", before or defaultdict(int))


@contextmanager
def safe_mode(*, is_safe: bool) -> Iterator[None]:
    """Let Keras refuse code in configurations, or run it, within a context.

    Reason: ``keras.config.enable_unsafe_deserialization`` overrides the argument ``safe_mode`` of the
    public function (Keras 3.15).
    """
    from keras.src.saving.serialization_lib import SafeModeScope

    with SafeModeScope(is_safe):
        yield
