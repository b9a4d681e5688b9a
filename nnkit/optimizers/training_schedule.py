"""What all schedules share: a peak, a shape, and the steps that the progress is a fraction of.

A shape is a function from the progress of a training, a fraction from 0 to 1, to what the peak is
multiplied by, at most 1. By their names, a fraction is one of the training, and a factor one of
the peak.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, TypeVar

import keras
from keras import ops

from nnkit._compat import learning_rate_or_schedule, optimizer_copy

__all__ = ["TrainingSchedule", "is_number", "message_of", "with_n_steps"]

_Schedule = TypeVar("_Schedule", bound="TrainingSchedule")


@dataclass(frozen=True)
class TrainingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A number that changes as training goes on, from its first step to its last.

    It stands where a learning rate does, or the weight decay of a `GroupedAdam`. The schedules of
    this room differ in their `shape`; a subclass of one's own defines another, and is registered
    with ``keras.saving.register_keras_serializable`` to be saved with a model.

    Parameters
    ----------
    peak : float
        The value where the shape is 1, at least 0.
    n_steps : int or None, default=None
        Updates of the weights in the whole training: epochs times batches per epoch. With None,
        who trains fills it in, see `for_steps` and `with_n_steps`.
    warmup_fraction : float, default=0.0
        Fraction of the steps in which the value rises from 0 to where the shape begins, in
        [0, 1).

    Notes
    -----
    With the progress t = min(step / n_steps, 1), which is 0 for the first update, and the warm-up
    w,

        value(t) = peak · min(t / w, 1) · shape(max(t - w, 0) / (1 - w)).

    So a training that goes on after its last step keeps the last value, and the first update of a
    warm-up changes no weight. It is computed in float32, or in float64 if that is Keras' floatx.

    References
    ----------
    P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017
    (arXiv:1706.02677), section 2.2, for the warm-up.

    Examples
    --------
    >>> from nnkit.optimizers import TrainingSchedule
    >>> class Linear(TrainingSchedule):
    ...     def shape(self, progress):
    ...         return 1 - progress
    >>> round(float(Linear(0.1, n_steps=100)(25)), 3)
    0.075
    """

    peak: float
    n_steps: int | None = field(default=None, kw_only=True)
    warmup_fraction: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        self._check_number("peak", "a number in [0, inf)", lambda v: 0 <= v < math.inf)
        if self.n_steps is not None:
            self._check_count("n_steps", "an integer of at least 1, or None")
        self._check_number("warmup_fraction", "a fraction in [0, 1)", lambda v: 0 <= v < 1)

    def shape(self, progress: Any) -> Any:
        """Return what the peak is multiplied by, in [0, 1].

        Parameters
        ----------
        progress : float, array or tensor
            Fraction of the steps that follow the warm-up, in [0, 1].
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no shape. Define its method shape(progress), or take "
            "another schedule of nnkit.optimizers."
        )

    def at_progress(self, progress: Any) -> Any:
        """Return the value at a fraction of the whole training.

        Parameters
        ----------
        progress : float, array or tensor
            In [0, 1].
        """
        w = self.warmup_fraction
        if w == 0:
            return self.peak * self.shape(progress)
        risen = ops.minimum(progress / w, 1.0)
        return self.peak * risen * self.shape(ops.maximum(progress - w, 0.0) / (1 - w))

    def __call__(self, step: Any) -> Any:
        """Return the value for an update.

        Parameters
        ----------
        step : int, array or tensor
            The number of updates before it.

        Raises
        ------
        ValueError
            If the number of steps was not filled in.
        """
        if self.n_steps is None:
            raise ValueError(
                f"{type(self).__name__} spans the whole training, and its n_steps is None. "
                "Give n_steps = epochs * batches per epoch, unless it is in the optimizer= of an "
                "estimator of nnkit, which does so."
            )
        dtype = keras.backend.result_type(keras.config.floatx(), "float32")
        done = ops.cast(ops.minimum(step, self.n_steps), dtype)
        return self.at_progress(done / self.n_steps)

    def for_steps(self: _Schedule, n_steps: int) -> _Schedule:
        """Return this schedule for a training of so many steps.

        Parameters
        ----------
        n_steps : int
            Updates of the weights in the whole training.

        Returns
        -------
        schedule : TrainingSchedule
            This one, if its own number of steps is not None.

        Examples
        --------
        >>> from nnkit.optimizers import Cosine
        >>> Cosine(0.1).for_steps(500).n_steps
        500
        """
        if self.n_steps is not None:
            return self
        return type(self).from_config({**self.get_config(), "n_steps": n_steps})

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, by name."""
        return {part.name: getattr(self, part.name) for part in fields(self) if part.init}

    def _check_number(self, name: str, required: str, is_met: Callable[[float], bool]) -> None:
        value = getattr(self, name)
        if not is_number(value) or not is_met(value):
            raise ValueError(message_of(self, name, required))
        # A number of NumPy's could not be saved.
        object.__setattr__(self, name, float(value))

    def _check_count(self, name: str, required: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(message_of(self, name, required))
        object.__setattr__(self, name, int(value))


def is_number(value: Any) -> bool:
    """Return whether a value is a real number, which True is not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def message_of(schedule: TrainingSchedule, name: str, required: str) -> str:
    """Return what was required of an argument, and what came."""
    value = getattr(schedule, name)
    return f"{name} of {type(schedule).__name__} must be {required}. Got {value!r} instead."


def with_n_steps(optimizer: Any, n_steps: int) -> Any:
    """Return an optimizer whose schedules know how long the training is.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
    n_steps : int
        Updates of the weights in the whole training: epochs times batches per epoch.

    Returns
    -------
    optimizer : keras.optimizers.Optimizer
        An unused copy whose learning rate and weight decay are schedules ``for_steps`` of that
        number; the same object if neither is one whose number of steps is None.

    Examples
    --------
    >>> import keras
    >>> from nnkit.optimizers import Cosine, with_n_steps
    >>> adam = with_n_steps(keras.optimizers.Adam(Cosine(0.1)), 500)
    >>> round(float(adam.learning_rate), 3)
    0.1
    """
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        known = with_n_steps(inner, n_steps)
        if known is inner:
            return optimizer
        return optimizer_copy(optimizer, {"inner_optimizer": known})
    arguments = {
        "learning_rate": learning_rate_or_schedule(optimizer),
        "weight_decay": optimizer.weight_decay,
    }
    filled = {
        name: value.for_steps(n_steps)
        for name, value in arguments.items()
        if isinstance(value, TrainingSchedule) and value.n_steps is None
    }
    return optimizer_copy(optimizer, filled) if filled else optimizer
