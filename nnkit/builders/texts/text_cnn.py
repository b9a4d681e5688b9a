"""The convolutional network for texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnkit._validation import as_count, as_fraction
from nnkit.builders.texts.token_inputs import TokenInputs, finished_model, kernel_sizes_of

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["text_cnn"]


def text_cnn(
    meta: Meta,
    embedding_units: int = 64,
    n_filters: int = 64,
    kernel_sizes: int | Sequence[int] = (2, 3, 4),
    token_dropout_rate: float = 0.3,
    embedding_dropout_rate: float = 0.2,
    dropout_rate: float = 0.5,
    linear_skip: bool = True,
    learning_rate: float = 0.001,
    skip_rate_factor: float = 50.0,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return the convolutional network of Kim for texts, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them. ``n_codes_`` is the number of codes.
    embedding_units : int, default=64
        Length of the vectors of tokens, at least 1.
    n_filters : int, default=64
        Filters of each convolution, at least 1.
    kernel_sizes : int or sequence of int, default=(2, 3, 4)
        Widths of the parallel convolutions in tokens, at least 1.
    token_dropout_rate : float, default=0.3
        Fraction in [0, 1) of the tokens that are replaced by the unknown token in training.
    embedding_dropout_rate : float, default=0.2
        Fraction in [0, 1) of the channels of the vectors that is dropped in training, for all
        tokens of a text.
    dropout_rate : float, default=0.5
        Fraction in [0, 1) of the pooled filters that is dropped in training.
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
    The outputs of each convolution are pooled by their maximum over the tokens; padding is left
    out. Departures from the paper: vectors are learnt from small random values, dropout of tokens,
    the linear model, and convolutions that begin and end at any token.

    References
    ----------
    Y. Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014, section 2
    (CNN-rand).

    Examples
    --------
    >>> from nnkit.builders import Meta, text_cnn
    >>> meta = Meta(X_shape_=(60, 30), n_codes_=500, target_type_="multiclass", n_output_units_=3)
    >>> text_cnn(meta).output_shape
    (None, 3)
    """
    import keras

    from nnkit.layers import MaskedMaxPooling1D

    embedding_units = as_count("embedding_units", embedding_units)
    n_filters = as_count("n_filters", n_filters)
    embedding_dropout_rate = as_fraction("embedding_dropout_rate", embedding_dropout_rate)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    widths = kernel_sizes_of(kernel_sizes)
    tokens = TokenInputs.of(meta, token_dropout_rate, "unknown")
    x, padding = tokens.vectors(embedding_units, embedding_dropout_rate)
    pooled = []
    for width in widths:
        convolution = keras.layers.Conv1D(n_filters, width, padding="same", activation="relu")
        pooled.append(MaskedMaxPooling1D()([convolution(x), padding.mask]))
    hidden = pooled[0] if len(pooled) == 1 else keras.layers.Concatenate()(pooled)
    return finished_model(
        meta,
        tokens,
        hidden,
        dropout_rate=dropout_rate,
        linear_skip=linear_skip,
        learning_rate=learning_rate,
        skip_rate_factor=skip_rate_factor,
        weight_decay=weight_decay,
        n_steps=n_steps,
    )
