"""A trained network that pickles and predicts."""

from __future__ import annotations

import threading
from typing import Any

import cloudpickle
import numpy as np

from nnkit.training.building import Recipe, model_dtype
from nnkit.training.placement import on_device
from nnkit.training.program import CompiledForward

__all__ = ["TrainedNetwork"]


class TrainedNetwork:
    """A trained ``keras.Model`` with its compiled forward pass.

    It pickles as the recipe of the model and its weights, without optimizer state, data or
    device, and builds the model again on first use. Where the recipe needs the training data
    (a builder that takes ``X`` or ``y``), it pickles the model in Keras' own format.

    Parameters
    ----------
    model : keras.Model
        Trained.
    recipe : Recipe or None
        How to build it again; None keeps the model itself.
    row_shape : tuple of int
        Shape of one encoded row.
    device : str or None
        Where it predicts.
    """

    def __init__(
        self, model: Any, recipe: Recipe | None, row_shape: tuple[int, ...], device: str | None
    ) -> None:
        self._model = model
        self._recipe = recipe
        self._row_shape = row_shape
        self._device = device
        self._lock = threading.Lock()
        self._forward: CompiledForward | None = None
        self._weights: list[np.ndarray] | None = None

    @property
    def model(self) -> Any:
        """The live ``keras.Model``."""
        with self._lock:
            if self._model is None and self._recipe is not None:
                with on_device(self._device):
                    model = self._recipe.build(np.zeros((1, *self._row_shape), np.float32))
                    model.set_weights(self._weights)
                self._model, self._weights = model, None
            return self._model

    def outputs(self, X_encoded: np.ndarray) -> np.ndarray:
        """Return the model's outputs (n_samples, n_units) for rows (n_samples, ...)."""
        model = self.model
        if self._forward is None:
            self._forward = CompiledForward(model, self._row_shape, model_dtype(model))
        with on_device(self._device):
            return self._forward(X_encoded)

    def __getstate__(self) -> dict[str, Any]:
        state = {"row_shape": self._row_shape}
        if self._recipe is not None and self._recipe.is_rebuildable:
            weights = self._weights if self._model is None else self._model.get_weights()
            return {**state, "recipe": self._recipe, "weights": weights}
        return {**state, "model": cloudpickle.dumps(self.model)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        recipe = state.get("recipe")
        model = cloudpickle.loads(state["model"]) if "model" in state else None
        self.__init__(model, recipe, state["row_shape"], None)  # type: ignore[misc]
        self._weights = state.get("weights")
