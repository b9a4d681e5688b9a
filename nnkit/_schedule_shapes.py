"""Shapes of schedules: functions from the progress of a training to a factor of the peak.

The progress is a fraction in [0, 1] and the factor is at most 1. An argument whose name ends in
``fraction`` is a fraction of the training, and one that ends in ``factor`` is a factor of the peak.
They are used by learning rate schedules and by layers whose rate changes during training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras import ops

__all__ = ["cosine", "coslog", "flat_cosine", "one_cycle", "step_decay"]

# Largest amount by which rounding in float32 can put the progress below a fraction that it has
# reached.
_ROUNDING = 2.0**-22


def cosine(progress: Any, final_factor: float = 0.0) -> Any:
    """Return half a period of a cosine, which decreases from 1 to ``final_factor``.

    Parameters
    ----------
    progress : float, array or tensor
        Progress of the training, in [0, 1].
    final_factor : float, default=0.0
        Value at progress 1, in [0, 1].

    Returns
    -------
    factor : tensor of the shape of the progress

    Examples
    --------
    >>> from nnkit.optimizers import cosine
    >>> [round(float(cosine(t)), 3) for t in (0.0, 0.5, 1.0)]
    [1.0, 0.5, 0.0]
    """
    return final_factor + (1 - final_factor) * 0.5 * (1 + ops.cos(math.pi * progress))


def coslog(progress: Any, n_cycles: int = 4) -> Any:
    """Return cycles that increase from 0 to 1 and decrease to 0, each twice as long as the last.

    Parameters
    ----------
    progress : float, array or tensor
        Progress of the training, in [0, 1].
    n_cycles : int, default=4
        Number of cycles, at least 1.

    Returns
    -------
    factor : tensor of the shape of the progress

    Examples
    --------
    The second of four cycles lasts from 1/15 to 3/15 of the training:

    >>> from nnkit.optimizers import coslog
    >>> [abs(round(float(coslog(t)), 3)) for t in (1 / 15, (2**1.5 - 1) / 15, 3 / 15)]
    [0.0, 1.0, 0.0]
    """
    # Number of completed cycles plus the completed fraction of the current one, in [0, n_cycles].
    n_completed = ops.log2(1 + (2.0**n_cycles - 1) * progress)
    return 0.5 * (1 - ops.cos(2 * math.pi * n_completed))


def flat_cosine(progress: Any, flat_fraction: float = 0.5) -> Any:
    """Return 1 up to ``flat_fraction``, followed by half a period of a cosine down to 0.

    Parameters
    ----------
    progress : float, array or tensor
        Progress of the training, in [0, 1].
    flat_fraction : float, default=0.5
        Progress up to which the factor is 1, in [0, 1).

    Returns
    -------
    factor : tensor of the shape of the progress

    Examples
    --------
    >>> from nnkit.optimizers import flat_cosine
    >>> [round(float(flat_cosine(t)), 3) for t in (0.0, 0.5, 0.75, 1.0)]
    [1.0, 1.0, 0.5, 0.0]
    """
    return cosine(ops.maximum(progress - flat_fraction, 0.0) / (1 - flat_fraction))


def step_decay(progress: Any, factor: float = 0.1, at: Sequence[float] = (0.5, 0.75)) -> Any:
    """Return a step function, which is multiplied by ``factor`` at each of some fractions.

    Parameters
    ----------
    progress : float, array or tensor
        Progress of the training, in [0, 1].
    factor : float, default=0.1
        Factor of each step, in [0, 1].
    at : sequence of float, default=(0.5, 0.75)
        Progress at each step, in (0, 1).

    Returns
    -------
    factor : tensor of the shape of the progress

    Examples
    --------
    >>> from nnkit.optimizers import step_decay
    >>> [round(float(step_decay(t)), 3) for t in (0.0, 0.5, 0.75)]
    [1.0, 0.1, 0.01]
    """
    product = 1.0
    for fraction in at:
        product = product * ops.where(progress >= fraction - _ROUNDING, factor, 1.0)
    return product


def one_cycle(
    progress: Any,
    peak_fraction: float = 0.3,
    start_factor: float = 0.04,
    final_factor: float = 0.0001,
) -> Any:
    """Return half a period of a cosine up to 1, followed by half a period down.

    Parameters
    ----------
    progress : float, array or tensor
        Progress of the training, in [0, 1].
    peak_fraction : float, default=0.3
        Progress at which the factor is 1, in (0, 1).
    start_factor : float, default=0.04
        Value at progress 0, in [0, 1].
    final_factor : float, default=0.0001
        Value at progress 1, in [0, 1].

    Returns
    -------
    factor : tensor of the shape of the progress

    Examples
    --------
    >>> from nnkit.optimizers import one_cycle
    >>> [round(float(one_cycle(t)), 4) for t in (0.0, 0.3, 1.0)]
    [0.04, 1.0, 0.0001]
    """
    # The ascent is 1 after the peak, and the descent is 1 before it.
    ascent = cosine(1 - ops.minimum(progress / peak_fraction, 1.0), start_factor)
    descent = cosine(ops.maximum(progress - peak_fraction, 0.0) / (1 - peak_fraction), final_factor)
    return ascent * descent
