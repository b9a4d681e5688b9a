"""Parts of networks for images: inputs, convolutions with normalisation, and reductions of size."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_count, as_counts

if TYPE_CHECKING:
    from nnkit.builders.meta import Meta

__all__ = [
    "can_shrink",
    "convolution",
    "filters_of",
    "image_input",
    "normalized",
    "pooled",
    "with_dropout",
]

# Keras' default of 0.99 needs some 500 steps until the moving averages describe the data, and
# trainings on a few hundred images have fewer.
_MOMENTUM = 0.9

# Sides of fewer pixels are not halved.
_MIN_SIDE_TO_SHRINK = 6


def image_input(meta: Meta) -> Any:
    """Return the input for encoded images.

    Parameters
    ----------
    meta : Meta
        Facts about the data.

    Returns
    -------
    inputs : keras tensor of shape (n_batch, height, width, n_channels)

    Raises
    ------
    ValueError
        If the encoded rows are no images.
    """
    import keras

    shape = tuple(meta.X_shape_[1:])
    if len(shape) != 3:
        raise ValueError(
            "The network takes images of shape (height, width, n_channels). Got rows of shape "
            f"{shape} instead. Encode them by nnkit.encoding.ImageEncoder, with "
            "shape=(height, width) if each pixel is a column."
        )
    return keras.Input(shape=shape)


def filters_of(filters: int | Sequence[int]) -> tuple[int, ...]:
    """Return the filters of each block or stage, at least one.

    Parameters
    ----------
    filters : int or sequence of int
        A single number is one block.

    Raises
    ------
    ValueError
        If there is none, or a number is not an integer of at least 1.
    """
    if isinstance(filters, Integral):
        return (as_count("filters", filters),)
    checked = as_counts("filters", filters)
    if not checked:
        raise ValueError("filters must have at least one entry, such as (16, 32). Got none.")
    return checked


def convolution(x: Any, n_filters: int, kernel_size: int = 3, strides: int = 1) -> Any:
    """Return a convolution without bias, for a normalisation behind it.

    Parameters
    ----------
    x : keras tensor of shape (n_batch, height, width, n_channels)
    n_filters : int
    kernel_size, strides : int
        Along both axes.

    Returns
    -------
    x : keras tensor of shape (n_batch, ceil(height / strides), ceil(width / strides), n_filters)
    """
    import keras

    return keras.layers.Conv2D(
        n_filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)


def normalized(x: Any, activation: str | None = "relu", *, starts_at_zero: bool = False) -> Any:
    """Return batch normalisation, followed by an activation.

    Parameters
    ----------
    x : keras tensor
    activation : str or None, default="relu"
        None for no activation.
    starts_at_zero : bool, default=False
        Whether the initial scale is 0, so that a residual block begins as the identity.
    """
    import keras

    x = keras.layers.BatchNormalization(
        momentum=_MOMENTUM, gamma_initializer="zeros" if starts_at_zero else "ones"
    )(x)
    return x if activation is None else keras.layers.Activation(activation)(x)


def can_shrink(x: Any) -> bool:
    """Return whether both sides of images have enough pixels, at least 6, to be halved.

    Parameters
    ----------
    x : keras tensor of shape (n_batch, height, width, n_channels)
    """
    return min(x.shape[1:3]) >= _MIN_SIDE_TO_SHRINK


def pooled(x: Any) -> Any:
    """Return max-pooling to half of the size, or the input if it cannot shrink.

    Parameters
    ----------
    x : keras tensor of shape (n_batch, height, width, n_channels)
    """
    import keras

    return keras.layers.MaxPooling2D(2, padding="same")(x) if can_shrink(x) else x


def with_dropout(x: Any, rate: float) -> Any:
    """Return dropout of single units, or the input if the rate is 0.

    Parameters
    ----------
    x : keras tensor with n_batch rows
    rate : float
        Fraction in [0, 1) of the units that is dropped in training.
    """
    import keras

    return keras.layers.Dropout(rate)(x) if rate else x
