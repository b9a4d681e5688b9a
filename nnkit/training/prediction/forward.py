"""The forward pass for rows and for masked samples, as a compiled function of the state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nnkit._compat import compiled, traced, value_scope
from nnkit.encoding.rows import n_encoded_rows
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.loop.batches import take_on_host
from nnkit.training.loop.program import like, open_rows, open_rows_of
from nnkit.training.loop.state import TrainingState
from nnkit.training.prediction.dropout import active_dropout
from nnkit.training.specification.model_spec import parts_inside

__all__ = ["Forward", "MaskedForward", "MaskedSamples"]


# The kernels of matrix products take several rows at once, and those for the rest round otherwise.
# Batches are padded to whole blocks (three registers of 16 numbers), so that the prediction for a row
# does not depend on its place and the number of rows.
_ROWS_OF_BLOCK = 48


def _in_whole_blocks(rows: Any, n_rows_of_block: int) -> Any:
    """Return a batch with its last row repeated up to a multiple of the rows of a block."""
    n_missing = -n_encoded_rows(rows) % n_rows_of_block
    if n_missing == 0:
        return rows
    return keras.tree.map_structure(
        lambda part: np.concatenate([part, np.repeat(part[-1:], n_missing, axis=0)]), rows
    )


class Forward:
    """Computes the outputs of networks of one compiled model, with one call per chunk of rows.

    The forward pass is traced once. For several networks, such as the members of an ensemble, a
    second graph calls it for each, so that their operations run in parallel.

    Parameters
    ----------
    compiled_model : CompiledModel
        Owner of the variables.
    model : keras.Model
        The model of the compiled model, or a part of it.
    row : ndarray, or dict or list of ndarray
        Rows in the dtypes of the model's inputs.
    dropout : sequence of keras.layers.Layer, default=()
        Layers that drop values in predictions, too.
    """

    def __init__(
        self, compiled_model: CompiledModel, model: Any, row: Any, dropout: Sequence[Any] = ()
    ) -> None:
        self._row = row
        self._seeds: list[int] = []
        self._chunk_rows = compiled_model.rows_per_chunk
        self._may_fill_up = compiled_model.is_rowwise
        layout = compiled_model.layout

        def forward(weights: Any, others: Any, X: Any) -> list[Any]:
            with value_scope(layout.known(weights, others)) as scope:
                before = [scope.get_current_value(variable) for variable in layout.others]
                with active_dropout(dropout):
                    outputs = keras.tree.flatten(model(X, training=False))
            # A layer that draws random numbers in a prediction changes the state of its seed.
            self._seeds = [
                position
                for position, (variable, seed) in enumerate(zip(layout.others, before, strict=True))
                if id(variable) in seeds and scope.get_current_value(variable) is not seed
            ]
            return outputs

        seeds = {
            id(generator.state)
            for generator in parts_inside(compiled_model.model, keras.random.SeedGenerator)
        }
        example = layout.state_of_model(compiled_model.model)
        self._forward = compiled(forward)
        # One trace for any number of rows.
        rows = open_rows_of(model, row)
        self._examples = (like(example.weights), like(example.others), rows)
        self._calls = {1: traced(self._forward, *self._examples)}
        self._lock = threading.Lock()

    def _call_of(self, n_networks: int) -> Callable[..., Any]:
        """Return the traced function of the weights and others of some networks, and of rows."""
        with self._lock:
            if n_networks not in self._calls:

                def forward_of_all(weights: Any, others: Any, X: Any) -> list[list[Any]]:
                    states = zip(weights, others, strict=True)
                    return [self._forward(*state, X) for state in states]

                weights, others, rows = self._examples
                self._calls[n_networks] = traced(
                    compiled(forward_of_all), [weights] * n_networks, [others] * n_networks, rows
                )
            return self._calls[n_networks]

    def __call__(
        self,
        state: TrainingState,
        X: Any,
        chunk_rows: int | None = None,
        *,
        rng: np.random.Generator | None = None,
    ) -> list[np.ndarray]:
        """Return the outputs for rows, as a list with one array (n_samples, ...) per output.

        Parameters
        ----------
        state : TrainingState
            The weights.
        X : ndarray, csr_array, or dict or list of ndarray
            Encoded rows.
        chunk_rows : int or None, default=None
            Rows per call. None limits the memory of a call.
        rng : Generator or None, default=None
            Source of new seeds, in each call, for layers that are random in predictions. None
            repeats their draws.
        """
        return self.of_networks([state], X, chunk_rows, rng=rng)[0]

    def of_networks(
        self,
        states: Sequence[TrainingState],
        X: Any,
        chunk_rows: int | None = None,
        *,
        rng: np.random.Generator | None = None,
    ) -> list[list[np.ndarray]]:
        """Return the outputs of several networks for the same rows, as of one network for each.

        Parameters
        ----------
        states : sequence of TrainingState
            The weights of each network.
        X, chunk_rows, rng : object
            As for one network.
        """
        n_networks = len(states)
        call = self._call_of(n_networks)
        size = chunk_rows or max(1, self._chunk_rows // n_networks)
        chunks: list[list[list[np.ndarray]]] = [[] for _ in states]
        for start in range(0, n_encoded_rows(X), size):
            chunk = take_on_host(X, slice(start, start + size))
            n_chunk = n_encoded_rows(chunk)
            if self._may_fill_up:
                chunk = _in_whole_blocks(chunk, _ROWS_OF_BLOCK)
            tensors = keras.tree.map_structure(
                lambda part, like: tf.convert_to_tensor(part, dtype=like.dtype),
                self._in_structure(chunk),
                self._row,
            )
            weights = [state.weights for state in states]
            others = [self._reseeded(state.others, rng) for state in states]
            if n_networks == 1:
                found = [call(weights[0], others[0], tensors)]
            else:
                found = call(weights, others, tensors)
            for known, outputs in zip(chunks, found, strict=True):
                known.append([keras.ops.convert_to_numpy(part)[:n_chunk] for part in outputs])
        return [_joined(parts) for parts in chunks]

    def _reseeded(self, others: list[Any], rng: np.random.Generator | None) -> list[Any]:
        """Return the other variables, with new seeds for layers that draw in predictions."""
        if rng is None or not self._seeds:
            return others
        changed = list(others)
        for position in self._seeds:
            old = others[position]
            drawn = rng.integers(0, 2**31 - 1, size=old.shape)
            changed[position] = tf.constant(drawn, old.dtype)
        return changed

    def _in_structure(self, chunk: Any) -> Any:
        if isinstance(chunk, dict):
            return {name: chunk[name] for name in self._row}
        return chunk


def _joined(chunks: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Return one array for each output of a network, from those of each chunk of rows."""
    if len(chunks) == 1:
        return chunks[0]
    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


class MaskedSamples(NamedTuple):
    """Background rows and masks of masked samples, on the device.

    Parameters
    ----------
    background : tensor of shape (n_masked, ...), or dict or list of them
        Values of the encoded features that are masked.
    is_from_row : tensor of bool of the same shapes
        Whether an encoded feature has the value of the explained row.
    """

    background: Any
    is_from_row: Any


class MaskedForward:
    """Computes the outputs for all masked samples of some rows, in one compiled call.

    Parameters
    ----------
    compiled_model : CompiledModel
        Compiled model of the network.
    """

    def __init__(self, compiled_model: CompiledModel) -> None:
        self._row = compiled_model.row
        layout, model = compiled_model.layout, compiled_model.model

        def mixed(row: Any, other: Any, is_from_row: Any) -> Any:
            # (1, n_masked, ...), (n_rows, 1, ...), (1, n_masked, ...)
            # -> (n_rows, n_masked, ...) -> (n_rows * n_masked, ...)
            both = tf.where(is_from_row[tf.newaxis], row[:, tf.newaxis], other[tf.newaxis])
            return tf.reshape(both, (-1, *row.shape[1:]))

        def forward(weights: Any, others: Any, rows: Any, background: Any, masks: Any) -> Any:
            X = keras.tree.map_structure(mixed, rows, background, masks)
            with keras.StatelessScope(layout.known(weights, others)):
                return keras.tree.flatten(model(X, training=False))

        example = layout.state_of_model(model)
        rows = open_rows(self._row)
        self._call = traced(
            compiled(forward),
            like(example.weights),
            like(example.others),
            rows,
            rows,
            open_rows(self._row, tf.bool),
        )

    def prepare(self, background: Any, is_from_row: Any) -> MaskedSamples:
        """Return backgrounds and masks on the device, to be combined with any rows.

        Parameters
        ----------
        background : ndarray of shape (n_masked, ...), or dict or list of them
        is_from_row : ndarray of bool of the same shapes
        """
        return MaskedSamples(
            self._tensors(background),
            keras.tree.map_structure(tf.convert_to_tensor, is_from_row),
        )

    def __call__(
        self, state: TrainingState, rows: Any, masked_samples: MaskedSamples
    ) -> list[np.ndarray]:
        """Return the outputs, as a list with one array (n_rows * n_masked, ...) per output.

        Parameters
        ----------
        state : TrainingState
            The weights.
        rows : ndarray of shape (n_rows, ...), or dict or list of them
            Encoded rows. The outputs are ordered by row, then by mask.
        masked_samples : MaskedSamples
        """
        outputs = self._call(
            state.weights,
            state.others,
            self._tensors(rows),
            masked_samples.background,
            masked_samples.is_from_row,
        )
        return [keras.ops.convert_to_numpy(part) for part in outputs]

    def _tensors(self, rows: Any) -> Any:
        return keras.tree.map_structure(
            lambda part, row: tf.convert_to_tensor(part.astype(row.dtype, copy=False)),
            rows,
            self._row,
        )
