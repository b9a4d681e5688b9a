"""The forward pass of a small stack of Dense layers in NumPy.

For a few rows, a call of TensorFlow takes ten times as long as the matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from scipy.special import expit

from nnkit.training.compiled_model import CompiledModel

__all__ = ["DenseStack"]

# Number of multiplications above which TensorFlow's threads and fused kernels are faster.
_MAX_PRODUCTS = 2.5e7


def _softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


_ACTIVATIONS: dict[Any, Callable[[np.ndarray], np.ndarray]] = {
    keras.activations.linear: lambda scores: scores,
    keras.activations.relu: lambda scores: np.maximum(scores, 0),
    keras.activations.sigmoid: expit,
    keras.activations.softmax: _softmax,
    keras.activations.tanh: np.tanh,
}


class DenseStack:
    """A sequence of Dense layers and activations; dropout and noise layers are skipped.

    Parameters
    ----------
    compiled_model : CompiledModel
        `DenseStack.carries` must be True for it.
    """

    def __init__(self, compiled_model: CompiledModel) -> None:
        positions = {id(v): i for i, v in enumerate(compiled_model.model.variables)}
        self._layers: list[tuple[int | None, int | None, Callable[[np.ndarray], np.ndarray]]] = []
        for layer in compiled_model.model.layers:
            if isinstance(layer, keras.layers.Dense):
                bias = positions[id(layer.bias)] if layer.use_bias else None
                kernel = positions[id(layer.kernel)]
                self._layers.append((kernel, bias, _ACTIVATIONS[layer.activation]))
            elif isinstance(layer, keras.layers.Activation):
                self._layers.append((None, None, _ACTIVATIONS[layer.activation]))
        self._n_weights = sum(int(np.prod(v.shape)) for v in compiled_model.model.variables)

    @staticmethod
    def carries(compiled_model: CompiledModel) -> bool:
        """Return whether a network is a stack of Dense layers that this class supports."""
        model = compiled_model.model
        if (
            type(model).__name__ not in ("Sequential", "Functional")
            or not compiled_model.is_rowwise
        ):
            return False
        if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.inputs[0].shape) != 2:
            return False
        if len({str(part.compute_dtype) for part in model.layers if part.variables}) > 1:
            return False
        # The layers of a Sequential form a chain. Their input tensors need not be those of the
        # final model, since a layer is called when it is added.
        is_chain = isinstance(model, keras.Sequential)
        previous = model.inputs[0]
        for layer in model.layers:
            if isinstance(layer, keras.layers.InputLayer):
                continue
            if not isinstance(layer, (keras.layers.Dense, keras.layers.Activation)):
                is_off = type(layer).__name__ in ("Dropout", "GaussianNoise", "GaussianDropout")
                if not is_off:
                    return False
            elif layer.activation not in _ACTIVATIONS:
                return False
            if not is_chain and layer.input is not previous:
                return False
            previous = layer.output
        return is_chain or previous is model.outputs[0]

    def is_faster(self, n_rows: int) -> bool:
        """Return whether NumPy is faster than TensorFlow for a number of rows."""
        return n_rows * self._n_weights <= _MAX_PRODUCTS

    def __call__(self, values: Sequence[np.ndarray], X: np.ndarray) -> np.ndarray:
        """Return the outputs (n_samples, n_units) for rows (n_samples, n_features).

        Parameters
        ----------
        values : sequence of ndarray
            Values of the model's variables, in their order.
        X : ndarray of shape (n_samples, n_features)
            Encoded rows in the dtype of the model's input.
        """
        # On some CPUs, the rounding of a matrix product depends on the place of a row among the others.
        # Products in float64 make the result in float32 independent of it.
        hidden = X.astype(np.float64)
        for kernel, bias, activation in self._layers:
            if kernel is not None:
                hidden = hidden @ values[kernel].astype(np.float64)
            if bias is not None:
                hidden += values[bias]
            hidden = activation(hidden)
        return hidden.astype(X.dtype, copy=False)
