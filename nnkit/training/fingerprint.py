"""What tells whether two builders, arguments or losses are the same, by value.

A builder is known by its code, its defaults, and the values of everything that the code reaches
outside itself: closures, globals, functions of the user's own modules. So a changed global or a
reloaded module is a different builder, and a cell of a notebook that is run again is the same.
"""

from __future__ import annotations

import dataclasses
import dis
import enum
import functools
import hashlib
import inspect
import sys
import types
from collections.abc import Hashable, Mapping
from typing import Any

import keras
import numpy as np

from nnkit._compat import constructor_arguments, decay_exclusions, plain_attributes

__all__ = ["NoFingerprintError", "fingerprint", "has_own_code", "optimizer_settings"]

# What these packages define does not change while a process runs.
_LIBRARIES = frozenset(
    {"keras", "tensorflow", "numpy", "scipy", "sklearn", "pandas", "nnkit", "tf_keras"}
) | frozenset(sys.stdlib_module_names - {"__main__"})

# Names by which code reads what no value of this process tells: files, the environment, clocks.
_READS_FROM_OUTSIDE = frozenset(
    {
        "environ", "from_preset", "genfromtxt", "getenv", "import_module", "load", "load_model",
        "load_weights", "loadtxt", "monotonic", "now", "open", "perf_counter", "read_bytes",
        "read_csv", "read_feather", "read_json", "read_parquet", "read_pickle", "read_text", "time",
        "today", "urandom", "uuid1", "uuid4",
    }
)  # fmt: skip

_PLAIN = (bool, int, str, bytes, complex, type(None), type(Ellipsis), np.dtype)


class NoFingerprintError(Exception):
    """A value that cannot be told from another one like it."""


def fingerprint(value: Any) -> Hashable:
    """Return what is equal for two values that are the same, and different otherwise.

    Parameters
    ----------
    value : object
        Numbers, strings, arrays, collections and dataclasses of them; functions, methods,
        partial functions and classes; Keras' optimizers, losses, metrics, initializers,
        regularisers, constraints and schedules.

    Returns
    -------
    key : hashable

    Raises
    ------
    NoFingerprintError
        For anything else: objects with a state of their own.
    """
    return _fingerprint(value, ())


def _fingerprint(value: Any, above: tuple[int, ...]) -> Hashable:
    if isinstance(value, _PLAIN):
        return type(value).__name__, value
    if isinstance(value, float):
        return "float", value.hex()
    if isinstance(value, enum.Enum):
        return "member", _fingerprint(type(value).__qualname__, above), value.name
    if isinstance(value, np.generic):
        return "scalar", value.dtype.str, value.tobytes()
    if id(value) in above:
        return "above", len(above) - above.index(id(value))
    above = (*above, id(value))
    if isinstance(value, (tuple, list)):
        return type(value).__name__, tuple(_fingerprint(part, above) for part in value)
    if isinstance(value, (set, frozenset)):
        return "set", frozenset(_fingerprint(part, above) for part in value)
    if isinstance(value, Mapping):
        return type(value).__name__, tuple(
            (_fingerprint(name, above), _fingerprint(part, above)) for name, part in value.items()
        )
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        return "objects", value.shape, _fingerprint(value.tolist(), above)
    if isinstance(value, np.ndarray):
        digest = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16)
        return "array", value.dtype.str, value.shape, digest.digest()
    if isinstance(value, types.ModuleType):
        if value.__name__.partition(".")[0] not in _LIBRARIES:
            raise NoFingerprintError(f"the settings in the module {value.__name__} may change")
        return "module", value.__name__
    if inspect.isclass(value):
        return _of_class(value, above)
    if isinstance(value, functools.partial):
        return "partial", _fingerprint((value.func, value.args, value.keywords), above)
    if isinstance(value, types.MethodType):
        return "method", _fingerprint((value.__func__, value.__self__), above)
    if isinstance(value, types.FunctionType):
        return _of_function(value, above)
    if isinstance(value, (types.BuiltinFunctionType, types.WrapperDescriptorType, np.ufunc)):
        return "builtin", getattr(value, "__module__", None), value.__name__
    if dataclasses.is_dataclass(value):
        return _fingerprint(type(value), above), _fingerprint(vars(value), above)
    if isinstance(value, _KERAS_VALUES):
        return _fingerprint(type(value), above), _fingerprint(_settings(value), above)
    raise NoFingerprintError(f"{type(value).__name__} has a state of its own")


_KERAS_VALUES = (
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.initializers.Initializer,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.DTypePolicy,
)


def _settings(value: Any) -> Any:
    """Return what a Keras object was made with."""
    if isinstance(value, keras.optimizers.Optimizer):
        return optimizer_settings(value)
    if not _is_library(type(value)):
        kept = dict(vars(value))
        for name in ("_dtype_policy", "_tracker", "_lock", "_metrics", "_variables"):
            kept.pop(name, None)
        return kept
    settings = dict(constructor_arguments(value))
    if has_own_code(settings):
        raise NoFingerprintError(f"{type(value).__name__} holds a function that is not Keras' own")
    if isinstance(value, keras.initializers.Initializer) and hasattr(value, "seed"):
        # The drawn seed of one that was given none is not in its configuration.
        settings["seed"] = value.seed
    if not isinstance(value, keras.metrics.Metric):
        # Metrics stand in the history under their names.
        settings.pop("name", None)
    return settings


def optimizer_settings(optimizer: Any, *, with_rate: bool = True) -> Any:
    """Return what an optimizer was made with.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
    with_rate : bool, default=True
        Whether a learning rate that is a number counts.

    Raises
    ------
    NoFingerprintError
        If it holds a schedule of the user's own.
    """
    try:
        config = dict(optimizer.get_config())
    except NotImplementedError as error:
        raise NoFingerprintError("the optimizer holds a schedule without get_config") from error
    if has_own_code(config):
        raise NoFingerprintError("the optimizer holds code that is not Keras' own")
    config.pop("name", None)
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        config["inner_optimizer"] = [type(inner), optimizer_settings(inner, with_rate=with_rate)]
    if not with_rate and not isinstance(config.get("learning_rate"), dict):
        config.pop("learning_rate", None)
    own = {} if _is_library(type(optimizer)) else plain_attributes(optimizer)
    if not with_rate:
        own.pop("learning_rate", None)
    return [config, own, decay_exclusions(optimizer)]


def _is_library(value: Any) -> bool:
    module = getattr(value, "__module__", None) or ""
    return module.partition(".")[0] in _LIBRARIES


def _of_class(cls: type, above: tuple[int, ...]) -> Hashable:
    if _is_library(cls):
        return "class", cls.__module__, cls.__qualname__
    # The class itself keeps two of one name apart; its code, one that was reloaded in place.
    code = []
    for base in cls.__mro__:
        if _is_library(base):
            code.append(_of_class(base, above))
            continue
        for name, member in sorted(vars(base).items()):
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(function, types.FunctionType):
                code.append((name, _fingerprint(function, above)))
            elif not name.startswith("__"):
                code.append((name, _fingerprint(member, above)))
    return "class", cls, tuple(code)


def _of_function(function: types.FunctionType, above: tuple[int, ...]) -> Hashable:
    if _is_library(function):
        if "<locals>" not in function.__qualname__:
            return "function", function.__module__, function.__qualname__
        return "function", id(function.__code__), _cells(function, above)
    reached = []
    for name, attributes in _reached_names(function.__code__):
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        for attribute in attributes:
            if not isinstance(value, types.ModuleType) or not hasattr(value, attribute):
                break
            value = getattr(value, attribute)
        reached.append((name, attributes, _fingerprint(value, above)))
    return (
        "function",
        _of_code(function.__code__),
        _fingerprint((function.__defaults__, function.__kwdefaults__, vars(function)), above),
        _cells(function, above),
        tuple(reached),
    )


def _cells(function: types.FunctionType, above: tuple[int, ...]) -> Hashable:
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(_fingerprint(cell.cell_contents, above))
        except ValueError:  # a name that has no value yet
            cells.append("empty")
    return tuple(cells)


@functools.lru_cache(maxsize=1024)
def _of_code(code: types.CodeType) -> Hashable:
    # By their texts, since 1 == 1.0 == True.
    constants = tuple(
        _of_code(part) if isinstance(part, types.CodeType) else (type(part).__name__, repr(part))
        for part in code.co_consts
    )
    return (code.co_code, constants, code.co_names, code.co_freevars, code.co_varnames)


@functools.lru_cache(maxsize=1024)
def _reached_names(code: types.CodeType) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the globals that code loads, each with the attributes it takes from them."""
    outside = _READS_FROM_OUTSIDE.intersection(code.co_names)
    if outside:
        raise NoFingerprintError(f"a builder reads from outside the process: {sorted(outside)[0]}")
    found: dict[tuple[str, tuple[str, ...]], None] = {}
    chain: list[str] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "EXTENDED_ARG":
            continue
        if chain and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            chain.append(str(instruction.argval))
            continue
        if chain:
            found[chain[0], tuple(chain[1:])] = None
            chain = []
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            chain = [str(instruction.argval)]
        elif instruction.opname == "IMPORT_NAME":
            root = str(instruction.argval).partition(".")[0]
            if root not in _LIBRARIES:
                raise NoFingerprintError(f"the module {root} is imported inside a builder")
    if chain:
        found[chain[0], tuple(chain[1:])] = None
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            found.update(dict.fromkeys(_reached_names(part)))
    return tuple(found)


_KNOWN_MODULES = ("keras.", "nnkit.layers.", "nnkit.optimizers.")


def has_own_code(config: Any) -> bool:
    """Return whether a configuration names functions or classes of a user's.

    Those of Keras, and the layers and optimizers of nnkit, are what their configuration says.
    """
    if isinstance(config, dict):
        module = config.get("module")
        is_kerasown = isinstance(module, str) and (module + ".").startswith(_KNOWN_MODULES)
        is_registered = config.get("registered_name") is not None
        if "class_name" in config and not is_kerasown and (module is not None or is_registered):
            return True
        if config.get("class_name") in ("function", "__lambda__"):
            return True
        return any(has_own_code(part) for part in config.values())
    if isinstance(config, (list, tuple)):
        return any(has_own_code(part) for part in config)
    return False
