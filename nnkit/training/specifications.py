"""What a compiled function takes: shapes and dtypes of tensors, with axes left open."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["like", "open_rows"]


def open_rows(tensors: Any, dtype: Any = None) -> Any:
    """Return the specification of tensors whose first axis is open.

    Parameters
    ----------
    tensors : structure of tensors or ndarray
    dtype : dtype or None, default=None
        In place of their own.
    """
    return keras.tree.map_structure(
        lambda part: tf.TensorSpec((None, *part.shape[1:]), dtype or part.dtype), tensors
    )


def like(tensors: Any, first_axes: tuple[None, ...] = ()) -> Any:
    """Return the specification of tensors like these, with further axes before theirs.

    Parameters
    ----------
    tensors : structure of tensors
    first_axes : tuple of None, default=()
        One for each further axis.
    """
    return keras.tree.map_structure(
        lambda part: tf.TensorSpec((*first_axes, *part.shape), part.dtype), tensors
    )
