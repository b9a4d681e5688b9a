"""A check that the training of a network fits into the memory of this machine."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from math import prod

__all__ = ["check_size", "check_widths"]

# The weight, its gradient, its new value, and two moments of Adam.
_NUMBERS_PER_WEIGHT = 5
_BYTES_PER_NUMBER = 4


def check_widths(shape: Sequence[int], units: Sequence[int]) -> None:
    """Raise a ValueError if hidden layers would not fit into memory.

    The check runs before any layer is built.

    Parameters
    ----------
    shape : sequence of int
        Shape of one row of the input.
    units : sequence of int
        Units of each hidden layer.
    """
    widths = [prod(shape), *units]
    n_weights = sum(above * below for above, below in itertools.pairwise(widths))
    check_size(n_weights, f"With units={tuple(units)} the network")


def check_size(n_weights: int, what: str, n_networks: int = 1) -> None:
    """Raise a ValueError if the training of networks would not fit into memory.

    Parameters
    ----------
    n_weights : int
        Number of weights of each network.
    what : str
        Grammatical subject of the error message, such as "The network".
    n_networks : int, default=1
        Number of networks that are trained at the same time.
    """
    needed = n_weights * n_networks * _NUMBERS_PER_WEIGHT * _BYTES_PER_NUMBER
    memory = _memory()
    if memory is None or needed <= memory:
        return
    several = "" if n_networks == 1 else f", and there are {n_networks} of them"
    raise ValueError(
        f"{what} has {n_weights:.2g} weights{several}. To train it takes about "
        f"{_in_gigabytes(needed)} of memory, and this machine has {_in_gigabytes(memory)}. "
        "Give it fewer units, or fewer columns."
    )


def _memory() -> int | None:
    """Return the memory of this machine in bytes, or None if it is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _in_gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:,.0f} GB"
