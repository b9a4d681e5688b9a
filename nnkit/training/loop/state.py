"""Weights and optimizer variables as tensors, and their conversion from and to a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nnkit._compat import (
    add_counters,
    decay_exclusions,
    has_gradient_overwrites,
    learning_rate_or_schedule,
    stateless_optimizer,
)
from nnkit.optimizers.training_schedule import counted_schedules, set_step_counts, step_counts

__all__ = ["StateLayout", "TrainingState", "learning_rate_of", "values_of"]

# Above this number of weights, splitting one vector costs more time than it saves.
_MAX_FLAT_WEIGHTS = 20_000

# These optimizers update each weight independently, so that one vector of all weights gives the
# same result.
_ELEMENTWISE_OPTIMIZERS = (
    keras.optimizers.SGD,
    keras.optimizers.Adam,
    keras.optimizers.AdamW,
    keras.optimizers.RMSprop,
    keras.optimizers.Adagrad,
    keras.optimizers.Adadelta,
    keras.optimizers.Adamax,
    keras.optimizers.Nadam,
    keras.optimizers.Lion,
    keras.optimizers.Ftrl,
)


class TrainingState(NamedTuple):
    """The values of a model and its optimizer, as tensors in the layout of a program.

    Attributes
    ----------
    weights : list of tensors
        Values of the trainable variables: one vector of all, or one tensor for each.
    others : list of tensors
        Values of the non-trainable variables: batch statistics, states of random layers, frozen
        weights.
    optimizer : list of tensors
        Values of the optimizer's variables: iterations, learning rate, moments.
    """

    weights: list[Any]
    others: list[Any]
    optimizer: list[Any]


class StateLayout:
    """Mapping between the variables of a model and its optimizer, and a `TrainingState`.

    The weights of a small network are stored as one vector, since loops and updates of one tensor
    are faster than those of many. Each weight stays a tensor of its own if the optimizer uses
    whole tensors (clipping by norm, LAMB, Muon) or a weight has a constraint.

    Parameters
    ----------
    model : keras.Model
        Built and compiled. Programs look tensors up by the variables of this model.
    is_flat : bool or None, default=None
        Whether all weights are one vector. None chooses automatically.

    Attributes
    ----------
    optimizer : keras.optimizers.Optimizer
        Copy of the model's optimizer. Its ``stateless_apply`` updates the tensors.
    """

    def __init__(self, model: Any, is_flat: bool | None = None) -> None:
        self.trainable = list(model.trainable_variables)
        own = {id(variable) for variable in self.trainable}
        self.others = [variable for variable in model.variables if id(variable) not in own]
        self.optimizer = stateless_optimizer(model.optimizer)
        add_counters(self.optimizer, counted_schedules(self.optimizer))
        self.is_flat = _fits_one_vector(self) if is_flat is None else is_flat
        self._shapes = [tuple(variable.shape) for variable in self.trainable]
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]
        built_on = self.trainable
        if self.is_flat:
            zeros = np.zeros(sum(self._sizes), str(self.trainable[0].dtype))
            built_on = [keras.Variable(zeros, name="weights")]
        self.optimizer.build(built_on)
        self._fresh_optimizer = [tf.constant(_numpy(v)) for v in self.optimizer_variables]
        self._identities = [id(variable) for variable in model.variables]

    @property
    def optimizer_variables(self) -> list[Any]:
        """The variables of the optimizer, followed by the numbers of steps of its schedules."""
        return [*self.optimizer.variables, *self.optimizer.counters]

    def has_trainable(self, model: Any) -> bool:
        """Return whether the trainable variables of a model are those of the layout.

        Parameters
        ----------
        model : keras.Model
            Model of the same structure.
        """
        own = {id(variable) for variable in self.trainable}
        theirs = {id(variable) for variable in model.trainable_variables}
        return [identity in own for identity in self._identities] == [
            id(variable) in theirs for variable in model.variables
        ]

    def pieces(self, weights: Sequence[Any]) -> list[Any]:
        """Return one tensor for each trainable variable."""
        if not self.is_flat:
            return list(weights)
        parts = tf.split(weights[0], self._sizes)
        return [tf.reshape(part, shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def known(self, weights: Sequence[Any], others: Sequence[Any]) -> list[tuple[Any, Any]]:
        """Return the model's variables with their values, as a ``keras.StatelessScope`` takes them.

        Parameters
        ----------
        weights, others : sequences of tensors
            Tensors of a `TrainingState`.
        """
        return [
            *zip(self.trainable, self.pieces(weights), strict=True),
            *zip(self.others, others, strict=True),
        ]

    def packed(self, pieces: Sequence[Any]) -> list[Any]:
        """Return one tensor per trainable variable, or its gradient, in the layout of weights."""
        tensors = [tf.convert_to_tensor(piece) for piece in pieces]
        if not self.is_flat:
            return tensors
        return [tf.concat([tf.reshape(piece, [-1]) for piece in tensors], axis=0)]

    # From and to variables

    def state_of_values(
        self,
        values: Sequence[np.ndarray],
        learning_rate: float | None = None,
        n_steps: Sequence[int] | None = None,
    ) -> TrainingState:
        """Return the state for values of the variables, with a fresh optimizer.

        Parameters
        ----------
        values : sequence of ndarray
            Values of ``model.variables``, in their order.
        learning_rate : float or None, default=None
            None takes the learning rate of the optimizer.
        n_steps : sequence of int or None, default=None
            Numbers of steps of the schedules. None takes those of the optimizer.
        """
        by_id = dict(zip(self._identities, values, strict=True))
        pieces = [by_id[id(variable)] for variable in self.trainable]
        if self.is_flat:
            weights = [tf.constant(np.concatenate([np.ravel(piece) for piece in pieces]))]
        else:
            weights = [tf.constant(piece) for piece in pieces]
        others = [tf.constant(by_id[id(variable)]) for variable in self.others]
        fresh = TrainingState(weights, others, list(self._fresh_optimizer))
        return self.with_rate(self._with_n_steps(fresh, n_steps), learning_rate)

    def _with_n_steps(self, state: TrainingState, n_steps: Sequence[int] | None) -> TrainingState:
        """Return a state with other numbers of steps; None keeps them."""
        if not n_steps:
            return state
        counts = [tf.constant(n, tf.int64) for n in n_steps]
        return state._replace(optimizer=[*state.optimizer[: -len(counts)], *counts])

    def with_rate(self, state: TrainingState, learning_rate: float | None) -> TrainingState:
        """Return a state with another learning rate; None keeps the rate."""
        if learning_rate is None:
            return state
        inner = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        optimizer = [
            tf.constant(learning_rate, old.dtype) if variable is inner.learning_rate else old
            for variable, old in zip(self.optimizer_variables, state.optimizer, strict=True)
        ]
        return state._replace(optimizer=optimizer)

    def values(self, state: TrainingState) -> list[np.ndarray]:
        """Return the values of ``model.variables``, in their order."""
        weights = [_numpy(part) for part in state.weights]
        if self.is_flat:
            ends = np.cumsum(self._sizes)[:-1]
            weights = [
                part.reshape(shape)
                for part, shape in zip(np.split(weights[0], ends), self._shapes, strict=True)
            ]
        by_id = {id(v): part for v, part in zip(self.trainable, weights, strict=True)}
        by_id |= {id(v): _numpy(p) for v, p in zip(self.others, state.others, strict=True)}
        return [by_id[identity] for identity in self._identities]

    def finalized(self, state: TrainingState) -> TrainingState:
        """Return the state at the end of a training: averaged weights with ``use_ema=True``."""
        if not getattr(self.optimizer, "use_ema", False):
            return state
        averages = [
            value
            for ((attribute, _), _), value in zip(
                _places(self.optimizer), self._without_counters(state), strict=True
            )
            if attribute == "0._model_variables_moving_average"
        ]
        return state._replace(weights=averages)

    def _without_counters(self, state: TrainingState) -> list[Any]:
        return state.optimizer[: len(state.optimizer) - len(self.optimizer.counters)]

    def assign(self, state: TrainingState, model: Any) -> None:
        """Set the variables of a model of the same structure, and of its optimizer."""
        for variable, value in zip(model.variables, self.values(state), strict=True):
            variable.assign(value)
        if self.optimizer.counters:
            # The model can be a copy of one that was built for another number of steps.
            counts = state.optimizer[-len(self.optimizer.counters) :]
            set_step_counts(model.optimizer, [int(count) for count in counts])
        for part in (model.optimizer, getattr(model.optimizer, "inner_optimizer", None)):
            if part is not None and not part.built:
                part.build(model.trainable_variables)
        if not self.is_flat:
            values = self._without_counters(state)
            for variable, value in zip(model.optimizer.variables, values, strict=True):
                variable.assign(value)
            return
        ours = {
            place: value
            for (place, _), value in zip(
                _places(self.optimizer), self._without_counters(state), strict=True
            )
        }
        for (attribute, position), variable in _places(model.optimizer):
            if position is None:
                variable.assign(ours[attribute, position])
                continue
            start = sum(self._sizes[:position])
            piece = ours[attribute, 0][start : start + self._sizes[position]]
            variable.assign(tf.reshape(piece, self._shapes[position]))

    def state_of_model(self, model: Any, *, with_optimizer: bool = True) -> TrainingState:
        """Return the state of a model of the same structure, and of its optimizer.

        Parameters
        ----------
        model : keras.Model
        with_optimizer : bool, default=True
            Whether to read the optimizer. A forward pass does not need it.
        """
        own = {id(variable) for variable in self.trainable}
        pieces: list[Any] = []
        others: list[Any] = []
        for identity, variable in zip(self._identities, model.variables, strict=True):
            tensor = tf.convert_to_tensor(variable.value)
            (pieces if identity in own else others).append(tensor)
        weights = self.packed(pieces)
        if not with_optimizer:
            return TrainingState(weights, others, [])
        if not model.optimizer.built:
            fresh = TrainingState(weights, others, list(self._fresh_optimizer))
            fresh = self._with_n_steps(fresh, step_counts(model.optimizer))
            return self.with_rate(fresh, learning_rate_of(model.optimizer))
        counters = [tf.constant(n, tf.int64) for n in step_counts(model.optimizer)]
        if not self.is_flat:
            tensors = [tf.convert_to_tensor(v.value) for v in model.optimizer.variables]
            return TrainingState(weights, others, [*tensors, *counters])
        theirs = {place: variable.value for place, variable in _places(model.optimizer)}
        optimizer = []
        for (attribute, position), _ in _places(self.optimizer):
            if position is None:
                optimizer.append(tf.convert_to_tensor(theirs[attribute, position]))
                continue
            parts = [theirs[attribute, i] for i in range(len(self.trainable))]
            optimizer.append(tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0))
        return TrainingState(weights, others, [*optimizer, *counters])


def values_of(model: Any) -> list[np.ndarray]:
    """Return the values of the variables of a model, in their order."""
    return [_numpy(variable.value) for variable in model.variables]


def learning_rate_of(optimizer: Any) -> float | None:
    """Return the learning rate of an optimizer; None if it has a schedule."""
    rate = learning_rate_or_schedule(getattr(optimizer, "inner_optimizer", optimizer))
    if not isinstance(rate, keras.Variable):
        return None
    return float(_on_first_device(rate.value))


def _numpy(tensor: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(_on_first_device(tensor))


def _on_first_device(tensor: Any) -> Any:
    """Return the value on the first device of a tf.distribute strategy, or the only value."""
    return getattr(tensor, "values", [tensor])[0]


def _fits_one_vector(layout: StateLayout) -> bool:
    optimizer, variables = layout.optimizer, layout.trainable
    if type(optimizer).__mro__[1] not in _ELEMENTWISE_OPTIMIZERS:
        return False
    if optimizer.clipnorm or optimizer.global_clipnorm or decay_exclusions(optimizer):
        return False
    if any(variable.constraint is not None for variable in variables):
        return False
    if len({str(variable.dtype) for variable in variables}) != 1:
        return False
    n_weights = sum(int(np.prod(variable.shape)) for variable in variables)
    return n_weights <= _MAX_FLAT_WEIGHTS and not has_gradient_overwrites(variables)


def _places(optimizer: Any) -> list[tuple[tuple[str, int | None], Any]]:
    """Return the attribute, and the position in its list, of each variable of an optimizer."""
    places: dict[int, tuple[str, int | None]] = {}
    owners = [optimizer, getattr(optimizer, "inner_optimizer", None)]
    for depth, owner in enumerate(owner for owner in owners if owner is not None):
        for name, value in vars(owner).items():
            if name in ("_variables", "_trainable_variables"):
                continue
            attribute = f"{depth}.{name}"
            if isinstance(value, keras.Variable):
                places[id(value)] = (attribute, None)
            elif isinstance(value, (list, tuple)):
                for position, part in enumerate(value):
                    if isinstance(part, keras.Variable):
                        places[id(part)] = (attribute, position)
    return [(places[id(variable)], variable) for variable in optimizer.variables]
