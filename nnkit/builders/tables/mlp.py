"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_choice, as_count, as_fraction, as_number
from nnkit.builders.encoded_inputs import Columns, concatenated
from nnkit.builders.hidden_and_output_layers import check_activation, output_layers, widths_of
from nnkit.builders.size import check_widths

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["mlp"]

# Activations that pass about half of a centred input, for which He initialisation is derived.
_HE_ACTIVATIONS = ("elu", "gelu", "leaky_relu", "mish", "prelu", "relu", "silu", "swish")


def mlp(
    meta: Meta,
    units: int | Sequence[int] = (64, 64),
    activation: Any = "relu",
    dropout_rate: float = 0.0,
    kernel_initializer: Any = "glorot_uniform",
    l1: float = 0.0,
    l2: float = 0.0,
    normalization: str | None = None,
    residual: bool = False,
    linear_skip: bool = False,
    category_units: int = 8,
) -> keras.Model:
    """Return an uncompiled multilayer perceptron.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them. If they include ``cardinalities_``, the
        last columns are codes of categories, and these are their numbers of codes.
    units : int or sequence of int, default=(64, 64)
        Units of each hidden layer, at least 1. An empty sequence gives a linear model.
    activation : str or callable, default="relu"
        Activation of the hidden layers: "relu", "leaky_relu", "selu", "elu", "gelu", "silu"
        (or "swish"), "mish", "tanh", "sigmoid", anything else that ``keras.activations.get``
        accepts, or "prelu", which learns a slope below zero for each unit.
    dropout_rate : float, default=0.0
        Fraction in [0, 1) of each hidden layer's units that is dropped in training.
    kernel_initializer : str or keras.initializers.Initializer, default="glorot_uniform"
        Initializer of the hidden layers' kernels: anything that ``keras.initializers.get``
        accepts, such as "he_normal", "glorot_uniform" and "lecun_normal". "auto" depends on the
        activation: "lecun_normal" for "selu", "he_normal" for the rectifier family (such as
        "relu", "elu" and "gelu"), and "glorot_uniform" for all others.
    l1, l2 : float, default=0.0
        Penalties, at least 0. The loss of a batch, a mean over rows, is increased by ``l1`` times
        the sum of the absolute values and by ``l2`` times the sum of the squares of all kernels
        and of all embeddings and biases of categories.
    normalization : {"batch", "layer"} or None, default=None
        Normalisation before the activation of each hidden layer: by the statistics of the batch,
        or by those of the units of the same row. A normalised layer has no bias of its own.
    residual : bool, default=False
        Whether the input of each hidden layer is added to its output. If their widths differ,
        the input passes through a linear projection.
    linear_skip : bool, default=False
        Whether a linear model of the columns is added before the last activation. Its weights
        are initialised with zeros. Each category has a weight of its own.
    category_units : int, default=8
        Length of the embedding of a category, at least 1. It has no effect without columns of
        codes.

    Returns
    -------
    model : keras.Model
        From ``X_shape_[1]`` inputs to ``n_output_units_`` outputs: probabilities in
        classification (sigmoid for two classes and for multilabel targets, softmax for more
        classes), values in regression. Several columns of classes have one output each.

    Raises
    ------
    ValueError
        If an argument is out of its range, or ``cardinalities_`` has more entries than there
        are columns.

    Notes
    -----
    A hidden layer is a linear map, followed by normalisation, activation, dropout and the
    residual connection, as far as they are enabled. Embeddings of categories are concatenated
    to the other columns. They are initialised near zero (U(-0.05, 0.05)), so that the untrained
    embedding of unseen categories has little effect.

    Examples
    --------
    >>> from nnkit.builders import Meta, mlp
    >>> meta = Meta(X_shape_=(100, 4), target_type_="multiclass", n_output_units_=3)
    >>> mlp(meta, units=(16,)).output_shape
    (None, 3)
    """
    import keras

    widths = widths_of(units)
    check_widths(meta.X_shape_[1:], widths)
    if activation != "prelu":  # a layer in Keras
        check_activation(activation)
    as_choice("normalization", normalization, ("batch", "layer", None))
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    regularizer = _regularizer(l1, l2)
    inputs = keras.Input(shape=meta.X_shape_[1:])
    columns = Columns.of(meta, inputs)
    vectors = _embeddings(columns, as_count("category_units", category_units), regularizer)
    x = concatenated([columns.dense, vectors])
    for n_units in widths:
        x = _hidden_layer(
            x,
            n_units,
            activation=activation,
            dropout_rate=dropout_rate,
            kernel_initializer=_fresh_initializer(kernel_initializer, activation),
            kernel_regularizer=regularizer,
            normalization=normalization,
            residual=residual,
        )

    def linear_terms(n_units: int, position: int) -> list[Any]:
        return columns.linear_terms(n_units, position, regularizer)

    outputs = output_layers(meta, x, regularizer, linear_terms if linear_skip else None)
    return keras.Model(inputs, outputs)


def _embeddings(columns: Columns, n_units: int, regularizer: Any) -> Any | None:
    """Return the concatenated embeddings of the categories, None without columns of codes."""
    if columns.codes is None:
        return None
    from nnkit.layers import CategoryEmbeddings

    vectors = CategoryEmbeddings(
        columns.cardinalities, n_units, initializer="uniform", regularizer=regularizer
    )
    return vectors(columns.codes)


def _hidden_layer(
    x: Any,
    n_units: int,
    *,
    activation: Any,
    dropout_rate: float,
    kernel_initializer: Any,
    kernel_regularizer: Any,
    normalization: str | None,
    residual: bool,
) -> Any:
    import keras

    # Where possible, Dense applies the activation: prediction has a faster code path for a
    # plain stack of Dense layers.
    is_plain = normalization is None and activation != "prelu"
    hidden = keras.layers.Dense(
        n_units,
        activation=activation if is_plain else None,
        use_bias=normalization is None,
        kernel_initializer=kernel_initializer,
        kernel_regularizer=kernel_regularizer,
    )(x)
    if normalization == "batch":
        hidden = keras.layers.BatchNormalization()(hidden)
    elif normalization == "layer":
        hidden = keras.layers.LayerNormalization()(hidden)
    if activation == "prelu":
        hidden = keras.layers.PReLU()(hidden)
    elif not is_plain:
        hidden = keras.layers.Activation(activation)(hidden)
    if dropout_rate > 0:
        hidden = keras.layers.Dropout(dropout_rate)(hidden)
    if not residual:
        return hidden
    if x.shape[-1] != n_units:
        x = keras.layers.Dense(n_units, use_bias=False, kernel_regularizer=kernel_regularizer)(x)
    return keras.layers.Add()([x, hidden])


def _regularizer(l1: Any, l2: Any) -> Any:
    import keras

    penalties = [as_number("l1", l1, "[0, inf)"), as_number("l2", l2, "[0, inf)")]
    return keras.regularizers.L1L2(*penalties) if any(penalties) else None


def _fresh_initializer(kernel_initializer: Any, activation: Any) -> Any:
    """Return a new initializer for one layer: an instance draws the same numbers at each call."""
    import keras

    if kernel_initializer == "auto":
        if activation == "selu":
            return "lecun_normal"
        return "he_normal" if activation in _HE_ACTIVATIONS else "glorot_uniform"
    try:
        found = keras.initializers.get(kernel_initializer)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "kernel_initializer must be 'auto' or an initializer of Keras, such as 'he_normal', "
            f"'glorot_uniform' or 'lecun_normal'. Got {kernel_initializer!r} instead."
        ) from error
    is_instance = found is kernel_initializer and isinstance(found, keras.initializers.Initializer)
    return type(found).from_config(found.get_config()) if is_instance else found
