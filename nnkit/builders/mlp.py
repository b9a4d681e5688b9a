"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

from nnkit._suggestions import nearest
from nnkit.builders.encoded_inputs import Columns, beside_each_other
from nnkit.builders.size import check_widths

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = [
    "check_activation",
    "mlp",
    "of_each_output",
    "output_activation",
    "output_layers",
    "widths_of",
]

_ACTIVATIONS = (
    "elu", "gelu", "leaky_relu", "mish", "prelu", "relu", "selu", "sigmoid", "silu", "swish", "tanh"
)  # fmt: skip

# For the activations that let half of a centred input through, or nearly so.
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
    """Return a multilayer perceptron for the table at hand, uncompiled.

    Parameters
    ----------
    meta : Meta
        The facts about the data; the estimator gives them. If ``cardinalities_`` is among
        them, the last columns are codes of categories, and these are their numbers of codes.
    units : int or sequence of int, default=(64, 64)
        Units of each hidden layer, at least 1; an empty sequence makes a linear model.
    activation : str or callable, default="relu"
        Activation of the hidden layers: "relu", "leaky_relu", "selu", "elu", "gelu", "silu"
        (or "swish"), "mish", "tanh", "sigmoid", any other that ``keras.activations.get``
        knows; or "prelu", whose slopes below zero are learnt, one for each unit.
    dropout_rate : float, default=0.0
        Fraction in [0, 1) of each hidden layer's units that is dropped in training.
    kernel_initializer : str or keras.initializers.Initializer, default="glorot_uniform"
        First values of the hidden layers' kernels: any that ``keras.initializers.get`` knows,
        such as "he_normal", "glorot_uniform" and "lecun_normal". "auto" goes by the
        activation: "lecun_normal" for "selu", "glorot_uniform" for "tanh", "sigmoid" and
        unknown ones, "he_normal" for the others.
    l1, l2 : float, default=0.0
        At least 0. The loss of a batch, a mean over rows, is raised by ``l1`` times the sum of
        the absolute values, and by ``l2`` times the sum of the squares, of all kernels and of
        all that is learnt for each category.
    normalization : {"batch", "layer"} or None, default=None
        What a hidden layer's units are normalised by before the activation: the statistics of
        the batch, or those of the row's own units. The layer then has no bias, which the
        normalisation would take out and which it replaces.
    residual : bool, default=False
        Whether the input of each hidden layer is added to its output; through a linear
        projection where the two have different widths.
    linear_skip : bool, default=False
        Whether a linear model of the columns is added before the last activation. It begins at
        zero and gives each category a term of its own.
    category_units : int, default=8
        Length of the learnt vector that stands for a category, at least 1. Without columns of
        codes it has no effect.

    Returns
    -------
    model : keras.Model
        From ``X_shape_[1]`` inputs to ``n_output_units_`` outputs: probabilities for
        classes (sigmoid for two and for labels, softmax for more), values for a regression.
        Several columns of classes have an output each.

    Raises
    ------
    ValueError
        If an argument is out of its range, or there are fewer columns than cardinalities.

    Notes
    -----
    A hidden layer is: linear map, normalisation, activation, dropout, and then the addition of
    its input, each if it is asked for. The vectors of categories begin near zero
    (U(-0.05, 0.05)), so that an unseen category, whose vector was never trained, is nearly
    left out; they stand behind the other columns.

    Examples
    --------
    >>> from nnkit.builders import Meta, mlp
    >>> meta = Meta(X_shape_=(100, 4), target_type_="multiclass", n_output_units_=3)
    >>> mlp(meta, units=(16,)).output_shape
    (None, 3)
    """
    import keras

    from nnkit.layers.argument_checks import as_count, as_fraction

    widths = widths_of(units)
    check_widths(meta.X_shape_[1:], widths)
    check_activation(activation)
    _check_normalization(normalization)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    regularizer = _regularizer(l1, l2)
    inputs = keras.Input(shape=meta.X_shape_[1:])
    columns = Columns.of(meta, inputs)
    vectors = _embeddings(columns, as_count("category_units", category_units), regularizer)
    x = beside_each_other([columns.dense, vectors])
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
    """Return the vectors of the categories, side by side."""
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

    # Activations within Dense, where they can be, leave a plain stack of Dense layers.
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


def output_layers(
    meta: Meta,
    x: Any,
    kernel_regularizer: Any = None,
    linear_terms: Callable[[int, int], list[Any]] | None = None,
) -> Any:
    """Return the outputs that a target needs, on top of a hidden layer.

    Parameters
    ----------
    meta : Meta
        The facts about the data.
    x : keras tensor of shape (n_batch, n_units)
        The last hidden layer.
    kernel_regularizer : keras.regularizers.Regularizer or None, default=None
        Penalty of the kernels.
    linear_terms : callable or None, default=None
        From the units and the position of an output to tensors that are added before its
        activation.

    Returns
    -------
    outputs : keras tensor of shape (n_batch, n_outputs), or list of them
        Sigmoid for two classes and for labels, softmax for more classes, linear for values.
    """
    import keras

    def output(n_units: int, position: int) -> Any:
        activation = output_activation(meta, n_units)
        layer = keras.layers.Dense(
            n_units,
            activation=activation if linear_terms is None else None,
            kernel_regularizer=kernel_regularizer,
        )
        if linear_terms is None:
            return layer(x)
        scores = keras.layers.Add()([layer(x), *linear_terms(n_units, position)])
        return keras.layers.Activation(activation)(scores)

    return of_each_output(meta, output)


def of_each_output(meta: Meta, output: Callable[[int, int], Any]) -> Any:
    """Return what a function makes of each output, as ``keras.Model`` takes it.

    Parameters
    ----------
    meta : Meta
        The facts about the data.
    output : callable
        From the units that the target needs of an output, and its position, to a tensor.

    Returns
    -------
    outputs : keras tensor, or list of them
    """
    sizes = meta.n_output_units_
    if not isinstance(sizes, list):
        return output(sizes, 0)
    return [output(size, position) for position, size in enumerate(sizes)]


def output_activation(meta: Meta, n_units: int) -> str:
    """Return the name of the last activation that a target needs.

    Parameters
    ----------
    meta : Meta
        The facts about the data.
    n_units : int
        Of the output.
    """
    if meta.target_type_.startswith("continuous"):
        return "linear"
    if n_units == 1 or meta.target_type_ == "multilabel-indicator":
        return "sigmoid"
    return "softmax"


def widths_of(units: int | Sequence[int]) -> tuple[int, ...]:
    """Return the units of each hidden layer.

    Parameters
    ----------
    units : int or sequence of int
        A number stands for one layer.

    Raises
    ------
    ValueError
        If a number is not at least 1.
    """
    from nnkit.layers.argument_checks import as_count, as_counts

    if isinstance(units, Integral):
        return (as_count("units", units),)
    return as_counts("units", units)


def check_activation(activation: Any) -> None:
    """Raise a ValueError for an activation that Keras does not know.

    Parameters
    ----------
    activation : str or callable
        "prelu" is known too, which is a layer.
    """
    import keras

    if activation == "prelu":
        return
    try:
        keras.activations.get(activation)
    except (ValueError, TypeError) as error:
        suggestion = nearest(str(activation), _ACTIVATIONS)
        hint = "" if suggestion is None else f" Did you mean {suggestion!r}?"
        raise ValueError(
            f"activation must be a name that Keras knows, such as one of {list(_ACTIVATIONS)}, or "
            f"a function. Got {activation!r} instead.{hint}"
        ) from error


def _check_normalization(normalization: Any) -> None:
    if normalization not in (None, "batch", "layer"):
        raise ValueError(
            f"normalization must be 'batch', 'layer' or None. Got {normalization!r} instead."
        )


def _regularizer(l1: Any, l2: Any) -> Any:
    import keras

    from nnkit.layers.argument_checks import as_number

    penalties = [
        as_number(name, value, is_zero_allowed=True) for name, value in (("l1", l1), ("l2", l2))
    ]
    return keras.regularizers.L1L2(*penalties) if any(penalties) else None


def _fresh_initializer(kernel_initializer: Any, activation: Any) -> Any:
    """Return an initializer of a layer's own: one gives the same numbers at each call."""
    import keras

    if kernel_initializer == "auto":
        if activation == "selu":
            return "lecun_normal"
        return "he_normal" if activation in _HE_ACTIVATIONS else "glorot_uniform"
    try:
        found = keras.initializers.get(kernel_initializer)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "kernel_initializer must be 'auto', or what Keras knows, such as 'he_normal', "
            f"'glorot_uniform' or 'lecun_normal'. Got {kernel_initializer!r} instead."
        ) from error
    is_instance = found is kernel_initializer and isinstance(found, keras.initializers.Initializer)
    return type(found).from_config(found.get_config()) if is_instance else found
