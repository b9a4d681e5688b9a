"""A U-Net: a label or a value for each pixel of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_choice, as_fraction
from nnkit.builders.images.convolutions import convolution, filters_of, image_input, normalized
from nnkit.builders.optimization import compile_with_schedule

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["unet"]


def unet(
    meta: Meta,
    filters: int | Sequence[int] = (16, 32, 64),
    dropout_rate: float = 0.0,
    output_activation: str = "softmax",
    learning_rate: float = 0.005,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a U-Net for a target with a label or a value for each pixel, compiled.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    filters : int or sequence of int, default=(16, 32, 64)
        Filters of each level, at least 1. Each level after the first has half the size of the one
        above it, as long as both sides are even and have at least 4 pixels; the filters of further
        levels stay at the last size.
    dropout_rate : float, default=0.0
        Fraction in [0, 1) of the filters of the lowest level that is dropped.
    output_activation : {"softmax", "sigmoid"}, default="softmax"
        Last activation for a target (n_samples, height, width, n_classes) of 0 and 1: "softmax" if
        each pixel has one class, "sigmoid" if it can have several or none. It has no effect on
        other targets.
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
        From images to outputs (height, width) or (height, width, n_classes), as the target has.

    Raises
    ------
    ValueError
        If an argument is out of its range, the encoded rows are no images, or the target has no
        pixels.

    Notes
    -----
    The target of a classifier is the label of each pixel (n_samples, height, width), a mask of 0
    and 1 of this shape, or one mask for each class (n_samples, height, width, n_classes). The target
    of a regressor has values in one of these shapes. Each level has two convolutions with batch normalisation and ReLU. The way up
    doubles the size by a transposed convolution and appends the output of the same level on the
    way down. In contrast to the paper, convolutions keep the size.

    References
    ----------
    O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation", MICCAI 2015 (arXiv:1505.04597), section 2.

    Examples
    --------
    >>> from nnkit.builders import Meta, unet
    >>> meta = Meta(X_shape_=(100, 32, 32, 3), target_type_="multilabel-indicator",
    ...             n_output_units_=32, y_ndim_=3)
    >>> unet(meta).output_shape
    (None, 32, 32)
    """
    import keras

    as_choice("output_activation", output_activation, ("softmax", "sigmoid"))
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    widths = filters_of(filters)
    x = inputs = image_input(meta)
    n_axes = meta.get("y_ndim_", 0)
    if n_axes not in (3, 4):
        raise ValueError(
            "model='unet' takes a target with the pixels of the images: (n_samples, height, width) "
            f"or (n_samples, height, width, n_classes). Got y with {n_axes} axes instead. Use "
            "model='cnn2d' for one label or value for each image."
        )
    levels = []
    for position, n_filters in enumerate(widths):
        is_halved = position > 0 and all(side % 2 == 0 and side >= 4 for side in x.shape[1:3])
        if is_halved:
            levels.append(x)
            x = keras.layers.MaxPooling2D(2)(x)
        x = _two_convolutions(x, n_filters)
    if dropout_rate:
        x = keras.layers.SpatialDropout2D(dropout_rate)(x)
    for above in reversed(levels):
        n_filters = above.shape[-1]
        x = keras.layers.Conv2DTranspose(n_filters, 2, strides=2, padding="same")(x)
        x = keras.layers.Concatenate()([above, x])
        x = _two_convolutions(x, n_filters)
    model = keras.Model(inputs, _pixel_outputs(meta, x, output_activation))
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model


def _two_convolutions(x: Any, n_filters: int) -> Any:
    for _ in range(2):
        x = normalized(convolution(x, n_filters))
    return x


def _pixel_outputs(meta: Meta, x: Any, output_activation: str) -> Any:
    """Add a linear map of each pixel, and the activation of the target."""
    import keras

    has_one_class = meta.target_type_ == "multiclass-multioutput"
    if has_one_class:
        output_activation = "softmax"
    has_channels = meta.y_ndim_ == 4 or has_one_class
    n_units = meta.n_output_units_ if has_channels else 1
    x = keras.layers.Conv2D(n_units, 1, name="pixels")(x)
    if not has_channels:
        # (n_batch, height, width, 1) -> (n_batch, height, width)
        x = keras.layers.Reshape(x.shape[1:3])(x)
    if meta.target_type_.startswith("continuous"):
        activation = "linear"
    else:
        activation = output_activation if has_channels and n_units > 1 else "sigmoid"
    return keras.layers.Activation(activation, name="output")(x)
