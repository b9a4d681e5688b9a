"""Keras objects as JSON configurations, which are loaded without running code of the file."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from nnkit._compat import safe_mode
from nnkit.training.specification.model_spec import parts_inside

__all__ = ["ModelFromConfig", "StoredConfig", "check_config", "is_keras_object"]

# Modules of Keras whose classes are parts of networks.
_CLASS_MODULES = frozenset(
    {
        "constraints", "dtype_policies", "initializers", "layers", "losses", "metrics", "models",
        "ops", "optimizers", "quantizers", "random", "regularizers", "src",
    }
)  # fmt: skip
# Modules of Keras whose functions are parts of layers.
_FUNCTION_MODULES = frozenset(
    {"activations", "constraints", "initializers", "losses", "metrics", "ops", "regularizers"}
)
# Functions of these modules that make objects of configurations.
_LOADERS = frozenset({"deserialize", "get", "serialize"})
# Modules of nnkit whose classes are registered with Keras.
_OWN_MODULES = ("nnkit.layers.", "nnkit.losses.", "nnkit.optimizers.")
# Names of values in a configuration that are no classes.
_VALUES = frozenset(
    {"__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__slice__", "__tensor__"}
)

# Classes whose configuration has code, or the path of a file with code.
_WITH_CODE = {
    "Lambda": "runs code of the file",
    "__lambda__": "runs code of the file",
    "FlaxLayer": "loads objects of JAX",
    "JaxLayer": "loads objects of JAX",
    "TFSMLayer": "loads a TensorFlow program",
    "TorchModuleWrapper": "loads objects of PyTorch",
    "__typespec__": "loads a class of TensorFlow",
}


def is_keras_object(value: Any) -> bool:
    """Return whether a value is an instance that Keras stores by its configuration."""
    if isinstance(value, type) or not hasattr(value, "get_config"):
        return False
    return any(cls.__module__.startswith("keras.") for cls in type(value).__mro__)


def check_config(config: Any, custom_objects: Container[str] = ()) -> None:
    """Raise if a configuration refers to code other than that of Keras and nnkit.

    Parameters
    ----------
    config : dict, list or anything else
        Configuration, of which Keras makes objects.
    custom_objects : container of str, default=()
        Names of classes and functions to which it may refer.

    Raises
    ------
    ValueError
        If it has code, or refers to another class or function.
    """
    for part in _described_parts(config):
        name = part["class_name"]
        if name in _WITH_CODE:
            raise ValueError(
                f"The stored Keras configuration has a {name!r}, which {_WITH_CODE[name]}. "
                "It is not loaded from a file without pickled code. Replace it by a layer "
                "class with a name, or store the estimator with pickle or joblib."
            )
        key = _name_of_custom(part)
        if key is not None and key not in custom_objects:
            shown = part["config"] if name == "function" else name
            raise ValueError(
                f"The stored Keras configuration refers to {part.get('module')}.{shown}, which "
                "the file does not list. Do not use the file."
            )


@dataclass(frozen=True)
class StoredConfig:
    """The configuration of a Keras object, with the user's classes and functions in it.

    Parameters
    ----------
    json : str
        Keras' configuration.
    custom_objects : dict of str to type or callable, default={}
        The classes and functions that are not Keras' or nnkit's, by the names with which the
        configuration refers to them.
    """

    json: str
    custom_objects: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, *, is_compiled: bool = True) -> StoredConfig:
        """Return the configuration of a Keras object.

        Parameters
        ----------
        value : keras object
        is_compiled : bool, default=True
            Whether to keep the optimizer, loss and metrics of a compiled model.

        Raises
        ------
        TypeError
            If Keras cannot store it, or a class or function has no import path.
        """
        name = type(value).__name__
        try:
            config = keras.saving.serialize_keras_object(value)
            _add_vocabularies(config, value)
            if not is_compiled:
                config.pop("compile_config", None)
            text = json.dumps(config)
        except (NotImplementedError, TypeError, ValueError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise TypeError(
                f"{name} has no configuration that Keras can store as JSON ({reason}). Give its "
                "class a get_config method, or store the estimator with pickle or joblib."
            ) from error
        custom_objects = {}
        held = _own_objects(value)
        for own, function in held.items():
            if inspect.isfunction(function) and _is_function_of_keras(own, "builtins"):
                raise TypeError(
                    f"{name} uses a function {own!r}, which Keras would store as its own function of "
                    "that name. Give it another name, or store the estimator with pickle or joblib."
                )
        for part in _described_parts(config):
            key = _name_of_custom(part)
            is_function = part["class_name"] == "function"
            used = str(part["config"]) if is_function else part["class_name"]
            if key is not None:
                custom_objects[key] = held[used] if used in held else _imported(part, used, value)
        return cls(text, custom_objects)

    def check(self) -> None:
        """Raise a ValueError if the configuration refers to code that is not stated beside it."""
        check_config(json.loads(self.json), self.custom_objects)

    def load(self, *, allows_code: bool = False) -> Any:
        """Return the Keras object.

        Parameters
        ----------
        allows_code : bool, default=False
            Whether code in the configuration may run, such as that of a Lambda layer. It may only
            come from a pickle.

        Raises
        ------
        ValueError
            If the configuration refers to code that is not stated beside it.
        """
        import nnkit.layers
        import nnkit.losses
        import nnkit.optimizers  # noqa: F401, register the classes with Keras

        if not allows_code:
            self.check()
        config, custom_objects = json.loads(self.json), dict(self.custom_objects)
        with safe_mode(is_safe=not allows_code):
            if allows_code:
                return keras.saving.deserialize_keras_object(config, custom_objects=custom_objects)
            try:
                return keras.saving.deserialize_keras_object(config, custom_objects=custom_objects)
            except (TypeError, ValueError) as error:
                reason = " ".join(str(error).split())[:300]
                raise ValueError(
                    f"Keras refuses the stored configuration, or cannot load it: {reason}"
                ) from error


@dataclass(frozen=True)
class ModelFromConfig:
    """A builder that makes a model from its stored configuration.

    It takes the place of a builder that used training data, which are not stored.

    Parameters
    ----------
    stored : StoredConfig
    allows_code : bool, default=False
        As for `StoredConfig.load`.
    """

    stored: StoredConfig
    allows_code: bool = False

    def __call__(self) -> Any:
        """Return the model, uncompiled."""
        return self.stored.load(allows_code=self.allows_code)


def _add_vocabularies(config: Any, value: Any) -> None:
    """Add what ``adapt`` learnt to the configurations of lookup layers, which leave it out.

    Raises
    ------
    TypeError
        If a layer has weights of its words, which Keras does not give out.
    """
    adapted = {
        (type(layer).__name__, layer.name): layer
        for layer in parts_inside(value, keras.layers.Layer)
        if hasattr(layer, "get_vocabulary")
    }
    for part in _described_parts(config) if adapted else ():
        settings = part["config"]
        name = settings.get("name") if isinstance(settings, dict) else None
        layer = adapted.get((part["class_name"], str(name)))
        if layer is None or settings.get("vocabulary"):
            continue
        if settings.get("output_mode") == "tf_idf":
            raise TypeError(
                f"output_mode='tf_idf' of the layer {name!r} has weights that Keras does not store "
                "in its configuration. Give the vocabulary and idf_weights to its constructor."
            )
        settings["vocabulary"] = layer.get_vocabulary(include_special_tokens=False)


def _described_parts(config: Any) -> Iterator[dict[str, Any]]:
    """Yield all parts of a configuration that name a class or a function."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield {"config": None, **config, "class_name": str(config["class_name"])}
        for entry in config.values():
            yield from _described_parts(entry)
    elif isinstance(config, (list, tuple)):
        for entry in config:
            yield from _described_parts(entry)


def _name_of_custom(part: Mapping[str, Any]) -> str | None:
    """Return the name by which Keras looks a custom class or function up; None for other parts.

    Keras looks a class up among the registered ones first, by its registered name, and a function by
    its name, whatever the module is.
    """
    name, module = part["class_name"], str(part.get("module"))
    if name in _VALUES or name in _WITH_CODE:
        return None
    if name == "function":
        key = str(part["config"])
        is_of_keras = _is_function_of_keras(key, module)
    else:
        key = str(part.get("registered_name") or name)
        is_of_keras = key == name and _is_class_of_keras(
            name, module, is_short="module" not in part
        )
    registered = keras.saving.get_registered_object(key)
    if key.startswith("nnkit>") and registered is not None:
        return None if registered.__module__.startswith(_OWN_MODULES) else key
    return None if is_of_keras and registered is None else key


def _is_class_of_keras(name: str, module: str, *, is_short: bool) -> bool:
    """Return whether Keras has a class for parts of networks; ``is_short`` is a form without module."""
    if is_short:
        # Keras' short form of initializers and regularizers.
        return any(_has_class(place, name) for place in (keras.initializers, keras.regularizers))
    package, *inner = module.split(".")
    if package != "keras" or "." in name or (inner and inner[0] not in _CLASS_MODULES):
        return False
    if inner[:1] == ["src"]:
        return True  # Keras refuses all but its saveable classes there
    place: Any = keras
    for part in inner:
        place = getattr(place, part, None)
    return _has_class(place, name)


def _has_class(place: Any, name: str) -> bool:
    return inspect.isclass(getattr(place, name, None))


def _is_function_of_keras(name: str, module: str) -> bool:
    """Return whether a function is Keras' own. Keras stores unexported functions as "builtins"."""
    if name in _LOADERS:
        return False
    if module == "builtins":
        return any(hasattr(getattr(keras, place), name) for place in _FUNCTION_MODULES)
    package, *inner = module.split(".")
    inner = inner[1:] if inner[:1] == ["src"] else inner
    is_allowed = package == "keras" and bool(inner) and inner[0] in _FUNCTION_MODULES
    return is_allowed and hasattr(getattr(keras, inner[0]), name)


def _own_objects(value: Any) -> dict[str, Any]:
    """Return the user's classes and functions in a Keras object, by their names."""
    held = {}
    for layer in [value, *parts_inside(value, keras.Operation)]:
        for candidate in (type(layer), *vars(layer).values()):
            name = getattr(candidate, "__name__", None)
            module = str(getattr(candidate, "__module__", None))
            if name is not None and callable(candidate) and not module.startswith("keras."):
                held[name] = candidate
    return held


def _imported(part: Mapping[str, Any], name: str, value: Any) -> Any:
    """Return the class or function that a part of a configuration names, from its module."""
    # Keras stores no module for objects of __main__.
    module = part.get("module") or "__main__"
    found = getattr(sys.modules.get(module), name, None)
    if found is None:
        raise TypeError(
            f"{type(value).__name__} uses {name!r} of the module {module}, which cannot be "
            "imported from there. Define it at the top level of a module."
        )
    return found
