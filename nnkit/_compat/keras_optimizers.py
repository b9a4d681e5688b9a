"""Private parts of Keras optimizers: updates as functions of tensors, and copies."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

__all__ = [
    "decay_exclusions",
    "has_gradient_overwrites",
    "learning_rate_or_schedule",
    "optimizer_copy",
    "plain_attributes",
    "stateless_optimizer",
    "value_scope",
]


def stateless_optimizer(optimizer: Any) -> Any:
    """Return an unbuilt copy of an optimizer whose ``stateless_apply`` works on tensors.

    Its attribute ``counters`` is a list of further variables, which follow those of the optimizer.

    Reason: Keras disables ``stateless_apply`` on the TensorFlow backend because of
    tf.distribute, although the code that all backends share supports it (3.15).
    """
    copied = optimizer_copy(optimizer, {})
    for part in (copied, getattr(copied, "inner_optimizer", None)):
        if part is not None:
            cls: Any = type(part)
            part.__class__ = _stateless_class(cls)
    return copied


def add_counters(optimizer: Any, counters: Sequence[Any]) -> None:
    """Add variables to those that ``stateless_apply`` of a stateless copy takes and returns.

    Reason: Keras tracks variables that are set as attributes as its own (3.15).
    """
    object.__setattr__(optimizer, "counters", tuple(counters))


def value_scope(state_mapping: list[tuple[Any, Any]], **options: Any) -> Any:
    """Return a ``keras.StatelessScope`` that stores values where variables are assigned.

    Reason: Keras' scope stores the variable itself if it is assigned to a variable, as by a
    constraint that returns its argument. Outside the scope its value is the initial one (3.15).
    """
    return _value_scope()(state_mapping, **options)


def has_gradient_overwrites(variables: list[Any]) -> bool:
    """Return whether any variable is overwritten by its gradient, as the scales of float8 are.

    Reason: Keras marks these variables by an undocumented attribute (3.15).
    """
    return any(getattr(variable, "overwrite_with_gradient", False) for variable in variables)


def decay_exclusions(optimizer: Any) -> str | None:
    """Return the pattern of the variable names that are excluded from weight decay, or None.

    Reason: ``exclude_from_weight_decay(var_names=…)`` is not part of the optimizer's
    configuration (3.15).
    """
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    return None if pattern is None else pattern.pattern


def optimizer_copy(optimizer: Any, arguments: Mapping[str, Any]) -> Any:
    """Return an unbuilt copy of an optimizer, with some of its arguments replaced.

    Reason: as for `decay_exclusions`.
    """
    config = {**_configuration(optimizer), **arguments}
    inner = config.pop("inner_optimizer", None)
    if inner is None:
        copied = type(optimizer).from_config(config)
    else:
        copied = type(optimizer)(optimizer_copy(inner, {}), **config)
    if not type(optimizer).__module__.startswith("keras."):
        # The configuration of a user's class may omit arguments.
        for name, value in plain_attributes(optimizer).items():
            if name not in arguments:
                setattr(copied, name, value)
    pattern = decay_exclusions(optimizer)
    if pattern is not None:
        copied._exclude_from_weight_decay_pattern = re.compile(pattern)
    return copied


def learning_rate_or_schedule(optimizer: Any) -> Any:
    """Return the learning rate of an optimizer, or its schedule.

    Reason: the public property evaluates a schedule at the current step (3.15).
    """
    return optimizer._learning_rate


def set_schedule(optimizer: Any, name: str, schedule: Any) -> None:
    """Replace the schedule of the learning rate or of another argument of an optimizer.

    Reason: the public setter of the learning rate refuses to replace a schedule (3.15).
    """
    setattr(optimizer, "_learning_rate" if name == "learning_rate" else name, schedule)


def plain_attributes(optimizer: Any) -> dict[str, Any]:
    """Return the attributes of an optimizer that are numbers, strings or None.

    Reason: Keras stores state of its own among the attributes, under the names that are left out
    (3.15).
    """
    kept = (bool, int, float, str, type(None))
    of_keras = ("name", "built", "_lock")
    return {
        name: value
        for name, value in vars(optimizer).items()
        if isinstance(value, kept) and name not in of_keras
    }


@cache
def _stateless_class(cls: Any) -> Any:
    from keras.src.backend.tensorflow.optimizer import TFOptimizer
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    # TensorFlow's base class overrides these methods with versions that need tf.Variable and
    # tf.distribute. The mixin precedes that base in the method resolution order.
    names = (
        "assign",
        "assign_add",
        "assign_sub",
        "_var_key",
        "_apply_weight_decay",
        "_backend_update_step",
    )
    methods = {name: vars(BaseOptimizer)[name] for name in names}
    methods["_backend_apply_gradients"] = _apply_gradients
    methods["counters"] = ()
    methods["stateless_apply"] = _stateless_apply
    mixin = type("Stateless", (TFOptimizer,), methods)
    return type(f"Stateless{cls.__name__}", (cls, mixin), {})


@cache
def _value_scope() -> Any:
    import keras

    class ValueScope(keras.StatelessScope):
        def add_update(self, update: tuple[Any, Any]) -> None:
            variable, value = update
            is_variable = isinstance(value, keras.Variable)
            super().add_update((variable, value.value if is_variable else value))

    return ValueScope


def _stateless_apply(
    self: Any, optimizer_variables: list[Any], grads: list[Any], trainable_variables: list[Any]
) -> tuple[list[Any], list[Any]]:
    """Return the weights and the optimizer's variables after an update."""
    mapping = [
        *zip(self._trainable_variables, trainable_variables, strict=True),
        *zip([*self.variables, *self.counters], optimizer_variables, strict=True),
    ]
    with value_scope(mapping) as scope:
        self.apply(grads)
    after = (self._trainable_variables, [*self.variables, *self.counters])
    weights, others = ([scope.get_current_value(v) for v in part] for part in after)
    return weights, others


def _apply_gradients(self: Any, grads: Any, trainable_variables: Any) -> None:
    """Apply gradients, and overwrite weights by their moving averages when it is due.

    A ``where`` takes the place of Keras' conditional branch, which a traced function that runs in
    one thread cannot have.
    """
    from keras import ops
    from keras.src.optimizers.base_optimizer import BaseOptimizer

    frequency, self.ema_overwrite_frequency = self.ema_overwrite_frequency, None
    BaseOptimizer._backend_apply_gradients(self, grads, trainable_variables)
    self.ema_overwrite_frequency = frequency
    if not self.use_ema or not frequency:
        return
    is_time = ops.equal((self.iterations + 1) % frequency, 0)
    averages = self._model_variables_moving_average
    for variable, average in zip(self._trainable_variables, averages, strict=True):
        variable.assign(ops.where(is_time, average, variable))


def _configuration(optimizer: Any) -> dict[str, Any]:
    """Return the configuration of an optimizer, with schedules and optimizers as objects.

    Reason: ``get_config`` serialises a schedule and ``from_config`` looks up its class, which
    fails for schedules that are not registered or have no configuration (3.15).
    """
    # A shallow copy, in which the objects are replaced by values that can be serialised.
    serializable = object.__new__(type(optimizer))
    vars(serializable).update(vars(optimizer))
    objects: dict[str, Any] = {}
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        vars(serializable)["inner_optimizer"] = None
        objects["inner_optimizer"] = inner
    rate = getattr(optimizer, "_learning_rate", None)
    if callable(rate) and not hasattr(rate, "assign"):
        vars(serializable)["_learning_rate"] = 0.5
        objects["learning_rate"] = copy.deepcopy(rate)
    return {**serializable.get_config(), **objects}
