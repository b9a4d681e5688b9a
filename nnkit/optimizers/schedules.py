"""Schedules of the learning rate, the weight decay and other numbers of a training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import ops

from nnkit._schedule_shapes import cosine, coslog, flat_cosine, one_cycle, step_decay
from nnkit._validation import is_number
from nnkit.optimizers.training_schedule import TrainingSchedule

__all__ = ["CosLog", "Cosine", "FlatCosine", "OneCycle", "StepDecay", "WarmUp"]


@keras.saving.register_keras_serializable(package="nnkit")
@dataclass(frozen=True)
class WarmUp(TrainingSchedule):
    """A linear increase from 0, followed by a constant.

    Parameters
    ----------
    peak : float
        Value after the warm-up, at least 0.
    n_steps : int or None, default=None
        As for `TrainingSchedule`.
    warmup_fraction : float, default=0.1
        Fraction of the steps in which the value increases from 0 to the peak, in [0, 1).

    Notes
    -----
    shape(s) = 1.

    References
    ----------
    P. Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017
    (arXiv:1706.02677), section 2.2.

    Examples
    --------
    >>> from nnkit.optimizers import WarmUp
    >>> schedule = WarmUp(0.1, n_steps=100)
    >>> [round(float(schedule(step)), 3) for step in (0, 5, 10, 90)]
    [0.0, 0.05, 0.1, 0.1]
    """

    warmup_fraction: float = field(default=0.1, kw_only=True)

    def shape(self, progress: Any) -> Any:
        """Return 1 for any progress."""
        return ops.ones_like(progress)


@keras.saving.register_keras_serializable(package="nnkit")
@dataclass(frozen=True)
class Cosine(TrainingSchedule):
    """Half a period of a cosine, from the peak down to a multiple of it.

    Parameters
    ----------
    peak : float
        Largest value, at least 0.
    n_steps : int or None, default=None
        As for `TrainingSchedule`.
    warmup_fraction : float, default=0.0
        Fraction of the steps in which the value increases from 0 to the peak, in [0, 1).
    final_factor : float, default=0.0
        Last value, as a multiple of the peak, in [0, 1].

    Notes
    -----
    With the final factor f,

        shape(s) = f + (1 - f) · (1 + cos(π s)) / 2.

    References
    ----------
    I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017
    (arXiv:1608.03983), equation 5, without a restart.

    Examples
    --------
    >>> from nnkit.optimizers import Cosine
    >>> schedule = Cosine(0.1, n_steps=100)
    >>> [round(float(schedule(step)), 3) for step in (0, 50, 100)]
    [0.1, 0.05, 0.0]
    """

    final_factor: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("final_factor", "[0, 1]")

    def shape(self, progress: Any) -> Any:
        """Return `cosine` of the progress."""
        return cosine(progress, self.final_factor)


@keras.saving.register_keras_serializable(package="nnkit")
@dataclass(frozen=True)
class CosLog(TrainingSchedule):
    """Cycles between 0 and the peak, each twice as long as the last.

    Parameters
    ----------
    peak : float
        Largest value of each cycle, at least 0.
    n_steps : int or None, default=None
        As for `TrainingSchedule`.
    n_cycles : int, default=4
        Number of cycles, at least 1. The last one takes about half of the training.

    Notes
    -----
    With n cycles,

        shape(s) = (1 - cos(2 π log₂(1 + (2ⁿ - 1) s))) / 2.

    The first cycle begins at 0, so that no separate warm-up is needed.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default: Strong Pre-Tuned MLPs and
    Boosted Trees on Tabular Data", 2024 (arXiv:2407.04491), section 3 and appendix A, where four
    cycles are ``coslog4``.

    Examples
    --------
    The value between two cycles is 0:

    >>> from nnkit.optimizers import CosLog
    >>> schedule = CosLog(0.04, n_steps=1500)
    >>> [abs(round(float(schedule(step)), 5)) for step in (0, 100, 300, 700, 1500)]
    [0.0, 0.0, 0.0, 0.0, 0.0]
    """

    n_cycles: int = field(default=4, kw_only=True)
    warmup_fraction: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_count("n_cycles")

    def shape(self, progress: Any) -> Any:
        """Return `coslog` of the progress."""
        return coslog(progress, self.n_cycles)


@keras.saving.register_keras_serializable(package="nnkit")
@dataclass(frozen=True)
class FlatCosine(TrainingSchedule):
    """A constant, followed by half a period of a cosine down to 0.

    Parameters
    ----------
    peak : float
        Value of the constant, at least 0.
    n_steps : int or None, default=None
        As for `TrainingSchedule`.
    warmup_fraction : float, default=0.0
        Fraction of the steps in which the value increases from 0 to the peak, in [0, 1).
    flat_fraction : float, default=0.5
        Fraction of the steps after the warm-up in which the value is constant, in [0, 1).

    Notes
    -----
    With the flat fraction f,

        shape(s) = 1 for s < f, and (1 + cos(π (s - f) / (1 - f))) / 2 for s ≥ f.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by Default: Strong Pre-Tuned MLPs and
    Boosted Trees on Tabular Data", 2024 (arXiv:2407.04491), section 3 and appendix A, where half
    the training is flat: ``flat_cos``.

    Examples
    --------
    >>> from nnkit.optimizers import FlatCosine
    >>> schedule = FlatCosine(0.02, n_steps=100)
    >>> [round(float(schedule(step)), 4) for step in (0, 50, 75, 100)]
    [0.02, 0.02, 0.01, 0.0]
    """

    flat_fraction: float = field(default=0.5, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("flat_fraction", "[0, 1)")

    def shape(self, progress: Any) -> Any:
        """Return `flat_cosine` of the progress."""
        return flat_cosine(progress, self.flat_fraction)


@keras.saving.register_keras_serializable(package="nnkit")
@dataclass(frozen=True)
class StepDecay(TrainingSchedule):
    """A step function: the peak, multiplied by a factor at each of some fractions of the training.

    Parameters
    ----------
    peak : float
        Value before the first step down, at least 0.
    n_steps : int or None, default=None
        As for `TrainingSchedule`.
    warmup_fraction : float, default=0.0
        Fraction of the steps in which the value increases from 0 to the peak, in [0, 1).
    factor : float, default=0.1
        Factor of each step down, in [0, 1].
    at : sequence of float, default=(0.5, 0.75)
        Fractions of the training after the warm-up at which the value decreases, in (0, 1). At
        least one.

    Notes
    -----
    shape(s) = factorᵏ, where k is the number of fractions in ``at`` that are at most s.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, "Deep Residual Learning for Image Recognition", 2016
    (arXiv:1512.03385), section 4.2: a tenth, at half and at three quarters of the training.

    Examples
    --------
    >>> from nnkit.optimizers import StepDecay
    >>> schedule = StepDecay(0.1, n_steps=100)
    >>> [round(float(schedule(step)), 4) for step in (0, 49, 50, 75)]
    [0.1, 0.1, 0.01, 0.001]
    """

    factor: float = field(default=0.1, kw_only=True)
    at: Sequence[float] = field(default=(0.5, 0.75), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("factor", "[0, 1]")
        fractions = self.at if isinstance(self.at, Iterable) else ()
        if not fractions or not all(is_number(part) and 0 < part < 1 for part in fractions):
            raise ValueError(
                "at of StepDecay must be a sequence of fractions in (0, 1). "
                f"Got {self.at!r} instead."
            )
        object.__setattr__(self, "at", tuple(float(part) for part in fractions))

    def shape(self, progress: Any) -> Any:
        """Return `step_decay` of the progress."""
        return step_decay(progress, self.factor, self.at)


@keras.saving.register_keras_serializable(package="nnkit")
@dataclass(frozen=True)
class OneCycle(TrainingSchedule):
    """Half a period of a cosine up to the peak, followed by half a period down.

    Parameters
    ----------
    peak : float
        Largest value, at least 0.
    n_steps : int or None, default=None
        As for `TrainingSchedule`.
    peak_fraction : float, default=0.3
        Fraction of the steps in which the value increases, in (0, 1).
    start_factor : float, default=0.04
        First value, as a multiple of the peak, in [0, 1].
    final_factor : float, default=0.0001
        Last value, as a multiple of the peak, in [0, 1].

    Notes
    -----
    With c(a, r) = a + (1 - a) · (1 + cos(π r)) / 2, the peak fraction p, and the factors a at the
    start and b at the end,

        shape(s) = c(a, 1 - s / p) for s < p, and c(b, (s - p) / (1 - p)) for s ≥ p.

    The source increases and decreases linearly, and ends with a second decrease below the first
    value. Here, half a period of a cosine replaces both decreases. There is no separate warm-up.

    References
    ----------
    L. N. Smith and N. Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates", 2018 (arXiv:1708.07120), section 3.

    Examples
    --------
    >>> from nnkit.optimizers import OneCycle
    >>> schedule = OneCycle(0.1, n_steps=100)
    >>> [round(float(schedule(step)), 4) for step in (0, 30, 65, 100)]
    [0.004, 0.1, 0.05, 0.0]
    """

    peak_fraction: float = field(default=0.3, kw_only=True)
    start_factor: float = field(default=0.04, kw_only=True)
    final_factor: float = field(default=0.0001, kw_only=True)
    warmup_fraction: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("peak_fraction", "(0, 1)")
        self._check_number("start_factor", "[0, 1]")
        self._check_number("final_factor", "[0, 1]")

    def shape(self, progress: Any) -> Any:
        """Return `one_cycle` of the progress."""
        return one_cycle(progress, self.peak_fraction, self.start_factor, self.final_factor)
