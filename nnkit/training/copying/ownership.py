"""Builders that refer to copies of the caller's Keras objects.

A builder may refer to a pretrained model, a layer or an optimizer, which a fit must not train. The
builder is replaced by a function with the same code, whose closure, globals, defaults and bound
object contain copies. The user's function and objects are not changed, so that other threads can
use them. References that cannot be replaced, for example through a cache or a module that is
imported inside, are detected after the build: a model with variables from before its build is
copied as a whole.
"""

from __future__ import annotations

import copy
import dis
import functools
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from sklearn.base import BaseEstimator

from nnkit.training.copying.copies import KERAS_OBJECTS, LIBRARIES, Copies, NotCopyableError

__all__ = ["VariablesMade", "owned_copy", "owned_model", "variables_made", "with_copies"]

# Longer collections count as data. The search for Keras objects ends at this depth, and after this
# number of objects.
_MAX_PARTS = 1000
_MAX_DEPTH = 50
_MAX_LOOKED_AT = 10_000

_WITHOUT_PARTS = (type(None), bool, int, float, complex, str, bytes)
_OF_EVERY_CLASS = ("__dict__", "__weakref__", "__module__", "__qualname__", "__doc__", "__slots__")


def with_copies(builder: Any, arguments: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a builder and its arguments, with copies of the Keras objects they refer to.

    Parameters
    ----------
    builder : callable
    arguments : mapping
        Its arguments by name.

    Returns
    -------
    builder : callable
        The given builder if it refers to no Keras object and no scikit-learn estimator.
    arguments : dict

    Raises
    ------
    ValueError
        If one of these objects cannot be copied.
    """
    reach = _Reach()
    try:
        return reach.of(builder), {name: reach.of(value) for name, value in arguments.items()}
    except NotCopyableError as error:
        raise ValueError(
            f"{getattr(builder, '__name__', builder)} uses a Keras object from outside, which "
            f"cannot be copied: it holds {error}. Every fit needs its own copy. Create or load "
            "the object inside the function."
        ) from error


class VariablesMade:
    """The set of variables that were created in a context, by identity."""

    def __init__(self) -> None:
        self._made: list[Any] = []
        self._identities: set[int] = set()

    def note(self, variable: Any) -> Any:
        """Add a variable, and return it."""
        self._made.append(variable)
        self._identities.add(id(variable))
        return variable

    def __contains__(self, variable: Any) -> bool:
        return id(variable) in self._identities


@contextmanager
def variables_made() -> Iterator[VariablesMade]:
    """Record the TensorFlow variables that this thread creates in the context."""
    made = VariablesMade()

    def creator(make: Any, **arguments: Any) -> Any:
        return made.note(make(**arguments))

    with tf.variable_creator_scope(creator):
        yield made


def owned_copy(model: Any) -> Any:
    """Return a copy of a model with its weights.

    Raises
    ------
    ValueError
        If the model cannot be copied.
    """
    try:
        return Copies().of(model)
    except NotCopyableError as held:
        try:
            return copy.deepcopy(model)  # by its configuration
        except (TypeError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"The model cannot be copied, since it holds {held}. Give a function that "
                "returns the model instead."
            ) from error


def owned_model(model: Any, made: VariablesMade) -> Any:
    """Return the model of a build, or its copy if it has variables from before the build.

    Parameters
    ----------
    model : keras.Model
        Built model that a builder returned.
    made : VariablesMade
        Variables that were created in that build.

    Raises
    ------
    ValueError
        If the model has variables from before the build and cannot be copied.
    """
    foreign = [v for v in model.variables if _tensor_of(v) not in made]
    if not foreign:
        return model
    try:
        return Copies().of(model)
    except NotCopyableError as error:
        raise ValueError(
            f"The builder returns a model with the weights {foreign[0].path!r}, which existed "
            f"before the build, so that a fit would change them for other fits too. They cannot "
            f"be copied: the model holds {error}. Create or load these layers inside the builder."
        ) from error


def _tensor_of(variable: Any) -> Any:
    return variable.value if isinstance(variable, keras.Variable) else variable


class _Reach:
    """Replaces the Keras objects that functions and objects refer to by copies."""

    def __init__(self) -> None:
        self._copies = Copies()
        self._depth = self._n_looked_at = 0

    def of(self, value: Any) -> Any:
        """Return a value with copies of its Keras objects; the value itself without any."""
        if isinstance(value, _WITHOUT_PARTS):
            return value
        if self._depth > _MAX_DEPTH or self._n_looked_at > _MAX_LOOKED_AT:
            return value
        known = self._copies.known(value)
        if known is not None:
            return known
        self._depth += 1
        self._n_looked_at += 1
        try:
            return self._of(value)
        finally:
            self._depth -= 1

    def _of(self, value: Any) -> Any:
        if isinstance(value, KERAS_OBJECTS):
            return self._copies.of(value)
        if isinstance(value, BaseEstimator) and not _is_of_nnkit(type(value)):
            return self._copies.remember(value, copy.deepcopy(value))
        if isinstance(value, types.FunctionType):
            return value if _is_of_library(value) else self._function(value)
        if isinstance(value, types.MethodType):
            function, owner = self.of(value.__func__), self.of(value.__self__)
            is_same = function is value.__func__ and owner is value.__self__
            return value if is_same else types.MethodType(function, owner)
        if isinstance(value, (staticmethod, classmethod)):
            function = self.of(value.__func__)
            return value if function is value.__func__ else type(value)(function)
        if isinstance(value, functools.partial):
            parts = self.of((value.func, value.args, value.keywords))
            if parts[0] is value.func and parts[1] is value.args and parts[2] is value.keywords:
                return value
            return functools.partial(parts[0], *parts[1], **parts[2])
        if type(value) in (list, tuple, set, frozenset, dict):
            return self._collection(value)
        if isinstance(value, type):
            return value if _is_of_library(value) else self._class(value)
        if _is_of_library(type(value)) or not hasattr(value, "__dict__"):
            return value
        return self._instance(value)

    def _collection(self, value: Any) -> Any:
        if len(value) > _MAX_PARTS:
            return value
        if isinstance(value, dict):
            changed = self._changed(value)
            return {**value, **changed} if changed else value
        parts = [self.of(part) for part in value]
        is_same = all(new is old for new, old in zip(parts, value, strict=True))
        return value if is_same else type(value)(parts)

    def _changed(self, parts: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the entries that change, because they refer to Keras objects, with copies."""
        new = {name: self.of(part) for name, part in parts.items()}
        return {name: part for name, part in new.items() if part is not parts[name]}

    def _function(self, function: types.FunctionType) -> Any:
        namespace = dict(function.__globals__)
        cells = [types.CellType() for _ in function.__closure__ or ()]
        made = types.FunctionType(
            function.__code__, namespace, function.__name__, None, tuple(cells) or None
        )
        self._copies.remember(function, made)  # a recursive function refers to itself
        replaced = self._changed(self._globals(function))
        namespace.update(replaced)
        is_changed = bool(replaced)
        for cell, old in zip(cells, function.__closure__ or (), strict=True):
            try:
                content = old.cell_contents
            except ValueError:  # an empty cell
                continue
            cell.cell_contents = self.of(content)
            is_changed |= cell.cell_contents is not content
        made.__defaults__ = self.of(function.__defaults__)
        made.__kwdefaults__ = self.of(function.__kwdefaults__)
        attributes = self._changed(vars(function))
        vars(made).update({**vars(function), **attributes})
        is_changed |= made.__defaults__ is not function.__defaults__
        is_changed |= made.__kwdefaults__ is not function.__kwdefaults__
        if not is_changed and not attributes:
            return self._copies.remember(function, function)
        made.__qualname__, made.__doc__ = function.__qualname__, function.__doc__
        made.__module__, made.__annotations__ = function.__module__, function.__annotations__
        return made

    def _globals(self, function: types.FunctionType) -> dict[str, Any]:
        """Return the globals that a function reads; none if it also sets globals."""
        found = function.__globals__
        globals_, attributes = _names_read(function.__code__)
        values = {name: found[name] for name in globals_ if name in found}
        for value in values.values():
            if isinstance(value, types.ModuleType):
                self._module(value, attributes)
        return values

    def _module(self, module: types.ModuleType, names: frozenset[str]) -> None:
        """Register a replacement of a module, with copies under the given names."""
        if _is_library(module.__name__) or self._copies.known(module) is not None:
            return
        changed = self._changed({n: vars(module)[n] for n in names if n in vars(module)})
        if changed:
            stand_in = types.ModuleType(module.__name__, module.__doc__)
            vars(stand_in).update({**vars(module), **changed})
            self._copies.remember(module, stand_in)

    def _class(self, cls: type) -> Any:
        """Return a subclass whose attributes, including inherited ones, are copies."""
        self._copies.remember(cls, cls)  # methods may refer to their class
        attributes: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            if not _is_of_library(base):
                attributes.update(vars(base))
        changed = self._changed(
            {name: part for name, part in attributes.items() if name not in _OF_EVERY_CLASS}
        )
        if not changed:
            return cls
        changed |= {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        try:
            made = types.new_class(cls.__name__, (cls,), {}, lambda body: body.update(changed))
        except TypeError:  # the class does not support subclasses
            return cls
        return self._copies.remember(cls, made)

    def _instance(self, value: Any) -> Any:
        self._copies.remember(value, value)  # its attributes may refer to it
        cls = self.of(type(value))
        changed = self._changed(vars(value))
        if not changed and cls is type(value):
            return value
        made = copy.copy(value)
        made.__class__ = cls
        vars(made).update(changed)
        return self._copies.remember(value, made)


@functools.lru_cache(maxsize=1024)
def _names_read(code: types.CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """Return the globals that code reads, and all its names; no globals if it sets any.

    A copied function has a separate namespace, in which the globals it sets would be lost.
    """
    codes = [code]
    globals_: set[str] = set()
    names: set[str] = set()
    sets_globals = False
    while codes:
        part = codes.pop()
        names.update(part.co_names)
        codes += [constant for constant in part.co_consts if isinstance(constant, types.CodeType)]
        for step in dis.get_instructions(part):
            sets_globals |= step.opname in _SETS_GLOBALS
            if step.opname in _READS_GLOBALS:
                globals_.add(str(step.argval))
    return frozenset(() if sets_globals else globals_), frozenset(names)


_READS_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME")
_SETS_GLOBALS = ("STORE_GLOBAL", "DELETE_GLOBAL")


def _is_of_nnkit(cls: type) -> bool:
    return any(base.__module__.startswith("nnkit.") for base in cls.__mro__)


def _is_of_library(value: Any) -> bool:
    return _is_library(getattr(value, "__module__", None) or "")


@functools.lru_cache(maxsize=1024)
def _is_library(module: str) -> bool:
    """Return whether a module is part of an installed package."""
    root = module.partition(".")[0]
    if root in LIBRARIES or root in ("keras", "nnkit"):
        return True
    path = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" in path or "dist-packages" in path
