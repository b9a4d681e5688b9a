"""The live ``keras.Model`` of a network, which the user may read, change and compile again."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import Any

from nnkit._compat import optimizer_copy
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.copying.copies import NotCopyableError, copy_of
from nnkit.training.copying.ownership import owned_copy
from nnkit.training.loop.state import StateLayout, TrainingState
from nnkit.training.specification.heads import Task
from nnkit.training.specification.metrics import read_metrics
from nnkit.training.specification.model_spec import ModelSpec
from nnkit.training.specification.output_spec import OutputSpec

__all__ = ["LiveModel"]


class LiveModel:
    """The live model of one network, once it has been requested.

    Parameters
    ----------
    spare : keras.Model or None, default=None
        A model that was built for this network alone, if there is one.
    is_shared : bool, default=True
        Whether other networks use the network's compiled model.

    Attributes
    ----------
    model : keras.Model or None
        The live model; None if it has not been requested.
    is_shared : bool
        As given; False after the live model was compiled again.
    is_recompiled : bool
        Whether the user has compiled the live model again.
    is_detached : bool
        Whether a successor of the network trains the live model.
    """

    def __init__(self, spare: Any = None, *, is_shared: bool = True) -> None:
        self.model: Any = None
        self.is_shared = is_shared
        self.is_recompiled = False
        self.is_detached = False
        self._spare = spare
        self._optimizer: Any = None
        self._lock = threading.RLock()

    @property
    def is_attached(self) -> bool:
        """Whether the weights of the network are those of the live model."""
        return self.model is not None and not self.is_detached

    def make(
        self,
        compiled_model: CompiledModel,
        model_spec: ModelSpec,
        task_choices: Sequence[Sequence[Task]],
        state: TrainingState,
    ) -> None:
        """Build the live model and set its variables.

        Parameters
        ----------
        compiled_model : CompiledModel
            The compiled model of the network.
        model_spec : ModelSpec
        task_choices : sequence of sequences of Task
            Possible tasks of the outputs.
        state : TrainingState
            The values of the variables.
        """
        live = self._unshared_model(compiled_model, model_spec, task_choices)
        live(compiled_model.row)  # Keras exports models only that were called
        compiled_model.layout.assign(state, live)
        self.model, self._spare, self._optimizer = live, None, live.optimizer

    def _unshared_model(
        self,
        compiled_model: CompiledModel,
        model_spec: ModelSpec,
        task_choices: Sequence[Sequence[Task]],
    ) -> Any:
        """Return a model of the structure of the compiled model, for this network alone."""
        if not self.is_shared:
            # The model is copied, since the builder may keep it and return it again.
            try:
                return copy_of(compiled_model.model if self._spare is None else self._spare)
            except NotCopyableError:
                pass
        rebuilt = CompiledModel(model_spec, task_choices, compiled_model.row)
        if rebuilt.is_like(compiled_model):
            return rebuilt.model
        copied = owned_copy(compiled_model.model)
        # A copy by configuration has the original metrics, which are wrapped again.
        read_metrics(copied, compiled_model.output_spec)
        return copied

    def recompiled(self, output_spec: OutputSpec, row: Any) -> CompiledModel | None:
        """Return a new compiled model if the user has compiled the live model again, else None.

        The user does so after freezing layers, for example.

        Parameters
        ----------
        output_spec : OutputSpec
            Tasks and interpretation of the outputs.
        row : ndarray, or dict or list of ndarray
            One row of zeros in the dtypes of the model's inputs.
        """
        if not self.is_attached or self.model.optimizer is self._optimizer:
            return None
        compiled_model = CompiledModel.around(self.model, output_spec, row)
        self.is_shared, self.is_recompiled = False, True
        self._optimizer = self.model.optimizer
        return compiled_model

    def follow_frozen_layers(self, layout: StateLayout) -> None:
        """Give the live model a fresh optimizer if layers were frozen or unfrozen.

        Parameters
        ----------
        layout : StateLayout
            Layout of the network's compiled model.
        """
        with self._lock:
            if self.model is None or layout.has_trainable(self.model):
                return
            # The moments of the old optimizer are those of other weights.
            self.model.optimizer = optimizer_copy(self.model.optimizer, {})
            self.model.train_function = None

    def detach(self) -> LiveModel:
        """Return the live model for a successor of the network, and detach it from this one."""
        successor = copy.copy(self)
        if self.is_attached:
            self.is_detached = True
        return successor
