"""Pickles of estimators, with their builders and Keras objects."""

from __future__ import annotations

import io
import pickle
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cloudpickle

__all__ = ["dumps", "loads", "pickled_once"]


def dumps(state: dict[str, Any]) -> bytes:
    """Return the state of an estimator as bytes, with functions and Keras objects of any class.

    The bytes hold two pickles: the state, and the objects in it that are completed after loading.

    Parameters
    ----------
    state : dict
        Attributes by name.
    """
    file = io.BytesIO()
    # Without Keras there are no Keras objects to pickle, and its import takes seconds.
    if "keras" not in sys.modules:
        pickler = cloudpickle.Pickler(file)
        pickler.dump(state)
        pickler.dump([])
        return file.getvalue()
    from nnkit.training.copying.keras_pickling import KerasPickler

    pickler = KerasPickler(file)
    pickler.dump(state)
    pickler.dump(list(pickler.renewed))
    return file.getvalue()


def loads(pickled: bytes) -> dict[str, Any]:
    """Return the state of an estimator from the bytes of `dumps`."""
    unpickler = pickle.Unpickler(io.BytesIO(pickled))
    state: dict[str, Any] = unpickler.load()
    made = unpickler.load()
    if made:
        from nnkit.training.copying.keras_pickling import renewed

        renewed(made)
    return state


_under_way = threading.local()


@contextmanager
def pickled_once(estimator: Any) -> Iterator[None]:
    """Raise if an estimator is pickled inside its own pickle, through a callback that holds it.

    Parameters
    ----------
    estimator : estimator
        The estimator that is pickled in this context.

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
