"""Pickles of Keras objects, whatever their classes.

Keras pickles a model, loss, metric or optimizer through its configuration, which leaves out some
arguments, and reads it back by the names of registered classes. A class of the user's own is
registered nowhere as a rule. So objects are pickled attribute by attribute here, with their classes
as cloudpickle takes them.
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

# What Keras pickles through a configuration.
_SAVEABLE = (
    keras.Operation,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
)
_WITH_TABLES = ("keras.src.layers.preprocessing", "tfsm_layer")
_RLOCK = type(threading.RLock())


class KerasPickler(cloudpickle.Pickler):
    """A pickler that takes Keras objects of any class.

    Parameters
    ----------
    file : io.BytesIO

    Attributes
    ----------
    renewed : list
        The objects that `renewed` has to look at after the load.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.renewed: list[Any] = []
        self._inside: set[int] = set()

    def reducer_override(self, obj: Any) -> Any:
        """Return how an object is pickled."""
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
    """Let loaded objects know their parts as their own."""
    for instance in made:
        renew_identities(instance)


def _blank(cls: Any) -> Any:
    base = next((base for base in (OrderedDict, dict, list, set) if issubclass(cls, base)), object)
    return base.__new__(cls)


def _fill_collection(collection: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """Fill a collection by the methods of its base: its own tell a tracker, which knows."""
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
    """Return whether an object is pickled attribute by attribute.

    Layers that look values up hold tables of TensorFlow, which only Keras' way writes down.
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
