"""The bag of words and n-grams: a linear model of their inverse document frequencies and a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnkit._validation import as_count, as_fraction
from nnkit.builders.hidden_and_output_layers import widths_of
from nnkit.builders.texts.token_inputs import TokenInputs, finished_model

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["text_bag"]


def text_bag(
    meta: Meta,
    embedding_units: int = 16,
    units: int | Sequence[int] = 64,
    token_dropout_rate: float = 0.3,
    dropout_rate: float = 0.5,
    linear_skip: bool = True,
    learning_rate: float = 0.0005,
    skip_rate_factor: float = 100.0,
    weight_decay: float = 0.0,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a network of the averaged vectors of tokens, compiled with its optimizer.

    It does not use the order of the tokens, so that its encoder has pairs of words as tokens. It is
    fast, and hard to beat with fewer than some 10,000 texts.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them. ``n_codes_`` is the number of codes.
    embedding_units : int, default=16
        Length of the vectors of tokens, at least 1.
    units : int or sequence of int, default=64
        Units of each hidden layer, at least 1. An empty sequence is the network of fastText.
    token_dropout_rate : float, default=0.3
        Fraction in [0, 1) of the tokens that are left out in training.
    dropout_rate : float, default=0.5
        Fraction in [0, 1) of the units of each hidden layer that is dropped in training.
    linear_skip : bool, default=True
        Whether a linear model of the weighted tokens is added to the outputs. Its weights are
        initialised with zeros.
    learning_rate : float, default=0.0005
        Peak of the learning rate, above 0. It follows one cycle if ``n_steps`` is given.
    skip_rate_factor : float, default=100.0
        Factor of the learning rate for the linear model, at least 0.
    weight_decay : float, default=0.0
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
    Both paths begin with the mean of `nnkit.layers.TokenBag`. For ``model="text_bag"``, the
    estimator assigns the inverse document frequencies of the training rows to it, so that the
    linear model is logistic regression of TF-IDF, regularised by dropout of tokens. Below 10,000
    texts, the estimator trains on all of them, without early stopping.

    References
    ----------
    A. Joulin, E. Grave, P. Bojanowski, T. Mikolov, "Bag of Tricks for Efficient Text
    Classification", EACL 2017, without hashing of n-grams.

    M. Iyyer, V. Manjunatha, J. Boyd-Graber, H. Daumé III, "Deep Unordered Composition Rivals
    Syntactic Methods for Text Classification", ACL 2015.

    Examples
    --------
    >>> from nnkit.builders import Meta, text_bag
    >>> meta = Meta(X_shape_=(60, 30), n_codes_=500, target_type_="multiclass", n_output_units_=3)
    >>> text_bag(meta).output_shape
    (None, 3)
    """
    import keras

    from nnkit.layers import TokenBag

    embedding_units = as_count("embedding_units", embedding_units)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    tokens = TokenInputs.of(meta, token_dropout_rate)
    hidden = TokenBag(tokens.n_codes, embedding_units, name="bag")(tokens.codes)
    widths = widths_of(units)
    for position, n_units in enumerate(widths, start=1):
        hidden = keras.layers.Dense(n_units, activation="relu")(hidden)
        if dropout_rate > 0 and position < len(widths):
            hidden = keras.layers.Dropout(dropout_rate)(hidden)
    return finished_model(
        meta,
        tokens,
        hidden,
        dropout_rate=dropout_rate if widths else 0.0,
        linear_skip=linear_skip,
        learning_rate=learning_rate,
        skip_rate_factor=skip_rate_factor,
        weight_decay=weight_decay,
        n_steps=n_steps,
    )
