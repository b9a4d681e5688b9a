"""Rows on the device, dense or sparse, and batches of them by position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse

__all__ = ["n_rows", "take_on_host", "taker", "to_device"]


def n_rows(X: Any) -> int:
    """Return the number of rows of an array, sparse array, or dict or list of arrays."""
    return int(X.shape[0] if sparse.issparse(X) else keras.tree.flatten(X)[0].shape[0])


def to_device(X: Any) -> Any:
    """Return rows as tensors: a sparse array as its three, other structures as they are."""
    if sparse.issparse(X):
        return tuple(
            tf.convert_to_tensor(part)
            for part in (X.indptr.astype(np.int64), X.indices.astype(np.int64), X.data)
        )
    return keras.tree.map_structure(tf.convert_to_tensor, X)


def taker(X: Any) -> Callable[[Any, Any], Any]:
    """Return the function that takes a batch of rows from their tensors.

    Parameters
    ----------
    X : ndarray, csr_array, or dict or list of ndarray
        The rows, before `to_device`.

    Returns
    -------
    take : callable
        From the tensors of `to_device` and positions (n_batch,) to a dense batch.
    """
    if not sparse.issparse(X):
        return lambda tensors, rows: keras.tree.map_structure(
            lambda tensor: tf.gather(tensor, rows), tensors
        )
    n_columns = X.shape[1]

    def take_sparse(tensors: Any, rows: Any) -> Any:
        starts, columns, values = tensors
        n_batch = tf.shape(rows, out_type=tf.int64)[0]
        # Where the entries of each row lie, one row after the other.
        entries = tf.ragged.range(tf.gather(starts, rows), tf.gather(starts, rows + 1))
        where = tf.stack([entries.value_rowids(), tf.gather(columns, entries.flat_values)], axis=1)
        batch = tf.scatter_nd(
            where, tf.gather(values, entries.flat_values), tf.stack([n_batch, n_columns])
        )
        return tf.ensure_shape(batch, (None, n_columns))

    return take_sparse


def take_on_host(X: Any, rows: Any) -> Any:
    """Return a dense batch of rows, given by positions or as a slice, as NumPy arrays."""
    if sparse.issparse(X):
        return X[rows].toarray()
    return keras.tree.map_structure(lambda part: part[rows], X)
