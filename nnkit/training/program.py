"""An epoch as one compiled call, and a compiled forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nnkit._compat import compiled
from nnkit.training.rows import n_rows, take_on_host

__all__ = ["CompiledForward", "epoch_program", "validation_program"]

Take = Callable[[Any, Any], Any]


def epoch_program(
    model: Any, take: Take, batch_size: int, *, is_weighted: bool
) -> Callable[..., Any]:
    """Return one epoch of training as a compiled function.

    Keras' own ``train_step`` runs in a graph loop over batches of row positions, so that the
    data stay on the device and Python is left once per epoch rather than once per batch.

    Parameters
    ----------
    model : keras.Model
        Compiled. Its weights and optimizer are updated in place.
    take : callable
        From the tensors of ``X`` and positions of rows to a batch.
    batch_size : int
        Rows per step, at least 1; the last batch may be smaller.
    is_weighted : bool
        Whether rows have weights.

    Returns
    -------
    run_epoch : callable
        From the tensors of ``X``, ``y`` and ``sample_weight`` (n_samples,), which is not read
        unless ``is_weighted``, and ``order`` (n_samples,), int32 positions of rows, to the
        means over the epoch of loss and metrics, by name.
    """

    def run_epoch(X: Any, y: Any, sample_weight: Any, order: Any) -> Any:
        n_samples = tf.shape(order)[0]
        n_batches = (n_samples + batch_size - 1) // batch_size

        def train_on_batch(step: Any) -> Any:
            start = step * batch_size
            rows = order[start : tf.minimum(start + batch_size, n_samples)]
            batch: tuple[Any, ...] = (
                take(X, rows),
                keras.tree.map_structure(lambda part: tf.gather(part, rows), y),
            )
            if is_weighted:
                batch += (tf.gather(sample_weight, rows),)
            model.train_step(batch)
            return step + 1

        tf.while_loop(lambda step: step < n_batches, train_on_batch, [0], parallel_iterations=1)
        return model.get_metrics_result()

    return compiled(run_epoch, reduce_retracing=True)


def validation_program(model: Any, take: Take, *, is_weighted: bool) -> Callable[..., Any]:
    """Return the validation of a chunk of rows as a compiled function.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    take : callable
        From the tensors of ``X`` and positions of rows to a batch.
    is_weighted : bool
        Whether rows have weights.

    Returns
    -------
    validate : callable
        From the tensors of ``X``, ``y`` and ``sample_weight`` and positions ``rows`` to the
        loss of these rows and the model's outputs for them; the metrics are updated.
    """

    def validate(X: Any, y: Any, sample_weight: Any, rows: Any) -> Any:
        x = take(X, rows)
        y_true = keras.tree.map_structure(lambda part: tf.gather(part, rows), y)
        weight = tf.gather(sample_weight, rows) if is_weighted else None
        outputs = model(x, training=False)
        loss = model.compute_loss(
            x=x, y=y_true, y_pred=outputs, sample_weight=weight, training=False
        )
        model.compute_metrics(x, y_true, outputs, weight)
        return loss, outputs

    return compiled(validate, reduce_retracing=True)


class CompiledForward:
    """The outputs of a model by one compiled call per chunk of rows.

    Parameters
    ----------
    model : keras.Model
        Built.
    X_example : ndarray, or dict or list of ndarray
        Rows that the model takes, in its own dtypes.
    chunk_bytes : int, default=64 * 2**20
        How much memory the rows of one call may take, in bytes.
    """

    def __init__(self, model: Any, X_example: Any, chunk_bytes: int = 64 * 2**20) -> None:
        self._example = X_example
        row_bytes = sum(
            int(np.prod(part.shape[1:])) * part.dtype.itemsize
            for part in keras.tree.flatten(X_example)
        )
        # Hidden layers are often wider than the rows: a chunk is at most 32,768 rows.
        self.chunk_rows = int(np.clip(chunk_bytes // max(1, row_bytes), 1, 32_768))
        # The number of rows stays open, so that one trace serves all tables.
        signature = keras.tree.map_structure(
            lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), X_example
        )
        self._call = compiled(lambda X: model(X, training=False), input_signature=[signature])

    def __call__(self, X: Any, chunk_rows: int | None = None) -> list[np.ndarray]:
        """Return the outputs for rows, a list with one array (n_samples, ...) per output.

        Parameters
        ----------
        X : ndarray, csr_array, or dict or list of ndarray
            Encoded rows.
        chunk_rows : int or None, default=None
            Rows per call; None chooses by memory.
        """
        size = chunk_rows or self.chunk_rows
        chunks = []
        for start in range(0, n_rows(X), size):
            chunk = take_on_host(X, slice(start, start + size))
            tensors = keras.tree.map_structure(
                lambda part, like: tf.convert_to_tensor(part, dtype=like.dtype),
                self._in_structure(chunk),
                self._example,
            )
            chunks.append(keras.tree.flatten(self._call(tensors)))
        return [
            np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])
            for parts in zip(*chunks, strict=True)
        ]

    def _in_structure(self, chunk: Any) -> Any:
        if isinstance(chunk, dict):
            return {name: chunk[name] for name in self._example}
        return chunk
