"""Sequences and images in lists, Series and files as arrays, whose elements can be masked."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.encoding import ImageEncoder, SequenceEncoder
from nnkit.encoding.containers import is_dataframe
from nnkit.encoding.samples.image_reading import images_of, pixels_of
from nnkit.encoding.samples.sequence_rows import read_sequences

__all__ = ["array_of_samples"]


def array_of_samples(encoder: Any, X: Any) -> Any:
    """Return rows as an array that an encoder reads like the rows, in the units of X.

    Parameters
    ----------
    encoder : transformer or None
        The fitted encoder of an estimator.
    X : object
        The rows to explain, or their background.

    Returns
    -------
    X_array : ndarray of shape (n_samples, ...)
        Sequences are padded at the end with NaN, which the encoder reads as their end. Images have
        an axis of channels. Tables, and data of other encoders, are returned unchanged.

    Raises
    ------
    ValueError
        If images have unequal shapes.
    """
    if X is None or is_dataframe(X):
        return X
    n_axes = X.ndim if isinstance(X, np.ndarray) and X.dtype != object else 0
    if isinstance(encoder, ImageEncoder) and n_axes:
        return X[..., np.newaxis] if n_axes == 3 else X
    if isinstance(encoder, SequenceEncoder):
        if n_axes == 2 or (n_axes and not encoder.has_padding_):
            return X
        values = read_sequences(X, encoder.layout, encoder.n_steps_).values
        return values.transpose(0, 2, 1) if encoder.layout == "channels_first" else values
    if isinstance(encoder, ImageEncoder):
        return _array_of_images(images_of(X, encoder.columns, encoder.shape))
    return X


def _array_of_images(images: Any) -> np.ndarray:
    pixels = [pixels_of(image, row) for row, image in enumerate(images)]
    shapes = sorted({image.shape for image in pixels})
    if len(shapes) > 1:
        raise ValueError(
            f"X must hold images of one shape to be explained. Got the shapes {shapes[0]} and "
            f"{shapes[1]}. Resize them to one size before fit."
        )
    return np.stack(pixels)
