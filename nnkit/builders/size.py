"""How large a network may be on this machine."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from math import prod

__all__ = ["check_size", "check_widths"]

# Adam keeps two moments of each weight, and a step has its gradient and its new value.
_NUMBERS_PER_WEIGHT = 5
_BYTES_PER_NUMBER = 4


def check_widths(shape: Sequence[int], units: Sequence[int]) -> None:
    """Raise a ValueError if hidden layers do not fit into memory, before any is made.

    Parameters
    ----------
    shape : sequence of int
        Of a row.
    units : sequence of int
        Of each hidden layer.
    """
    widths = [prod(shape), *units]
    n_weights = sum(above * below for above, below in itertools.pairwise(widths))
    check_size(n_weights, f"With units={tuple(units)} the network")


def check_size(n_weights: int, what: str, n_networks: int = 1) -> None:
    """Raise a ValueError if the training of networks would not fit into memory.

    Parameters
    ----------
    n_weights : int
        Of each network.
    what : str
        Subject of the message, such as "The network".
    n_networks : int, default=1
        How many are trained side by side.
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
    """Return the memory of this machine in bytes, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _in_gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:,.0f} GB"
