"""The convolutional autoencoder for sequences."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_count, as_number
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.sequences.padding import Padding, filters_of, sequence_input

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["conv1d_autoencoder"]


def conv1d_autoencoder(
    meta: Meta,
    n_components: int = 8,
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 5,
    noise: float = 0.0,
    learning_rate: float = 0.002,
    weight_decay: float = 0.0,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a convolutional autoencoder for sequences, compiled with its optimizer.

    Its bottleneck is the layer "representation".

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    n_components : int, default=8
        Units of the bottleneck, at least 1.
    filters : sequence of int, default=(32, 64)
        Filters of each convolution of the encoder, each at least 1. Each one halves the number of
        steps. The decoder has them in reverse.
    kernel_size : int, default=5
        Width in steps of each convolution, at least 1.
    noise : float, default=0.0
        Standard deviation, at least 0, of normal noise that is added to the encoded steps in
        training. The target has no noise, so that the network learns to remove it.
    learning_rate : float, default=0.002
        Peak of the learning rate, above 0. It follows one cycle if ``n_steps`` is given.
    weight_decay : float, default=0.0
        Decoupled decay of the kernels per unit of the learning rate, at least 0.
    n_steps : int or None, default=None
        Number of optimizer steps of the training. The estimator passes it. None is a constant
        learning rate.

    Returns
    -------
    model : keras.Model
        From (n_steps, n_channels) to the same shape.

    Raises
    ------
    ValueError
        If an argument is out of its range, or a row does not have two axes.

    Notes
    -----
    If ``meta.has_padding_``, the output is 0 where the input is padding, so that padding has no
    reconstruction error.

    References
    ----------
    P. Vincent, H. Larochelle, Y. Bengio and P.-A. Manzagol, "Extracting and Composing Robust
    Features with Denoising Autoencoders", ICML 2008, section 2.3 (``noise``).

    Examples
    --------
    >>> from nnkit.builders import Meta, conv1d_autoencoder
    >>> meta = Meta(X_shape_=(60, 150, 2), target_type_="continuous", n_output_units_=300)
    >>> model = conv1d_autoencoder(meta, n_components=3)
    >>> model.get_layer("representation").units, model.output_shape
    (3, (None, 150, 2))
    """
    import keras

    n_filters = filters_of(filters)
    n_components = as_count("n_components", n_components)
    kernel_size = as_count("kernel_size", kernel_size)
    noise = as_number("noise", noise, "[0, inf)")
    x = inputs = sequence_input(meta)
    padding = Padding.of(meta, inputs)
    if noise > 0:
        x = padding.removed(keras.layers.GaussianNoise(noise)(x))
    for n in n_filters:
        x = keras.layers.Conv1D(n, kernel_size, 2, padding="same", activation="relu")(x)
    # (n_batch, n_short, n_filters) -> (n_batch, n_components)
    shape = tuple(x.shape[1:])
    x = keras.layers.Dense(n_components, name="representation")(keras.layers.Flatten()(x))
    x = keras.layers.Dense(prod(shape), activation="relu")(x)
    x = keras.layers.Reshape(shape)(x)
    outputs = padding.removed(_decoded(x, n_filters, kernel_size, inputs.shape[1:]))
    model = keras.Model(inputs, outputs)
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model


def _decoded(x: Any, filters: tuple[int, ...], kernel_size: int, shape: Sequence[int]) -> Any:
    """Return the reconstruction: each convolution doubles the number of steps."""
    import keras

    n_steps, n_channels = shape
    for n in reversed(filters):
        layer = keras.layers.Conv1D(n, kernel_size, padding="same", activation="relu")
        x = layer(keras.layers.UpSampling1D(2)(x))
    # Halves are rounded up, so that there can be some steps too many.
    excess = x.shape[1] - n_steps
    if excess:
        x = keras.layers.Cropping1D((0, excess))(x)
    return keras.layers.Conv1D(n_channels, kernel_size, padding="same")(x)
