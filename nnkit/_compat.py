"""The only place that reaches into private parts of other packages, each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["compile_arguments", "compiled", "compute_loss_in", "output_layer", "rows_of"]


def rows_of(X: Any, rows: np.ndarray) -> Any:
    """Return the given rows of an array, DataFrame or list, as the same kind of container.

    Reason: scikit-learn's row selection for any container has no public name (1.9).
    """
    from sklearn.utils import _safe_indexing

    return _safe_indexing(X, rows)


def output_layer(model: Any) -> Any | None:
    """Return the layer that makes the output of a functional model, or None if unknown.

    Reason: a Keras tensor tells which layer made it only through ``_keras_history`` (3.15).
    """
    outputs = getattr(model, "outputs", None)
    if not isinstance(outputs, Sequence) or len(outputs) != 1:
        return None
    history = getattr(outputs[0], "_keras_history", None)
    return None if history is None else history.operation


def compile_arguments(model: Any) -> dict[str, Any]:
    """Return the objects that a model was compiled with, by argument name of ``compile``.

    Reason: the public ``get_compile_config`` serialises them, which fails for the loss
    functions and metrics that users write in a notebook (Keras 3.15).
    """
    if not getattr(model, "compiled", False) or not hasattr(model, "_compile_config"):
        return {}
    return dict(model._compile_config.config)


def compute_loss_in(model: Any, dtype: str) -> None:
    """Make a compiled model compute its loss in the given dtype.

    Reason: the dtype of a loss is fixed by its constructor, and the one around all losses is
    made by ``compile`` in float32, so that the loss of a float64 network would be rounded and
    could not be added to its float64 regularisers (Keras 3.15).
    """
    for loss in (model.loss, model._compile_loss):
        loss._dtype = dtype


def compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a function as a TensorFlow graph, which is traced without autograph.

    Reason: TensorFlow counts traces by the address of a function, which the next fit's function
    often gets again, and then warns that one function is traced over and over (2.21).
    """
    import tensorflow as tf

    graph = tf.function(function, autograph=False, **options)
    graph._omit_frequent_tracing_warning = True
    return graph
