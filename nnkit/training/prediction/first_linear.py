"""The first linear layer of a network, and the parts of the network before and after it."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from nnkit.training.compiled_model import CompiledModel
from nnkit.training.network import Network
from nnkit.training.placement import on_device
from nnkit.training.prediction.forward import Forward

__all__ = ["FirstLinear"]


class FirstLinear:
    """A network as ``behind(before(x) @ kernel + bias)``, with the current weights.

    Later changes of the weights have no effect.

    Parameters
    ----------
    network : Network
        A network for which :meth:`FirstLinear.of` finds a layer.
    name : str
        Name of the layer.

    Attributes
    ----------
    kernel : ndarray of shape (n_features, n_hidden)
        Kernel in double precision.
    bias : ndarray of shape (n_hidden,)
    is_first : bool
        Whether the input of the layer is the input of the network.
    """

    def __init__(self, network: Network, name: str) -> None:
        compiled_model = network.compiled_model
        layer = compiled_model.model.get_layer(name)
        self._network, self._name = network, name
        self._weights = network.weights()
        values = dict(zip(map(id, compiled_model.model.variables), network.values, strict=True))
        kernel = values[id(layer.kernel)].astype(np.float64)
        # NTKDense computes x @ kernel / sqrt(n_features).
        self.kernel = kernel if _is_dense(layer) else kernel / math.sqrt(len(kernel))
        has_bias = layer.bias is not None
        self.bias = values[id(layer.bias)] if has_bias else np.zeros(kernel.shape[1])
        self.is_first = layer.input is compiled_model.model.inputs[0]

    @classmethod
    def of(cls, network: Network) -> FirstLinear | None:
        """Return the first linear layer if all outputs depend on it alone, else None.

        Parameters
        ----------
        network : Network
        """
        compiled_model = network.compiled_model
        name = compiled_model.fact("first linear layer", lambda: _find(compiled_model))
        return None if name is None else cls(network, name)

    def before(self, rows: np.ndarray) -> np.ndarray:
        """Return the input of the layer, (n_rows, n_features), for encoded rows."""
        if self.is_first:
            return rows.astype(np.float32, copy=False)
        compiled_model = self._network.compiled_model

        def make() -> Forward:
            model = compiled_model.model
            part = keras.Model(model.inputs, model.get_layer(self._name).input)
            return Forward(compiled_model, part, compiled_model.row)

        with on_device(self._network.device):
            program = compiled_model.program(("before linear", self._name), make)
            return np.asarray(program(self._weights, rows)[0])

    def behind(self, hidden: np.ndarray, chunk_rows: int) -> list[np.ndarray]:
        """Return the outputs of the network from the output of the layer before its activation.

        Parameters
        ----------
        hidden : ndarray of shape (n_rows, n_hidden)
        chunk_rows : int
            Rows per call.
        """
        compiled_model = self._network.compiled_model

        def make() -> Forward:
            model = compiled_model.model
            layer = model.get_layer(self._name)
            inputs = keras.Input(layer.output.shape[1:])
            activated = layer.activation(inputs) if _is_dense(layer) else inputs
            tail = keras.Model(layer.output, model.outputs)
            row = np.zeros((1, *layer.output.shape[1:]), np.float32)
            return Forward(compiled_model, keras.Model(inputs, tail(activated)), row)

        with on_device(self._network.device):
            program = compiled_model.program(("behind linear", self._name), make)
            return program(self._weights, hidden, chunk_rows)


def _is_dense(layer: Any) -> bool:
    # A subclass may compute something else.
    return type(layer) is keras.layers.Dense


def _find(compiled_model: CompiledModel) -> str | None:
    """Return the name of the first linear layer if all outputs depend on it alone, else None."""
    from nnkit.layers import NTKDense

    model, row = compiled_model.model, compiled_model.row
    is_plain = isinstance(row, np.ndarray) and row.ndim == 2
    # The call of a subclassed model may differ from its graph of layers.
    if not is_plain or type(model).__name__ not in ("Sequential", "Functional"):
        return None
    linear = [layer for layer in model.layers if _is_dense(layer) or type(layer) is NTKDense]
    for layer in linear[:1]:
        try:
            shape = layer.input.shape
            keras.Model(layer.output, model.outputs)
        except (AttributeError, ValueError):
            return None  # the layer is called more than once, or skipped by a connection
        has_one_kernel = getattr(layer, "quantization_mode", None) is None and not getattr(
            layer, "lora_enabled", False
        )
        dtypes = {str(layer.compute_dtype), str(layer.input.dtype), str(layer.output.dtype)}
        if len(shape) == 2 and has_one_kernel and dtypes == {"float32"}:
            return str(layer.name)
    return None
