"""Shapes of schedules: from the progress of a training to what the peak is multiplied by.

The progress is a fraction from 0 to 1, and the factor at most 1. By their names, an argument that
is a fraction is one of the training, and one that is a factor is one of the peak.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keras import ops

__all__ = ["cosine", "coslog", "flat_cosine", "one_cycle", "step_decay"]

# How far below a fraction that it has reached the rounding in float32 may put a progress.
_ROUNDING = 2.0**-22


def cosine(progress: Any, final_factor: float = 0.0) -> Any:
    """Return half a wave of a cosine, from 1 down to a factor.

    Parameters
    ----------
    progress : float, array or tensor
        In [0, 1].
    final_factor : float, default=0.0
        What it comes down to, in [0, 1].

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
    """Return waves from 0 up to 1 and back, each twice as long as the one before.

    Parameters
    ----------
    progress : float, array or tensor
        In [0, 1].
    n_cycles : int, default=4
        How many waves, at least 1.

    Returns
    -------
    factor : tensor of the shape of the progress

    Examples
    --------
    The second of four waves lasts from 1 to 3 fifteenths:

    >>> from nnkit.optimizers import coslog
    >>> [abs(round(float(coslog(t)), 3)) for t in (1 / 15, (2**1.5 - 1) / 15, 3 / 15)]
    [0.0, 1.0, 0.0]
    """
    # The waves that are over, and the part of the present one, in [0, n_cycles].
    n_waves = ops.log2(1 + (2.0**n_cycles - 1) * progress)
    return 0.5 * (1 - ops.cos(2 * math.pi * n_waves))


def flat_cosine(progress: Any, flat_fraction: float = 0.5) -> Any:
    """Return 1 for a while, and then half a wave of a cosine down to 0.

    Parameters
    ----------
    progress : float, array or tensor
        In [0, 1].
    flat_fraction : float, default=0.5
        Where the descent begins, in [0, 1).

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
    """Return stairs: 1, multiplied by a factor at each of some fractions.

    Parameters
    ----------
    progress : float, array or tensor
        In [0, 1].
    factor : float, default=0.1
        In [0, 1].
    at : sequence of float, default=(0.5, 0.75)
        Where the stairs are, in (0, 1).

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
    """Return half a wave of a cosine up to 1, and another one down.

    Parameters
    ----------
    progress : float, array or tensor
        In [0, 1].
    peak_fraction : float, default=0.3
        Where it is 1, in (0, 1).
    start_factor : float, default=0.04
        Where it begins, in [0, 1].
    final_factor : float, default=0.0001
        Where it ends, in [0, 1].

    Returns
    -------
    factor : tensor of the shape of the progress

    Examples
    --------
    >>> from nnkit.optimizers import one_cycle
    >>> [round(float(one_cycle(t)), 4) for t in (0.0, 0.3, 1.0)]
    [0.04, 1.0, 0.0001]
    """
    # Each of the two stays 1 while the other one changes.
    ascent = cosine(1 - ops.minimum(progress / peak_fraction, 1.0), start_factor)
    descent = cosine(ops.maximum(progress - peak_fraction, 0.0) / (1 - peak_fraction), final_factor)
    return ascent * descent
