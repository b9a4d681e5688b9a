"""Batched groups: trainings of one compiled model that call one vectorised program together.

Each training keeps its own thread, callbacks, validation and early stopping. Only the call of the
program is shared. It waits until every member of the group has made a request, and runs once for
all requests. A member that ends or fails leaves the group, and the others continue.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from nnkit.training.loop.backends import REASON_FOR_ALONE
from nnkit.training.loop.runs import TrainingRun
from nnkit.training.loop.state import TrainingState
from nnkit.training.parallel.scheduler import Scheduler
from nnkit.training.parallel.stack import Stack

__all__ = ["ThreadedRun", "in_batched_group"]

_LOGGER = logging.getLogger(__name__)

# Smaller groups are slower than separate trainings.
_MIN_MEMBERS = 4


class _GroupMember:
    """A training in a batched group, with the interface of a `TrainingRun`.

    Attributes
    ----------
    request : tuple of state and orders, or None
        Arguments of its next call.
    result : tuple of state and logs, or None
        Result of its last call.
    """

    def __init__(self, group: _Group, run: TrainingRun) -> None:
        self._group = group
        self.run = run
        self.request: Any = None
        self.result: Any = None

    def epochs_per_call(self, n_epochs: int) -> int:
        """Return the number of epochs per call, as `TrainingRun.epochs_per_call`."""
        return self.run.epochs_per_call(n_epochs)

    def __call__(
        self, state: TrainingState, orders: Sequence[np.ndarray]
    ) -> tuple[TrainingState, list[dict[str, float]]]:
        """Train for some epochs together with the other members, as `TrainingRun.__call__`."""
        return self._group.train(self, state, orders)


class _Group:
    """A batched group of trainings with the same ``stacking_key``.

    Parameters
    ----------
    scheduler : Scheduler
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._members: list[_GroupMember] = []
        self._stack: Stack | None = None
        self.has_begun = False
        self._is_busy = self._is_dissolved = False

    def add(self, run: TrainingRun) -> _GroupMember:
        """Add a training, before the first call. The caller holds ``changed``."""
        member = _GroupMember(self, run)
        self._members.append(member)
        return member

    def leave(self, member: _GroupMember) -> None:
        """Remove a training that has ended. The caller holds ``changed``."""
        self._members.remove(member)
        self._scheduler.changed.notify_all()

    @property
    def is_empty(self) -> bool:
        """Whether the group has no members."""
        return not self._members

    def train(self, member: _GroupMember, state: Any, orders: Any) -> Any:
        """Train one member, as soon as the group is ready."""
        scheduler = self._scheduler
        if not self._is_dissolved:
            with scheduler.release_slot(member.run.n_bytes), scheduler.changed:
                member.request, member.result = (state, orders), None
                while member.result is None and not self._is_dissolved:
                    scheduler.check()
                    if self._is_ready():
                        self._resolve_all()
                    else:
                        scheduler.changed.wait(
                            None if self._is_busy else max(0.001, scheduler.timeout_left())
                        )
        if self._is_dissolved and member.result is None:
            return member.run(state, orders)
        return member.result

    def _is_ready(self) -> bool:
        if self._is_busy:
            return False
        is_complete = all(member.request is not None for member in self._members)
        if is_complete and (self.has_begun or len(self._members) >= self._scheduler.max_networks):
            return True
        # After the timeout, start without the missing members. They may wait for a lock that a
        # waiting member holds.
        return self._scheduler.timeout_left() == 0

    def _resolve_all(self) -> None:
        """Train all members that wait for a result, in this thread, without the lock."""
        scheduler = self._scheduler
        members = [member for member in self._members if member.request is not None]
        all_members = list(self._members)
        self.has_begun = self._is_busy = True
        scheduler.changed.release()
        try:
            results = self._results(members, all_members)
        finally:
            scheduler.changed.acquire()
            self._is_busy = False
            scheduler.changed.notify_all()
        if results is None:
            self._is_dissolved = True
            return
        for member, result in zip(members, results, strict=True):
            member.request, member.result = None, result

    def _results(
        self, members: list[_GroupMember], all_members: list[_GroupMember]
    ) -> list[Any] | None:
        """Return the new state and logs of members; None to dissolve the group."""
        if self._stack is None and len(members) < _MIN_MEMBERS:
            return None
        try:
            if self._stack is None:
                self._stack = Stack([member.run for member in all_members])
            return self._stack.train([(member.run, *member.request) for member in members])
        except Exception as error:  # a member's own error is raised again when it trains alone
            reason = f"vectorised training failed: {type(error).__name__}: {error}".splitlines()[0]
            _LOGGER.info("These networks train one at a time: %s", reason)
            members[0].run.compiled_model.note(REASON_FOR_ALONE, reason)
            return None


class ThreadedRun:
    """A run in a thread of a scheduler, concurrent with others.

    Parameters
    ----------
    scheduler : Scheduler
    run : TrainingRun
    is_heavy : bool
        Whether each call uses all cores. Such calls run one after the other.

    Attributes
    ----------
    seconds : float
        Total duration of its calls.
    """

    def __init__(self, scheduler: Scheduler, run: TrainingRun, *, is_heavy: bool) -> None:
        self._scheduler = scheduler
        self._run = run
        self._is_heavy = is_heavy
        self.seconds = 0.0

    def epochs_per_call(self, n_epochs: int) -> int:
        """Return the number of epochs per call, as `TrainingRun.epochs_per_call`."""
        return self._run.epochs_per_call(n_epochs)

    def use(self, data: Any) -> None:
        """Train on these rows from now on, as `TrainingRun.use`."""
        self._run.use(data)

    def __call__(
        self, state: TrainingState, orders: Sequence[np.ndarray]
    ) -> tuple[TrainingState, list[dict[str, float]]]:
        """Train for some epochs."""
        with self._scheduler.heavy_lock if self._is_heavy else nullcontext():
            begin = time.perf_counter()
            found = self._run(state, orders)
            self.seconds += time.perf_counter() - begin
        return found


@contextmanager
def in_batched_group(scheduler: Scheduler, run: TrainingRun) -> Iterator[Any]:
    """Add a run to the batched group of its ``stacking_key`` while it trains.

    Parameters
    ----------
    scheduler : Scheduler
    run : TrainingRun

    Yields
    ------
    member : callable
        Object with the interface of the run, which trains together with the group.
    """
    with scheduler.changed:
        group = scheduler.groups.get(run.stacking_key)
        if group is None or group.has_begun:
            group = scheduler.groups[run.stacking_key] = _Group(scheduler)
        member = group.add(run)
    try:
        yield member
    finally:
        with scheduler.changed:
            group.leave(member)
            if group.is_empty and scheduler.groups.get(run.stacking_key) is group:
                del scheduler.groups[run.stacking_key]
