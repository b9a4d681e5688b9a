"""How far into a network the gradients of its outputs reach."""

from __future__ import annotations

from typing import Any

import keras

from nnkit._compat import output_of_layer

__all__ = ["check_reachable", "leaves_of", "tail_of"]

# Layers that look up their input, or sort it into bins, so that no gradient reaches it.
_LOOKUPS = frozenset(
    {
        "CategoryBias", "CategoryEmbeddings", "CategoryEncoding", "Discretization", "Embedding",
        "HashedCrossing", "Hashing", "IntegerLookup", "ReversibleEmbedding", "StringLookup",
    }
)  # fmt: skip


def tail_of(model: Any, layer: str) -> Any:
    """Return the part of a model behind a layer.

    Parameters
    ----------
    model : keras.Model
        Built.
    layer : str
        Name of the layer.

    Raises
    ------
    ValueError
        If there is no such layer, or the outputs do not follow from its output alone.
    """
    names = [part.name for part in getattr(model, "layers", [])]
    if not getattr(model, "outputs", None):
        raise ValueError(
            f"layer={layer!r} needs a functional or sequential network, whose layers tell what "
            f"follows from them, but this is a {type(model).__name__}. Use layer=None."
        )
    if layer not in names:
        raise ValueError(f"layer={layer!r} is no layer of the network, which has {names}.")
    try:
        return keras.Model(output_of_layer(model, layer), model.outputs)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"The network's outputs do not follow from layer {layer!r} alone, because other "
            "inputs or calls reach them past it. Give a layer where all ways have come together, "
            "or use method='permutation'."
        ) from error


def check_reachable(model: Any, row: Any, layer: str | None) -> None:
    """Raise if no gradient reaches what a network's outputs are to be derived by.

    Parameters
    ----------
    model : keras.Model
        Built.
    row : ndarray, or dict or list of ndarray
        A row in the dtypes of the model's inputs.
    layer : str or None
        Name of the layer whose output that is; None for the inputs.

    Raises
    ------
    ValueError
        If a layer on the way looks up codes, or inputs are integers.
    """
    part = model if layer is None else tail_of(model, layer)
    lookups = [leaf for leaf in leaves_of(part) if type(leaf).__name__ in _LOOKUPS]
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
    """Return the advice to attribute at a layer's output, if that is possible."""
    try:
        tail = tail_of(model, name)
    except ValueError:
        return ""
    others = [leaf for leaf in leaves_of(tail) if type(leaf).__name__ in _LOOKUPS]
    return "" if others else f", or layer={name!r} to attribute at its output"


def leaves_of(model: Any) -> list[Any]:
    """Return the layers of a functional model and of models in it; none of a subclassed one.

    Parameters
    ----------
    model : keras.Model
        Whose layers are all fed by its inputs, if it is functional.
    """
    if not getattr(model, "outputs", None):
        return []
    leaves = []
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)  # of a wrapper such as TimeDistributed
        leaves += leaves_of(inner) if isinstance(inner, keras.Model) else [inner]
    return leaves
