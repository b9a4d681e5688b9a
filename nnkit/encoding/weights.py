"""Weights of rows in a range that float32 can hold."""

from __future__ import annotations

import numpy as np

__all__ = ["product_of_weights"]

# Largest weights between 2^-32 and 2^32 stay as they are: sums of a million of them, times
# losses, are far from the bounds 2^-126 and 2^128 of float32.
_MAX_EXPONENT = 32
# Smaller weights than 2^-100 of the largest count as 0.
_SMALLEST = 2.0**-100


def product_of_weights(*factors: np.ndarray) -> np.ndarray:
    """Return the product of weights, rescaled by a power of two where it is out of range.

    Parameters
    ----------
    *factors : ndarray of shape (n_samples,)
        Weights in float64, finite and at least 0, of any size.

    Returns
    -------
    weight : ndarray of shape (n_samples,), float64
        The product itself if its largest value lies in [2^-32, 2^32] and its smallest positive
        one is at least 2^-100 of that; else a multiple whose largest value lies in [1, 2).
        Values below 2^-100 of the largest are then 0.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.encoding.weights import product_of_weights
    >>> product_of_weights(np.array([0.5, 3.0]), np.array([2.0, 2.0])).tolist()
    [1.0, 6.0]
    >>> product_of_weights(np.array([2e-300, 1e-300])).round(2).tolist()
    [1.34, 0.67]
    """
    weight, exponent = np.ones(()), 0
    for factor in factors:
        # Powers of two change no digit, so that the product is that of the factors.
        shift = _exponent_of_largest(factor)
        weight, exponent = weight * np.ldexp(factor, -shift), exponent + shift
        shift = _exponent_of_largest(weight)
        weight, exponent = np.ldexp(weight, -shift), exponent + shift
    is_positive = weight > 0
    if not is_positive.any():
        return weight
    if abs(exponent) <= _MAX_EXPONENT and weight[is_positive].min() >= _SMALLEST:
        return np.ldexp(weight, exponent)
    return np.where(weight < _SMALLEST, 0.0, weight)


def _exponent_of_largest(values: np.ndarray) -> int:
    """Return e such that the largest value lies in [2^e, 2^(e + 1)); 0 if all are 0."""
    largest = float(values.max(initial=0.0))
    return int(np.frexp(largest)[1]) - 1 if largest > 0 else 0
