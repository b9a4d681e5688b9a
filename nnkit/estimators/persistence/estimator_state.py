"""The attributes of an estimator as plain parts, and back.

A state goes one of two ways. In a state for files without pickled code, such as those of skops, what
is not a plain part stays an object: a user's function or class, which the file then names, and
objects of scikit-learn. Keras objects are their JSON configuration and their weights. In a state for
pickles, all these objects are in one further pickle.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nnkit.builders.meta import Meta
from nnkit.builders.registry import READY_MADE, spec_of
from nnkit.encoding.targets import ClassLabels, ClassTarget, ContinuousTarget
from nnkit.estimators.persistence.import_paths import check_import_path, check_is_no_internal
from nnkit.estimators.rows.training_rows import Seeds
from nnkit.estimators.targets.class_weighting import ClassWeights
from nnkit.estimators.targets.classification import ClassificationTarget
from nnkit.estimators.targets.regression import RegressionTarget
from nnkit.persistence.plain_parts import KIND, PlainParts
from nnkit.persistence.stored_state import attributes_of_state, state_of_attributes

__all__ = ["attributes_without_code", "from_objects", "state_with_objects", "state_without_code"]

_CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        ClassLabels,
        ClassTarget,
        ClassWeights,
        ClassificationTarget,
        ContinuousTarget,
        Meta,
        RegressionTarget,
        Seeds,
    )
}

# Classes of fitted networks, by the modules that import TensorFlow.
_MODULES_OF_NETWORKS = {
    "Compilation": "nnkit.training.specification.compilation",
    "Head": "nnkit.training.specification.heads",
    "ModelSpec": "nnkit.training.specification.model_spec",
    "Network": "nnkit.training.network",
    "OutputSpec": "nnkit.training.specification.output_spec",
    "Task": "nnkit.training.specification.heads",
}

# Attributes that are parts of others.
_DERIVED: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "_network": ("_members", lambda members: members[0]),
    "history_": ("histories_", lambda histories: histories[0]),
}

# Kinds of parts: a ready-made builder by its name, a Keras object and the builder of a network by
# their configurations, and an object of the pickle by its position.
_READY_MADE, _KERAS, _CONFIG, _OBJECT = "ready-made", "keras object", "from config", "object"


def state_without_code(cls: type, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the state for files that hold no code.

    Parameters
    ----------
    cls : type
        Class of the estimator.
    attributes : dict
        Its attributes.

    Raises
    ------
    TypeError
        If a function has no import path, or Keras cannot store an object as JSON. The message names
        the attribute.
    """

    def keep(value: Any) -> Any:
        builder = _builder_part(value, parts)
        if builder is not None:
            _check_config(value)
            return builder
        if _is_keras_object(value):
            return _keras_part(value, parts)
        check_import_path(value)
        return value

    parts = PlainParts(_classes(attributes), keep)
    plain = {}
    for name, value in _without_derived(attributes).items():
        try:
            plain[name] = parts.of(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{cls.__name__}.{name} cannot be stored: {error}") from error
    return state_of_attributes(plain)


def state_with_objects(attributes: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return the state for pickles, and the objects to which it refers by position.

    Parameters
    ----------
    attributes : dict
        Attributes of the estimator.
    """
    objects: list[Any] = []
    positions: dict[int, int] = {}

    def keep(value: Any) -> Any:
        builder = _builder_part(value, parts)
        if builder is not None:
            return builder
        if id(value) not in positions:
            positions[id(value)] = len(objects)
            objects.append(value)
        return {KIND: _OBJECT, "position": positions[id(value)]}

    parts = PlainParts(_classes(attributes), keep)
    plain = {name: parts.of(value) for name, value in _without_derived(attributes).items()}
    return state_of_attributes(plain), objects


def attributes_without_code(cls: type, state: Any) -> dict[str, Any]:
    """Return the attributes of a state for files without code; see `state_without_code`.

    Raises
    ------
    ValueError
        If the state has another format, is damaged, or refers to code that the file does not name.
    """
    if isinstance(state, dict):
        _check_parts(state)
    restore = {_KERAS: _keras_object, _CONFIG: _model_from_config}
    return _restored(cls, state, restore, check_dict=_check_dict)


def _check_parts(state: dict[str, Any]) -> None:
    """Raise if the objects of a state are not those that nnkit stores."""
    parts = state.get("parts", [])
    if not isinstance(parts, list) or any(map(_holds_values, parts)):
        raise ValueError(
            "The stored state is damaged: its parts must be arrays and objects. Do not use the file."
        )
    check_is_no_internal(parts)


def _holds_values(part: Any) -> bool:
    """Return whether an object of a state has further values, which belong into the document."""
    is_of_objects = isinstance(part, np.ndarray) and part.dtype.hasobject
    return isinstance(part, (dict, list, set, tuple)) or is_of_objects


def _check_dict(restored: dict[Any, Any]) -> None:
    """Raise if Keras would make an object of a dict that is not one of Keras or nnkit.

    Keras does so with any dict that has the entry "class_name", also with arguments of layers.
    """
    if "class_name" in restored:
        from nnkit.training.copying.keras_config import check_config

        check_config(restored)


def from_objects(cls: type, state: Any, objects: list[Any]) -> dict[str, Any]:
    """Return the attributes of a state for pickles; see `state_with_objects`."""

    def from_config(fields: dict[str, Any]) -> Any:
        return _model_from_config(fields, allows_code=True)

    restore = {_OBJECT: lambda fields: objects[fields["position"]], _CONFIG: from_config}
    return _restored(cls, state, restore)


def _restored(
    cls: type,
    state: Any,
    restore: Mapping[str, Callable[[dict[str, Any]], Any]],
    *,
    check_dict: Callable[[dict[Any, Any]], None] | None = None,
) -> dict[str, Any]:
    """Return the attributes of a state; ``check_dict`` is given for states that are not trusted."""
    plain = attributes_of_state(cls, state, may_replace_methods=check_dict is None)
    ready_made = {_READY_MADE: lambda fields: spec_of(fields["name"]).builder}
    known = {**ready_made, **restore}
    parts = PlainParts(_classes(plain), _no_keep, known, check_dict)
    attributes = parts.restored(plain)
    for name, (source, derive) in _DERIVED.items():
        if isinstance(attributes.get(source), list) and attributes[source]:
            attributes[name] = derive(attributes[source])
    return attributes


def _no_keep(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is not restored")


def _classes(attributes: Mapping[str, Any]) -> dict[str, type]:
    """Return the classes of nnkit in a state; those of networks only if there are any."""
    if "_members" not in attributes:
        return _CLASSES
    of_networks = {
        name: getattr(importlib.import_module(module), name)
        for name, module in _MODULES_OF_NETWORKS.items()
    }
    return {**_CLASSES, **of_networks}


def _without_derived(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in attributes.items()
        if name not in _DERIVED or _DERIVED[name][0] not in attributes
    }


def _builder_part(value: Any, parts: PlainParts) -> dict[str, Any] | None:
    """Return the part of a builder that is ready-made or a configuration, None for other values."""
    if inspect.isfunction(value):
        names = [name for name, spec in READY_MADE.items() if spec.builder is value]
        return {KIND: _READY_MADE, "name": names[0]} if names else None
    if type(value).__name__ == "ModelFromConfig":
        stored = value.stored
        custom_objects = parts.of(dict(stored.custom_objects))
        return {KIND: _CONFIG, "json": stored.json, "custom_objects": custom_objects}
    return None


def _check_config(builder: Any) -> None:
    """Raise if the builder is a configuration with code."""
    if hasattr(builder, "stored"):
        builder.stored.check()


def _is_keras_object(value: Any) -> bool:
    if "keras" not in sys.modules:
        return False
    from nnkit.training.copying.keras_config import is_keras_object

    return is_keras_object(value)


def _keras_part(value: Any, parts: PlainParts) -> dict[str, Any]:
    """Return the configuration of a Keras object, and the values of a model's variables."""
    from nnkit.training.copying.keras_config import StoredConfig

    stored = StoredConfig.of(value)
    stored.check()
    variables = getattr(value, "variables", []) if hasattr(value, "layers") else []
    return {
        KIND: _KERAS,
        "json": stored.json,
        "custom_objects": parts.of(dict(stored.custom_objects)),
        "values": parts.of([np.asarray(variable) for variable in variables]),
    }


def _keras_object(fields: dict[str, Any]) -> Any:
    from nnkit.training.copying.keras_config import StoredConfig

    loaded = StoredConfig(fields["json"], fields["custom_objects"]).load()
    if fields["values"]:
        for variable, value in zip(loaded.variables, fields["values"], strict=True):
            variable.assign(value)
    return loaded


def _model_from_config(fields: dict[str, Any], *, allows_code: bool = False) -> Any:
    from nnkit.training.copying.keras_config import ModelFromConfig, StoredConfig

    stored = StoredConfig(fields["json"], fields["custom_objects"])
    if not allows_code:
        stored.check()
    return ModelFromConfig(stored, allows_code=allows_code)
