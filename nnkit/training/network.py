"""A trained network that pickles, predicts, and can be trained further."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import cloudpickle
import keras
import numpy as np

from nnkit.training.building import Recipe, as_inputs
from nnkit.training.compilation import Compiled, compile_model
from nnkit.training.heads import Task
from nnkit.training.placement import let_memory_grow, on_device
from nnkit.training.program import CompiledForward

__all__ = ["Network"]


class Network:
    """A ``keras.Model`` with what belongs to it: heads, forward pass, training programs.

    It pickles as the recipe of the model and its weights, without data or device, and builds
    the model again on first use. Where the recipe needs the training data (a builder that
    takes ``X`` or ``y``), it pickles the configuration of the model instead.

    Parameters
    ----------
    recipe : Recipe
        How the model is built.
    task_choices : sequence of sequences of Task
        What each output may be to learn; the number of outputs decides which it is.
    X_example : ndarray, or dict or list of ndarray
        Encoded rows, at least one.
    device : str or None
        Where the model lives.
    keeps_optimizer : bool, default=False
        Whether the state of the optimizer is pickled too, so that training can go on.

    Attributes
    ----------
    compiled : Compiled
        What each output is to learn, and what it means.
    programs : dict
        Compiled programs by what they depend on, which further training uses again.
    """

    compiled: Compiled

    def __init__(
        self,
        recipe: Recipe,
        task_choices: Sequence[Sequence[Task]],
        X_example: Any,
        device: str | None,
        *,
        keeps_optimizer: bool = False,
    ) -> None:
        self.recipe = recipe
        self.task_choices = [list(choice) for choice in task_choices]
        self.device = device
        self.keeps_optimizer = keeps_optimizer
        self.programs: dict[Any, Any] = {}
        self._lock = threading.RLock()
        self._forward: CompiledForward | None = None
        self._saved: dict[str, Any] | None = None
        self._row = X_example
        self._model = self._build(recipe.build)

    def _build(self, build: Any) -> Any:
        let_memory_grow()
        with on_device(self.device):
            model = build(self._row)
            self._row = keras.tree.map_structure(
                lambda part: np.zeros((1, *part.shape[1:]), part.dtype),
                as_inputs(model, self._row),
            )
            self.compiled = compile_model(
                model,
                self.recipe.compilation,
                self.task_choices,
                self._row,
                was_handed=self.recipe.wants_compile_kwargs,
            )
        return model

    @property
    def model(self) -> Any:
        """The live ``keras.Model``, compiled."""
        with self._lock:
            if self._model is None and self._saved is not None:
                self._model = self._restored(self._saved)
                self._saved = None
            return self._model

    def _restored(self, saved: dict[str, Any]) -> Any:
        if "architecture" in saved:
            model = self._build(lambda _: _from_architecture(saved["architecture"]))
        else:
            model = self._build(self.recipe.build)
        with on_device(self.device):
            for variable, value in zip(model.variables, saved["variables"], strict=True):
                variable.assign(value)
            if "optimizer" in saved:
                model.optimizer.build(model.trainable_variables)
                for variable, value in zip(
                    model.optimizer.variables, saved["optimizer"], strict=True
                ):
                    variable.assign(value)
        return model

    def inputs(self, X_encoded: Any) -> Any:
        """Return encoded rows in the dtypes of the model's inputs."""
        return as_inputs(self.model, X_encoded)

    def targets(self, encoded: Sequence[np.ndarray]) -> Any:
        """Return encoded targets, one array an output, as the losses compare them."""
        return self.compiled.targets(encoded, self.target_dtype)

    @property
    def target_dtype(self) -> str:
        """The dtype in which targets are compared with the outputs."""
        dtype = str(self.model.variable_dtype)
        outputs = getattr(self.model, "outputs", None)
        if outputs:
            dtype = str(outputs[0].dtype)
        return dtype if dtype in ("float32", "float64") else "float32"

    def outputs(self, X_encoded: Any, chunk_rows: int | None = None) -> list[np.ndarray]:
        """Return one array (n_samples, ...) for each output of the model."""
        with on_device(self.device):
            return self.forward(X_encoded, chunk_rows)

    @property
    def forward(self) -> CompiledForward:
        """The compiled forward pass."""
        model = self.model
        with self._lock:
            if self._forward is None:
                self._forward = CompiledForward(model, self._row)
            return self._forward

    def __getstate__(self) -> dict[str, Any]:
        saved = self._saved
        if self._model is not None:
            saved = {"variables": _values(self._model.variables)}
            if self.keeps_optimizer and self._model.optimizer.built:
                saved["optimizer"] = _values(self._model.optimizer.variables)
            if not self.recipe.is_rebuildable:
                saved["architecture"] = _architecture(self._model)
        recipe = self.recipe if self.recipe.is_rebuildable else self.recipe.without_data()
        return {
            "recipe": recipe,
            "task_choices": self.task_choices,
            "compiled": self.compiled,
            "keeps_optimizer": self.keeps_optimizer,
            "_row": self._row,
            "_saved": saved,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.device = None
        self.programs = {}
        self._lock = threading.RLock()
        self._forward = None
        self._model = None


def _values(variables: Sequence[Any]) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable.value) for variable in variables]


def _architecture(model: Any) -> bytes:
    """Return the configuration of a model, with the classes of its layers, as bytes."""
    config = keras.saving.serialize_keras_object(model)
    # It is compiled anew, by the recipe.
    config.pop("compile_config", None)
    return cloudpickle.dumps((config, _classes_of(model)))


def _from_architecture(architecture: bytes) -> Any:
    config, classes = cloudpickle.loads(architecture)
    return keras.saving.deserialize_keras_object(config, custom_objects=classes, safe_mode=False)


def _classes_of(model: Any) -> dict[str, Any]:
    """Return the classes of a model and of its layers that are not Keras' own, by name."""
    classes = {}
    for part in [model, *getattr(model, "layers", [])]:
        if part is not model:
            classes.update(_classes_of(part))
        elif not type(model).__module__.startswith("keras."):
            classes[type(model).__name__] = type(model)
    return classes
