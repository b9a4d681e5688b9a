"""Pickling of Keras objects of any class.

Keras pickles models, losses, metrics and optimizers by their configuration, which lacks some
arguments, and loads them by the names of registered classes. Custom classes are usually not
registered. This module pickles the attributes of the objects, and their classes by cloudpickle.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from typing import Any

import cloudpickle
import keras
import tensorflow as tf

from nnkit._compat import renew_identities, state_to_copy
from nnkit.training.caching.library_code import has_own_code
from nnkit.training.specification.model_spec import parts_inside

__all__ = ["KerasPickler", "renewed"]

# Classes that Keras pickles by their configuration.
_SAVEABLE = (
    keras.Operation,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
)
_WITH_TABLES = ("keras.src.layers.preprocessing", "tfsm_layer")
_RLOCK = type(threading.RLock())


class KerasPickler(cloudpickle.Pickler):
    """A pickler for Keras objects of any class.

    Parameters
    ----------
    file : io.BytesIO

    Attributes
    ----------
    renewed : list
        Objects that must be passed to `renewed` after loading.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.renewed: list[Any] = []
        self._inside: set[int] = set()

    def reducer_override(self, obj: Any) -> Any:
        """Return the reduced value of an object, as ``object.__reduce__``."""
        if isinstance(obj, _SAVEABLE) and (id(obj) in self._inside or _is_held_whole(obj)):
            self.renewed.append(obj)
            self._inside.update(id(part) for part in parts_inside(obj, keras.Operation))
            return _blank, (type(obj),), state_to_copy(obj), None, None, _fill
        if isinstance(obj, (list, dict, set)) and type(obj).__module__.startswith("keras."):
            plain: Any = next(cls for cls in (dict, list, set) if isinstance(obj, cls))
            return _blank, (type(obj),), (plain(obj), vars(obj)), None, None, _fill_collection
        if isinstance(obj, _RLOCK):
            return threading.RLock, ()
        if isinstance(obj, tf.distribute.Strategy):
            return tf.distribute.get_strategy, ()
        if isinstance(obj, (dict, list)) and type(obj).__module__.startswith("tensorflow."):
            plain = dict if isinstance(obj, dict) else list
            return plain, (plain(obj),)
        return super().reducer_override(obj)


def renewed(made: list[Any]) -> None:
    """Update the identities of variables and parts that loaded Keras objects store."""
    for instance in made:
        renew_identities(instance)


def _blank(cls: Any) -> Any:
    base = next((base for base in (OrderedDict, dict, list, set) if issubclass(cls, base)), object)
    return base.__new__(cls)


def _fill_collection(collection: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """Fill a collection by the methods of its base class.

    The methods of Keras' collections would register the parts with a tracker again.
    """
    parts, attributes = state
    vars(collection).update(attributes)
    if isinstance(collection, list):
        list.extend(collection, parts)
    elif isinstance(collection, set):
        set.update(collection, parts)
    else:
        base = OrderedDict if isinstance(collection, OrderedDict) else dict
        for name, part in parts.items():
            base.__setitem__(collection, name, part)


def _fill(instance: Any, state: dict[str, Any]) -> None:
    vars(instance).update(state)


def _is_held_whole(instance: Any) -> bool:
    """Return whether an object is pickled by its attributes.

    Lookup layers have TensorFlow tables, which only Keras' configuration contains.
    """
    if not isinstance(instance, keras.layers.Layer):
        return True
    layers = parts_inside(instance, keras.layers.Layer)
    if not any(part in type(layer).__module__ for layer in layers for part in _WITH_TABLES):
        return True
    try:
        config = keras.saving.serialize_keras_object(instance)
    except (NotImplementedError, TypeError, ValueError, AttributeError):
        return True
    return has_own_code(config)
