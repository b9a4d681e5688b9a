"""The arguments of hidden layers, and the output layers that a target needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

from nnkit._suggestions import nearest
from nnkit._validation import as_count, as_counts

if TYPE_CHECKING:
    from nnkit.builders.meta import Meta

__all__ = [
    "check_activation",
    "for_each_output",
    "output_activation",
    "output_layers",
    "widths_of",
]

_ACTIVATIONS = (
    "elu", "gelu", "leaky_relu", "mish", "prelu", "relu", "selu", "sigmoid", "silu", "swish", "tanh"
)  # fmt: skip


def widths_of(units: int | Sequence[int]) -> tuple[int, ...]:
    """Return the units of each hidden layer.

    Parameters
    ----------
    units : int or sequence of int
        A single number is one layer.

    Raises
    ------
    ValueError
        If a number is not an integer of at least 1.
    """
    if isinstance(units, Integral):
        return (as_count("units", units),)
    return as_counts("units", units)


def check_activation(activation: Any) -> None:
    """Raise a ValueError for an activation that Keras does not know.

    Parameters
    ----------
    activation : str or callable
    """
    import keras

    try:
        keras.activations.get(activation)
    except (ValueError, TypeError) as error:
        suggestion = nearest(str(activation), _ACTIVATIONS)
        hint = "" if suggestion is None else f" Did you mean {suggestion!r}?"
        raise ValueError(
            f"activation must be a name that Keras knows, such as one of {list(_ACTIVATIONS)}, or "
            f"a function. Got {activation!r} instead.{hint}"
        ) from error


def output_layers(
    meta: Meta,
    x: Any,
    kernel_regularizer: Any = None,
    linear_terms: Callable[[int, int], list[Any]] | None = None,
) -> Any:
    """Add the output layers that a target needs to a hidden layer.

    Parameters
    ----------
    meta : Meta
        Facts about the data.
    x : keras tensor of shape (n_batch, n_units)
        The last hidden layer.
    kernel_regularizer : keras.regularizers.Regularizer or None, default=None
        Penalty of the kernels.
    linear_terms : callable or None, default=None
        Function of the units and the position of an output. It returns tensors that are added
        before the activation of this output.

    Returns
    -------
    outputs : keras tensor of shape (n_batch, n_outputs), or list of them
        Sigmoid for two classes and for multilabel targets, softmax for more classes, linear in
        regression.
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

    return for_each_output(meta, output)


def for_each_output(meta: Meta, output: Callable[[int, int], Any]) -> Any:
    """Call a function for each output of a network, and return the outputs for ``keras.Model``.

    Parameters
    ----------
    meta : Meta
        Facts about the data.
    output : callable
        Function of the units and the position of an output. It returns a tensor.

    Returns
    -------
    outputs : keras tensor, or list of them
    """
    sizes = meta.n_output_units_
    if not isinstance(sizes, list):
        return output(sizes, 0)
    return [output(size, position) for position, size in enumerate(sizes)]


def output_activation(meta: Meta, n_units: int) -> str:
    """Return the name of the output activation for a target.

    Parameters
    ----------
    meta : Meta
        Facts about the data.
    n_units : int
        Units of the output.
    """
    if meta.target_type_.startswith("continuous"):
        return "linear"
    if n_units == 1 or meta.target_type_ == "multilabel-indicator":
        return "sigmoid"
    return "softmax"
