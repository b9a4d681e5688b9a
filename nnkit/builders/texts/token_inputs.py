"""Rows of codes of tokens within a network: the input, a linear model of them, and its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit._validation import as_counts, as_flag, as_fraction, as_number
from nnkit.builders.hidden_and_output_layers import output_layers
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.sequences.padding import Padding

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["TokenInputs", "assign_token_weights", "finished_model", "kernel_sizes_of"]

# Codes below are padding and the unknown token.
_N_RESERVED = 2


@dataclass(frozen=True)
class TokenInputs:
    """The input of a network for texts.

    Parameters
    ----------
    inputs : keras tensor of shape (n_batch, n_steps)
        Codes of tokens, as `nnkit.encoding.TextEncoder` returns them.
    codes : keras tensor of shape (n_batch, n_steps)
        The codes after dropout of tokens.
    n_codes : int
        Number of codes.
    """

    inputs: Any
    codes: Any
    n_codes: int

    @classmethod
    def of(cls, meta: Meta, token_dropout_rate: float, replacement: str = "padding") -> TokenInputs:
        """Return the input of a network for texts.

        Parameters
        ----------
        meta : Meta
            Facts about the data.
        token_dropout_rate : float
            Fraction in [0, 1) of the tokens that are replaced in training.
        replacement : {"padding", "unknown"}, default="padding"
            What replaces a token.

        Raises
        ------
        ValueError
            If a row is not a row of codes, or the rate is out of its range.
        """
        import keras

        from nnkit.layers import TokenDropout

        rate = as_fraction("token_dropout_rate", token_dropout_rate)
        shape, n_codes = tuple(meta.X_shape_[1:]), meta.get("n_codes_")
        if len(shape) != 1 or n_codes is None:
            raise ValueError(
                "Networks for texts need rows of codes of shape (n_steps,), and their number in "
                f"meta.n_codes_. Got rows of shape {shape} and n_codes_={n_codes}. Use "
                "nnkit.encoding.TextEncoder as the encoder."
            )
        inputs = keras.Input(shape=shape, dtype="int32")
        codes = TokenDropout(rate, replacement, name="token_dropout")(inputs) if rate else inputs
        return cls(inputs, codes, int(n_codes))

    def vectors(self, n_units: int, dropout_rate: float) -> tuple[Any, Padding]:
        """Return the embedded tokens, and the padding.

        Parameters
        ----------
        n_units : int
            Length of the vectors.
        dropout_rate : float
            Fraction in [0, 1) of the channels that are dropped from all tokens of a text.

        Returns
        -------
        x : keras tensor of shape (n_batch, n_steps, n_units)
        padding : Padding
        """
        import keras

        from nnkit.layers import TokenEmbedding, TokenMask

        x = TokenEmbedding(self.n_codes, n_units, name="tokens")(self.codes)
        if dropout_rate > 0:
            x = keras.layers.SpatialDropout1D(dropout_rate)(x)
        return x, Padding(TokenMask(name="token_mask")(self.codes))

    def linear_terms(self, n_units: int, position: int) -> list[Any]:
        """Return the term of a linear model of the weighted bag of tokens, without an intercept.

        Parameters
        ----------
        n_units : int
            Units of the output to which the term is added.
        position : int
            Position of this output. It is part of the layer name "skip_0".
        """
        from nnkit.layers import TokenBag

        bag = TokenBag(self.n_codes, n_units, initializer="zeros", name=f"skip_{position}")
        return [bag(self.codes)]


def finished_model(
    meta: Meta,
    tokens: TokenInputs,
    hidden: Any,
    *,
    dropout_rate: float,
    linear_skip: bool,
    learning_rate: float,
    skip_rate_factor: float,
    weight_decay: float,
    n_steps: int | None,
) -> keras.Model:
    """Return the compiled model with output layers, after dropout of the last hidden layer.

    Parameters
    ----------
    meta : Meta
        Facts about the data.
    tokens : TokenInputs
        The input.
    hidden : keras tensor of shape (n_batch, n_units)
        The last hidden layer.
    dropout_rate : float
        Fraction in [0, 1) of its units that is dropped.
    linear_skip : bool
        Whether a linear model of the bag of tokens is added to the outputs.
    learning_rate, weight_decay, n_steps
        As for `compile_with_schedule`.
    skip_rate_factor : float
        Factor of the learning rate for the linear model.
    """
    import keras

    linear_skip = as_flag("linear_skip", linear_skip)
    factor = as_number("skip_rate_factor", skip_rate_factor, "[0, inf)")
    if dropout_rate > 0:
        hidden = keras.layers.Dropout(dropout_rate)(hidden)
    terms: Callable[[int, int], list[Any]] | None = tokens.linear_terms if linear_skip else None
    model = keras.Model(tokens.inputs, output_layers(meta, hidden, None, terms))
    compile_with_schedule(
        model, learning_rate, weight_decay, n_steps, learning_rate_factors={"skip_": factor}
    )
    return model


def kernel_sizes_of(kernel_sizes: int | Sequence[int]) -> tuple[int, ...]:
    """Return the widths of parallel convolutions, at least one.

    Parameters
    ----------
    kernel_sizes : int or sequence of int

    Raises
    ------
    ValueError
        If there are none, or a width is below 1.
    """
    widths = as_counts(
        "kernel_sizes", (kernel_sizes,) if isinstance(kernel_sizes, int) else kernel_sizes
    )
    if not widths:
        raise ValueError("kernel_sizes must have at least one entry. Got none.")
    return widths


def assign_token_weights(model: keras.Model, X: Any, rng: np.random.Generator) -> None:  # noqa: ARG001
    r"""Assign inverse document frequencies of training rows to the bags of a network.

    Parameters
    ----------
    model : keras.Model
        Network of a builder for texts, whose layers of the class `TokenBag` are changed.
    X : ndarray of shape (n_samples, n_steps)
        Encoded training rows. Without rows, the weights are not changed.
    rng : Generator
        Not used.

    Notes
    -----
    With n rows, of which :math:`d` have the token, its weight is
    :math:`1 + \log((1 + n) / (1 + d))`, as in scikit-learn's ``TfidfVectorizer``. Padding and the
    unknown token have the weight 0.
    """
    from nnkit.layers import TokenBag

    bags = [layer for layer in model.layers if isinstance(layer, TokenBag)]
    n_rows = X.shape[0]
    if not bags or n_rows == 0:
        return
    weights = _inverse_document_frequencies(np.asarray(X), bags[0].n_codes)
    for bag in bags:
        bag.token_weights.assign(weights)


def _inverse_document_frequencies(X: np.ndarray, n_codes: int) -> np.ndarray:
    ordered = np.sort(X.astype(np.int64), axis=1)
    # The first of equal codes in a row counts.
    is_first = np.ones(ordered.shape, dtype=bool)
    is_first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    counts = np.bincount(ordered[is_first], minlength=n_codes)[:n_codes]
    weights = 1 + np.log((1 + len(X)) / (1 + counts))
    weights[:_N_RESERVED] = 0.0
    return weights.astype(np.float32)
