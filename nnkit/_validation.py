"""Validation of parameters: counts, numbers in an interval, and choices.

Each function returns the value as a plain Python object, or raises a ValueError whose message
begins with the name of the parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from nnkit._messages import shown

__all__ = ["as_choice", "as_count", "as_counts", "as_flag", "as_fraction", "as_number", "is_number"]


def as_count(name: str, value: Any, minimum: int = 1, *, alternatives: str = "") -> int:
    """Return an integer that is at least a minimum.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    value : object
        Value to check. True and False are not accepted.
    minimum : int, default=1
        Smallest integer that is accepted.
    alternatives : str, default=""
        Further values that the caller accepts, for the message, such as ", or None".

    Raises
    ------
    ValueError
        If the value is not an integer, or below the minimum.

    Examples
    --------
    >>> from nnkit._validation import as_count
    >>> as_count("n_units", 0)
    Traceback (most recent call last):
    ValueError: n_units must be an integer of at least 1. Got 0 instead.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(
            f"{name} must be an integer of at least {minimum}{alternatives}. "
            f"Got {shown(value)} instead."
        )
    return int(value)


def as_counts(name: str, values: Any) -> tuple[int, ...]:
    """Return a sequence of integers, each at least 1, as a tuple.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    values : object
        Value to check.

    Raises
    ------
    ValueError
        If the value is not a sequence, or one of its entries is not an integer of at least 1.
    """
    if not isinstance(values, Iterable) or isinstance(values, (str, bytes)):
        raise ValueError(
            f"{name} must be a sequence of integers, such as (3, 2). Got {shown(values)} instead."
        )
    return tuple(as_count(f"{name}[{i}]", value) for i, value in enumerate(values))


def as_fraction(name: str, value: Any) -> float:
    """Return a number in [0, 1).

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    value : object
        Value to check.

    Raises
    ------
    ValueError
        If the value is not a number, or outside of the interval.
    """
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(f"{name} must be a fraction in [0, 1). Got {shown(value)} instead.")
    return float(value)


def as_number(name: str, value: Any, interval: str, *, alternatives: str = "") -> float:
    """Return a number in an interval.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    value : object
        Value to check. True, False and NaN are not accepted.
    interval : str
        In mathematical notation, such as "[0, 1]" or "(0, inf)".
    alternatives : str, default=""
        Further values that the caller accepts, for the message, such as ", or None".

    Raises
    ------
    ValueError
        If the value is not a number, or outside of the interval.

    Examples
    --------
    >>> from nnkit._validation import as_number
    >>> as_number("tol", 0, "[0, inf)")
    0.0
    """
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    is_inside = is_number(value) and (
        low < value < high
        or (value == low and interval.startswith("["))
        or (value == high and interval.endswith("]"))
    )
    if not is_inside:
        raise ValueError(
            f"{name} must be a number in {interval}{alternatives}. Got {shown(value)} instead."
        )
    return float(value)


def as_choice(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """Return one of a few strings, numbers or None.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    value : object
        Value to check.
    choices : sequence of str, int, bool or None
        Values that are accepted, at least two.

    Raises
    ------
    ValueError
        If the value is not among the choices.
    """
    # Arrays and pandas.NA have no truth value, so that `in` would raise another error.
    is_comparable = value is None or isinstance(value, (str, Integral, np.bool_))
    if not is_comparable or value not in choices:
        *others, last = (repr(choice) for choice in choices)
        raise ValueError(
            f"{name} must be {', '.join(others)} or {last}. Got {shown(value)} instead."
        )
    return value


def as_flag(name: str, value: Any) -> bool:
    """Return True or False.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    value : object
        Value to check. 0 and 1 are not accepted.

    Raises
    ------
    ValueError
        If the value is not a Boolean of Python or NumPy.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be True or False. Got {shown(value)} instead.")
    return bool(value)


def is_number(value: Any) -> bool:
    """Return whether a value is a real number. True and False are not numbers."""
    return isinstance(value, Real) and not isinstance(value, bool)
