"""Number, selection and random samples of rows, for tables and for encoded inputs.

A table has one container, or a dict of them if a network has several inputs; a list is a list of
rows. Encoded inputs are arrays, and a list of them is a list of inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnkit._compat import rows_of

__all__ = [
    "aligned_empty",
    "are_finite",
    "background_rows",
    "is_aligned",
    "n_encoded_rows",
    "n_samples_of",
    "rows_at",
    "rows_of",
]


def n_samples_of(X: Any) -> int:
    """Return the number of rows of a table.

    Parameters
    ----------
    X : array, DataFrame, sparse matrix or list of n_samples rows, or mapping of them
        The table.
    """
    if isinstance(X, Mapping):
        return n_samples_of(next(iter(X.values())))
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def n_encoded_rows(X_encoded: Any) -> int:
    """Return the number of rows of encoded inputs.

    Parameters
    ----------
    X_encoded : array or sparse array with n_samples rows, or dict or list of them
        The inputs of a network.
    """
    if isinstance(X_encoded, Mapping):
        return n_encoded_rows(next(iter(X_encoded.values())))
    if isinstance(X_encoded, (list, tuple)):
        return n_encoded_rows(X_encoded[0])
    return int(X_encoded.shape[0])


def rows_at(X_encoded: Any, positions: Any) -> Any:
    """Return rows of encoded inputs by position.

    Parameters
    ----------
    X_encoded : array or sparse array with n_samples rows, or dict or list of them
        The inputs of a network.
    positions : ndarray of int, slice or None
        Positions of the rows. None returns all rows without a copy.
    """
    if positions is None:
        return X_encoded
    if isinstance(X_encoded, dict):
        return {name: part[positions] for name, part in X_encoded.items()}
    if isinstance(X_encoded, (list, tuple)):
        return [part[positions] for part in X_encoded]
    return X_encoded[positions]


# Values that are checked at once. The result of a check takes one byte for each.
_VALUES_CHECKED = 2**23


def are_finite(values: np.ndarray) -> bool:
    """Return whether all numbers of an array are finite, without a second array of its size.

    Parameters
    ----------
    values : ndarray of numbers
    """
    if values.size <= _VALUES_CHECKED or not values.ndim:
        return bool(np.isfinite(values).all())
    size = max(1, _VALUES_CHECKED * len(values) // values.size)
    return all(
        np.isfinite(values[start : start + size]).all() for start in range(0, len(values), size)
    )


def background_rows(n_samples: int, background_size: int, seed: int) -> np.ndarray:
    """Return the positions of a random sample of rows.

    Parameters
    ----------
    n_samples : int
        Number of rows to draw from, at least 1.
    background_size : int
        Largest number of rows to draw, at least 0.
    seed : int
        Seed of the draw, at least 0.

    Returns
    -------
    rows : ndarray of int, shape (min(n_samples, background_size),)
        In ascending order, without repetition.
    """
    if n_samples <= background_size:
        return np.arange(n_samples)
    rng = np.random.RandomState(seed)
    return np.sort(rng.choice(n_samples, background_size, replace=False))


# TensorFlow uses the memory of an array without a copy if its address is a multiple of this.
_ALIGNMENT = 64


def aligned_empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an uninitialised array that TensorFlow can use without a copy.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    buffer = np.empty(n_bytes + _ALIGNMENT, dtype=np.uint8)
    start = -buffer.ctypes.data % _ALIGNMENT
    return buffer[start : start + n_bytes].view(dtype).reshape(shape)


def is_aligned(array: np.ndarray) -> bool:
    """Return whether an array has the alignment and the order of `aligned_empty`."""
    return array.ctypes.data % _ALIGNMENT == 0 and array.flags.c_contiguous
