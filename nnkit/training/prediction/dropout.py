"""Dropout in predictions: which layers drop values, and a context in which they do so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from nnkit.training.specification.model_spec import parts_inside

__all__ = ["active_dropout", "dropout_layers"]

# The spatial dropout layers are subclasses of Dropout.
_KINDS = (keras.layers.Dropout, keras.layers.GaussianDropout, keras.layers.AlphaDropout)


def dropout_layers(model: Any) -> list[Any]:
    """Return the layers of a model that drop values, or multiply them by noise, at a fixed rate.

    The dropout within recurrent cells and `nnkit.layers.ScheduledDropout`, which has the rate 0 at
    the end of the training, are not among them.

    Parameters
    ----------
    model : keras.Model
    """
    return [layer for kind in _KINDS for layer in parts_inside(model, kind) if layer.rate > 0]


@contextmanager
def active_dropout(layers: Sequence[Any]) -> Iterator[None]:
    """Call dropout layers as in training, whatever mode the model is called in.

    The caller holds the lock of the compiled model, so that no other thread traces a program in
    this context.

    Parameters
    ----------
    layers : sequence of keras.layers.Layer
        Result of `dropout_layers`.
    """

    def in_training(layer: Any) -> Any:
        call = layer.call

        def call_in_training(inputs: Any, training: bool = False) -> Any:  # noqa: ARG001
            return call(inputs, training=True)

        return call_in_training

    # Not by setattr, with which Keras would look for variables in the functions.
    for layer in layers:
        vars(layer)["call"] = in_training(layer)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["call"]
