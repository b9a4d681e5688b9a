"""Scaling and smooth clipping of columns of numbers, and the inverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.preprocessing import QuantileTransformer

__all__ = ["Scaling"]

# Scaled values are bounded by this multiple of clip. Beyond it, the smooth clip does not change in
# float32. In float64 it is still below the bound, so that it can be inverted.
_SATURATION = 1e3
# Numbers are bounded for statistics, because differences of larger numbers overflow.
_LARGEST = 1e300
# Smaller scaled values are 0 for quantiles: interpolation between quantiles that differ by less than
# about 1e-308 overflows.
_SMALLEST = 1e-290


@dataclass(frozen=True)
class Scaling:
    """Imputation, centring, scaling and smooth clipping of k columns.

    Parameters
    ----------
    fill : ndarray of shape (k,)
        Replacement of missing values, in units of the column. NaN if all values are missing.
    center : ndarray of shape (k,)
        Centre, which is subtracted, in units of the column.
    factor : ndarray of shape (k,)
        Factor of the centred values. 0 for columns that are encoded as a constant.
    clip : float or None
        Bound of the absolute encoded values. None for no bound.
    quantiles : QuantileTransformer or None
        Transformer of the scaled values, which is applied before clipping.
    """

    fill: np.ndarray
    center: np.ndarray
    factor: np.ndarray
    clip: float | None = None
    quantiles: QuantileTransformer | None = None

    @classmethod
    def of(cls, numbers: np.ndarray, how: str | None, clip: float | None) -> Scaling:
        """Create the scaling of columns from their values in ``fit``.

        Parameters
        ----------
        numbers : ndarray of shape (n_samples, k)
            Columns in float64, NaN where a value is missing.
        how : {"robust", "standard", "quantile"} or None
            Statistics of the scaling. None does neither scale nor clip.
        clip : float or None
            Bound of the absolute encoded values.
        """
        statistics = np.zeros((numbers.shape[1], 3))
        for position, column in enumerate(numbers.T):
            present = column[~np.isnan(column)].clip(-_LARGEST, _LARGEST)
            statistics[position] = _statistics(present, how)
        fill, center, factor = statistics.T
        quantiles = None
        if how == "quantile" and (factor != 0).any():
            n_samples = len(numbers)
            # Scaled, because scikit-learn treats values within 1e-7 of an extreme as the extreme.
            scaled = (numbers.clip(-_LARGEST, _LARGEST) - center) * factor
            quantiles = QuantileTransformer(
                n_quantiles=min(n_samples, max(10, min(n_samples // 30, 1000))),
                output_distribution="normal",
                subsample=None,
            ).fit(_without_tiny(np.where(factor == 0, 0.0, scaled)))
        return cls(fill, center, factor, None if how is None else clip, quantiles)

    @classmethod
    def joined(cls, parts: Sequence[Scaling]) -> Scaling:
        """Return the scaling of the columns of several scalings, at least one, in their order.

        Several parts have no ``quantiles``.
        """
        if len(parts) == 1:
            return parts[0]
        fill, center, factor = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("fill", "center", "factor")
        )
        return cls(fill, center, factor, parts[0].clip)

    def of_columns(self, columns: slice) -> Scaling:
        """Return the scaling of some of the columns; all of them if it has ``quantiles``."""
        if self.quantiles is not None:
            return self
        return replace(
            self,
            fill=self.fill[columns],
            center=self.center[columns],
            factor=self.factor[columns],
        )

    def encode(self, numbers: np.ndarray) -> np.ndarray:
        """Return encoded values (n_samples, k) in float64, finite in float32."""
        filled = np.where(np.isnan(numbers), self.fill, numbers)
        is_constant = self.factor == 0
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.subtract(filled, self.center, out=filled)
            scaled *= self.factor
        if is_constant.any():
            scaled[:, is_constant] = 0.0
        if self.quantiles is not None:
            largest = float(np.finfo(np.float64).max)
            scaled = self.quantiles.transform(_without_tiny(np.clip(scaled, -largest, largest)))
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
        """Return numbers (n_samples, k) in the units of the columns: the inverse of ``encode``."""
        scaled = np.array(values, dtype=np.float64)
        if self.clip is not None:
            # [z / sqrt(1 - (z / clip)^2)] is the inverse of [x / sqrt(1 + (x / clip)^2)].
            farthest = self.clip * _SATURATION / np.sqrt(1 + _SATURATION**2)
            scaled = scaled.clip(-farthest, farthest)
            scaled /= np.sqrt(1.0 - np.square(scaled / self.clip))
        is_constant = self.factor == 0
        if self.quantiles is not None:
            scaled = self.quantiles.inverse_transform(scaled)
        numbers = scaled / np.where(is_constant, 1.0, self.factor) + self.center
        return np.where(is_constant, self.center, numbers)


def _without_tiny(scaled: np.ndarray) -> np.ndarray:
    return np.where(np.abs(scaled) < _SMALLEST, 0.0, scaled)


def _statistics(values: np.ndarray, how: str | None) -> tuple[float, float, float]:
    """Return the median, the centre and the factor for the present values of a column."""
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
        # Scaled by the largest value, so that squares neither overflow nor underflow.
        largest = float(np.abs(values).max())
        mean, width = (values / largest).mean() * largest, (values / largest).std() * largest
        # The deviation of a constant column is not 0, but at the level of rounding errors.
        is_noise = width <= 10 * np.finfo(np.float64).eps * abs(mean)
        return median, mean, 0.0 if is_noise else _inverse(width)
    return median, median, _inverse(high - low) or _inverse(half_range)


def _inverse(width: float) -> float:
    """Return 1 / width, or 0 if it is not finite."""
    return 1.0 / width if width > np.finfo(np.float64).tiny else 0.0
