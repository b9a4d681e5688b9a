"""The recurrent autoencoder for sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnkit._validation import as_count, as_number
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.sequences.padding import Padding, sequence_input

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["lstm_autoencoder"]


def lstm_autoencoder(
    meta: Meta,
    n_components: int = 8,
    units: int = 64,
    noise: float = 0.0,
    learning_rate: float = 0.005,
    weight_decay: float = 0.0,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a recurrent autoencoder for sequences, compiled with its optimizer.

    Its bottleneck is the layer "representation".

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    n_components : int, default=8
        Units of the bottleneck, at least 1.
    units : int, default=64
        Units of the LSTM layer of the encoder, and of that of the decoder, at least 1.
    noise : float, default=0.0
        Standard deviation, at least 0, of normal noise that is added to the encoded steps in
        training. The target has no noise, so that the network learns to remove it.
    learning_rate : float, default=0.005
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
    The bottleneck is a linear map of the last state of the encoder. It is the input of each step of
    the decoder; in the paper, the decoder has the step before as its input. If
    ``meta.has_padding_``, padding does not change the state, and the output is 0 where the input is
    padding, so that padding has no reconstruction error.

    References
    ----------
    P. Malhotra, A. Ramakrishnan, G. Anand, L. Vig, P. Agarwal, G. Shroff, "LSTM-based
    Encoder-Decoder for Multi-sensor Anomaly Detection", ICML 2016 Anomaly Detection Workshop
    (arXiv:1607.00148), section 2.

    Examples
    --------
    >>> from nnkit.builders import Meta, lstm_autoencoder
    >>> meta = Meta(X_shape_=(60, 20, 2), target_type_="continuous", n_output_units_=40)
    >>> model = lstm_autoencoder(meta, n_components=3)
    >>> model.get_layer("representation").units, model.output_shape
    (3, (None, 20, 2))
    """
    import keras

    n_components = as_count("n_components", n_components)
    units = as_count("units", units)
    noise = as_number("noise", noise, "[0, inf)")
    x = inputs = sequence_input(meta)
    padding = Padding.of(meta, inputs)
    if noise > 0:
        x = padding.removed(keras.layers.GaussianNoise(noise)(x))
    # (n_batch, n_steps, n_channels) -> (n_batch, units) -> (n_batch, n_components)
    x = padding.recurrent(keras.layers.LSTM(units, name="encoder"), x)
    x = keras.layers.Dense(n_components, name="representation")(x)
    # (n_batch, n_components) -> (n_batch, n_steps, n_components) -> (n_batch, n_steps, n_channels)
    x = keras.layers.RepeatVector(inputs.shape[1])(x)
    x = keras.layers.LSTM(units, return_sequences=True, name="decoder")(x)
    outputs = padding.removed(keras.layers.Dense(inputs.shape[2])(x))
    model = keras.Model(inputs, outputs)
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model
