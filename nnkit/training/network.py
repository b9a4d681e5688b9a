"""A trained network: prediction, pickling and further training."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nnkit._compat import output_of_layer
from nnkit._forks import check_not_forked
from nnkit.training.caching.cache import initial_model_of
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.copying.keras_config import ModelFromConfig, StoredConfig
from nnkit.training.live_model import LiveModel
from nnkit.training.loop.state import TrainingState, values_of
from nnkit.training.loop.user_functions import named_codes
from nnkit.training.placement import let_memory_grow, on_device
from nnkit.training.prediction.dense_stack import DenseStack
from nnkit.training.prediction.dropout import dropout_layers
from nnkit.training.prediction.forward import Forward, MaskedForward, MaskedSamples
from nnkit.training.specification.heads import Task
from nnkit.training.specification.model_spec import ModelSpec, as_inputs, parts_inside
from nnkit.training.specification.output_spec import OutputSpec

__all__ = ["Network", "outputs_of_networks"]


# Entries of the stored state of a network.
_STORED = {
    "model_spec", "task_choices", "output_spec", "keeps_optimizer", "draws_afresh", "_row", "_saved",
}  # fmt: skip


class Network:
    """A trained network: weights, compiled model, and a live ``keras.Model`` on request.

    Networks share their compiled model and its programs. A network is pickled as its model
    specification and its weights, without data and device. If the model specification contains
    training data, because the builder takes ``X`` or ``y``, the configuration of the model is
    pickled in its place.

    Parameters
    ----------
    model_spec : ModelSpec
        Specification of the model.
    task_choices : sequence of sequences of Task
        Possible tasks of the outputs. The number of outputs selects one of the choices.
    X_example : ndarray, or dict or list of ndarray
        Encoded rows, at least one.
    device : str or None
        Device of the network, as in `on_device`.
    keeps_optimizer : bool, default=False
        Whether the state of the optimizer is pickled, so that training can be resumed.
    draws_afresh : bool, default=False
        Whether layers that are random in predictions draw new numbers in each call.

    Attributes
    ----------
    output_spec : OutputSpec
        Tasks and interpretation of the outputs.
    live : LiveModel
        The live ``keras.Model``, if it has been requested.
    """

    output_spec: OutputSpec
    live: LiveModel

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
        self._values: list[np.ndarray] | None = None
        self._saved: dict[str, Any] | None = None
        self._initialize(X_example)

    def _initialize(self, X_example: Any) -> None:
        """Set the compiled model and the initial state, or the state of a pickle."""
        let_memory_grow()
        with on_device(self.device):
            initial_model = initial_model_of(
                self.model_spec, self.task_choices, X_example, self.device
            )
            self._compiled_model = initial_model.compiled_model
            layout = self._compiled_model.layout
            state = layout.state_of_values(
                initial_model.values, initial_model.learning_rate, initial_model.n_steps
            )
            if self._saved is not None:
                optimizer = self._saved.get("optimizer")
                state = layout.state_of_values(self._saved["values"])._replace(
                    optimizer=state.optimizer
                    if optimizer is None
                    else [tf.constant(part) for part in optimizer]
                )
        self._state = state
        self.live = LiveModel(initial_model.model, is_shared=initial_model.is_shared)
        self._row = self._compiled_model.row
        if self._saved is None:
            self.output_spec = self._compiled_model.output_spec
        self._saved = None

    @property
    def compiled_model(self) -> CompiledModel:
        """The compiled model, which networks of the same specification share."""
        with self._lock:
            if self._saved is not None:
                # A network from a pickle is built on first use.
                self._initialize(self._row)
            recompiled = self.live.recompiled(self.output_spec, self._row)
            if recompiled is not None:
                self._compiled_model = recompiled
            return self._compiled_model

    @property
    def state(self) -> TrainingState:
        """The weights and optimizer variables, as tensors for programs."""
        compiled_model = self.compiled_model
        with self._lock, on_device(self.device):
            if self.live.is_attached:
                return compiled_model.layout.state_of_model(self.live.model)
            return self._state

    @state.setter
    def state(self, state: TrainingState) -> None:
        with self._lock, on_device(self.device):
            self._state, self._values = state, None
            if self.live.is_attached:
                self.compiled_model.layout.assign(state, self.live.model)

    @property
    def model(self) -> Any:
        """The live ``keras.Model``, compiled, which is built on first access.

        Its variables are the network's weights. Changing them changes the predictions.
        """
        check_not_forked()
        compiled_model = self.compiled_model
        # Inside a tf.function of the user, variables are made and read outside of its graph.
        with self._lock, tf.init_scope(), on_device(self.device):
            if self.live.model is None:
                self.live.make(compiled_model, self.model_spec, self.task_choices, self._state)
            return self.live.model

    def model_to_export(self) -> Any:
        """Return a ``keras.Model`` with the weights: the live one, else one that is not kept.

        A live model that is kept would make predictions read the weights from its variables.
        """
        compiled_model = self.compiled_model
        with self._lock, on_device(self.device):
            if self.live.is_attached:
                return self.live.model
            unkept = LiveModel(is_shared=self.live.is_shared)
            unkept.make(compiled_model, self.model_spec, self.task_choices, self._state)
            return unkept.model

    @property
    def values(self) -> list[np.ndarray]:
        """The values of the model's variables, in their order."""
        compiled_model = self.compiled_model
        with self._lock:
            if self.live.is_attached:
                return values_of(self.live.model)
            # Without a live model the values do not change, so that they are cached.
            if self._values is None:
                self._values = compiled_model.layout.values(self._state)
            return self._values

    def take_values_of(
        self, other: Network, *, keeps_optimizer: bool = False
    ) -> tuple[list[str], list[str]]:
        """Copy the variables of another network that have the same path and shape.

        Parameters
        ----------
        other : Network
        keeps_optimizer : bool, default=False
            Whether to copy the state of its optimizer too, if that has the same shapes.

        Returns
        -------
        unlike : list of str
            The paths of variables without a counterpart in the other network.
        left : list of str
            The paths of variables of the other network without a counterpart in this one.
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

    def assign_weights(self, function: Callable[[Any], None]) -> None:
        """Change the weights by a function that assigns variables of the model.

        Parameters
        ----------
        function : callable
            Function of the ``keras.Model`` that networks share. Its variables have the values of
            this network during the call, and assignments change this network alone.
        """
        compiled_model = self.compiled_model
        model, layout = compiled_model.model, compiled_model.layout
        with self._lock, on_device(self.device):
            state = self.state
            with keras.StatelessScope(layout.known(state.weights, state.others)) as scope:
                function(model)
            values = [
                keras.ops.convert_to_numpy(scope.get_current_value(variable))
                for variable in model.variables
            ]
            assigned = layout.state_of_values(values)
            self.state = state._replace(weights=assigned.weights, others=assigned.others)

    def draws(self) -> np.random.Generator | None:
        """Return the source of new draws of layers that are random in predictions, or None."""
        return np.random.default_rng() if self.draws_afresh else None

    def inputs(self, X_encoded: Any) -> Any:
        """Return encoded rows in the dtypes of the model's inputs."""
        return as_inputs(self.compiled_model.model, X_encoded)

    def targets(self, encoded: Sequence[np.ndarray]) -> Any:
        """Return encoded targets, one array per output, in the form that the losses compare."""
        return self.output_spec.targets(encoded, self.target_dtype)

    @property
    def target_dtype(self) -> str:
        """Dtype in which losses compare targets with outputs."""
        return self.compiled_model.target_dtype

    def outputs(self, X_encoded: Any, chunk_rows: int | None = None) -> list[np.ndarray]:
        """Return one array (n_samples, ...) for each output of the model."""
        return outputs_of_networks([self], X_encoded, chunk_rows)[0]

    def masked_samples(self, background: Any, is_from_row: Any) -> MaskedSamples:
        """Return the background and masks on the device; see `MaskedForward.prepare`."""
        with on_device(self.device):
            return _masked_forward(self.compiled_model).prepare(background, is_from_row)

    def outputs_of_masked_samples(
        self, weights: TrainingState, X: Any, masked_samples: MaskedSamples
    ) -> list[np.ndarray]:
        """Return one array (n_rows * n_masked, ...) for each output of the model.

        Parameters
        ----------
        weights : TrainingState
            Result of `weights`, which many calls may share.
        X : ndarray of shape (n_rows, ...), or dict or list of them
            Encoded rows. Each row is combined with each mask.
        masked_samples : MaskedSamples
        """
        with on_device(self.device):
            return _masked_forward(self.compiled_model)(weights, X, masked_samples)

    def outputs_between(self, begin: str | None, end: str | None, X: Any) -> tuple[np.ndarray, ...]:
        """Return the outputs of the part of the network between two layers.

        Parameters
        ----------
        begin : str or None
            Name of the layer whose output ``X`` is; None for the inputs of the network.
        end : str or None
            Name of the layer whose output is returned; None for the outputs of the network.
        X : ndarray
            Rows.

        Raises
        ------
        ValueError
            If the output of ``end`` does not depend on the output of ``begin`` alone.
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
            return tuple(forward(self.weights(), X, rng=self.draws()))

    def weights(self) -> TrainingState:
        """Return the current weights, without the state of the optimizer."""
        compiled_model = self.compiled_model
        with self._lock:
            if not self.live.is_attached:
                return self._state
            return compiled_model.layout.state_of_model(self.live.model, with_optimizer=False)

    def successor(self) -> Network:
        """Return a network for further training, while this one keeps its weights.

        The successor takes over the live model, so that a user who holds it sees the training.
        """
        compiled_model = self.compiled_model
        with self._lock, on_device(self.device):
            following = object.__new__(type(self))
            vars(following).update(vars(self))
            following._lock = threading.RLock()
            if self.live.is_attached:
                self._state = compiled_model.layout.state_of_model(self.live.model)
                self._values = None
            following.live = self.live.detach()
            return following

    def take_back_live_model(self) -> None:
        """Undo `successor` after a failed training, and restore the weights of the live model."""
        with self._lock:
            if self.live.is_detached:
                self.live.is_detached = False
                self.state = self._state

    def __getstate__(self) -> dict[str, Any]:
        saved, model_spec = self._saved, self.model_spec
        if saved is None:
            saved = {"values": self.values}
            # After recompilation the optimizer is not that of the model specification.
            if self.keeps_optimizer and not self.live.is_recompiled:
                saved["optimizer"] = [keras.ops.convert_to_numpy(p) for p in self.state.optimizer]
            if not model_spec.is_rebuildable:
                stored = StoredConfig.of(self._compiled_model.model, is_compiled=False)
                builder = ModelFromConfig(stored)
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
        if set(state) != _STORED:
            raise ValueError(
                f"The stored network must have the entries {sorted(_STORED)}. "
                f"Got {sorted(state)} instead. Store the estimator again."
            )
        vars(self).update(state)
        self.device = None
        self._lock = threading.RLock()
        self.live = LiveModel()
        self._values = None


def outputs_of_networks(
    networks: Sequence[Network], X_encoded: Any, chunk_rows: int | None = None
) -> list[list[np.ndarray]]:
    """Return the outputs of the networks of an ensemble for the same rows.

    Networks that share their compiled model are computed in one call.

    Parameters
    ----------
    networks : sequence of Network
    X_encoded : ndarray, csr_array, or dict or list of ndarray
        Encoded rows.
    chunk_rows : int or None, default=None
        Rows per call. None limits the memory of a call.

    Returns
    -------
    outputs : list of list of ndarray
        For each network one array (n_samples, ...) for each output of its model.
    """
    first = networks[0]
    compiled_model = first.compiled_model
    # A live model that the user has compiled again has a compiled model of its own.
    if any(other.compiled_model is not compiled_model for other in networks[1:]):
        return [outputs_of_networks([network], X_encoded, chunk_rows)[0] for network in networks]
    if isinstance(X_encoded, np.ndarray) and X_encoded.dtype == object:
        X_encoded = first.inputs(X_encoded)  # texts get the axes of the input
    stack = compiled_model.fact("dense stack", lambda: _dense_stack(compiled_model))
    if stack is not None and isinstance(X_encoded, np.ndarray) and len(X_encoded):
        X = X_encoded.astype(compiled_model.row.dtype, copy=False)
        if stack.is_faster(len(X)):
            return [[stack(network.values, X)] for network in networks]
    with on_device(first.device):
        forward = compiled_model.program(
            "forward", lambda: Forward(compiled_model, compiled_model.model, compiled_model.row)
        )
        states = [network.weights() for network in networks]
        with named_codes():
            return forward.of_networks(states, X_encoded, chunk_rows, rng=first.draws())


def outputs_of_dropout_samples(
    networks: Sequence[Network],
    X_encoded: Any,
    n_samples: int,
    rng: np.random.Generator,
    chunk_rows: int | None = None,
) -> list[list[np.ndarray]]:
    """Return the outputs of networks for the same rows, with dropout of other values each time.

    All other layers predict as they do without dropout.

    Parameters
    ----------
    networks : sequence of Network
    X_encoded : ndarray, csr_array, or dict or list of ndarray
        Encoded rows.
    n_samples : int
        Number of predictions of each network.
    rng : Generator
        Source of the draws.
    chunk_rows : int or None, default=None
        Rows per call. None limits the memory of a call.

    Returns
    -------
    outputs : list of list of ndarray
        For each network ``n_samples`` entries: one array (n_samples, ...) for each output of its
        model.

    Raises
    ------
    ValueError
        If a network has no dropout with a fixed rate.
    """
    found = []
    for network in networks:
        compiled_model, model = network.compiled_model, network.compiled_model.model
        layers = dropout_layers(model)
        if not layers:
            raise ValueError(_without_dropout(model))

        make = partial(Forward, compiled_model, model, compiled_model.row, layers)
        X = network.inputs(X_encoded)
        with on_device(network.device):
            forward = compiled_model.program("forward with dropout", make)
            state = network.weights()
            for _ in range(n_samples):
                found.append(forward(state, X, chunk_rows, rng=rng))
    return found


def _without_dropout(model: Any) -> str:
    from nnkit.layers import ScheduledDropout

    if any(parts_inside(model, ScheduledDropout)):
        return (
            "dropout_samples needs dropout layers, but the rate of this network's "
            "(nnkit.layers.ScheduledDropout) is 0 at the end of the training. Use a network with "
            "keras.layers.Dropout, such as 'mlp' with model__dropout_rate=0.2, or return_std=True "
            "of an ensemble."
        )
    return (
        "dropout_samples needs dropout layers, but the network has none with a rate above 0. Add "
        "keras.layers.Dropout to it, or use return_std=True of an ensemble."
    )


def _names_of(variables: Sequence[Any]) -> list[tuple[str, int]]:
    """Return the path of each variable, with a counter for equal paths."""
    seen: Counter[str] = Counter()
    names = []
    for variable in variables:
        names.append((variable.path, seen[variable.path]))
        seen[variable.path] += 1
    return names


def _masked_forward(compiled_model: CompiledModel) -> MaskedForward:
    return compiled_model.program("masked samples", lambda: MaskedForward(compiled_model))


def _dense_stack(compiled_model: CompiledModel) -> DenseStack | None:
    return DenseStack(compiled_model) if DenseStack.carries(compiled_model) else None
