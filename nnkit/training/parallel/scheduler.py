"""Scheduler of tasks that run concurrently in threads.

A task runs when it has a slot. There is one slot per core and one more, since one task usually
executes Python code. If the compiled programs of the tasks are short, there is a single slot,
since their threads would wait for Python's lock.

A task releases its slot while it waits for other tasks or for tasks that it has started itself.
Waiting ends after a timeout without events, because the waiting tasks may hold a lock that the
others need.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import joblib

__all__ = ["Call", "CancelledError", "Scheduler", "current_scheduler"]

# Seconds without an event after which waiting tasks continue.
_TIMEOUT = 0.05

# Mean duration of the compiled programs of a training, in seconds, from which on concurrency saves
# time. Each training also takes about 10 ms of Python code, which threads execute one by one.
_MIN_SECONDS_COMPILED = 0.007

# Seconds between checks for cancellation while a task waits for a slot.
_POLL_INTERVAL = 0.5

# Seconds that a submitted task may take until it is registered.
_START_TIMEOUT = 0.003

_LOCAL = threading.local()


class CancelledError(BaseException):
    """Raised in the tasks of a stopped call to end them. Their results are discarded."""


class Call:
    """A set of tasks that are submitted together, for example by one call of joblib.

    It is created in the thread of the caller. If that thread runs a task, stopping the call of
    that task stops this call too.
    """

    def __init__(self) -> None:
        self._around: Call | None = getattr(_LOCAL, "call", None)
        self._error: type[BaseException] | None = None

    def stop(self, error: type[BaseException]) -> None:
        """Make every task raise an error at its next check."""
        self._error = error

    def check(self) -> None:
        """Raise the error of `stop` if the call was stopped."""
        if self._error is not None:
            raise self._error
        if self._around is not None:
            self._around.check()


def current_scheduler() -> Scheduler | None:
    """Return the scheduler of the task that this thread runs; None outside of tasks."""
    return getattr(_LOCAL, "scheduler", None)


class Scheduler:
    """Runs tasks in the threads of their callers, as many at once as there are slots.

    Parameters
    ----------
    max_networks : int
        Largest number of trainings in a batched group.
    max_bytes : int
        Largest size of the rows that waiting tasks hold, in bytes. Above it, no task starts.
    vectorize : bool or None, default=None
        Whether trainings join vectorised programs where that is possible. None chooses.

    Attributes
    ----------
    changed : threading.Condition
        Notified when a task starts, ends, waits or continues.
    groups : dict
        Open batched groups by the ``stacking_key`` of their runs.
    heavy_lock : threading.RLock
        Held during calls whose steps use all cores.
    """

    def __init__(self, max_networks: int, max_bytes: int, vectorize: bool | None = None) -> None:
        self.max_networks = max_networks
        self.max_bytes = max_bytes
        self.vectorize = vectorize
        lock = threading.RLock()
        self.changed = threading.Condition(lock)
        # Notifies one task of the queue at a time.
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
        """Run a task of a call in this thread.

        Parameters
        ----------
        call : Call
        waits : bool, default=True
            Whether to wait for a slot.
        """
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
        """Record the start of a training and the estimated duration of its compiled programs."""
        with self.changed:
            self._seconds_compiled += seconds
            self._n_trainings += 1
            self._note_event()

    def note_trained(self, seconds: float) -> None:
        """Record the measured duration of the compiled programs of a training."""
        with self.changed:
            known = self._shortest_training
            self._shortest_training = min(known, seconds) if known else seconds
            self._note_event()

    @contextmanager
    def release_slot(self, n_bytes: int = 0) -> Iterator[None]:
        """Release the slot of this thread's task while the task waits.

        Parameters
        ----------
        n_bytes : int, default=0
            Size of the rows that the waiting task holds, in bytes.
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
                # Continue without a slot after the timeout: the running tasks may wait for a lock
                # that this task holds.
                self._slot_freed.wait_for(lambda: not self._is_full, _TIMEOUT)
                self._n_running += 1
                self._note_event()

    @property
    def _is_full(self) -> bool:
        return self._n_running >= self._n_slots

    @property
    def _n_slots(self) -> int:
        """The number of tasks that may run: cores + 1 for long trainings, else 1."""
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

    # Waiting

    def timeout_left(self) -> float:
        """Return the seconds until waiting tasks continue; 0 if they continue at once.

        They continue when all tasks wait, when there was no event for the timeout, or when their
        rows exceed ``max_bytes``. The caller holds ``changed``.
        """
        if self._bytes_waiting >= self.max_bytes:
            return 0.0
        is_all_waiting = self._n_running <= 0 and not self._n_queued
        timeout = _START_TIMEOUT if is_all_waiting else _TIMEOUT
        return max(0.0, self._last_event + timeout - time.monotonic())

    @staticmethod
    def check() -> None:
        """Raise if the call of this thread's task was stopped."""
        call = getattr(_LOCAL, "call", None)
        if call is not None:
            call.check()
