"""Checks that the outputs of a network have gradients by its inputs or by a layer's output."""

from __future__ import annotations

from typing import Any

import keras

from nnkit._compat import output_of_layer

__all__ = ["check_reachable", "leaves_of", "tail_of"]

# Layers without a gradient by their input, since they look it up or sort it into bins.
_LOOKUPS = frozenset(
    {
        "CategoryEncoding", "Discretization", "Embedding",
        "HashedCrossing", "Hashing", "IntegerLookup", "ReversibleEmbedding", "StringLookup",
    }
)  # fmt: skip


def tail_of(model: Any, layer: str) -> Any:
    """Return the part of a model after a layer.

    Parameters
    ----------
    model : keras.Model
        Built model.
    layer : str
        Name of the layer.

    Raises
    ------
    ValueError
        If there is no such layer, or the outputs do not depend on its output alone.
    """
    names = [part.name for part in getattr(model, "layers", [])]
    if not getattr(model, "outputs", None):
        raise ValueError(
            f"layer={layer!r} needs a functional or sequential network, but this is a "
            f"{type(model).__name__}. Use layer=None."
        )
    if layer not in names:
        raise ValueError(f"layer={layer!r} is no layer of the network, which has {names}.")
    try:
        return keras.Model(output_of_layer(model, layer), model.outputs)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"The network's outputs do not follow from layer {layer!r} alone. Give a layer that "
            "all connections from the inputs to the outputs pass through, or use "
            "method='permutation'."
        ) from error


def check_reachable(model: Any, row: Any, layer: str | None) -> None:
    """Raise if a network's outputs have no gradient by its inputs or by a layer's output.

    Parameters
    ----------
    model : keras.Model
        Built model.
    row : ndarray, or dict or list of ndarray
        A row in the dtypes of the model's inputs.
    layer : str or None
        Name of the layer; None for the inputs.

    Raises
    ------
    ValueError
        If a layer in between looks up codes, or the inputs are integers.
    """
    part = model if layer is None else tail_of(model, layer)
    lookups = [leaf for leaf in leaves_of(part) if _is_lookup(leaf)]
    if lookups:
        found = lookups[0]
        raise ValueError(
            f"The gradient does not reach the input of layer {found.name!r} "
            f"({type(found).__name__}), which is looked up. Use method='permutation'"
            f"{_at_layer(model, found.name)}."
        )
    dtypes = [str(rows.dtype) for rows in keras.tree.flatten(row)]
    if layer is not None:
        dtypes = [str(tensor.dtype) for tensor in part.inputs]
    integers = [dtype for dtype in dtypes if "float" not in dtype]
    if integers:
        where = "The network's inputs" if layer is None else f"The outputs of layer {layer!r}"
        raise ValueError(
            f"{where} are of dtype {integers[0]}, and only floats have a gradient. "
            "Use method='permutation'."
        )


def _at_layer(model: Any, name: str) -> str:
    """Return the advice to explain the output of a layer, if that is possible."""
    try:
        tail = tail_of(model, name)
    except ValueError:
        return ""
    others = [leaf for leaf in leaves_of(tail) if _is_lookup(leaf)]
    return "" if others else f", or layer={name!r} to attribute at its output"


def leaves_of(model: Any) -> list[Any]:
    """Return the layers of a functional model and of its nested models.

    Parameters
    ----------
    model : keras.Model
        The result is empty for a subclassed model.
    """
    if not getattr(model, "outputs", None):
        return []
    leaves = []
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)  # the layer in a wrapper such as TimeDistributed
        leaves += leaves_of(inner) if isinstance(inner, keras.Model) else [inner]
    return leaves


def _is_lookup(layer: Any) -> bool:
    """Return whether the inputs of a layer are positions in a table, which have no gradient."""
    return type(layer).__name__ in _LOOKUPS or bool(getattr(layer, "is_lookup", False))
