"""A small convolutional network for images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_count, as_fraction
from nnkit.builders.hidden_and_output_layers import output_layers, widths_of
from nnkit.builders.images.augmentation import augmented
from nnkit.builders.images.convolutions import (
    convolution,
    filters_of,
    image_input,
    normalized,
    pooled,
    with_dropout,
)
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.size import check_widths

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["cnn2d"]

# Smaller images keep their size in the first block, whose filters would see too few pixels.
_MIN_SIDE_FOR_FIRST_POOL = 16

# Sides after the last block. Longer ones are averaged, so that the hidden layers stay small.
_MAX_LAST_SIDE = 8


def cnn2d(
    meta: Meta,
    filters: int | Sequence[int] = (16, 32, 64),
    kernel_size: int = 3,
    units: int | Sequence[int] = (128,),
    dropout_rate: float = 0.2,
    augment: str | Mapping[str, Any] | None = "auto",
    learning_rate: float = 0.005,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a small convolutional network for images, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    filters : int or sequence of int, default=(16, 32, 64)
        Filters of each block, at least 1.
    kernel_size : int, default=3
        Height and width of the filters, at least 1.
    units : int or sequence of int, default=(128,)
        Units of each hidden layer behind the blocks, at least 1.
    dropout_rate : float, default=0.2
        Fraction in [0, 1) of the inputs of each hidden layer and of the last layer that is dropped.
    augment : {"auto", "light", "photos"}, mapping of str to object, or None, default="auto"
        Random changes of the images in training. None is no change.

        - "light" does not flip: shifts by up to 1/14 of the shorter side (2 of 28 pixels, none of
          8), rotations by up to 10 degrees, zoom by up to 10 %. For characters, signs and
          everything that has a direction.
        - "photos": horizontal flips, and shifts by up to 1/8 of the shorter side (4 of 32 pixels).
          For photographs of things and scenes.
        - "auto" is "photos" for images with 3 channels or more, else "light".
        - A mapping such as ``{"shift": 2, "rotation": 10, "flip": "horizontal", "zoom": 0.1,
          "cutout": 8}``: "shift" in pixels, "rotation" in degrees, "zoom" a fraction in [0, 1),
          "flip" one of "horizontal", "vertical" and "both", "cutout" the side of a square in
          pixels. Changes that are not named are left out.
    learning_rate : float, default=0.005
        Peak of the learning rate, above 0.
    weight_decay : float, default=0.01
        Decay of the kernels per unit of the learning rate, at least 0.
    n_steps : int or None, default=None
        Number of optimizer steps of the training, over which the learning rate follows
        `nnkit.optimizers.OneCycle`. The estimator passes it. With None, the rate is constant.

    Returns
    -------
    model : keras.Model
        From images to probabilities of classes or to values.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the encoded rows are no images.

    See Also
    --------
    resnet2d : A residual network, for harder images.

    Notes
    -----
    A block is a convolution, max-pooling to half of the size, batch normalisation and ReLU.
    Pooling before the normalisation needs a quarter of its time. A block does not pool if a side
    has fewer than 6 pixels, and the first block does not if one has fewer than 16. Sides of more
    than 8 pixels after the last block are averaged to at most 8.

    Examples
    --------
    >>> from nnkit.builders import Meta, cnn2d
    >>> meta = Meta(X_shape_=(100, 28, 28, 1), target_type_="multiclass", n_output_units_=10)
    >>> cnn2d(meta).output_shape
    (None, 10)
    """
    import keras

    kernel_size = as_count("kernel_size", kernel_size)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    widths = widths_of(units)
    x = inputs = image_input(meta)
    x = augmented(x, augment)
    for position, n_filters in enumerate(filters_of(filters)):
        x = convolution(x, n_filters, kernel_size)
        if position > 0 or min(x.shape[1:3]) >= _MIN_SIDE_FOR_FIRST_POOL:
            x = pooled(x)
        x = normalized(x)
    if max(x.shape[1:3]) > _MAX_LAST_SIDE:
        steps = tuple(ceil(side / _MAX_LAST_SIDE) for side in x.shape[1:3])
        x = keras.layers.AveragePooling2D(steps, padding="same")(x)
    check_widths(x.shape[1:], widths)
    x = keras.layers.Flatten()(x)
    for n_units in widths:
        x = with_dropout(x, dropout_rate)
        x = keras.layers.Dense(n_units, use_bias=False, kernel_initializer="he_normal")(x)
        x = normalized(x)
    model = keras.Model(inputs, output_layers(meta, with_dropout(x, dropout_rate)))
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model
