"""Pickles of Keras objects whose classes Keras cannot look up by name.

Keras pickles a model, loss, metric or optimizer through its configuration, and reads it back by
the names of registered classes. A class of the user's own is registered as a rule nowhere: such an
object is pickled attribute by attribute here, with its class as cloudpickle takes it.
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
from nnkit.training.fingerprint import has_own_code

__all__ = ["KerasPickler", "renewed"]

# What Keras pickles through a configuration.
_SAVEABLE = (
    keras.Operation,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
)
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

    def reducer_override(self, obj: Any) -> Any:
        """Return how an object is pickled."""
        if isinstance(obj, _SAVEABLE) and (self.renewed or _is_own(obj)):
            self.renewed.append(obj)
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


def _is_own(instance: Any) -> bool:
    """Return whether Keras cannot make an object again from its configuration alone."""
    if isinstance(instance, (keras.losses.Loss, keras.metrics.Metric)):
        return True
    try:
        config = keras.saving.serialize_keras_object(instance)
    except (NotImplementedError, TypeError, ValueError, AttributeError):
        return True
    return has_own_code(config)
