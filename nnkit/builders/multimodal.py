"""A network with a branch for each of several inputs: tables, images, sequences and texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_count, as_fraction
from nnkit.builders.encoded_inputs import Columns
from nnkit.builders.hidden_and_output_layers import output_layers, widths_of
from nnkit.builders.images.convolutions import (
    convolution,
    filters_of,
    normalized,
    pooled,
    with_dropout,
)
from nnkit.builders.meta import Meta
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.sequences.padding import Padding

if TYPE_CHECKING:
    import keras

__all__ = ["multimodal"]

_KERNEL_SIZE_OF_SEQUENCES = 5


def multimodal(
    meta: Meta,
    units: int | Sequence[int] = (64,),
    branch_units: int = 64,
    filters: int | Sequence[int] = (16, 32, 64),
    token_units: int = 32,
    category_units: int = 8,
    dropout_rate: float = 0.2,
    learning_rate: float = 0.005,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a network that joins one branch for each input, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them. ``X_shape_`` has the shape of each input,
        and ``inputs_``, if there is one, the facts of its encoder.
    units : int or sequence of int, default=(64,)
        Units of each hidden layer behind the joined branches, at least 1.
    branch_units : int, default=64
        Units of the branch of a table, at least 1.
    filters : int or sequence of int, default=(16, 32, 64)
        Filters of each convolution in the branches of images and sequences, at least 1.
    token_units : int, default=32
        Length of the vectors of words, at least 1.
    category_units : int, default=8
        Length of the embedding of a category, at least 1.
    dropout_rate : float, default=0.2
        Fraction in [0, 1) of the joined branches, and of the hidden layers, that is dropped in
        training.
    learning_rate : float, default=0.005
        Peak of the learning rate, above 0. It follows one cycle if ``n_steps`` is given.
    weight_decay : float, default=0.01
        Decoupled decay of the kernels per unit of the learning rate, at least 0.
    n_steps : int or None, default=None
        Number of optimizer steps of the training. The estimator passes it. None is a constant
        learning rate.

    Returns
    -------
    model : keras.Model
        From inputs with the names of ``X_shape_`` to probabilities in classification, and to values
        in regression.

    Raises
    ------
    ValueError
        If an argument is out of its range, or there are not several inputs by name.

    Notes
    -----
    The branch follows from the encoder of the input, and without an encoder from the shape of a
    row: one axis is a table, two are a sequence, three are an image.

    - Table: a hidden layer of the numbers, the one-hot columns and the embeddings of categories.
    - Image: blocks of a convolution, max-pooling, batch normalisation and ReLU, then the mean over
      all places.
    - Sequence: convolutions with batch normalisation and ReLU, then the mean over the steps without
      padding.
    - Text: the mean of the vectors of its words.

    Examples
    --------
    >>> from nnkit.builders import Meta, multimodal
    >>> meta = Meta(
    ...     X_shape_={"numbers": (50, 4), "photo": (50, 16, 16, 3)},
    ...     target_type_="multiclass",
    ...     n_output_units_=3,
    ... )
    >>> model = multimodal(meta)
    >>> sorted(model.input), model.output_shape
    (['numbers', 'photo'], (None, 3))
    """
    import keras

    widths = widths_of(units)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    sizes = _Sizes(
        as_count("branch_units", branch_units),
        filters_of(filters),
        as_count("token_units", token_units),
        as_count("category_units", category_units),
    )
    inputs, branches = {}, []
    for name, facts in _facts_of_inputs(meta).items():
        is_text = "n_codes_" in facts
        inputs[name] = keras.Input(
            facts.X_shape_[1:], dtype="int32" if is_text else None, name=name
        )
        branches.append(sizes.branch(facts, inputs[name]))
    x = branches[0] if len(branches) == 1 else keras.layers.Concatenate(name="branches")(branches)
    for n_units in widths:
        x = with_dropout(x, dropout_rate)
        x = keras.layers.Dense(n_units, activation="relu", kernel_initializer="he_normal")(x)
    x = with_dropout(x, dropout_rate)
    model = keras.Model(inputs, output_layers(meta, x))
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model


def _facts_of_inputs(meta: Meta) -> dict[str, Meta]:
    """Return the facts about each input by its name."""
    shapes = meta.X_shape_
    if not isinstance(shapes, Mapping):
        raise ValueError(
            "The network 'multimodal' takes several inputs by name, but X is one table or array. "
            "Give encoder={'numbers': ['age', 'height'], 'review': TextEncoder(column='review')}, "
            "for example, or X as a nnkit.encoding.InputDict."
        )
    facts = meta.get("inputs_", {})
    return {
        name: Meta(X_shape_=tuple(shape), **facts.get(name, {})) for name, shape in shapes.items()
    }


class _Sizes:
    """Sizes of the branches, which the branches share.

    Parameters
    ----------
    branch_units, token_units, category_units : int
    filters : tuple of int
    """

    def __init__(
        self, branch_units: int, filters: tuple[int, ...], token_units: int, category_units: int
    ) -> None:
        self._branch_units, self._filters = branch_units, filters
        self._token_units, self._category_units = token_units, category_units

    def branch(self, facts: Meta, inputs: Any) -> Any:
        """Return the branch of an input: (n_batch, n_units)."""
        if "n_codes_" in facts:
            return self._of_text(facts, inputs)
        n_axes = len(facts.X_shape_) - 1
        if n_axes == 1:
            return self._of_table(facts, inputs)
        if n_axes == 2:
            return self._of_sequence(facts, inputs)
        if n_axes == 3:
            return self._of_image(inputs)
        raise ValueError(
            f"The input {inputs.name!r} has rows of shape {facts.X_shape_[1:]}. The branches of "
            "'multimodal' are for tables, sequences (n_steps, n_channels) and images "
            "(height, width, n_channels)."
        )

    def _of_table(self, facts: Meta, inputs: Any) -> Any:
        import keras

        from nnkit.layers import CategoryEmbeddings

        columns = Columns.of(facts, inputs)
        vectors = None
        if columns.codes is not None:
            vectors = CategoryEmbeddings(columns.cardinalities, self._category_units)(columns.codes)
        parts = [part for part in (columns.dense, vectors) if part is not None]
        x = parts[0] if len(parts) == 1 else keras.layers.Concatenate()(parts)
        layer = keras.layers.Dense(
            self._branch_units, activation="relu", kernel_initializer="he_normal"
        )
        return layer(x)

    def _of_image(self, inputs: Any) -> Any:
        import keras

        x = inputs
        for n_filters in self._filters:
            x = normalized(pooled(convolution(x, n_filters)))
        return keras.layers.GlobalAveragePooling2D()(x)

    def _of_sequence(self, facts: Meta, inputs: Any) -> Any:
        padding = Padding.of(facts, inputs)
        x = inputs
        for n_filters in self._filters:
            x = padding.convolved(x, n_filters, _KERNEL_SIZE_OF_SEQUENCES)
        return padding.mean(x)

    def _of_text(self, facts: Meta, inputs: Any) -> Any:
        from nnkit.layers import MaskedAveragePooling1D, TokenEmbedding, TokenMask

        vectors = TokenEmbedding(facts.n_codes_, self._token_units)(inputs)
        return MaskedAveragePooling1D()([vectors, TokenMask()(inputs)])
