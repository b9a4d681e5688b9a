"""A residual network for small images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_count, as_fraction
from nnkit.builders.hidden_and_output_layers import output_layers
from nnkit.builders.images.augmentation import augmented
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

__all__ = ["resnet2d"]


def resnet2d(
    meta: Meta,
    filters: int | Sequence[int] = (16, 32, 64),
    n_blocks: int = 2,
    dropout_rate: float = 0.0,
    augment: str | Mapping[str, Any] | None = "auto",
    learning_rate: float = 0.01,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    r"""Return a residual network for images of some 20 to 100 pixels, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    filters : int or sequence of int, default=(16, 32, 64)
        Filters of each stage, at least 1. Each stage after the first halves the size of the
        images, unless a side has fewer than 6 pixels.
    n_blocks : int, default=2
        Residual blocks of each stage, at least 1. With three stages, the network has
        ``6 * n_blocks + 2`` layers with weights: 3 is ResNet-20.
    dropout_rate : float, default=0.0
        Fraction in [0, 1) of the pooled filters that is dropped before the last layer.
    augment : {"auto", "light", "photos"}, mapping of str to object, or None, default="auto"
        Random changes of the images in training, as for `cnn2d`.
    learning_rate : float, default=0.01
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
    cnn2d : A plain network that is several times as fast.

    Notes
    -----
    A residual block is :math:`y = \mathrm{relu}(x + f(x))`, where :math:`f` is a convolution,
    batch normalisation, ReLU, a convolution and batch normalisation. The last layer follows global
    average pooling. Departures from the paper: shortcuts between stages are convolutions of width
    1 with batch normalisation (option B) in place of zero padding (option A), the last
    normalisation of a block begins with the scale 0, and the optimizer is AdamW with one cycle of
    the learning rate, which needs 20 to 30 epochs in place of 160.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
    section 4.2.

    Examples
    --------
    >>> from nnkit.builders import Meta, resnet2d
    >>> meta = Meta(X_shape_=(100, 32, 32, 3), target_type_="multiclass", n_output_units_=10)
    >>> resnet2d(meta, n_blocks=1).output_shape
    (None, 10)
    """
    import keras

    n_blocks = as_count("n_blocks", n_blocks)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    widths = filters_of(filters)
    x = inputs = image_input(meta)
    x = augmented(x, augment)
    x = normalized(convolution(x, widths[0]))
    for stage, n_filters in enumerate(widths):
        for block in range(n_blocks):
            shrinks = stage > 0 and block == 0 and can_shrink(x)
            x = _residual_block(x, n_filters, strides=2 if shrinks else 1)
    x = keras.layers.GlobalAveragePooling2D()(x)
    if dropout_rate:
        x = keras.layers.Dropout(dropout_rate)(x)
    model = keras.Model(inputs, output_layers(meta, x))
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model


def _residual_block(x: Any, n_filters: int, strides: int) -> Any:
    import keras

    hidden = normalized(convolution(x, n_filters, strides=strides))
    hidden = normalized(convolution(hidden, n_filters), None, starts_at_zero=True)
    if strides > 1 or x.shape[-1] != n_filters:
        x = normalized(convolution(x, n_filters, kernel_size=1, strides=strides), None)
    # [y = relu(x + f(x))]
    return keras.layers.Activation("relu")(keras.layers.Add()([x, hidden]))
