"""Copies of the user's callbacks for each network, with separate file paths."""

from __future__ import annotations

import copy
import inspect
import types
from collections import deque
from pathlib import PurePath
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["copy_of_callbacks", "with_own_paths"]

# Classes of plain data that are deep-copied, in addition to dicts, lists, tuples and sets.
_COPIED_WHOLE = (
    np.ndarray,
    bytearray,
    types.SimpleNamespace,
    keras.metrics.Metric,
    keras.Variable,
    tf.Variable,
)

# Attributes with the output paths of Keras' callbacks.
_PATHS = (
    (keras.callbacks.ModelCheckpoint, "filepath"),
    (keras.callbacks.CSVLogger, "filename"),
    (keras.callbacks.BackupAndRestore, "backup_dir"),
    (keras.callbacks.TensorBoard, "log_dir"),
)

_EXTENSIONS = (".weights.h5", ".keras", ".h5")


def copy_of_callbacks(callbacks: Any) -> Any:
    """Return a copy of a callback, or of a list or dict of them.

    Numbers, containers, arrays, metrics, variables and nested callbacks are copied. All other
    objects are shared with the original, such as Optuna trials, queues, loggers and open files.
    Containers that the user passed to the constructor are shared too; they are recognised by
    attributes with the name of a constructor argument. The model is not copied. A callback class
    with ``__deepcopy__`` is copied by that method.

    Parameters
    ----------
    callbacks : callback, class, list or dict
    """
    return _copied(callbacks, {})


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, keras.callbacks.Callback):
        return _copied_callback(value, memo)
    if isinstance(value, _COPIED_WHOLE):
        return memo.setdefault(id(value), copy.deepcopy(value))
    if isinstance(value, (dict, list, set, deque)):
        return _copied_container(value, memo)
    if isinstance(value, (tuple, frozenset)):
        parts = [_copied(part, memo) for part in value]
        if all(part is before for part, before in zip(parts, value, strict=True)):
            return value
        return value._make(parts) if hasattr(value, "_make") else type(value)(parts)
    if isinstance(value, types.MethodType) and id(value.__self__) in memo:
        # A method of the callback becomes one of its copy.
        return types.MethodType(value.__func__, memo[id(value.__self__)])
    return value


def _copied_callback(callback: Any, memo: dict[int, Any]) -> Any:
    if hasattr(callback, "__deepcopy__"):
        return memo.setdefault(id(callback), copy.deepcopy(callback, memo))
    copied = memo[id(callback)] = copy.copy(callback)
    vars(copied)["_model"] = None
    given = _names_of_arguments(type(callback))
    for name, value in vars(copied).items():
        if name.removeprefix("_") in given and _is_plain_container(value):
            continue
        vars(copied)[name] = _copied(value, memo)
    return copied


def _names_of_arguments(cls: type) -> set[str]:
    """Return the names of the constructor arguments of a custom callback class."""
    if cls.__module__.startswith("keras."):
        return set()
    return set(inspect.signature(cls).parameters)


def _is_plain_container(value: Any) -> bool:
    """Return whether a value is a collection without callbacks and Keras objects."""
    if isinstance(value, np.ndarray):
        return True
    if not isinstance(value, (dict, list, set, deque)):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return not any(isinstance(part, (keras.callbacks.Callback, *_COPIED_WHOLE)) for part in parts)


def _copied_container(container: Any, memo: dict[int, Any]) -> Any:
    # A shallow copy is cleared, since it keeps the default of a defaultdict and the length of a
    # deque.
    copied = memo[id(container)] = copy.copy(container)
    parts = list(container.items()) if isinstance(container, dict) else list(container)
    copied.clear()
    if isinstance(container, dict):
        for key, value in parts:
            copied[key] = _copied(value, memo)
    elif isinstance(container, set):
        copied.update(parts)
    else:
        copied.extend(_copied(part, memo) for part in parts)
    return copied


def with_own_paths(callbacks: list[Any], position: int) -> list[Any]:
    """Return the callbacks of one network of an ensemble, with separate output paths.

    The first network writes to the user's paths. The file names of the others get the suffixes
    ``_member1``, ``_member2`` and so on before their extension. TensorBoard's callbacks write to
    the subfolders ``member1``, ``member2`` and so on.

    Parameters
    ----------
    callbacks : list of keras.callbacks.Callback
        Copies of the user's callbacks, which are changed in place.
    position : int
        Position of the network in the ensemble, from 0.
    """
    if not position:
        return callbacks
    for callback in callbacks:
        for cls, attribute in _PATHS:
            if isinstance(callback, cls):
                given = getattr(callback, attribute)
                own = _own_path(str(given), position, is_inside=attribute == "log_dir")
                _replace_path(callback, str(given), own)
                setattr(callback, attribute, own)
    return callbacks


def _own_path(path: str, position: int, *, is_inside: bool) -> str:
    if is_inside:
        return str(PurePath(path) / f"member{position}")
    path = path.rstrip("/")
    name = PurePath(path).name
    # A name may be a template with a dot, such as "{epoch}-{val_loss:.2f}.keras".
    suffix = next((end for end in _EXTENSIONS if name.endswith(end)), None)
    if suffix is None:
        suffix = PurePath(name).suffix if "{" not in name else ""
    return f"{path.removesuffix(suffix)}_member{position}{suffix}"


def _replace_path(callback: Any, given: str, own: str) -> None:
    """Replace the beginning of all paths that the constructor derived from a path."""
    given = given.rstrip("/")
    for name, value in vars(callback).items():
        if isinstance(value, str) and value.startswith(f"{given}/"):
            vars(callback)[name] = own + value[len(given) :]
