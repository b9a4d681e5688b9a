"""Pickles of estimators, with their builders and Keras objects."""

from __future__ import annotations

import functools
import inspect
import io
import pickle
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cloudpickle

from nnkit.estimators.persistence.estimator_state import from_objects, state_with_objects
from nnkit.estimators.persistence.import_paths import has_import_path

__all__ = ["dumps", "loads", "pickled", "stored_once", "unpickled"]

# Size in bytes above which a pickle's values of global variables are reported.
_LARGE = 4 * 2**20


def pickled(estimator: Any, attributes: dict[str, Any]) -> tuple[Any, ...]:
    """Return the reduced value of an estimator, as ``object.__reduce__``.

    The state is plain parts. What has none, such as a user's function or a Keras object, is in one
    pickle by cloudpickle, which `unpickled` loads.

    Parameters
    ----------
    estimator : estimator
    attributes : dict
        Its attributes.
    """
    state, objects = state_with_objects(attributes)
    pickled_objects = dumps(objects) if objects else b""
    if len(pickled_objects) > _LARGE:
        _warn_of_large_globals(type(estimator).__name__, objects)
    return unpickled, (type(estimator), state, pickled_objects)


def unpickled(cls: type, state: dict[str, Any], pickled_objects: bytes) -> Any:
    """Return an estimator from its reduced value; see `pickled`."""
    estimator: Any = object.__new__(cls)
    objects = loads(pickled_objects) if pickled_objects else []
    vars(estimator).update(from_objects(cls, state, objects))
    return estimator


def dumps(objects: list[Any]) -> bytes:
    """Return objects as bytes, with functions and Keras objects of any class.

    The bytes hold two pickles: the objects, and the parts of them that are completed after loading.

    Parameters
    ----------
    objects : list
    """
    file = io.BytesIO()
    # Without Keras there are no Keras objects to pickle, and its import takes seconds.
    if "keras" not in sys.modules:
        pickler = cloudpickle.Pickler(file)
        pickler.dump(objects)
        pickler.dump([])
        return file.getvalue()
    from nnkit.training.copying.keras_pickling import KerasPickler

    pickler = KerasPickler(file)
    pickler.dump(objects)
    pickler.dump(list(pickler.renewed))
    return file.getvalue()


def loads(pickled_objects: bytes) -> list[Any]:
    """Return the objects of the bytes of `dumps`."""
    unpickler = pickle.Unpickler(io.BytesIO(pickled_objects))
    objects: list[Any] = unpickler.load()
    made = unpickler.load()
    if made:
        from nnkit.training.copying.keras_pickling import renewed

        renewed(made)
    return objects


def _warn_of_large_globals(name: str, objects: list[Any]) -> None:
    """Warn of large values that functions pickled by their code refer to."""
    sizes: dict[str, int] = {}
    for function in objects:
        while isinstance(function, functools.partial):
            function = function.func
        if not inspect.isfunction(function) or has_import_path(function):
            continue
        variables = inspect.getclosurevars(function)
        for variable, value in {**variables.globals, **variables.nonlocals}.items():
            if not inspect.ismodule(value):
                sizes[variable] = len(cloudpickle.dumps(value))
    if sum(sizes.values()) <= _LARGE:
        return
    largest = max(sizes, key=lambda variable: sizes[variable])
    warnings.warn(
        f"The pickle of the {name} holds {sum(sizes.values()) / 1e6:.0f} MB of variables to which "
        f"its functions refer, such as {largest!r} ({sizes[largest] / 1e6:.0f} MB). Let the "
        "functions take what they need as arguments, or define them in a module.",
        UserWarning,
        stacklevel=4,
    )


_under_way = threading.local()


@contextmanager
def stored_once(estimator: Any) -> Iterator[None]:
    """Raise if an estimator is stored inside its own file, through a callback that holds it.

    Parameters
    ----------
    estimator : estimator
        The estimator that is stored in this context.

    Raises
    ------
    pickle.PicklingError
        If it is already being pickled.
    """
    ids: set[int] = vars(_under_way).setdefault("ids", set())
    if id(estimator) in ids:
        raise pickle.PicklingError(f"A {type(estimator).__name__} is held by its own callback.")
    ids.add(id(estimator))
    try:
        yield
    finally:
        ids.discard(id(estimator))
