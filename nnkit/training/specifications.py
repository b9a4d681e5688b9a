"""What a compiled function takes: shapes and dtypes of tensors, with axes left open."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

__all__ = ["like", "open_rows", "open_rows_of"]


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


def open_rows_of(model: Any, tensors: Any) -> Any:
    """Return the specification of rows for a model, open in the axes that its one input leaves open.

    Parameters
    ----------
    model : keras.Model
        The axes are those of its ``input_shape``, such as (None, None, 2) for sequences.
    tensors : structure of ndarray
        Rows that it takes.
    """
    inputs = getattr(model, "inputs", None) or []
    is_one = len(inputs) == 1 and not isinstance(tensors, (dict, list, tuple))
    if not is_one or len(inputs[0].shape) != tensors.ndim:
        return open_rows(tensors)
    return tf.TensorSpec(
        (
            None,
            *(
                None if axis is None else size
                for axis, size in zip(inputs[0].shape[1:], tensors.shape[1:], strict=True)
            ),
        ),
        tensors.dtype,
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
