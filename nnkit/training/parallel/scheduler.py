"""Tasks that run side by side in threads: which may run, which wait, and when to wait no longer.

As many tasks run as there are cores, and one more, since one is usually in Python; those that are
in Python most of the time run one after the other. A task that waits for others, or for tasks that
it has started itself, gives its place to the next. Nobody waits for ever: a task may hold a lock
that others need, so those that wait go on once nothing has arrived for a short while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import joblib

__all__ = ["Call", "CancelledError", "Scheduler", "current_scheduler"]

# Seconds without an arrival after which those that wait go on with those that are there.
_TIMEOUT = 0.05

# Seconds of compiled programs in a fit from which on others gain from running beside it. Around
# them there are some 10 ms of Python, for which threads wait for each other.
_MIN_SECONDS_COMPILED = 0.007

# Seconds after which those that wait for a place look up.
_POLL_INTERVAL = 0.5

# Seconds that a task may take from being handed over to being seen.
_START_TIMEOUT = 0.003

_LOCAL = threading.local()


class CancelledError(BaseException):
    """Ends a task of a scheduler that was stopped; nobody asks for its result any more."""


class Call:
    """Tasks that were handed over together, by one call of joblib for example.

    Made in the thread that makes the call; those inside its tasks end with it.
    """

    def __init__(self) -> None:
        self._around: Call | None = getattr(_LOCAL, "call", None)
        self._error: type[BaseException] | None = None

    def stop(self, error: type[BaseException]) -> None:
        """Let every task end with an error as soon as it looks."""
        self._error = error

    def check(self) -> None:
        """Raise if the tasks were told to stop."""
        if self._error is not None:
            raise self._error
        if self._around is not None:
            self._around.check()


def current_scheduler() -> Scheduler | None:
    """Return the scheduler whose task this thread runs, if any."""
    return getattr(_LOCAL, "scheduler", None)


class Scheduler:
    """Tasks that know of each other.

    Parameters
    ----------
    max_networks : int
        How many tasks wait for each other at most.
    max_bytes : int
        How many bytes of rows those that wait may hold before no further task begins.
    vectorize : bool or None, default=None
        Whether trainings that can be are members of a vectorised program; None chooses.

    Attributes
    ----------
    changed : threading.Condition
        Notified whenever a task begins, ends, waits or goes on.
    groups : dict
        Of trainings that wait for each other, by what makes them alike; `a batched group` keeps them.
    heavy_lock : threading.RLock
        Held by steps of so much arithmetic that each uses all cores.
    """

    def __init__(self, max_networks: int, max_bytes: int, vectorize: bool | None = None) -> None:
        self.max_networks = max_networks
        self.max_bytes = max_bytes
        self.vectorize = vectorize
        lock = threading.RLock()
        self.changed = threading.Condition(lock)
        # Those who have a place to wait for are called one by one.
        self._slot_freed = threading.Condition(lock)
        self.groups: dict[Hashable, Any] = {}
        self.heavy_lock = threading.RLock()
        self._seconds_compiled = 0.0
        self._n_trainings = 0
        self._shortest_training = 0.0
        self._n_running = 0
        self._n_queued = 0
        self._n_released = 0
        self._bytes_waiting = 0
        self._last_event = time.monotonic()

    # Tasks

    @contextmanager
    def task(self, call: Call, *, waits: bool = True) -> Iterator[None]:
        """Run a task of a call in this thread, once there is a place for it, if it waits."""
        before = vars(_LOCAL).copy()
        with self.changed:
            self._n_queued += 1
            try:
                while waits and (self._is_full or self._bytes_waiting >= self.max_bytes):
                    call.check()
                    self._slot_freed.wait(_POLL_INTERVAL)
                call.check()
            finally:
                self._n_queued -= 1
            self._n_running += 1
            self._note_event()
        _LOCAL.scheduler, _LOCAL.call = self, call
        try:
            yield
        finally:
            _LOCAL.scheduler, _LOCAL.call = before.get("scheduler"), before.get("call")
            with self.changed:
                self._n_running -= 1
                self._note_event()

    def note_training(self, seconds: float) -> None:
        """Note that a training begins, and about how long its compiled programs will take."""
        with self.changed:
            self._seconds_compiled += seconds
            self._n_trainings += 1
            self._note_event()

    def note_trained(self, seconds: float) -> None:
        """Note how long the compiled programs of a training have taken on the clock."""
        with self.changed:
            known = self._shortest_training
            self._shortest_training = min(known, seconds) if known else seconds
            self._note_event()

    @contextmanager
    def release_slot(self, n_bytes: int = 0) -> Iterator[None]:
        """Give the place of this thread's task to others while it waits.

        Parameters
        ----------
        n_bytes : int, default=0
            Memory that the task holds meanwhile.
        """
        with self.changed:
            self._n_running -= 1
            self._n_released += 1
            self._bytes_waiting += n_bytes
            self._note_event()
        try:
            yield
        finally:
            with self.changed:
                self._n_released -= 1
                self._bytes_waiting -= n_bytes
                # It may hold what those that run are waiting for, so that it does not insist.
                self._slot_freed.wait_for(lambda: not self._is_full, _TIMEOUT)
                self._n_running += 1
                self._note_event()

    @property
    def _is_full(self) -> bool:
        return self._n_running >= self._n_slots

    @property
    def _n_slots(self) -> int:
        """How many tasks may run: one for each core, and one that is in Python meanwhile.

        Before any has trained, and where trainings are short, they run one after the other.
        """
        is_long = (
            self._seconds_compiled > _MIN_SECONDS_COMPILED * self._n_trainings
            or self._shortest_training > _MIN_SECONDS_COMPILED
        )
        return joblib.cpu_count() + 1 if is_long else 1

    def _note_event(self) -> None:
        self._last_event = time.monotonic()
        if not self._is_full:
            self._slot_freed.notify()
        if self._n_released:
            self.changed.notify_all()

    # Waiting for each other

    def timeout_left(self) -> float:
        """Return the seconds for which those that wait go on waiting; 0 to begin. Hold ``changed``.

        They begin when all tasks wait, when nothing has happened for a while, or when no further
        task could begin.
        """
        if self._bytes_waiting >= self.max_bytes:
            return 0.0
        is_all_waiting = self._n_running <= 0 and not self._n_queued
        timeout = _START_TIMEOUT if is_all_waiting else _TIMEOUT
        return max(0.0, self._last_event + timeout - time.monotonic())

    @staticmethod
    def check() -> None:
        """Raise if the task of this thread was told to stop."""
        call = getattr(_LOCAL, "call", None)
        if call is not None:
            call.check()
