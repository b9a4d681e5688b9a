"""The forward pass for rows and for masked samples, as a compiled function of the state."""

from __future__ import annotations

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
from nnkit.training.specification.model_spec import parts_inside

__all__ = ["Forward", "MaskedForward", "MaskedSamples"]


# Matrix products with one or two rows use other kernels, with other rounding. Batches are padded,
# so that the prediction for a row does not depend on the number of rows.
_MIN_ROWS = 8


def _at_least(rows: Any, n_wanted: int) -> Any:
    """Return a batch with its last row repeated until it has ``n_wanted`` rows."""
    n_missing = n_wanted - n_encoded_rows(rows)
    if n_missing <= 0:
        return rows
    return keras.tree.map_structure(
        lambda part: np.concatenate([part, np.repeat(part[-1:], n_missing, axis=0)]), rows
    )


class Forward:
    """Computes the outputs of a network, with one compiled call per chunk of rows.

    Parameters
    ----------
    compiled_model : CompiledModel
        Owner of the variables.
    model : keras.Model
        The model of the compiled model, or a part of it.
    row : ndarray, or dict or list of ndarray
        Rows in the dtypes of the model's inputs.
    """

    def __init__(self, compiled_model: CompiledModel, model: Any, row: Any) -> None:
        self._row = row
        self._seeds: list[int] = []
        self.chunk_rows = compiled_model.rows_per_chunk
        self._may_fill_up = compiled_model.is_rowwise
        layout = compiled_model.layout

        def forward(weights: Any, others: Any, X: Any) -> list[Any]:
            with value_scope(layout.known(weights, others)) as scope:
                before = [scope.get_current_value(variable) for variable in layout.others]
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
        # One trace for any number of rows.
        self._call = traced(
            compiled(forward), like(example.weights), like(example.others), open_rows_of(model, row)
        )

    def __call__(
        self,
        state: TrainingState,
        X: Any,
        chunk_rows: int | None = None,
        *,
        draws_afresh: bool = False,
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
        draws_afresh : bool, default=False
            Whether layers that are random in predictions draw new numbers in each call.
        """
        size = chunk_rows or self.chunk_rows
        chunks = []
        for start in range(0, n_encoded_rows(X), size):
            chunk = take_on_host(X, slice(start, start + size))
            n_chunk = n_encoded_rows(chunk)
            if self._may_fill_up:
                chunk = _at_least(chunk, _MIN_ROWS)
            tensors = keras.tree.map_structure(
                lambda part, like: tf.convert_to_tensor(part, dtype=like.dtype),
                self._in_structure(chunk),
                self._row,
            )
            others = self._reseeded(state.others) if draws_afresh else state.others
            outputs = self._call(state.weights, others, tensors)
            chunks.append([keras.ops.convert_to_numpy(part)[:n_chunk] for part in outputs])
        if len(chunks) == 1:
            return chunks[0]
        return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]

    def _reseeded(self, others: list[Any]) -> list[Any]:
        """Return the other variables, with new seeds for layers that draw in predictions."""
        if not self._seeds:
            return others
        generator = np.random.default_rng()
        changed = list(others)
        for position in self._seeds:
            old = others[position]
            drawn = generator.integers(0, 2**31 - 1, size=old.shape)
            changed[position] = tf.constant(drawn, old.dtype)
        return changed

    def _in_structure(self, chunk: Any) -> Any:
        if isinstance(chunk, dict):
            return {name: chunk[name] for name in self._row}
        return chunk


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
