"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["mlp", "output_layers"]


def mlp(
    meta: Meta,
    units: int | Sequence[int] = (64, 64),
    activation: Any = "relu",
    dropout_rate: float = 0.0,
) -> keras.Model:
    """Return a multilayer perceptron for the table at hand, uncompiled.

    Parameters
    ----------
    meta : Meta
        The facts about the data; the estimator gives them.
    units : int or sequence of int, default=(64, 64)
        Units of each hidden layer, at least 1; an empty sequence makes a linear model.
    activation : str or callable, default="relu"
        Activation of the hidden layers: any that ``keras.activations.get`` knows.
    dropout_rate : float, default=0.0
        Fraction in [0, 1) of each hidden layer's units that is dropped in training.

    Returns
    -------
    model : keras.Model
        From ``X_shape_[1]`` inputs to ``n_output_units_`` outputs: probabilities for
        classes (sigmoid for two and for labels, softmax for more), values for a regression.
        Several columns of classes have an output each.

    Examples
    --------
    >>> from nnkit.builders import Meta, mlp
    >>> meta = Meta(X_shape_=(100, 4), target_type_="multiclass", n_output_units_=3)
    >>> mlp(meta, units=(16,)).output_shape
    (None, 3)
    """
    import keras

    x = inputs = keras.Input(shape=meta.X_shape_[1:])
    for n_units in [units] if isinstance(units, int) else units:
        x = keras.layers.Dense(n_units, activation=activation)(x)
        if dropout_rate > 0:
            x = keras.layers.Dropout(dropout_rate)(x)
    return keras.Model(inputs, output_layers(meta, x))


def output_layers(meta: Meta, x: Any) -> Any:
    """Return the outputs that a target needs, on top of a hidden layer.

    Parameters
    ----------
    meta : Meta
        The facts about the data.
    x : keras tensor of shape (n_batch, n_units)
        The last hidden layer.

    Returns
    -------
    outputs : keras tensor of shape (n_batch, n_outputs), or list of them
        Sigmoid for two classes and for labels, softmax for more classes, linear for values.
    """
    import keras

    sizes = meta.n_output_units_
    outputs = [
        keras.layers.Dense(size, activation=_output_activation(meta, size))(x)
        for size in (sizes if isinstance(sizes, list) else [sizes])
    ]
    return outputs if isinstance(sizes, list) else outputs[0]


def _output_activation(meta: Meta, n_units: int) -> str:
    if meta.target_type_.startswith("continuous"):
        return "linear"
    if n_units == 1 or meta.target_type_ == "multilabel-indicator":
        return "sigmoid"
    return "softmax"
