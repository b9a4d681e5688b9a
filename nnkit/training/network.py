"""A trained network: its weights, with the compiled model that they belong to."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cloudpickle
import keras
import numpy as np
import tensorflow as tf

from nnkit._compat import optimizer_copy, output_of_layer
from nnkit._forks import check_not_forked
from nnkit.training.caching.cache import initial_model_of
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.copying.copies import NotCopyableError, copy_of
from nnkit.training.copying.ownership import owned_copy
from nnkit.training.loop.state import TrainingState, values_of
from nnkit.training.loop.user_functions import named_codes
from nnkit.training.placement import let_memory_grow, on_device
from nnkit.training.prediction.dense_stack import DenseStack
from nnkit.training.prediction.forward import Forward, MaskedForward, MaskedSamples
from nnkit.training.specification.compilation import OutputSpec
from nnkit.training.specification.heads import Task
from nnkit.training.specification.metrics import read_metrics
from nnkit.training.specification.model_spec import ModelSpec, as_inputs

__all__ = ["Network"]


class Network:
    """The weights of a network, its heads, and a live ``keras.Model`` once somebody asks for it.

    The compiled programs belong to the compiled model, which networks share. A network pickles as
    the model specification of the model and its weights, without data or device. Where the model specification needs the
    training data (a builder that takes ``X`` or ``y``), it pickles the configuration of the model
    instead.

    Parameters
    ----------
    model_spec : ModelSpec
        How the model is built.
    task_choices : sequence of sequences of Task
        What each output may be to learn; the number of outputs decides which it is.
    X_example : ndarray, or dict or list of ndarray
        Encoded rows, at least one.
    device : str or None
        Where the model lives.
    keeps_optimizer : bool, default=False
        Whether the state of the optimizer is pickled too, so that training can go on.
    draws_afresh : bool, default=False
        Whether layers that are random in a prediction, too, draw other numbers each time.

    Attributes
    ----------
    output_spec : OutputSpec
        What each output is to learn, and what it means.
    """

    output_spec: OutputSpec

    def __init__(
        self,
        model_spec: ModelSpec,
        task_choices: Sequence[Sequence[Task]],
        X_example: Any,
        device: str | None,
        *,
        keeps_optimizer: bool = False,
        draws_afresh: bool = False,
    ) -> None:
        self.model_spec = model_spec
        self.task_choices = [list(choice) for choice in task_choices]
        self.device = device
        self.keeps_optimizer = keeps_optimizer
        self.draws_afresh = draws_afresh
        self._lock = threading.RLock()
        self._live: Any = None
        self._spare: Any = None
        self._live_optimizer: Any = None
        self._is_recompiled = False
        self._is_detached = False
        self._values: list[np.ndarray] | None = None
        self._saved: dict[str, Any] | None = None
        self._initialize(X_example)

    def _initialize(self, X_example: Any) -> None:
        let_memory_grow()
        with on_device(self.device):
            initial_model = initial_model_of(
                self.model_spec, self.task_choices, X_example, self.device
            )
            self._compiled_model = initial_model.compiled_model
            self._is_shared = initial_model.is_shared
            self._spare = initial_model.model
            layout = initial_model.compiled_model.layout
            self._state = layout.state_of_values(initial_model.values, initial_model.learning_rate)
        self.output_spec = initial_model.compiled_model.output_spec
        self._row = initial_model.compiled_model.row

    @property
    def compiled_model(self) -> CompiledModel:
        """What the network shares with others of its kind."""
        self._restore()
        self._follow_live_model()
        return self._compiled_model

    def follow_frozen_layers(self) -> None:
        """Compile a live model anew if layers were frozen, or made trainable, since it was."""
        compiled_model = self.compiled_model
        with self._lock:
            live = self._live
            if live is None or compiled_model.layout.has_trainable(live):
                return
            # Its optimizer has moments for other weights.
            live.optimizer = optimizer_copy(live.optimizer, {})
            live.train_function = None

    def _follow_live_model(self) -> None:
        """Take a live model as it is, if it was compiled anew: with layers frozen, perhaps."""
        with self._lock:
            live = self._live
            if live is None or self._is_detached or live.optimizer is self._live_optimizer:
                return
            self._compiled_model = CompiledModel.around(live, self.output_spec, self._row)
            self._is_shared, self._is_recompiled = False, True
            self._live_optimizer = live.optimizer

    def _restore(self) -> None:
        """Make the network of a pickle usable."""
        with self._lock:
            if self._saved is None:
                return
            saved, output_spec = self._saved, self.output_spec
            self._initialize(self._row)
            self.output_spec = output_spec
            layout = self._compiled_model.layout
            with on_device(self.device):
                state = layout.state_of_values(saved["values"])
                optimizer = saved.get("optimizer")
                self._state = state._replace(
                    optimizer=self._state.optimizer
                    if optimizer is None
                    else [tf.constant(part) for part in optimizer]
                )
            self._saved = None

    @property
    def state(self) -> TrainingState:
        """The weights, and what goes with them, as programs take them."""
        compiled_model = self.compiled_model
        with self._lock, on_device(self.device):
            if self._is_live:
                return compiled_model.layout.state_of_model(self._live)
            return self._state

    @state.setter
    def state(self, state: TrainingState) -> None:
        with self._lock, on_device(self.device):
            self._state, self._values = state, None
            if self._is_live:
                self.compiled_model.layout.assign(state, self._live)

    @property
    def _is_live(self) -> bool:
        """Whether the weights are those of the live model."""
        return self._live is not None and not self._is_detached

    @property
    def model(self) -> Any:
        """The live ``keras.Model``, compiled, built on first access.

        From then on its variables are the network's weights: who changes them, changes what the
        network predicts.
        """
        check_not_forked()
        compiled_model = self.compiled_model
        with self._lock, on_device(self.device):
            if self._live is None:
                live = self._own_model()
                compiled_model.layout.assign(self._state, live)
                self._live, self._spare = live, None
                self._live_optimizer = live.optimizer
            return self._live

    def _own_model(self) -> Any:
        """Return a model like the compiled model's, for this network alone."""
        if not self._is_shared:
            # The builder may keep what it has returned, and return it again.
            try:
                return copy_of(self._compiled_model.model if self._spare is None else self._spare)
            except NotCopyableError:
                pass
        again = CompiledModel(self.model_spec, self.task_choices, self._row)
        if again.is_like(self._compiled_model):
            return again.model
        copied = owned_copy(self._compiled_model.model)
        # A copy by its configuration has the metrics as the user gave them.
        read_metrics(copied, self.output_spec)
        return copied

    @property
    def values(self) -> list[np.ndarray]:
        """The values of the model's variables, in their order."""
        compiled_model = self.compiled_model
        with self._lock:
            if self._is_live:
                return values_of(self._live)
            # Nobody can change them: they are read once.
            if self._values is None:
                self._values = compiled_model.layout.values(self._state)
            return self._values

    def take_values_of(
        self, other: Network, *, keeps_optimizer: bool = False
    ) -> tuple[list[str], list[str]]:
        """Take over the variables of another network that have the same path and shape.

        Parameters
        ----------
        other : Network
        keeps_optimizer : bool, default=False
            Whether to take over the state of its optimizer, too, if that has the same shapes.

        Returns
        -------
        unlike : list of str
            The paths of variables that have no counterpart in the other network.
        left : list of str
            The paths of variables of the other network that have no counterpart in this one.
        """
        theirs, ours = other.compiled_model.model.variables, self.compiled_model.model.variables
        known = dict(zip(_names_of(theirs), other.values, strict=True))
        values, unlike = [], []
        for name, own in zip(_names_of(ours), self.values, strict=True):
            taken = known.pop(name, None)
            if taken is None or taken.shape != own.shape:
                unlike.append(name[0])
                taken = own
            values.append(taken)
        with on_device(self.device):
            state = self.compiled_model.layout.state_of_values(values)
            optimizer, before = self.state.optimizer, other.state.optimizer
            if keeps_optimizer and [p.shape for p in optimizer] == [p.shape for p in before]:
                optimizer = before
            self.state = state._replace(optimizer=optimizer)
        return unlike, [name[0] for name in known]

    def inputs(self, X_encoded: Any) -> Any:
        """Return encoded rows in the dtypes of the model's inputs."""
        return as_inputs(self.compiled_model.model, X_encoded)

    def targets(self, encoded: Sequence[np.ndarray]) -> Any:
        """Return encoded targets, one array an output, as the losses compare them."""
        return self.output_spec.targets(encoded, self.target_dtype)

    @property
    def target_dtype(self) -> str:
        """The dtype in which targets are compared with the outputs."""
        return self.compiled_model.target_dtype

    def outputs(self, X_encoded: Any, chunk_rows: int | None = None) -> list[np.ndarray]:
        """Return one array (n_samples, ...) for each output of the model."""
        compiled_model = self.compiled_model
        stack = compiled_model.fact("dense stack", lambda: _dense_stack(compiled_model))
        if stack is not None and isinstance(X_encoded, np.ndarray) and len(X_encoded):
            X = X_encoded.astype(compiled_model.row.dtype, copy=False)
            if stack.is_faster(len(X)):
                return [stack(self.values, X)]
        with on_device(self.device):
            forward = compiled_model.program(
                "forward", lambda: Forward(compiled_model, compiled_model.model, compiled_model.row)
            )
            with named_codes():
                return forward(
                    self.weights(), X_encoded, chunk_rows, draws_afresh=self.draws_afresh
                )

    def masked_samples(self, background: Any, is_from_row: Any) -> MaskedSamples:
        """Return masked samples on the device, to be made of any rows: see `MaskedForward.prepare`."""
        with on_device(self.device):
            return self._masked_forward.prepare(background, is_from_row)

    def outputs_of_masked_samples(
        self, weights: TrainingState, X: Any, masked_samples: MaskedSamples
    ) -> list[np.ndarray]:
        """Return one array (n_rows * n_masked, ...) for each output of the model.

        Parameters
        ----------
        weights : TrainingState
            As `weights` gives them, once for many calls.
        X : ndarray of shape (n_rows, ...), or dict or list of them
            Encoded rows, each of which makes all masked samples.
        masked_samples : MaskedSamples
        """
        with on_device(self.device):
            return self._masked_forward(weights, X, masked_samples)

    @property
    def _masked_forward(self) -> MaskedForward:
        compiled_model = self.compiled_model
        return compiled_model.program("masked samples", lambda: MaskedForward(compiled_model))

    def outputs_between(self, begin: str | None, end: str | None, X: Any) -> tuple[np.ndarray, ...]:
        """Return what a part of the network makes of rows.

        Parameters
        ----------
        begin : str or None
            Name of the layer whose output the rows are; None for rows of the network's inputs.
        end : str or None
            Name of the layer whose output is wanted; None for the network's outputs.
        X : ndarray
            Rows.

        Raises
        ------
        ValueError
            If the end does not follow from the begin alone.
        """
        compiled_model = self.compiled_model

        def make() -> Forward:
            model = compiled_model.model
            inputs = model.inputs if begin is None else output_of_layer(model, begin)
            outputs = model.outputs if end is None else output_of_layer(model, end)
            part = keras.Model(inputs, outputs)
            example = [np.zeros((1, *t.shape[1:]), str(t.dtype)) for t in part.inputs]
            return Forward(compiled_model, part, example[0] if len(example) == 1 else example)

        with on_device(self.device):
            forward = compiled_model.program(("part", begin, end), make)
            return tuple(forward(self.weights(), X, draws_afresh=self.draws_afresh))

    def weights(self) -> TrainingState:
        """Return the weights as they are now, without the state of the optimizer."""
        compiled_model = self.compiled_model  # what a pickle holds is restored first
        with self._lock:
            if not self._is_live:
                return self._state
            return compiled_model.layout.state_of_model(self._live, with_optimizer=False)

    def successor(self) -> Network:
        """Return a network that trains further, while this one keeps predicting as it does now.

        The successor has the live model, if there is one: a user who holds it sees it train.
        """
        compiled_model = self.compiled_model  # what a pickle holds is restored first
        with self._lock, on_device(self.device):
            following = object.__new__(type(self))
            vars(following).update(vars(self))
            following._lock = threading.RLock()
            if self._is_live:
                self._state = compiled_model.layout.state_of_model(self._live)
                self._values = None
                self._is_detached = True
            return following

    def take_back_live_model(self) -> None:
        """Undo `successor`, whose training has failed: the live model has the weights of before."""
        with self._lock:
            if self._is_detached:
                self._is_detached = False
                self.state = self._state

    def __getstate__(self) -> dict[str, Any]:
        saved, model_spec = self._saved, self.model_spec
        if saved is None:
            saved = {"values": self.values}
            # The optimizer of a model that was compiled anew is not that of the model specification.
            if self.keeps_optimizer and not self._is_recompiled:
                saved["optimizer"] = [keras.ops.convert_to_numpy(p) for p in self.state.optimizer]
            if not model_spec.is_rebuildable:
                builder = functools.partial(_from_config, _config_of(self._compiled_model.model))
                model_spec = replace(
                    model_spec,
                    builder=builder,
                    arguments={},
                    wants_compile_kwargs=False,
                    is_rebuildable=True,
                )
        return {
            "model_spec": model_spec,
            "task_choices": self.task_choices,
            "output_spec": self.output_spec,
            "keeps_optimizer": self.keeps_optimizer,
            "draws_afresh": self.draws_afresh,
            "_row": self._row,
            "_saved": saved,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.device = None
        self._lock = threading.RLock()
        self._live = None
        self._spare = None
        self._live_optimizer = None
        self._is_recompiled = False
        self._is_detached = False
        self._values = None


def _names_of(variables: Sequence[Any]) -> list[tuple[str, int]]:
    """Return the path of each variable, with a count where several have the same one."""
    seen: Counter[str] = Counter()
    names = []
    for variable in variables:
        names.append((variable.path, seen[variable.path]))
        seen[variable.path] += 1
    return names


def _dense_stack(compiled_model: CompiledModel) -> DenseStack | None:
    return DenseStack(compiled_model) if DenseStack.carries(compiled_model) else None


def _config_of(model: Any) -> bytes:
    """Return the configuration of a model, with the classes of its layers, as bytes."""
    config = keras.saving.serialize_keras_object(model)
    # It is compiled anew, by the model specification.
    config.pop("compile_config", None)
    return cloudpickle.dumps((config, _classes_of(model)))


def _from_config(compiled_model: bytes) -> Any:
    config, classes = cloudpickle.loads(compiled_model)
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
