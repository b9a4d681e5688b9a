"""Cache keys by value for builders, arguments, losses and other parts of a model specification.

The key of a builder contains its code, its defaults, and the values of everything that the code
refers to: closures, globals, and functions of the user's modules. A changed global or a reloaded
module gives another key. Running a notebook cell again without a change gives the same key.

The key of a library object contains its class and its attributes. Objects with other state have no
key, and nothing that depends on them is shared.
"""

from __future__ import annotations

import builtins
import dataclasses
import enum
import functools
import hashlib
import inspect
import sys
import types
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from nnkit._compat import decay_exclusions
from nnkit.optimizers.training_schedule import timed_schedules
from nnkit.training.caching.code_reading import OutsideStateError, Reached, code_key, reached_names
from nnkit.training.caching.library_code import (
    LIBRARIES,
    has_own_code,
    is_genuine,
    is_of_package,
    replaced_members,
    root_of,
)

__all__ = [
    "NoFingerprintError",
    "fingerprint",
    "held_by_layer",
    "holds_own_functions",
    "optimizer_settings",
]

_PLAIN = frozenset({bool, int, str, bytes, complex, type(None)})
_SEQUENCES = (tuple, list)
_SETS = (set, frozenset)
_BASES = (bool, int, float, complex, str, bytes, tuple, list, set, frozenset, dict)


class NoFingerprintError(Exception):
    """Raised if a value has no key, because its state is not accessible."""


def fingerprint(value: Any) -> Hashable:
    """Return a key that is equal for equal values, and different otherwise.

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
        For other objects, since they may have state of their own.
    """
    try:
        return _fingerprint(value, ())
    except OutsideStateError as error:
        raise NoFingerprintError(str(error)) from error


def _fingerprint(value: Any, above: tuple[int, ...]) -> Hashable:
    kind = type(value)
    if kind in _PLAIN:
        return kind.__name__, value
    if kind is float:
        return "float", value.hex()
    if value is Ellipsis or value is NotImplemented:
        return "singleton", repr(value)
    if isinstance(value, np.dtype):
        return "dtype", repr(value)
    if isinstance(value, np.generic):
        return "scalar", repr(value.dtype), value.tobytes()
    if id(value) in above:
        return "above", len(above) - above.index(id(value))
    above = (*above, id(value))
    for find in (_of_collection, _of_code, _of_object):
        found = find(value, kind, above)
        if found is not None:
            return found
    raise NoFingerprintError(f"{kind.__name__} has a state of its own")


def _of_collection(value: Any, kind: type, above: tuple[int, ...]) -> Hashable | None:
    """Return the key of an array, a collection or an instance of a subclass of one."""
    if kind in _SEQUENCES or kind in _SETS:
        # Sets are compared in their order of iteration, since a builder may iterate over them.
        return kind.__name__, tuple(_fingerprint(part, above) for part in value)
    if kind in (dict, OrderedDict, Counter):
        return kind.__name__, _of_items(value, above)
    if kind is types.MappingProxyType:
        return "mappingproxy", _of_items(value, above)
    if kind is defaultdict:
        return "defaultdict", _fingerprint(value.default_factory, above), _of_items(value, above)
    if kind is np.ndarray and value.dtype.hasobject:
        return "objects", value.shape, _fingerprint(value.tolist(), above)
    if kind in (np.ndarray, np.memmap):
        digest = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16)
        return "array", repr(value.dtype), value.shape, digest.digest()
    if isinstance(value, enum.Enum):
        # The value is part of the key, since two enumerations may have the same names.
        member = _fingerprint(value.value, above)
        return "member", _of_class(kind, above), value.name, member
    if isinstance(value, _BASES):
        return _of_subclass(value, kind, above)
    return None


def _of_items(mapping: Any, above: tuple[int, ...]) -> Hashable:
    return tuple(
        (_fingerprint(name, above), _fingerprint(part, above)) for name, part in mapping.items()
    )


def _of_subclass(value: Any, kind: type, above: tuple[int, ...]) -> Hashable:
    """Return the key of an instance of a subclass of a number, a string or a collection."""
    base: Any = next(base for base in _BASES if isinstance(value, base))
    if base is dict:
        plain: Any = dict(dict.items(value))
    else:
        # Methods of the subclass are avoided, since they may return other values.
        plain = base(value) if base in (list, set) else base.__new__(base, value)
    if is_of_package(kind, "keras", "tensorflow") and kind.__name__.startswith(("Track", "_Dict")):
        return base.__name__, _fingerprint(plain, above)[1]  # type: ignore[index]
    state = _fingerprint(_state_of(value), above)
    return "subclass", _of_class(kind, above), _fingerprint(plain, above), state


def _state_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an instance, including those in slots."""
    state = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                state[name] = getattr(value, name)
    return state


def _of_code(value: Any, kind: type, above: tuple[int, ...]) -> Hashable | None:
    """Return the key of a module, a class or a callable."""
    if isinstance(value, types.ModuleType):
        return _of_module(value)
    if inspect.isclass(value):
        return _of_class(value, above)
    if kind is functools.partial:
        return "partial", _fingerprint((value.func, value.args, value.keywords), above)
    if kind is types.MethodType:
        return "method", _fingerprint((value.__func__, value.__self__), above)
    if kind is types.FunctionType:
        return _of_function(value, above)
    if kind is types.BuiltinFunctionType:
        return _of_builtin(value, above)
    if kind in (types.WrapperDescriptorType, types.MethodDescriptorType):
        return "descriptor", _of_class(value.__objclass__, above), value.__name__
    if kind is np.ufunc:
        # A ufunc of np.frompyfunc has a function that is not accessible.
        name = str(getattr(value, "__name__", ""))
        if getattr(np, name, None) is not value:
            raise NoFingerprintError(f"the ufunc {name} may hold a function")
        return "ufunc", name
    return None


def _of_object(value: Any, kind: type, above: tuple[int, ...]) -> Hashable | None:
    """Return the key of a dataclass or of a Keras object."""
    if dataclasses.is_dataclass(value):
        return "instance", _of_class(kind, above), _fingerprint(_state_of(value), above)
    if isinstance(value, keras.optimizers.Optimizer):
        return "held", _of_class(kind, above), _fingerprint(optimizer_settings(value), above)
    if isinstance(value, _KERAS_VALUES):
        return "held", _of_class(kind, above), _fingerprint(_held(value), above)
    return None


_KERAS_VALUES = (
    keras.optimizers.schedules.LearningRateSchedule,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.initializers.Initializer,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.DTypePolicy,
)


def _held(value: Any) -> dict[str, Any]:
    """Return the attributes of a Keras object without Keras' internal ones."""
    kept = dict(vars(value))
    for name in ("_tracker", "_lock", "_metrics", "_variables"):
        kept.pop(name, None)
    if isinstance(value, keras.metrics.Metric):
        # The variables of metrics are reset at the beginning of each epoch.
        own = {id(variable) for variable in value.variables}
        kept = {name: part for name, part in kept.items() if id(part) not in own}
    elif not isinstance(value, keras.DTypePolicy):
        # Names count for metrics only, since they are keys of the history.
        kept.pop("name", None)
    return kept


# Internal attributes of Keras and TensorFlow in an optimizer.
_OF_OPTIMIZER = frozenset(
    {
        "_distribution_strategy", "_exclude_from_weight_decay_cache",
        "_exclude_from_weight_decay_pattern", "_iterations", "_learning_rate", "_lock",
        "_tracker", "_trainable_variables", "_trainable_variables_indices", "_variables",
        "built", "inner_optimizer", "name",
    }
)  # fmt: skip


def optimizer_settings(optimizer: Any, *, with_rate: bool = True) -> Any:
    """Return the settings of an optimizer, without its state.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
    with_rate : bool, default=True
        Whether to include a numeric learning rate.

    Raises
    ------
    NoFingerprintError
        If it has a custom schedule.
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
    timed = () if with_rate else _timed(optimizer)
    for name in timed:
        # Programs read the numbers of steps from the state.
        config[name] = {**config[name], "config": {**config[name]["config"], "n_steps": "any"}}
    is_library = is_genuine(type(optimizer))
    own = {}
    for name, part in vars(optimizer).items():
        if name in _OF_OPTIMIZER or name.startswith("_self_"):
            continue
        if name.removeprefix("_") in timed:
            continue
        # The other attributes of Keras' optimizers are moments, or part of the configuration.
        if not is_library or callable(part):
            own[name] = part
    if not with_rate:
        own.pop("learning_rate", None)
    return [config, own, decay_exclusions(optimizer)]


def _timed(optimizer: Any) -> list[str]:
    """Return the arguments of an optimizer that are nnkit's own schedules with a number of steps."""
    return [
        name
        for owner, name, schedule in timed_schedules(optimizer)
        if owner is optimizer and type(schedule).__module__.startswith("nnkit.")
    ]


# Internal attributes of Keras in a layer, and the methods that it wraps for each instance.
_OF_LAYER = frozenset(
    {
        "_auto_config", "_build_shapes_dict", "_call_context_args", "_call_has_context_arg",
        "_call_signature", "_compile_config", "_compile_loss", "_compile_metrics",
        "_compiled_trainable_state", "_distribute_strategy", "_inbound_nodes", "_input_spec",
        "_inputs", "_inputs_struct", "_layers", "_loss_ids", "_loss_tracker", "_losses",
        "_losses_override", "_metrics", "_nodes", "_nodes_by_depth", "_non_trainable_variables",
        "_operations", "_operations_by_depth", "_outbound_nodes", "_outputs", "_outputs_struct",
        "_parent_path", "_path",
        "_seed_generators", "_tracked", "_tracker", "_trainable_variables", "batch_shape",
        "build", "call_signature_parameters", "input_spec", "loss", "name", "optimizer",
        "predict_function", "quantize", "test_function", "train_function",
    }
)  # fmt: skip
# The key contains these by the configuration of the layer, and by the variables.
_IN_CONFIGURATION = (
    keras.layers.Layer,
    keras.initializers.Initializer,
    keras.Variable,
    keras.KerasTensor,
    keras.random.SeedGenerator,
)


def held_by_layer(layer: Any) -> Any:
    """Return the attributes of a layer that its configuration may not contain.

    A configuration contains functions by name only, and no replaced methods.

    Parameters
    ----------
    layer : keras.layers.Layer
        A layer or a model.

    Raises
    ------
    NoFingerprintError
        If an attribute has state of its own.
    """
    held = {}
    for name, part in vars(layer).items():
        is_variable = name in getattr(layer, "variable_arguments", ())
        if name in _OF_LAYER or name.startswith("_self_") or is_variable:
            continue
        if not (type(part) in _PLAIN and name.startswith("_")):
            held[name] = _without_layers(part)
    return [type(layer), held]


def holds_own_functions(layer: Any) -> bool:
    """Return whether a layer has custom functions in its attributes.

    Parameters
    ----------
    layer : keras.layers.Layer
        A layer or a model.
    """
    kinds = (types.FunctionType, types.MethodType, functools.partial)
    return any(
        isinstance(part, kinds) and not is_genuine(part)
        for name, part in vars(layer).items()
        if name not in _OF_LAYER
    )


def _without_layers(part: Any) -> Any:
    """Return an attribute with layers, variables and tensors replaced by their class names."""
    if isinstance(part, _IN_CONFIGURATION):
        return type(part).__name__
    if isinstance(part, _SEQUENCES):
        return [_without_layers(inner) for inner in part]
    if isinstance(part, _SETS) and all(isinstance(inner, (int, str)) for inner in part):
        return sorted(map(str, part))
    if isinstance(part, dict):
        return {name: _without_layers(inner) for name, inner in part.items()}
    return part


def _of_module(module: types.ModuleType) -> Hashable:
    _check_module(module.__name__)
    return "module", module.__name__


def _check_module(name: str) -> None:
    if root_of(name) not in LIBRARIES:
        raise NoFingerprintError(f"the settings in the module {name} may change")
    if name.startswith("numpy.random"):
        raise NoFingerprintError("a builder draws random numbers of NumPy")


# Members of a class that do not affect its behaviour.
_NO_CODE = frozenset(
    {
        "__abstractmethods__", "__annotations__", "__dataclass_fields__", "__dataclass_params__",
        "__dict__", "__doc__", "__firstlineno__", "__match_args__", "__module__",
        "__orig_bases__", "__parameters__", "__qualname__", "__slots__", "__static_attributes__",
        "__weakref__", "_abc_impl",
    }
)  # fmt: skip


def _of_class(cls: type, above: tuple[int, ...]) -> Hashable:
    if is_genuine(cls):
        replaced = replaced_members(cls)
        key = ("class", cls.__module__, cls.__qualname__)
        return (*key, _fingerprint(replaced, above)) if replaced else key
    # The class object distinguishes classes of one name. The code of its members detects a class
    # that was reloaded in place.
    code: list[Hashable] = []
    for base in cls.__mro__:
        if is_genuine(base):
            code.append(_of_class(base, above))
            continue
        # The __repr__ of a dataclass depends on the current thread.
        skipped = _NO_CODE | {"__repr__"} if dataclasses.is_dataclass(base) else _NO_CODE
        for name, member in sorted(vars(base).items()):
            if name not in skipped and type(member) is not types.MemberDescriptorType:
                code.append((name, _of_member(member, above)))
    if type(cls) is not type:
        code.append(_of_class(type(cls), above))
    return "class", cls, tuple(code)


def _of_member(member: Any, above: tuple[int, ...]) -> Hashable:
    if isinstance(member, property):
        return "property", _fingerprint((member.fget, member.fset), above)
    if isinstance(member, (staticmethod, classmethod)):
        return type(member).__name__, _fingerprint(member.__func__, above)
    if isinstance(member, types.GetSetDescriptorType):
        return "descriptor", member.__name__
    if type(member).__name__ == "_tuplegetter":  # a field of a named tuple
        return "descriptor", member.__doc__
    return _fingerprint(member, above)


def _of_function(function: types.FunctionType, above: tuple[int, ...]) -> Hashable:
    if is_genuine(function):
        return "function", function.__module__, function.__qualname__
    reached = [
        (*place, _fingerprint(value, above))
        for place, value in _values_reached(function, reached_names(function.__code__))
    ]
    return (
        "function",
        function.__name__,  # the key of a metric in the history
        code_key(function.__code__),
        _fingerprint((function.__defaults__, function.__kwdefaults__, vars(function)), above),
        _of_cells(function, above),
        tuple(reached),
    )


def _values_reached(
    function: types.FunctionType, reached: Iterable[Reached]
) -> Iterator[tuple[Reached, Any]]:
    """Yield the current values of the names in a function's code."""
    for place in reached:
        if place.module is not None:
            _check_module(place.module)
            value: Any = sys.modules.get(place.module)
            if value is None:  # a library module that is not imported yet
                continue
        elif place.name in function.__globals__:
            value = function.__globals__[place.name]
        elif hasattr(builtins, place.name):
            value = getattr(builtins, place.name)
        else:
            continue  # a name without a value
        for attribute in place.attributes:
            if not isinstance(value, types.ModuleType) or not hasattr(value, attribute):
                break
            value = getattr(value, attribute)
            if isinstance(value, types.ModuleType) and root_of(value.__name__) in LIBRARIES:
                _check_module(value.__name__)
        yield place, value


def _of_builtin(function: Any, above: tuple[int, ...]) -> Hashable:
    """Return the key of a built-in function, including the object of a bound method."""
    owner = function.__self__
    if owner is not None and not isinstance(owner, types.ModuleType):
        return "builtin", function.__name__, _fingerprint(owner, above)
    module = function.__module__ or ""
    if root_of(module).lstrip("_") not in LIBRARIES and root_of(module) not in LIBRARIES:
        raise NoFingerprintError(f"what {module}.{function.__name__} gives may change")
    return "builtin", module, function.__qualname__


def _of_cells(function: types.FunctionType, above: tuple[int, ...]) -> Hashable:
    cells: list[Hashable] = []
    for cell in function.__closure__ or ():
        try:
            cells.append(_fingerprint(cell.cell_contents, above))
        except ValueError:  # a name without a value
            cells.append("empty")
    return tuple(cells)
