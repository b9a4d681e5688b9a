"""The base class of schedules: a peak, a warm-up, a shape and a number of steps.

A shape is a function from the progress of a training, a fraction in [0, 1], to a factor of the
peak, at most 1. An argument whose name ends in ``fraction`` is a fraction of the training, and one
that ends in ``factor`` is a factor of the peak.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import keras
from keras import ops

from nnkit._compat import learning_rate_or_schedule, optimizer_copy, set_schedule
from nnkit._validation import as_count, as_number

__all__ = [
    "TrainingSchedule",
    "counted_schedules",
    "set_step_counts",
    "step_counts",
    "timed_schedules",
    "with_n_steps",
]

_Schedule = TypeVar("_Schedule", bound="TrainingSchedule")


@dataclass(frozen=True)
class TrainingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Base class of schedules: a number that changes over the steps of a training.

    A schedule can be used as the learning rate of an optimizer or as the weight decay of
    `GroupedAdam`. The schedules of `nnkit.optimizers` differ in their method ``shape``. To write
    another schedule, define ``shape`` in a subclass. Register the subclass with
    ``keras.saving.register_keras_serializable`` to save it with a model.

    Parameters
    ----------
    peak : float
        Value where the shape is 1, at least 0.
    n_steps : int or None, default=None
        Number of updates of the weights in the whole training: epochs times batches per epoch.
        With None, it must be set before the training by `for_steps` or `with_n_steps`. The
        estimators of nnkit do this.
    warmup_fraction : float, default=0.0
        Fraction of the steps in which the value increases linearly from 0 to the start of the
        shape, in [0, 1).

    Notes
    -----
    With the progress t = min(step / n_steps, 1), which is 0 for the first update, and the warm-up
    w,

        value(t) = peak · min(t / w, 1) · shape(max(t - w, 0) / (1 - w)).

    After the last step, the value stays constant. The first update of a warm-up changes no weight.
    The value is computed in float32, or in float64 if Keras' floatx is float64.

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
        self._check_number("peak", "[0, inf)")
        if self.n_steps is not None:
            self._check_count("n_steps", ", or None")
        self._check_number("warmup_fraction", "[0, 1)")

    def shape(self, progress: Any) -> Any:
        """Return the factor of the peak, in [0, 1].

        Parameters
        ----------
        progress : float, array or tensor
            Fraction of the steps that follow the warm-up, in [0, 1].
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no shape. Define its method shape(progress), or use "
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
        warmup = ops.minimum(progress / w, 1.0)
        return self.peak * warmup * self.shape(ops.maximum(progress - w, 0.0) / (1 - w))

    def __call__(self, step: Any) -> Any:
        """Return the value for an update.

        Parameters
        ----------
        step : int, array or tensor
            Number of updates before this one.

        Raises
        ------
        ValueError
            If ``n_steps`` is None.
        """
        if self.n_steps is None:
            raise ValueError(
                f"n_steps of {type(self).__name__} is None, so that its value is not defined. "
                "Set n_steps to epochs * batches per epoch. The estimators of nnkit set it for "
                "schedules in their parameter optimizer."
            )
        dtype = keras.backend.result_type(keras.config.floatx(), "float32")
        counter = vars(self).get("_counter")
        if counter is None:
            done = ops.cast(ops.minimum(step, self.n_steps), dtype)
            return self.at_progress(done / self.n_steps)
        # The number of steps is a tensor, so that one program serves trainings of any length.
        n_steps = ops.convert_to_tensor(counter)
        done = ops.cast(ops.minimum(ops.cast(step, n_steps.dtype), n_steps), dtype)
        return self.at_progress(done / ops.cast(n_steps, dtype))

    def counted_by(self: _Schedule, counter: keras.Variable) -> _Schedule:
        """Return a copy of this schedule that reads its number of steps from a variable.

        Parameters
        ----------
        counter : keras.Variable of shape ()
            Integer number of steps.
        """
        copied = copy.copy(self)
        object.__setattr__(copied, "_counter", counter)
        return copied

    def for_steps(self: _Schedule, n_steps: int) -> _Schedule:
        """Return a copy of this schedule with a number of steps.

        Parameters
        ----------
        n_steps : int
            Number of updates of the weights in the whole training.

        Returns
        -------
        schedule : TrainingSchedule
            The same object if its number of steps is not None.

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

    def _check_number(self, name: str, interval: str) -> None:
        label = f"{name} of {type(self).__name__}"
        # The validators return Python numbers: those of NumPy cannot be saved with a model.
        object.__setattr__(self, name, as_number(label, getattr(self, name), interval))

    def _check_count(self, name: str, alternatives: str = "") -> None:
        label = f"{name} of {type(self).__name__}"
        count = as_count(label, getattr(self, name), alternatives=alternatives)
        object.__setattr__(self, name, count)


def with_n_steps(optimizer: Any, n_steps: int) -> Any:
    """Return a copy of an optimizer, with the number of steps of its schedules set.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Optimizer whose learning rate or weight decay may be a `TrainingSchedule`.
    n_steps : int
        Number of updates of the weights in the whole training: epochs times batches per epoch.

    Returns
    -------
    optimizer : keras.optimizers.Optimizer
        An unbuilt copy in which schedules whose ``n_steps`` is None have this number of steps. The
        same object if there are no such schedules.

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
    filled = {
        name: schedule.for_steps(n_steps)
        for name, schedule in _schedule_arguments(optimizer).items()
        if schedule.n_steps is None
    }
    return optimizer_copy(optimizer, filled) if filled else optimizer


def step_counts(optimizer: Any) -> list[int]:
    """Return the numbers of steps of the schedules of an optimizer, in a fixed order.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Optimizer whose learning rate or weight decay may be a `TrainingSchedule`.
    """
    return [int(schedule.n_steps) for _, _, schedule in timed_schedules(optimizer)]


def set_step_counts(optimizer: Any, counts: Sequence[int]) -> None:
    """Set the numbers of steps of the schedules of an optimizer.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Changed in place.
    counts : sequence of int
        One number for each schedule, in the order of `step_counts`.
    """
    for (owner, name, schedule), count in zip(timed_schedules(optimizer), counts, strict=True):
        if schedule.n_steps != count:
            config = {**schedule.get_config(), "n_steps": int(count)}
            set_schedule(owner, name, type(schedule).from_config(config))


def counted_schedules(optimizer: Any) -> list[keras.Variable]:
    """Let the schedules of an optimizer read their numbers of steps from variables.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Changed in place.

    Returns
    -------
    counters : list of keras.Variable of shape ()
        The numbers of steps, in the order of `step_counts`.
    """
    counters = []
    for owner, name, schedule in timed_schedules(optimizer):
        counter = keras.Variable(schedule.n_steps, trainable=False, dtype="int64", name="n_steps")
        set_schedule(owner, name, schedule.counted_by(counter))
        counters.append(counter)
    return counters


def timed_schedules(optimizer: Any) -> list[tuple[Any, str, Any]]:
    """Return the schedules of an optimizer that have a number of steps.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer

    Returns
    -------
    schedules : list of tuples of optimizer, str and TrainingSchedule
        The optimizer or its inner one, the name of the argument, and the schedule.
    """
    owner = getattr(optimizer, "inner_optimizer", None) or optimizer
    return [
        (owner, name, schedule)
        for name, schedule in _schedule_arguments(owner).items()
        if schedule.n_steps is not None
    ]


def _schedule_arguments(optimizer: Any) -> dict[str, TrainingSchedule]:
    """Return the arguments of an optimizer that are schedules of this kind, by name."""
    arguments = {
        "learning_rate": learning_rate_or_schedule(optimizer),
        "weight_decay": optimizer.weight_decay,
    }
    return {name: value for name, value in arguments.items() if isinstance(value, TrainingSchedule)}
