"""What the arguments of layers have to be: counts, fractions, lists of counts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

__all__ = ["as_count", "as_counts", "as_fraction", "as_number"]


def as_count(name: str, value: Any, minimum: int = 1) -> int:
    """Return a whole number that is at least a minimum.

    Parameters
    ----------
    name : str
        The argument, for the message.
    value : object
        What came.
    minimum : int, default=1
        The smallest number allowed.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(
            f"{name} must be a whole number of at least {minimum}. Got {value!r} instead."
        )
    return int(value)


def as_counts(name: str, values: Any) -> tuple[int, ...]:
    """Return a tuple of whole numbers, each at least 1.

    Parameters
    ----------
    name : str
        The argument, for the message.
    values : object
        What came.

    Raises
    ------
    ValueError
        If it is no sequence, or one of its entries is no such number.
    """
    if not isinstance(values, Iterable) or isinstance(values, (str, bytes)):
        raise ValueError(
            f"{name} must be a sequence of whole numbers, such as (3, 2). Got {values!r} instead."
        )
    return tuple(as_count(f"{name}[{i}]", value) for i, value in enumerate(values))


def as_fraction(name: str, value: Any) -> float:
    """Return a number in [0, 1).

    Parameters
    ----------
    name : str
        The argument, for the message.
    value : object
        What came.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if not isinstance(value, Real) or not 0 <= float(value) < 1:
        raise ValueError(f"{name} must be a fraction in [0, 1). Got {value!r} instead.")
    return float(value)


def as_number(name: str, value: Any, *, is_zero_allowed: bool = False) -> float:
    """Return a finite number above 0, or of at least 0.

    Parameters
    ----------
    name : str
        The argument, for the message.
    value : object
        What came.
    is_zero_allowed : bool, default=False
        Whether it may be 0.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    is_number = isinstance(value, Real) and math.isfinite(value)
    if not is_number or value < 0 or (value == 0 and not is_zero_allowed):
        least = "of at least 0" if is_zero_allowed else "above 0"
        raise ValueError(f"{name} must be a finite number {least}. Got {value!r} instead.")
    return float(value)
