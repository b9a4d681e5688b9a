"""The transformer encoder for sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnkit._validation import as_count, as_fraction
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.sequences.padding import Padding, finished, sequence_input

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["transformer_encoder", "with_attention", "with_feed_forward"]


def transformer_encoder(
    meta: Meta,
    n_blocks: int = 2,
    n_units: int = 64,
    n_heads: int = 4,
    feed_forward_units: int = 128,
    dropout_rate: float = 0.1,
    learning_rate: float = 0.001,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a transformer encoder for sequences, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    n_blocks : int, default=2
        Number of blocks of attention and feed-forward layers, at least 1.
    n_units : int, default=64
        Channels of the blocks, a multiple of ``n_heads``.
    n_heads : int, default=4
        Number of attention heads, at least 1.
    feed_forward_units : int, default=128
        Units of the hidden layer of each feed-forward part, at least 1.
    dropout_rate : float, default=0.1
        Fraction in [0, 1) of the values that is dropped in training, of the embedded steps and at
        the end of each part of a block.
    learning_rate : float, default=0.001
        Peak of the learning rate, above 0. It follows one cycle if ``n_steps`` is given.
    weight_decay : float, default=0.01
        Decoupled decay of the kernels per unit of the learning rate, at least 0.
    n_steps : int or None, default=None
        Number of optimizer steps of the training. The estimator passes it. None is a constant
        learning rate.

    Returns
    -------
    model : keras.Model
        From (n_steps, n_channels) to ``n_output_units_`` outputs: probabilities in classification,
        values in regression.

    Raises
    ------
    ValueError
        If an argument is out of its range, or a row does not have two axes.

    Notes
    -----
    A linear layer maps the channels of a step to ``n_units``, and sines and cosines of its position
    are added. Each part of a block normalises its input, whose sum with the output of the part is
    the input of the next one. The mean over the normalised steps of the last block is the input of
    the output layer. If ``meta.has_padding_``, padding has no part in attention and in the mean.
    Time and memory increase with the square of the number of steps.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.

    R. Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020, figure 1
    (normalisation before each part).

    Examples
    --------
    >>> from nnkit.builders import Meta, transformer_encoder
    >>> meta = Meta(X_shape_=(60, 150, 1), target_type_="multiclass", n_output_units_=3)
    >>> transformer_encoder(meta).output_shape
    (None, 3)
    """
    import keras

    from nnkit.layers import SinusoidalPositions

    n_blocks, n_heads = as_count("n_blocks", n_blocks), as_count("n_heads", n_heads)
    feed_forward_units = as_count("feed_forward_units", feed_forward_units)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    if as_count("n_units", n_units) % n_heads:
        raise ValueError(
            f"n_units must be a multiple of n_heads. Got {n_units} units and {n_heads} heads instead."
        )
    inputs = sequence_input(meta)
    padding = Padding.of(meta, inputs)
    x = SinusoidalPositions()(keras.layers.Dense(n_units)(inputs))
    if dropout_rate > 0:
        x = keras.layers.Dropout(dropout_rate)(x)
    for _ in range(n_blocks):
        x = with_attention(padding, x, n_heads, dropout_rate)
        x = with_feed_forward(x, feed_forward_units, dropout_rate)
    x = keras.layers.LayerNormalization()(x)
    model = finished(meta, inputs, padding.mean(x))
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model


def with_attention(padding: Padding, x: Any, n_heads: int, dropout_rate: float) -> Any:
    """Return the steps plus the attention of each step to all steps.

    Parameters
    ----------
    padding : Padding
        The padding, to which no step attends.
    x : keras tensor of shape (n_batch, n_steps, n_channels)
    n_heads : int
        Number of attention heads.
    dropout_rate : float
        Fraction in [0, 1) of the attention that is dropped in training.
    """
    import keras

    normalized = keras.layers.LayerNormalization()(x)
    layer = keras.layers.MultiHeadAttention(n_heads, x.shape[-1] // n_heads)
    if padding.mask is None:
        hidden = layer(normalized, normalized)
    else:
        # (n_batch, n_steps, 1) -> (n_batch, 1, n_steps): the steps that a step attends to.
        attended = keras.layers.Permute((2, 1))(padding.mask)
        hidden = layer(normalized, normalized, attention_mask=attended)
    if dropout_rate > 0:
        hidden = keras.layers.Dropout(dropout_rate)(hidden)
    return keras.layers.Add()([x, hidden])


def with_feed_forward(x: Any, n_units: int, dropout_rate: float) -> Any:
    """Return the steps plus the output of a feed-forward network of each step.

    Parameters
    ----------
    x : keras tensor of shape (n_batch, n_steps, n_channels)
    n_units : int
        Units of the hidden layer.
    dropout_rate : float
        Fraction in [0, 1) of the output that is dropped in training.
    """
    import keras

    hidden = keras.layers.Dense(n_units, activation="gelu")(keras.layers.LayerNormalization()(x))
    hidden = keras.layers.Dense(x.shape[-1])(hidden)
    if dropout_rate > 0:
        hidden = keras.layers.Dropout(dropout_rate)(hidden)
    return keras.layers.Add()([x, hidden])
