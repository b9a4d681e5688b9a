"""A progress bar in rows, which only long work shows."""

from __future__ import annotations

import sys
from functools import cache
from types import TracebackType
from typing import Any, Self

__all__ = ["ExplanationProgress"]

# Seconds of work before the bar shows.
DELAY = 2.0


class ExplanationProgress:
    """Rows done and time left, on stderr, once the work has taken two seconds.

    It shows at the first `update` after two seconds, and leaves nothing behind. Each thread
    has a bar of its own. The environment variable ``TQDM_DISABLE=1`` turns it off.

    Parameters
    ----------
    n_rows : int
        How many rows there are to do.
    progress : bool, default=True
        Whether there is a bar at all.

    Examples
    --------
    >>> from nnkit.explanation.results.progress import ExplanationProgress
    >>> with ExplanationProgress(100) as progress:
    ...     for _ in range(10):
    ...         progress.update(10)
    """

    def __init__(self, n_rows: int, progress: bool = True) -> None:
        self.n_rows = n_rows
        self.progress = progress
        self._n_done = 0.0
        self._bar: Any = None

    def __enter__(self) -> Self:
        # stderr is None in a program without a console.
        if self.progress and sys.stderr is not None:
            self._bar = _bar_class()(
                total=self.n_rows,
                desc="explain",
                unit="row",
                delay=DELAY,
                leave=False,
                miniters=0,  # by time alone: rows may become slower
                bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} rows, {remaining} left",
            )
        return self

    def update(self, n_rows: float) -> None:
        """Count rows as done.

        Parameters
        ----------
        n_rows : float
            How many more rows are done; parts of rows add up.
        """
        n_before, self._n_done = int(self._n_done), self._n_done + n_rows
        # A bar that would first show when all is done is of no use.
        if self._bar is not None and self._n_done < self.n_rows:
            self._bar.update(int(self._n_done) - n_before)

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@cache
def _bar_class() -> Any:
    """Return the bar of tqdm (which comes with shap) without side effects on the process.

    It is the plain one, since that of notebooks warns where ipywidgets are missing.
    """
    from tqdm.std import TqdmDefaultWriteLock, tqdm

    class Bar(tqdm):
        """A bar that sets no state of tqdm's own class."""

        # No thread that outlives the work. It would only serve bars that go by `miniters`.
        monitor_interval = 0

    # tqdm's own lock holds one of multiprocessing as well, after which
    # multiprocessing.set_start_method raises. This is its other half, which all bars share.
    Bar.set_lock(TqdmDefaultWriteLock.th_lock)
    return Bar
