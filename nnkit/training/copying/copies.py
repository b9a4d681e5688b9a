"""Deep copies of Keras objects of any class.

Keras copies its objects by their configuration. This requires registered classes, loses state
outside of the configuration, and fails for objects without one. The functions of this module copy
the attributes of the objects instead.
"""

from __future__ import annotations

import copy
import enum
import functools
import sys
import threading
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nnkit._compat import renew_identities, state_to_copy

__all__ = ["KERAS_OBJECTS", "LIBRARIES", "Copies", "NotCopyableError", "copy_of", "deep_copy_of"]

KERAS_OBJECTS = (
    keras.Operation,
    keras.Variable,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.random.SeedGenerator,
    keras.KerasTensor,
    tf.Variable,
    tf.Module,
)
"""Classes of objects with state that training changes, or with references to such objects."""

# Their objects are shared. They are immutable, or resources without copies, such as files.
LIBRARIES = frozenset({"tensorflow", "numpy", "scipy", "sklearn", "pandas"}) | (
    sys.stdlib_module_names - {"__main__"}
)
"""Packages without Keras layers."""

_COMPILED = (tf.types.experimental.PolymorphicFunction, tf.types.experimental.ConcreteFunction)
_SHARED = (
    type(None), bool, int, float, complex, str, bytes, enum.Enum, type, types.ModuleType,
    types.BuiltinFunctionType, np.generic, np.dtype, tf.Tensor, tf.DType, keras.DTypePolicy,
)  # fmt: skip
_RLOCK = type(threading.RLock())


class NotCopyableError(Exception):
    """Raised if an object contains something that cannot be copied."""


def copy_of(value: Any) -> Any:
    """Return a deep copy of a Keras object.

    Parameters
    ----------
    value : object
        A layer, model, loss, metric, optimizer or schedule, or a container of them.

    Returns
    -------
    copied : object
        The copy shares no variable and no mutable part with the original.

    Raises
    ------
    NotCopyableError
        If the object contains a compiled function, which refers to its original variables.
    """
    return Copies().of(value)


def deep_copy_of(value: Any) -> Any:
    """Return a deep copy of any value, with its Keras objects copied by `copy_of`.

    Parameters
    ----------
    value : object
        ``copy.deepcopy`` must support it, apart from its Keras objects.
    """
    copies = Copies()
    memo: dict[int, Any] = {}
    try:
        for part in _keras_objects_in(value, set()):
            memo[id(part)] = copies.of(part)
    except NotCopyableError:
        memo = {}  # Keras copies its objects by their configuration
    return copy.deepcopy(value, memo)


def _keras_objects_in(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield the Keras objects in the parts and attributes of a value."""
    if id(value) in seen:
        return
    seen.add(id(value))
    parts: list[Any] = []
    if isinstance(value, KERAS_OBJECTS):
        yield value
    elif isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = list(value)
    elif isinstance(value, functools.partial):
        parts = [value.func, value.args, value.keywords]
    elif isinstance(value, types.MethodType):
        parts = [value.__self__]
    elif type(value).__module__.partition(".")[0] not in LIBRARIES and not isinstance(value, type):
        parts = list(getattr(value, "__dict__", {}).values())
        parts = [] if isinstance(value, types.FunctionType) else parts
    for part in parts:
        yield from _keras_objects_in(part, seen)


class Copies:
    """Deep copies of objects, with one copy for all references to an object.

    Attributes are copied in a loop rather than by recursion, since the object graph of a model is
    as deep as the model.
    """

    def __init__(self) -> None:
        # The originals are stored too, so that Python does not reuse their identities.
        self._known: dict[int, tuple[Any, Any]] = {}
        self._unfilled: list[tuple[Any, Any]] = []

    def of(self, value: Any) -> Any:
        """Return the copy of an object: see `copy_of`."""
        copied = self._copied(value)
        filled = []
        while self._unfilled:
            original, blank = self._unfilled.pop()
            self._fill(original, blank)
            filled.append(blank)
        for blank in filled:
            renew_identities(blank)
        return copied

    def known(self, value: Any) -> Any | None:
        """Return the existing copy of an object; None if there is none."""
        found = self._known.get(id(value))
        return None if found is None else found[1]

    def remember(self, value: Any, copied: Any) -> Any:
        """Register the copy of an object, and return it."""
        self._known[id(value)] = (value, copied)
        return copied

    def _blank(self, value: Any, blank: Any) -> Any:
        self._unfilled.append((value, blank))
        return self.remember(value, blank)

    def _copied(self, value: Any) -> Any:
        if isinstance(value, _SHARED):
            return value
        if id(value) in self._known:
            return self._known[id(value)][1]
        if isinstance(value, (list, dict, set, deque)):
            return self._blank(value, _empty(value))
        if isinstance(value, (tuple, frozenset)):
            cls: Any = type(value)
            parts = [self._copied(part) for part in value]
            return cls(*parts) if hasattr(value, "_fields") else cls(parts)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType):
            return types.MethodType(self._copied(value.__func__), self._copied(value.__self__))
        if isinstance(value, functools.partial):
            function: Any = self._copied(value.func)
            arguments = [self._copied(part) for part in value.args]
            keywords = {name: self._copied(part) for name, part in value.keywords.items()}
            return self.remember(value, functools.partial(function, *arguments, **keywords))
        return self.remember(value, self._instance(value))

    def _instance(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.copy()
        if isinstance(value, tf.Variable):
            return tf.Variable(
                value.numpy(),
                trainable=value.trainable,
                dtype=value.dtype,
                name=value.name.partition(":")[0],
                shape=value.shape,
                aggregation=value.aggregation,
                synchronization=value.synchronization,
            )
        if isinstance(value, _RLOCK):
            return threading.RLock()
        if isinstance(value, _COMPILED) or type(value).__name__ == "_UserObject":
            raise NotCopyableError(f"a {type(value).__name__}, which was compiled for its own")
        package = type(value).__module__.partition(".")[0]
        is_shared = package in LIBRARIES and not isinstance(value, KERAS_OBJECTS)
        if is_shared or not hasattr(value, "__dict__"):
            return value
        try:
            return self._blank(value, object.__new__(type(value)))
        except TypeError as error:  # an extension class with state outside of its attributes
            raise NotCopyableError(f"a {type(value).__name__}") from error

    def _fill(self, original: Any, blank: Any) -> None:
        """Fill an empty copy with copies of the parts and attributes of its original."""
        if isinstance(original, OrderedDict):
            for name, part in original.items():
                OrderedDict.__setitem__(blank, self._copied(name), self._copied(part))
        elif isinstance(original, dict):
            for name, part in original.items():
                dict.__setitem__(blank, self._copied(name), self._copied(part))
        elif isinstance(original, set):
            set.update(blank, [self._copied(part) for part in original])
        elif isinstance(original, (list, deque)):
            base = list if isinstance(original, list) else deque
            base.extend(blank, [self._copied(part) for part in original])
        if not hasattr(blank, "__dict__"):
            return
        state = state_to_copy(original)
        vars(blank).update({name: self._copied(part) for name, part in state.items()})

    def _function(self, function: types.FunctionType) -> Any:
        """Return a function with a copied closure; the same one if nothing in it is copied."""
        if function.__closure__ is None and not function.__defaults__:
            return function
        cells = tuple(self._cell(cell) for cell in function.__closure__ or ())
        made = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, None, cells or None
        )
        self.remember(function, made)
        for cell, copied in zip(function.__closure__ or (), cells, strict=True):
            self._fill_cell(cell, copied)
        made.__defaults__ = self._copied(function.__defaults__)
        if function.__kwdefaults__ is not None:
            keywords = function.__kwdefaults__.items()
            made.__kwdefaults__ = {name: self._copied(part) for name, part in keywords}
        made.__qualname__, made.__doc__ = function.__qualname__, function.__doc__
        made.__module__ = function.__module__
        vars(made).update({name: self._copied(part) for name, part in vars(function).items()})
        if _holds_the_same(function, made):
            return self.remember(function, function)
        return made

    def _cell(self, cell: types.CellType) -> types.CellType:
        known = self.known(cell)
        return self.remember(cell, types.CellType()) if known is None else known

    def _fill_cell(self, cell: types.CellType, copied: types.CellType) -> None:
        try:
            content = cell.cell_contents
        except ValueError:  # an empty cell
            return
        copied.cell_contents = self._copied(content)


def _empty(collection: Any) -> Any:
    """Return an empty collection of the same class."""
    cls: Any = type(collection)
    if cls.__module__.startswith("tensorflow."):  # a wrapper of a dict or a list
        cls = dict if isinstance(collection, dict) else list
    empty = cls.__new__(cls)
    if isinstance(collection, defaultdict):
        empty.default_factory = collection.default_factory
    return empty


def _holds_the_same(function: types.FunctionType, made: types.FunctionType) -> bool:
    """Return whether a copied function has the same closure, defaults and attributes."""

    def parts(one: types.FunctionType) -> list[Any]:
        cells = [
            cell.cell_contents if _has_content(cell) else cell for cell in one.__closure__ or ()
        ]
        defaults = [*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values()]
        return [*cells, *defaults, *vars(one).values()]

    return all(
        # An empty cell counts as the same. Its copy is filled later.
        part is other or other is made or isinstance(part, types.CellType)
        for part, other in zip(parts(function), parts(made), strict=True)
    )


def _has_content(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
