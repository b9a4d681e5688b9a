"""The autoencoder: a network with a bottleneck that learns its input or a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_count, as_number
from nnkit.builders.hidden_and_output_layers import check_activation, output_layers, widths_of
from nnkit.builders.size import check_widths

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["autoencoder"]


def autoencoder(
    meta: Meta,
    n_components: int = 2,
    units: int | Sequence[int] = (64,),
    activation: Any = "relu",
    noise: float = 0.0,
) -> keras.Model:
    """Return an uncompiled autoencoder whose bottleneck is the layer "representation".

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    n_components : int, default=2
        Units of the bottleneck, at least 1.
    units : int or sequence of int, default=(64,)
        Units of each hidden layer of the encoder, at least 1. The decoder has them in reverse.
    activation : str or callable, default="relu"
        Activation of the hidden layers. The bottleneck is linear.
    noise : float, default=0.0
        Standard deviation of normal noise that is added to the columns in training, at least 0, in
        units of the standardised columns. Above 0, the network learns to remove noise (a denoising
        autoencoder).

    Returns
    -------
    model : keras.Model
        From ``X_shape_[1]`` inputs to the outputs that the target needs: the reconstructed
        columns, class probabilities or values.

    References
    ----------
    P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol, "Stacked Denoising
    Autoencoders", JMLR 11, 2010, section 3 (noise).

    Examples
    --------
    >>> from nnkit.builders import Meta, autoencoder
    >>> meta = Meta(X_shape_=(100, 8), target_type_="continuous-multioutput",
    ...             n_output_units_=8)
    >>> model = autoencoder(meta, n_components=3)
    >>> model.get_layer("representation").units, model.output_shape
    (3, (None, 8))
    """
    import keras

    hidden = widths_of(units)
    check_activation(activation)
    n_components = as_count("n_components", n_components)
    noise = as_number("noise", noise, "[0, inf)")
    check_widths(meta.X_shape_[1:], hidden)
    x = inputs = keras.Input(shape=meta.X_shape_[1:])
    if noise:
        x = keras.layers.GaussianNoise(noise)(x)
    for n_units in hidden:
        x = keras.layers.Dense(n_units, activation=activation)(x)
    x = keras.layers.Dense(n_components, name="representation")(x)
    for n_units in reversed(hidden):
        x = keras.layers.Dense(n_units, activation=activation)(x)
    return keras.Model(inputs, output_layers(meta, x))
