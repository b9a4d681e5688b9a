"""The context in which scikit-learn's fits of networks train side by side."""

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

_MAX_DEPTH = 2

# Seconds after which a thread that waits looks up.
_POLL_INTERVAL = 0.2


@contextlib.contextmanager
def batched_training(
    max_networks: int = 32, max_bytes: int = 2**30, vectorize: bool | None = None
) -> Iterator[None]:
    """Train the networks of scikit-learn's searches, validations and ensembles side by side.

    Whatever runs its work through joblib inside this context (``cross_validate``,
    ``GridSearchCV``, ``BaggingClassifier`` and so on) runs it in threads of this process, as
    many at once as there are cores, whatever its ``n_jobs``. The fits share compiled
    programs. Where that is faster, fits of one compiled model wait for each other and train as one
    vectorised program. Each result is that of the fit on its own, whatever the number of tasks:
    to the bit in threads, to float rounding otherwise.

    Parameters
    ----------
    max_networks : int, default=32
        How many tasks there are at once, and networks in a vectorised program, at least 2.
    max_bytes : int, default=2**30
        How many bytes of training rows tasks may hold while they wait for each other. Beyond,
        no further task begins before some have been trained.
    vectorize : bool or None, default=None
        Whether fits of one compiled model train as one vectorised program, where they can; None
        does so on a GPU only, since threads are faster on CPUs.

    Raises
    ------
    ValueError
        If a parameter is not what it must be.

    Notes
    -----
    ``mean_fit_time`` of a search includes the time for which a task has waited. Inside a
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
        # Inside a task, the tasks of the outer context go on.
        yield
        return
    scheduler = Scheduler(int(max_networks), int(max_bytes), vectorize)
    backend = _SchedulerBackend(scheduler, nesting_level=0)
    with joblib.parallel_config(backend=backend, n_jobs=int(max_networks)):
        yield


class _SchedulerBackend(ParallelBackendBase):
    """The joblib backend whose tasks are those of a scheduler.

    Parameters
    ----------
    scheduler : Scheduler
    nesting_level : int or None
        How many calls of joblib are around those of this backend.
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
        """Return how many tasks there are at once, whatever the caller has asked for."""
        return self._scheduler.max_networks

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_: Any) -> int:
        """Make ready for a call of ``joblib.Parallel``, and return how many tasks it may hand."""
        if tf.distribute.has_strategy():
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        if getattr(parallel, "return_generator", False):
            # Its tasks run on while the caller does something else.
            raise FallbackToBackend(ThreadingBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        return self.effective_n_jobs(n_jobs)

    def start_call(self) -> None:
        """Open what lasts for one call."""
        self._call = contextlib.ExitStack()
        # Threads that set warning filters and put them back leave those of another thread.
        self._call.enter_context(warnings.catch_warnings())
        if current_scheduler() is not None:
            # The task that makes this call waits for its own tasks.
            self._call.enter_context(self._scheduler.release_slot())
        self._settings = settings_of_thread()
        self._tasks = Call()
        self._failed: SimpleQueue[BaseException] = SimpleQueue()
        self._executor = ThreadPoolExecutor(self._scheduler.max_networks, "nnkit")

    def submit(self, func: Callable[[], Any], callback: Any = None) -> Future[Any]:
        """Hand a task to the threads."""
        assert self._executor is not None
        outcome: Future[Any] = Future()
        self._executor.submit(self._run, func, outcome, callback)
        return outcome

    def _run(self, func: Callable[[], Any], outcome: Future[Any], callback: Any) -> None:
        try:
            with thread_settings(self._settings), self._scheduler.task(self._tasks):
                outcome.set_result(func())
        except BaseException as error:
            # joblib raises it again in the thread that waits for the result.
            outcome.set_exception(error)
            self._failed.put(error)
        try:
            callback(outcome)
        except BaseException as error:
            # joblib asks for further tasks here, which their iterator may fail to give.
            self._failed.put(error)
            raise

    def retrieve_result(self, out: Future[Any], timeout: float | None = None) -> Any:
        """Return the result of a task, or raise the error of the first that fails."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        while not out.done() and self._failed.empty():
            if time.monotonic() > end:
                raise TimeoutError
            # Python takes note of an interrupt between two waits, whichever thread it hits.
            wait([out], min(_POLL_INTERVAL, max(0.0, end - time.monotonic())))
        if not self._failed.empty():
            raise self._failed.get()
        return out.result()

    def stop_call(self) -> None:
        """Close what lasts for one call."""
        self._end_threads()
        if self._call is not None:
            self._call.close()
            self._call = None

    def terminate(self) -> None:
        """Leave no thread behind."""
        self._end_threads()

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002
        """End all tasks, as soon as they look, after an error or an interrupt."""
        self._tasks.stop(CancelledError)
        self._end_threads()

    def _end_threads(self) -> None:
        if self._executor is not None:
            # Those that were handed over and have not begun never will.
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    def get_nested_backend(self) -> tuple[Any, int | None]:
        """Return the backend of calls inside tasks."""
        level = (self.nesting_level or 0) + 1
        if level >= _MAX_DEPTH:
            return SequentialBackend(nesting_level=level), None
        return _SchedulerBackend(self._scheduler, nesting_level=level), self._scheduler.max_networks


def run_together(
    functions: Sequence[Callable[[], Any]], *, are_at_once: bool = False
) -> tuple[list[Any], KeyboardInterrupt | None]:
    """Return the results of functions that train networks, run side by side.

    They are tasks of the scheduler around, if this is inside `batched_training`, else of their own.

    Parameters
    ----------
    functions : sequence of callable
        At least one. Each returns a `TrainingRecord`.
    are_at_once : bool, default=False
        Whether none of them waits for a place: those that share a time limit begin together.

    Returns
    -------
    records : list of TrainingRecord or None
        None for a training that an interrupt ended before its first epoch.
    interrupt : KeyboardInterrupt or None
        What ended the trainings early, of this thread or of one of them.

    Raises
    ------
    Exception
        The first error of a function; the others are then ended.
    """
    scheduler = current_scheduler()
    if scheduler is None:
        scheduler = Scheduler(max(2, len(functions)), 2**30)
        # Nothing but trainings, however short, which begin at once.
        scheduler.note_training(math.inf)
    tasks, settings = Call(), settings_of_thread()

    def run(function: Callable[[], Any]) -> Any:
        with thread_settings(settings), scheduler.task(tasks, waits=not are_at_once):
            return function()

    waiting = (
        scheduler.release_slot() if current_scheduler() is scheduler else contextlib.nullcontext()
    )
    futures: list[Future[Any]] = []
    interrupt = None
    with waiting, ThreadPoolExecutor(len(functions), "nnkit") as executor:
        try:
            futures += [executor.submit(run, function) for function in functions]
            while _are_training(futures):
                # Python takes note of an interrupt between two waits, whichever thread it hits.
                wait(futures, _POLL_INTERVAL, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt as error:
            interrupt = error
        interrupt = interrupt or _interrupt_of(futures)
        # Each training keeps what it has reached, as one alone would.
        tasks.stop(KeyboardInterrupt if interrupt is not None else CancelledError)
        wait(futures)
    errors = [raised for future in futures if (raised := future.exception())]
    kinds = KeyboardInterrupt if interrupt is not None else ()
    errors = [raised for raised in errors if not isinstance(raised, kinds)]
    if errors:
        raise next((e for e in errors if not isinstance(e, CancelledError)), errors[0])
    return [None if future.exception() else future.result() for future in futures], interrupt


def _are_training(futures: Sequence[Future[Any]]) -> bool:
    """Return whether trainings are under way, and none has failed or was interrupted."""
    is_over = [future.done() for future in futures]
    failed = any(future.exception() for future, over in zip(futures, is_over, strict=True) if over)
    return not all(is_over) and not failed and _interrupt_of(futures) is None


def _interrupt_of(futures: Sequence[Future[Any]]) -> KeyboardInterrupt | None:
    """Return the interrupt that has ended one of the trainings, if any."""
    for future in futures:
        if future.done():
            error = future.exception()
            found = error if error is not None else future.result().interrupt
            if isinstance(found, KeyboardInterrupt):
                return found
    return None
