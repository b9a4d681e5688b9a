"""The precision in which the layers of a network compute."""

from __future__ import annotations

from typing import Any

import keras

from nnkit.training.specification.model_spec import parts_inside

__all__ = ["check_precision"]


def check_precision(model: Any, allowed: tuple[str, ...], target: str) -> None:
    """Raise a ValueError if a layer computes in another precision than the target can.

    Parameters
    ----------
    model : keras.Model
    allowed : tuple of str
        Names of dtypes.
    target : str
        The target in the message.
    """
    layers = [layer for layer in parts_inside(model, keras.layers.Layer) if not _has_layers(layer)]
    for layer in layers:
        dtype = str(layer.compute_dtype)
        if dtype.startswith(("float", "bfloat")) and dtype not in allowed:
            raise ValueError(
                f"The layer {layer.name!r} computes in {dtype}, which {target} does not support. Fit "
                f"the network with dtype_policy={allowed[0]!r}."
            )


def _has_layers(layer: Any) -> bool:
    return bool(getattr(layer, "layers", None))
