"""Dense or sparse rows on the device, and batches of them by position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse

from nnkit.datasets.encoded_rows import is_on_disk
from nnkit.encoding.rows import aligned_empty, is_aligned

__all__ = ["take_on_host", "taker", "to_device", "with_shared_memory"]


# Smaller arrays are copied, which takes less time than to share their memory.
_MIN_SHARED_BYTES = 2**20


def to_device(X: Any) -> Any:
    """Return rows as tensors, a sparse array as (indptr, indices, data)."""
    if sparse.issparse(X):
        return tuple(
            _tensor(part)
            for part in (X.indptr.astype(np.int64), X.indices.astype(np.int64), X.data)
        )
    if isinstance(X, np.ndarray):  # without the time of a structure
        return _tensor(X)
    return keras.tree.map_structure(_tensor, X)


def with_shared_memory(X: Any) -> Any:
    """Return rows whose large arrays `to_device` does not copy, also for several trainings.

    Parameters
    ----------
    X : ndarray, csr_array, or dict or list of ndarray
    """
    if sparse.issparse(X) or is_on_disk(X):
        return X
    return keras.tree.map_structure(_shared, X)


def _tensor(array: Any) -> Any:
    """Return an array as a tensor. On a CPU, a large tensor has the memory of an array.

    TensorFlow's conversion keeps the memory of the largest array so far, and needs it twice.
    """
    if not _is_shareable(array):
        return tf.convert_to_tensor(array)
    return tf.experimental.dlpack.from_dlpack(_shared(array).__dlpack__())


def _is_shareable(array: Any) -> bool:
    """Return whether a tensor should have the memory of an array: a large one, without a GPU."""
    is_large = array.nbytes >= _MIN_SHARED_BYTES and array.dtype.kind in "fiu"
    return is_large and not tf.config.list_logical_devices("GPU")


def _shared(array: np.ndarray) -> np.ndarray:
    """Return an array that TensorFlow uses without a copy, if it is to be shared."""
    is_usable = is_aligned(array) and array.flags.writeable and array.dtype.isnative
    if is_usable or not _is_shareable(array):
        return array
    copied = aligned_empty(array.shape, array.dtype.newbyteorder("="))
    copied[...] = array
    return copied


def taker(X: Any) -> Callable[[Any, Any], Any]:
    """Return a function that gathers a batch of rows from the tensors of `to_device`.

    Parameters
    ----------
    X : ndarray, csr_array, or dict or list of ndarray
        The rows before `to_device`.

    Returns
    -------
    take : callable
        Function from the tensors and positions (n_batch,) to a dense batch (n_batch, ...).
    """
    if not sparse.issparse(X):
        return lambda tensors, rows: keras.tree.map_structure(
            lambda tensor: tf.gather(tensor, rows), tensors
        )
    n_columns = X.shape[1]

    def take_sparse(tensors: Any, rows: Any) -> Any:
        starts, columns, values = tensors
        n_batch = tf.shape(rows, out_type=tf.int64)[0]
        # Row i of a CSR array has the entries indptr[i] to indptr[i + 1].
        entries = tf.ragged.range(tf.gather(starts, rows), tf.gather(starts, rows + 1))
        where = tf.stack([entries.value_rowids(), tf.gather(columns, entries.flat_values)], axis=1)
        batch = tf.scatter_nd(
            where, tf.gather(values, entries.flat_values), tf.stack([n_batch, n_columns])
        )
        return tf.ensure_shape(batch, (None, n_columns))

    return take_sparse


def take_on_host(X: Any, rows: Any) -> Any:
    """Return a dense batch of rows as NumPy arrays; ``rows`` are positions or a slice."""
    if sparse.issparse(X):
        return X[rows].toarray()
    return keras.tree.map_structure(lambda part: part[rows], X)
