"""Context manager that trains the networks of scikit-learn's tools concurrently."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from numbers import Integral
from queue import SimpleQueue
from typing import Any

import joblib
import tensorflow as tf
from joblib.parallel import (
    FallbackToBackend,
    ParallelBackendBase,
    SequentialBackend,
    ThreadingBackend,
)

from nnkit._compat import settings_of_thread, thread_settings
from nnkit.training.parallel.scheduler import Call, CancelledError, Scheduler, current_scheduler

__all__ = ["batched_training", "run_together"]

# Levels of nested joblib calls whose tasks run in threads. Deeper calls run sequentially.
_MAX_DEPTH = 2

# Seconds between checks for errors and interrupts while a thread waits for results.
_POLL_INTERVAL = 0.2


@contextlib.contextmanager
def batched_training(
    max_networks: int = 32, max_bytes: int = 2**30, vectorize: bool | None = None
) -> Iterator[None]:
    """Train the networks of scikit-learn's searches, validations and ensembles concurrently.

    Inside this context, everything that uses joblib (``cross_validate``, ``GridSearchCV``,
    ``BaggingClassifier`` and so on) runs its tasks in threads of this process. As many run at once
    as there are cores; ``n_jobs`` has no effect. The fits share compiled programs. On a GPU, fits
    of one compiled model are trained as one vectorised program. The results are those of separate
    fits: identical in threads, equal up to floating-point rounding in a vectorised program.

    Parameters
    ----------
    max_networks : int, default=32
        Largest number of tasks at once, and of networks in a vectorised program, at least 2.
    max_bytes : int, default=2**30
        Largest size of the training rows that waiting tasks hold, in bytes, at least 1. Above it,
        no further task starts.
    vectorize : bool or None, default=None
        Whether fits of one compiled model train as one vectorised program where that is possible.
        None does so on a GPU only, since threads are faster on CPUs.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    ``mean_fit_time`` of a search includes the time for which tasks wait. Inside a
    ``tf.distribute`` strategy, tasks run one after the other.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from nnkit import KerasClassifier, batched_training
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = KerasClassifier("mlp", epochs=2, random_state=0)
    >>> with batched_training():
    ...     scores = cross_val_score(clf, X, y, cv=3)
    >>> scores.shape
    (3,)
    """
    for name, value, least in (("max_networks", max_networks, 2), ("max_bytes", max_bytes, 1)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be an int of at least {least}. Got {value!r} instead.")
    if vectorize is not None and not isinstance(vectorize, bool):
        raise ValueError(f"vectorize must be None, True or False. Got {vectorize!r} instead.")
    if current_scheduler() is not None:
        # Inside a task, the outer context stays in effect.
        yield
        return
    scheduler = Scheduler(int(max_networks), int(max_bytes), vectorize)
    backend = _SchedulerBackend(scheduler, nesting_level=0)
    with joblib.parallel_config(backend=backend, n_jobs=int(max_networks)):
        yield


class _SchedulerBackend(ParallelBackendBase):
    """Joblib backend that runs tasks in threads, under a scheduler.

    Parameters
    ----------
    scheduler : Scheduler
    nesting_level : int or None
        Number of enclosing joblib calls.
    """

    supports_retrieve_callback = False
    supports_return_generator = True
    supports_timeout = True
    supports_sharedmem = True
    uses_threads = True

    def __init__(self, scheduler: Scheduler, nesting_level: int | None = None) -> None:
        super().__init__(nesting_level=nesting_level)
        self._scheduler = scheduler
        self._executor: ThreadPoolExecutor | None = None
        self._call: contextlib.ExitStack | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:  # noqa: ARG002
        """Return ``max_networks``, for any ``n_jobs`` of the caller."""
        return self._scheduler.max_networks

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
        """Prepare for a call of ``joblib.Parallel``, and return the number of its tasks at once."""
        if tf.distribute.has_strategy():
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        if getattr(parallel, "return_generator", False):
            # A generator returns while its tasks still run, so that no slot could be released.
            raise FallbackToBackend(ThreadingBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        return self.effective_n_jobs(n_jobs)

    def start_call(self) -> None:
        """Set up the contexts and threads of one call."""
        self._call = contextlib.ExitStack()
        # Threads set and restore warning filters concurrently, which may leave wrong ones.
        self._call.enter_context(warnings.catch_warnings())
        if current_scheduler() is not None:
            # The task that makes this call waits for the tasks of the call.
            self._call.enter_context(self._scheduler.release_slot())
        self._settings = settings_of_thread()
        self._tasks = Call()
        self._failed: SimpleQueue[BaseException] = SimpleQueue()
        self._executor = ThreadPoolExecutor(self._scheduler.max_networks, "nnkit")

    def submit(self, func: Callable[[], Any], callback: Any = None) -> Future[Any]:
        """Submit a task to the threads."""
        assert self._executor is not None
        outcome: Future[Any] = Future()
        self._executor.submit(self._run, func, outcome, callback)
        return outcome

    def _run(self, func: Callable[[], Any], outcome: Future[Any], callback: Any) -> None:
        try:
            with thread_settings(self._settings), self._scheduler.task(self._tasks):
                outcome.set_result(func())
        except BaseException as error:
            # joblib raises the error again in the thread that waits for the result.
            outcome.set_exception(error)
            self._failed.put(error)
        try:
            callback(outcome)
        except BaseException as error:
            # The callback of joblib takes further tasks from an iterator, which may raise.
            self._failed.put(error)
            raise

    def retrieve_result(self, out: Future[Any], timeout: float | None = None) -> Any:
        """Return the result of a task, or raise the first error of any task."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        while not out.done() and self._failed.empty():
            if time.monotonic() > end:
                raise TimeoutError
            # Short waits let the main thread handle a keyboard interrupt.
            wait([out], min(_POLL_INTERVAL, max(0.0, end - time.monotonic())))
        if not self._failed.empty():
            raise self._failed.get()
        return out.result()

    def stop_call(self) -> None:
        """Close the contexts and threads of one call."""
        self._end_threads()
        if self._call is not None:
            self._call.close()
            self._call = None

    def terminate(self) -> None:
        """End all threads."""
        self._end_threads()

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002
        """Cancel all tasks after an error or an interrupt, and wait for their threads."""
        self._tasks.stop(CancelledError)
        self._end_threads()

    def _end_threads(self) -> None:
        if self._executor is not None:
            # Submitted tasks that have not started are cancelled.
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    def get_nested_backend(self) -> tuple[Any, int | None]:
        """Return the backend of joblib calls inside tasks."""
        level = (self.nesting_level or 0) + 1
        if level >= _MAX_DEPTH:
            return SequentialBackend(nesting_level=level), None
        return _SchedulerBackend(self._scheduler, nesting_level=level), self._scheduler.max_networks


def run_together(
    functions: Sequence[Callable[[Scheduler], Any]],
    scheduler: Scheduler | None,
    *,
    are_at_once: bool = False,
) -> tuple[list[Any], KeyboardInterrupt | None]:
    """Run functions that train networks concurrently, and return their results.

    Parameters
    ----------
    functions : sequence of callable
        At least one function. Each takes a scheduler and returns a `TrainingRecord`.
    scheduler : Scheduler or None
        Scheduler of the task of this thread, inside `batched_training`. None makes a new one.
    are_at_once : bool, default=False
        Whether all start at once, without waiting for slots, since they share a time limit.

    Returns
    -------
    records : list of TrainingRecord or None
        None for a training that was interrupted before the end of its first epoch.
    interrupt : KeyboardInterrupt or None
        The interrupt that ended the trainings early, of this thread or of one of the tasks.

    Raises
    ------
    Exception
        The first error of a function. The other functions are cancelled.
    """
    is_task = scheduler is not None
    if scheduler is None:
        scheduler = Scheduler(max(2, len(functions)), 2**30)
        # An infinite duration makes the trainings count as long, so that they run concurrently.
        scheduler.note_training(math.inf)
    tasks, settings = Call(), settings_of_thread()

    def run(function: Callable[[Scheduler], Any]) -> Any:
        with thread_settings(settings), scheduler.task(tasks, waits=not are_at_once):
            return function(scheduler)

    waiting = scheduler.release_slot() if is_task else contextlib.nullcontext()
    futures: list[Future[Any]] = []
    interrupt = None
    with waiting, ThreadPoolExecutor(len(functions), "nnkit") as executor:
        try:
            futures += [executor.submit(run, function) for function in functions]
            while _are_training(futures):
                # Short waits let the main thread handle a keyboard interrupt.
                wait(futures, _POLL_INTERVAL, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt as error:
            interrupt = error
        interrupt = interrupt or _interrupt_of(futures)
        # After an interrupt, each training keeps its epochs so far, as a single training does.
        tasks.stop(KeyboardInterrupt if interrupt is not None else CancelledError)
        wait(futures)
    errors = [raised for future in futures if (raised := future.exception())]
    kinds = KeyboardInterrupt if interrupt is not None else ()
    errors = [raised for raised in errors if not isinstance(raised, kinds)]
    if errors:
        raise next((e for e in errors if not isinstance(e, CancelledError)), errors[0])
    return [None if future.exception() else future.result() for future in futures], interrupt


def _are_training(futures: Sequence[Future[Any]]) -> bool:
    """Return whether trainings run, and none has failed or was interrupted."""
    is_over = [future.done() for future in futures]
    failed = any(future.exception() for future, over in zip(futures, is_over, strict=True) if over)
    return not all(is_over) and not failed and _interrupt_of(futures) is None


def _interrupt_of(futures: Sequence[Future[Any]]) -> KeyboardInterrupt | None:
    """Return the interrupt that ended one of the trainings; None if there was none."""
    for future in futures:
        if future.done():
            error = future.exception()
            found = error if error is not None else future.result().interrupt
            if isinstance(found, KeyboardInterrupt):
                return found
    return None
