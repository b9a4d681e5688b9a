"""Thresholds between the ways to run a training, which depend on the machine.

They were measured on a machine with two cores. ``python -m benchmarks.thresholds`` measures them on
another one, and prints environment variables that set them. They are read once, when nnkit first
trains. Fits on machines with other thresholds may use other backends, and then differ by rounding.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

__all__ = ["THRESHOLDS", "Thresholds"]

_PREFIX = "NNKIT_"


@dataclass(frozen=True)
class Thresholds:
    """Thresholds between backends, and between one thread and several.

    Parameters
    ----------
    min_steps_for_xla : float, default=1000
        Steps of a fit from which XLA is chosen. It saves about 0.03 ms per step and costs about
        0.35 s per compiled model, so that it is faster if a compiled model is fitted about ten
        times, as in a cross-validation of two settings.
    max_arithmetic_for_xla : float, default=1e7
        Floating-point operations per step above which TensorFlow's kernels are as fast as XLA.
    max_arithmetic_in_one_thread : float, default=5e6
        Floating-point operations per step above which a second core saves more time than its
        synchronization costs.
    """

    min_steps_for_xla: float = 1000
    max_arithmetic_for_xla: float = 1e7
    max_arithmetic_in_one_thread: float = 5e6

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Thresholds:
        """Return the thresholds with the values of variables such as NNKIT_MIN_STEPS_FOR_XLA.

        Parameters
        ----------
        environment : mapping of str to str
            Environment variables. Without a variable, the threshold has its default.

        Raises
        ------
        ValueError
            If a variable is not a number of at least 0.
        """
        values = {}
        for one in fields(cls):
            name = variable_of(one.name)
            if name in environment:
                values[one.name] = _number(name, environment[name])
        return cls(**values)


def variable_of(threshold: str) -> str:
    """Return the name of the environment variable that sets a threshold."""
    return _PREFIX + threshold.upper()


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise ValueError(
            f"The environment variable {name} must be a number of at least 0. Got {text!r} instead."
        )
    return value


THRESHOLDS = Thresholds.of_environment(os.environ)
"""The thresholds of this process."""
