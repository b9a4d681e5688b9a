"""An epoch as one compiled call, and a compiled forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from nnkit._compat import compiled

__all__ = ["CompiledForward", "epoch_program", "validation_program"]


def epoch_program(model: Any, batch_size: int, *, is_weighted: bool) -> Callable[..., Any]:
    """Return one epoch of training as a compiled function.

    Keras' own ``train_step`` runs in a graph loop over batches of row positions, so that the
    data stay on the device and Python is left once per epoch rather than once per batch.

    Parameters
    ----------
    model : keras.Model
        Compiled. Its weights and optimizer are updated in place.
    batch_size : int
        Rows per step, at least 1; the last batch may be smaller.
    is_weighted : bool
        Whether rows have weights.

    Returns
    -------
    run_epoch : callable
        From tensors ``X`` (n_samples, ...), ``y`` (n_samples, ...), ``sample_weight``
        (n_samples,), which is not read unless ``is_weighted``, and ``order`` (n_samples,),
        int32 positions of rows, to the means over the epoch of loss and metrics, by name.
    """

    def run_epoch(X: Any, y: Any, sample_weight: Any, order: Any) -> Any:
        n_samples = tf.shape(order)[0]
        n_batches = (n_samples + batch_size - 1) // batch_size

        def train_on_batch(step: Any) -> Any:
            start = step * batch_size
            rows = order[start : tf.minimum(start + batch_size, n_samples)]
            batch: tuple[Any, ...] = (tf.gather(X, rows), tf.gather(y, rows))
            if is_weighted:
                batch += (tf.gather(sample_weight, rows),)
            model.train_step(batch)
            return step + 1

        tf.while_loop(lambda step: step < n_batches, train_on_batch, [0], parallel_iterations=1)
        return model.get_metrics_result()

    return compiled(run_epoch)


def validation_program(model: Any, *, is_weighted: bool) -> Callable[..., Any]:
    """Return the validation of a chunk of rows as a compiled function.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    is_weighted : bool
        Whether rows have weights.

    Returns
    -------
    validate : callable
        From tensors ``X``, ``y`` and ``sample_weight`` to the loss of these rows and the
        model's outputs for them; the metrics of the model are updated.
    """

    def validate(X: Any, y: Any, sample_weight: Any) -> Any:
        weight = sample_weight if is_weighted else None
        outputs = model(X, training=False)
        loss = model.compute_loss(x=X, y=y, y_pred=outputs, sample_weight=weight, training=False)
        model.compute_metrics(X, y, outputs, weight)
        return loss, outputs

    return compiled(validate, reduce_retracing=True)


class CompiledForward:
    """The outputs of a model by one compiled call per chunk of rows.

    Parameters
    ----------
    model : keras.Model
        Built.
    row_shape : tuple of int
        Shape of one row.
    dtype : str
        The dtype in which it takes its rows.
    chunk_bytes : int, default=64 * 2**20
        How much memory the rows of one call may take, in bytes.
    """

    def __init__(
        self,
        model: Any,
        row_shape: tuple[int, ...],
        dtype: str,
        chunk_bytes: int = 64 * 2**20,
    ) -> None:
        self._dtype = dtype
        self._chunk_bytes = chunk_bytes
        # The number of rows stays open, so that one trace serves all tables.
        signature = tf.TensorSpec((None, *row_shape), dtype)
        self._call = compiled(lambda X: model(X, training=False), input_signature=[signature])

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return the outputs of shape (n_samples, n_units) for rows (n_samples, ...)."""
        row_bytes = max(1, int(np.prod(X.shape[1:])) * np.dtype(self._dtype).itemsize)
        # Hidden layers are often wider than the rows: a chunk is at most 32,768 rows.
        chunk_rows = int(np.clip(self._chunk_bytes // row_bytes, 1, 32_768))
        outputs = [
            self._call(tf.convert_to_tensor(X[start : start + chunk_rows], dtype=self._dtype))
            for start in range(0, len(X), chunk_rows)
        ]
        return np.concatenate([output.numpy() for output in outputs])
