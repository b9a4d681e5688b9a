"""What a build draws at random, reproducible and without a trace."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["seeded_build"]

_LOCK = threading.RLock()


@contextmanager
def seeded_build(seed: int) -> Iterator[None]:
    """Make the builds in this context draw their seeds from ``seed``.

    Keras takes the seeds of initializers and of random layers that were given none from
    Python's ``random`` module. Its state is replaced for the time of the build and then put
    back. Builds of several threads wait for each other.

    Parameters
    ----------
    seed : int
        At least 0.
    """
    with _LOCK:
        state = random.getstate()
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(state)
