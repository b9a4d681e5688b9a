"""Losses and metrics of the user's own that fail when they are traced, named in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from nnkit._compat import replaced_metrics
from nnkit.training.network import Network
from nnkit.training.rows import take_on_host

__all__ = ["named_errors"]

# What TensorFlow raises where NumPy gets a symbolic tensor, or where None comes back.
_ERRORS = (NotImplementedError, TypeError, ValueError, AttributeError)


@contextmanager
def named_errors(network: Network, X: Any, y: Any) -> Iterator[None]:
    """Raise errors of a training with the name of the loss or the metric that causes them.

    An error that no loss and no metric causes, and one that the user's own code raises, is
    passed on.

    Parameters
    ----------
    network : Network
    X : ndarray, or dict or list of ndarray
        Encoded rows in the dtypes of the model's inputs.
    y : structure of ndarray
        Their targets, as the losses compare them.

    Raises
    ------
    ValueError
        If a loss or a metric computes with NumPy, or returns None.
    """
    try:
        yield
    except _ERRORS as error:
        message = _fault(network.architecture.model, X, y)
        if message is None:
            raise
        raise ValueError(message) from error


def _fault(model: Any, X: Any, y: Any) -> str | None:
    """Return what is wrong with a loss or a metric of a model, if that can be told."""
    rows = slice(0, 2)
    x, targets = keras.tree.map_structure(lambda part: take_on_host(part, rows), (X, y))
    try:
        outputs = keras.tree.flatten(model(x, training=False))
    except _ERRORS:
        return None  # then the layers are what fails
    targets = [tf.convert_to_tensor(target) for target in keras.tree.flatten(targets)]
    losses = keras.tree.flatten(model.loss)
    for loss, target, output in zip(losses, targets, outputs, strict=True):
        found = _fault_of(loss.call, (target, output))
        if found is not None:
            return f"loss={_name(loss)} {_FAULTS[found]}"
    for metric in replaced_metrics(model):
        pair = targets[metric.position], outputs[metric.position]

        def value(y_true: Any, y_pred: Any, metric: Any = metric) -> Any:
            metric.update_state(y_true, y_pred)
            return metric.metric.result()

        found = _fault_of(value, pair)
        if found is not None:
            return f"The metric {_name(metric.metric)} {_FAULTS[found]}"
    return None


_FAULTS = {
    "numpy": "computes with NumPy, which no compiled training can call. Write it with keras.ops, "
    "for example keras.ops.mean(keras.ops.abs(y_true - y_pred)); functions of scikit-learn "
    "score a fitted estimator, or the epochs of a fit as scoring=.",
    "none": "returns None. Return the value, a tensor.",
}


def _fault_of(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str | None:
    """Return the kind of fault of a function of tensors, "numpy" or "none"; None if it has none."""
    returned = []

    def traced(*tensors: Any) -> Any:
        returned.append(function(*tensors))
        return tensors[0]

    try:
        tf.function(traced, autograph=False).get_concrete_function(*arguments)
    except _ERRORS as error:
        text = str(error)
        if "symbolic" in text and ("numpy" in text.lower() or "__array__" in text):
            return "numpy"
        return "none" if _is_about_none(text) else None
    return "none" if returned[0] is None else None


def _is_about_none(text: str) -> bool:
    """Return whether an error of TensorFlow says that it got None for a tensor."""
    return "None values not supported" in text or "convert a value (None)" in text


def _name(part: Any) -> str:
    cls = type(part)
    is_wrapper = cls.__name__ == "FunctionLoss" or cls.__module__.startswith("keras.")
    return str(part.name) if is_wrapper else cls.__name__
