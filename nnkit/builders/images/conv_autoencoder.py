"""A convolutional autoencoder for images."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_count, as_number
from nnkit.builders.hidden_and_output_layers import output_layers
from nnkit.builders.images.convolutions import (
    can_shrink,
    convolution,
    filters_of,
    image_input,
    normalized,
)
from nnkit.builders.optimization import compile_with_schedule

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["conv_autoencoder"]


def conv_autoencoder(
    meta: Meta,
    n_components: int = 16,
    filters: int | Sequence[int] = (16, 32),
    noise: float = 0.0,
    learning_rate: float = 0.005,
    weight_decay: float = 0.0,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a convolutional autoencoder whose bottleneck is the layer "representation".

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    n_components : int, default=16
        Units of the bottleneck, at least 1.
    filters : int or sequence of int, default=(16, 32)
        Filters of each convolution of the encoder, at least 1. Each halves the size of the images,
        unless a side has fewer than 6 pixels. The decoder has them in reverse.
    noise : float, default=0.0
        Standard deviation of normal noise that is added to the images in training, at least 0, in
        encoded units. Above 0, the network learns to remove noise (a denoising autoencoder).
    learning_rate : float, default=0.005
        Peak of the learning rate, above 0.
    weight_decay : float, default=0.0
        Decay of the kernels per unit of the learning rate, at least 0.
    n_steps : int or None, default=None
        Number of optimizer steps of the training, over which the learning rate follows
        `nnkit.optimizers.OneCycle`. The estimator passes it. With None, the rate is constant.

    Returns
    -------
    model : keras.Model
        From images to reconstructed images, or to the outputs that another target needs.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the encoded rows are no images.

    See Also
    --------
    nnkit.builders.autoencoder : The network for tables.

    References
    ----------
    P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol, "Stacked Denoising
    Autoencoders", JMLR 11, 2010, section 3 (noise).

    Examples
    --------
    >>> from nnkit.builders import Meta, conv_autoencoder
    >>> meta = Meta(X_shape_=(100, 28, 28, 1), target_type_="continuous-multioutput",
    ...             n_output_units_=1, y_ndim_=4)
    >>> model = conv_autoencoder(meta, n_components=8)
    >>> model.get_layer("representation").output.shape, model.output_shape
    ((None, 8), (None, 28, 28, 1))
    """
    import keras

    n_components = as_count("n_components", n_components)
    noise = as_number("noise", noise, "[0, inf)")
    widths = filters_of(filters)
    x = inputs = image_input(meta)
    if noise:
        x = keras.layers.GaussianNoise(noise)(x)
    # Sizes before each convolution of the encoder, for the decoder.
    sizes = []
    for n_filters in widths:
        sizes.append(x.shape[1:3])
        x = normalized(convolution(x, n_filters, strides=2 if can_shrink(x) else 1))
    shape = x.shape[1:]
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(n_components, name="representation")(x)
    is_reconstruction = meta.get("y_ndim_", 0) == 4
    if is_reconstruction:
        x = normalized(keras.layers.Dense(prod(shape), use_bias=False)(x))
        x = keras.layers.Reshape(shape)(x)
        outputs = _decoded(x, [*reversed(widths[:-1]), meta.X_shape_[-1]], sizes[::-1])
    else:
        outputs = output_layers(meta, x)
    model = keras.Model(inputs, outputs)
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model


def _decoded(x: Any, widths: Sequence[int], sizes: Sequence[tuple[int, int]]) -> Any:
    """Return images of the sizes of the encoder in reverse, by transposed convolutions."""
    import keras

    for position, (n_filters, (height, width)) in enumerate(zip(widths, sizes, strict=False)):
        is_last = position == len(sizes) - 1
        strides = 2 if x.shape[1:3] != (height, width) else 1
        x = keras.layers.Conv2DTranspose(
            n_filters,
            3,
            strides=strides,
            padding="same",
            use_bias=is_last,
            kernel_initializer="glorot_uniform" if is_last else "he_normal",
            name="reconstruction" if is_last else None,
        )(x)
        # (2 ceil(h / 2), 2 ceil(w / 2)) -> (h, w)
        rest = (x.shape[1] - height, x.shape[2] - width)
        if any(rest):
            x = keras.layers.Cropping2D(((0, rest[0]), (0, rest[1])))(x)
        if not is_last:
            x = normalized(x)
    return x
