"""Recurrent layers of the LSTM and GRU networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_flag, as_fraction
from nnkit.builders.hidden_and_output_layers import output_layers, widths_of
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.sequences.padding import Padding, sequence_input, step_outputs

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["recurrent_network"]


def recurrent_network(
    layer_class: Any,
    meta: Meta,
    units: int | Sequence[int],
    *,
    bidirectional: bool,
    dropout_rate: float,
    return_sequences: bool,
    learning_rate: float,
    weight_decay: float,
    n_steps: int | None,
) -> keras.Model:
    """Return a network of recurrent layers, compiled with its optimizer.

    Parameters
    ----------
    layer_class : type
        ``keras.layers.LSTM`` or ``keras.layers.GRU``.
    meta : Meta
        Facts about the data.
    units, bidirectional, dropout_rate, return_sequences, learning_rate, weight_decay, n_steps
        As for `nnkit.builders.lstm`.
    """
    import keras

    widths = widths_of(units)
    if not widths:
        raise ValueError("units must have an entry for each layer, at least one. Got none.")
    bidirectional = as_flag("bidirectional", bidirectional)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    return_sequences = as_flag("return_sequences", return_sequences)
    x = inputs = sequence_input(meta)
    padding = Padding.of(meta, inputs)
    for position, n_units in enumerate(widths, start=1):
        layer = layer_class(n_units, return_sequences=return_sequences or position < len(widths))
        layer = keras.layers.Bidirectional(layer) if bidirectional else layer
        x = padding.recurrent(layer, x)
        if dropout_rate > 0:
            x = keras.layers.Dropout(dropout_rate)(x)
    outputs = step_outputs(meta, x) if return_sequences else output_layers(meta, x)
    model = keras.Model(inputs, outputs)
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model
