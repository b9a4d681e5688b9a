"""The transformer encoder for texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnkit._validation import as_count, as_fraction
from nnkit.builders.sequences.transformer_encoder import with_attention, with_feed_forward
from nnkit.builders.texts.token_inputs import TokenInputs, finished_model

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["text_transformer"]


def text_transformer(
    meta: Meta,
    n_blocks: int = 1,
    embedding_units: int = 64,
    n_heads: int = 4,
    feed_forward_units: int = 128,
    token_dropout_rate: float = 0.3,
    dropout_rate: float = 0.2,
    linear_skip: bool = True,
    learning_rate: float = 0.001,
    skip_rate_factor: float = 50.0,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a transformer encoder for texts, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them. ``n_codes_`` is the number of codes.
    n_blocks : int, default=1
        Number of blocks of attention and feed-forward layers, at least 1.
    embedding_units : int, default=64
        Length of the vectors of tokens and channels of the blocks, a multiple of ``n_heads``.
    n_heads : int, default=4
        Number of attention heads, at least 1.
    feed_forward_units : int, default=128
        Units of the hidden layer of each feed-forward part, at least 1.
    token_dropout_rate : float, default=0.3
        Fraction in [0, 1) of the tokens that are replaced by the unknown token in training.
    dropout_rate : float, default=0.2
        Fraction in [0, 1) of the values that is dropped in training: of the vectors of tokens, at
        the end of each part of a block, and of the pooled channels.
    linear_skip : bool, default=True
        Whether a linear model of the tokens, weighted by their inverse document frequencies, is
        added to the outputs. Its weights are initialised with zeros.
    learning_rate : float, default=0.001
        Peak of the learning rate, above 0. It follows one cycle if ``n_steps`` is given.
    skip_rate_factor : float, default=50.0
        Factor of the learning rate for the linear model, at least 0.
    weight_decay : float, default=0.01
        Decoupled decay of the kernels per unit of the learning rate, at least 0. Vectors of tokens
        and the linear model have none.
    n_steps : int or None, default=None
        Number of optimizer steps of the training. The estimator passes it. None is a constant
        learning rate.

    Returns
    -------
    model : keras.Model
        From codes to ``n_output_units_`` outputs: probabilities in classification, values in
        regression.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the rows are not codes of tokens.

    Notes
    -----
    Sines and cosines of its position are added to the vector of each token. Each part of a block
    normalises its input, whose sum with the output of the part is the input of the next one.
    Padding has no part in attention and in the mean over the tokens, which is the input of the
    output layer. Time and memory increase with the square of the length of the texts.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.

    R. Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020, figure 1
    (normalisation before each part).

    Examples
    --------
    >>> from nnkit.builders import Meta, text_transformer
    >>> meta = Meta(X_shape_=(60, 30), n_codes_=500, target_type_="multiclass", n_output_units_=3)
    >>> text_transformer(meta).output_shape
    (None, 3)
    """
    import keras

    from nnkit.layers import SinusoidalPositions

    n_blocks, n_heads = as_count("n_blocks", n_blocks), as_count("n_heads", n_heads)
    feed_forward_units = as_count("feed_forward_units", feed_forward_units)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    if as_count("embedding_units", embedding_units) % n_heads:
        raise ValueError(
            f"embedding_units must be a multiple of n_heads. Got {embedding_units} units and "
            f"{n_heads} heads instead."
        )
    tokens = TokenInputs.of(meta, token_dropout_rate, "unknown")
    x, padding = tokens.vectors(embedding_units, 0.0)
    # Small vectors would be lost among the positions, which are at most 1.
    x = keras.layers.LayerNormalization(name="normalized_tokens")(x)
    x = SinusoidalPositions()(x)
    if dropout_rate > 0:
        x = keras.layers.Dropout(dropout_rate)(x)
    for _ in range(n_blocks):
        x = with_attention(padding, x, n_heads, dropout_rate)
        x = with_feed_forward(x, feed_forward_units, dropout_rate)
    x = keras.layers.LayerNormalization()(x)
    return finished_model(
        meta,
        tokens,
        padding.mean(x),
        dropout_rate=dropout_rate,
        linear_skip=linear_skip,
        learning_rate=learning_rate,
        skip_rate_factor=skip_rate_factor,
        weight_decay=weight_decay,
        n_steps=n_steps,
    )
