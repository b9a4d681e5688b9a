"""The target of a regression to standard units and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ContinuousTarget"]


@dataclass(frozen=True)
class ContinuousTarget:
    """The units of a continuous target.

    Parameters
    ----------
    location : float, default=0.0
        What is subtracted, in units of the target.
    scale : float, default=1.0
        What it is then divided by, in units of the target, above 0.
    """

    location: float = 0.0
    scale: float = 1.0

    @classmethod
    def standard(cls, y: np.ndarray, sample_weight: np.ndarray | None) -> ContinuousTarget:
        """Return the units in which ``y`` has mean 0 and standard deviation 1.

        A constant target is only centred.
        """
        mean = np.average(y, weights=sample_weight)
        deviation = np.sqrt(np.average(np.square(y - mean), weights=sample_weight))
        # Below rounding of the mean, the deviation of a constant target is noise.
        is_constant = deviation <= 10 * np.finfo(np.float64).eps * max(abs(mean), 1e-300)
        return cls(float(mean), 1.0 if is_constant else float(deviation))

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the target in these units, float64 of the same shape."""
        return (np.asarray(y, dtype=np.float64) - self.location) / self.scale

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Return values in the target's own units, float64 of the same shape."""
        return np.asarray(values, dtype=np.float64) * self.scale + self.location
