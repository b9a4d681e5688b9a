"""Columns of numbers brought to one scale and into one range, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import QuantileTransformer

__all__ = ["Scaling"]

# So many clips away from the median, the smooth clip is one in float32, and still below 1.
_SATURATION = 1e3
# Differences of larger numbers overflow; as values of a table they are all the same.
_LARGEST = 1e300


@dataclass(frozen=True)
class Scaling:
    """What is done to each of k columns: fill, centre, scale, and clip smoothly.

    Parameters
    ----------
    fill : ndarray of shape (k,)
        What stands for a missing value, in units of the column; NaN if all are missing.
    center : ndarray of shape (k,)
        What is subtracted, in units of the column.
    factor : ndarray of shape (k,)
        What is then multiplied by; 0 makes a column constant.
    clip : float or None
        Bound of the encoded values; None for no bound.
    quantiles : QuantileTransformer or None
        What the scaled values go through before they are clipped.
    """

    fill: np.ndarray
    center: np.ndarray
    factor: np.ndarray
    clip: float | None = None
    quantiles: QuantileTransformer | None = None

    @classmethod
    def of(cls, numbers: np.ndarray, how: str | None, clip: float | None) -> Scaling:
        """Return the scaling of columns by their values that are not missing.

        Parameters
        ----------
        numbers : ndarray of shape (n_samples, k)
            The columns in float64, NaN where missing.
        how : {"robust", "standard", "quantile"} or None
            Which statistics; None leaves the columns in their units, without a bound.
        clip : float or None
            Bound of the encoded values.
        """
        statistics = np.zeros((numbers.shape[1], 3))
        for position, column in enumerate(numbers.T):
            present = column[~np.isnan(column)].clip(-_LARGEST, _LARGEST)
            statistics[position] = _statistics(present, how)
        fill, center, factor = statistics.T
        quantiles = None
        if how == "quantile" and (factor != 0).any():
            n_samples = len(numbers)
            # scikit-learn takes values 1e-7 from the smallest one for the smallest.
            scaled = (numbers.clip(-_LARGEST, _LARGEST) - center) * factor
            quantiles = QuantileTransformer(
                n_quantiles=min(n_samples, max(10, min(n_samples // 30, 1000))),
                output_distribution="normal",
                subsample=None,
            ).fit(np.where(factor == 0, 0.0, scaled))
        return cls(fill, center, factor, None if how is None else clip, quantiles)

    def encode(self, numbers: np.ndarray) -> np.ndarray:
        """Return finite encoded values (n_samples, k) in float64 that float32 can hold."""
        filled = np.where(np.isnan(numbers), self.fill, numbers)
        is_constant = self.factor == 0
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.subtract(filled, self.center, out=filled)
            scaled *= self.factor
        if is_constant.any():
            scaled[:, is_constant] = 0.0
        if self.quantiles is not None:
            largest = float(np.finfo(np.float64).max)
            scaled = self.quantiles.transform(np.clip(scaled, -largest, largest))
            scaled[:, is_constant] = 0.0
        if self.clip is None:
            largest = float(np.finfo(np.float32).max)
            return np.clip(scaled, -largest, largest, out=scaled)
        bound = _SATURATION * self.clip
        np.clip(scaled, -bound, bound, out=scaled)
        # [x / sqrt(1 + (x / clip)^2)]
        width = scaled / self.clip
        np.square(width, out=width)
        width += 1.0
        np.sqrt(width, out=width)
        return np.divide(scaled, width, out=scaled)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Return numbers (n_samples, k) in the units of the columns, in float64."""
        scaled = np.array(values, dtype=np.float64)
        if self.clip is not None:
            # The inverse of [x / sqrt(1 + (x / clip)^2)] is [z / sqrt(1 - (z / clip)^2)].
            farthest = self.clip * _SATURATION / np.sqrt(1 + _SATURATION**2)
            scaled = scaled.clip(-farthest, farthest)
            scaled /= np.sqrt(1.0 - np.square(scaled / self.clip))
        is_constant = self.factor == 0
        if self.quantiles is not None:
            scaled = self.quantiles.inverse_transform(scaled)
        numbers = scaled / np.where(is_constant, 1.0, self.factor) + self.center
        return np.where(is_constant, self.center, numbers)


def _statistics(values: np.ndarray, how: str | None) -> tuple[float, float, float]:
    """Return the median, the centre and the factor of a column without missing values."""
    if len(values) == 0:
        return np.nan, np.nan, 0.0
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    if how is None:
        return median, 0.0, 1.0
    half_range = values.max() / 2 - values.min() / 2
    if half_range == 0:
        return median, median, 0.0
    if how == "quantile":
        return median, median, _inverse(half_range)
    if how == "standard":
        # Squares and sums of very large numbers overflow, of very small ones they vanish.
        largest = float(np.abs(values).max())
        mean, width = (values / largest).mean() * largest, (values / largest).std() * largest
        # Below rounding of the mean, the deviation of a constant column is noise.
        is_noise = width <= 10 * np.finfo(np.float64).eps * abs(mean)
        return median, mean, 0.0 if is_noise else _inverse(width)
    return median, median, _inverse(high - low) or _inverse(half_range)


def _inverse(width: float) -> float:
    """Return 1 / width, or 0 where that is not finite."""
    return 1.0 / width if width > np.finfo(np.float64).tiny else 0.0
