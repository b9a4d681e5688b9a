"""Weights of classes, and products of weights in a range that float32 can hold."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from nnkit._messages import shown
from nnkit.encoding.targets import ClassLabels

__all__ = ["class_weights", "product_of_weights"]

# Weights are not rescaled if the largest one is between 2^-32 and 2^32: sums of a million of
# them, times losses, are far from the bounds 2^-126 and 2^128 of float32.
_MAX_EXPONENT = 32
# Weights below 2^-100 of the largest are set to 0.
_SMALLEST = 2.0**-100


def class_weights(
    class_weight: Mapping[Any, float] | str | None,
    labels: ClassLabels,
    codes: np.ndarray,
    sample_weight: np.ndarray | None,
) -> np.ndarray:
    r"""Return the weight of each class.

    Parameters
    ----------
    class_weight : mapping of label to weight, "balanced" or None
        Labels that are not in the mapping have the weight 1. With None, all weights are 1.
    labels : ClassLabels
        Labels of the target.
    codes : ndarray of shape (n_samples,)
        Encoded target.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows, which "balanced" takes into account.

    Returns
    -------
    weights : ndarray of shape (n_classes,)
        Weights, at least 0.

    Raises
    ------
    ValueError
        If a label is unknown, or a weight is negative or not finite.

    Notes
    -----
    "balanced" gives class :math:`c` the weight
    :math:`\sum_i w_i / (n_{classes} \sum_{i: y_i = c} w_i)`, as in scikit-learn.
    """
    weights = np.ones(len(labels.classes))
    if class_weight is None:
        return weights
    if isinstance(class_weight, str) and class_weight == "balanced":
        # Classes without a row of positive weight keep the weight 1.
        present = np.unique(codes if sample_weight is None else codes[sample_weight > 0])
        rows = np.isin(codes, present)
        weights[present] = compute_class_weight(
            "balanced",
            classes=present,
            y=codes[rows],
            sample_weight=None if sample_weight is None else sample_weight[rows],
        )
        return weights
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            "class_weight must be 'balanced', a dict of label to weight, or None; for several "
            f"outputs also a list of these. Got {shown(class_weight)} instead."
        )
    known = {label: code for code, label in enumerate(labels.classes.tolist())}
    for label, weight in class_weight.items():
        if label not in known:
            raise ValueError(
                f"class_weight names the label {label!r}, but y has the labels "
                f"{list(known)}. Use labels of y, in the same type."
            )
        is_number = isinstance(weight, (Real, np.bool_))
        if not is_number or not np.isfinite(weight) or weight < 0:
            raise ValueError(
                "class_weight must be finite numbers of at least 0. "
                f"Got {shown(weight)} for the label {label!r} instead."
            )
        weights[known[label]] = weight
    return weights


def product_of_weights(*factors: np.ndarray) -> np.ndarray:
    """Return the product of weights, rescaled by a power of two where it is out of range.

    Parameters
    ----------
    *factors : ndarray of shape (n_samples,)
        Weights in float64, finite and at least 0.

    Returns
    -------
    weight : ndarray of shape (n_samples,), float64
        The product itself if its largest value is in [2^-32, 2^32] and its smallest positive
        value is at least 2^-100 of that. Otherwise a multiple whose largest value is in [1, 2),
        where values below 2^-100 of the largest are 0.

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
        # Scaling by a power of two is exact, so that no digits are lost.
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
    """Return e such that the largest value is in [2^e, 2^(e + 1)), or 0 if all values are 0."""
    largest = float(values.max(initial=0.0))
    return int(np.frexp(largest)[1]) - 1 if largest > 0 else 0
