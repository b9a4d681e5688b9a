"""The bidirectional LSTM network for texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnkit._validation import as_count, as_fraction
from nnkit.builders.texts.token_inputs import TokenInputs, finished_model

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["text_lstm"]


def text_lstm(
    meta: Meta,
    embedding_units: int = 64,
    units: int = 64,
    token_dropout_rate: float = 0.3,
    embedding_dropout_rate: float = 0.2,
    dropout_rate: float = 0.5,
    linear_skip: bool = True,
    learning_rate: float = 0.002,
    skip_rate_factor: float = 25.0,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a bidirectional LSTM for texts, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them. ``n_codes_`` is the number of codes.
    embedding_units : int, default=64
        Length of the vectors of tokens, at least 1.
    units : int, default=64
        Units of the LSTM in each direction, at least 1.
    token_dropout_rate : float, default=0.3
        Fraction in [0, 1) of the tokens that are replaced by the unknown token in training.
    embedding_dropout_rate : float, default=0.2
        Fraction in [0, 1) of the channels of the vectors that is dropped in training, for all
        tokens of a text.
    dropout_rate : float, default=0.5
        Fraction in [0, 1) of the pooled units that is dropped in training.
    linear_skip : bool, default=True
        Whether a linear model of the tokens, weighted by their inverse document frequencies, is
        added to the outputs. Its weights are initialised with zeros.
    learning_rate : float, default=0.002
        Peak of the learning rate, above 0. It follows one cycle if ``n_steps`` is given.
    skip_rate_factor : float, default=25.0
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
    The states of both directions are pooled over the tokens by their maximum and by their mean.
    Padding changes no state and is left out of both. The time of a step increases with the length
    of the texts, not with the number of their tokens.

    References
    ----------
    A. Conneau, D. Kiela, H. Schwenk, L. Barrault, A. Bordes, "Supervised Learning of Universal
    Sentence Representations from Natural Language Inference Data", EMNLP 2017, section 3.2.2.

    Examples
    --------
    >>> from nnkit.builders import Meta, text_lstm
    >>> meta = Meta(X_shape_=(60, 30), n_codes_=500, target_type_="multiclass", n_output_units_=3)
    >>> text_lstm(meta).output_shape
    (None, 3)
    """
    import keras

    from nnkit.layers import MaskedMaxPooling1D

    embedding_units, units = as_count("embedding_units", embedding_units), as_count("units", units)
    embedding_dropout_rate = as_fraction("embedding_dropout_rate", embedding_dropout_rate)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    tokens = TokenInputs.of(meta, token_dropout_rate, "unknown")
    x, padding = tokens.vectors(embedding_units, embedding_dropout_rate)
    both = keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True))
    states = padding.recurrent(both, x)
    pooled = [MaskedMaxPooling1D()([states, padding.mask]), padding.mean(states)]
    return finished_model(
        meta,
        tokens,
        keras.layers.Concatenate()(pooled),
        dropout_rate=dropout_rate,
        linear_skip=linear_skip,
        learning_rate=learning_rate,
        skip_rate_factor=skip_rate_factor,
        weight_decay=weight_decay,
        n_steps=n_steps,
    )
