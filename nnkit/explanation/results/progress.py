"""A progress bar that counts rows and appears after two seconds."""

from __future__ import annotations

import sys
from functools import cache
from types import TracebackType
from typing import Any, Self

__all__ = ["ExplanationProgress"]

# Seconds before the bar appears.
DELAY = 2.0


class ExplanationProgress:
    """Progress bar on stderr with the number of finished rows and the remaining time.

    The bar appears at the first `update` after two seconds and is cleared at exit. Each call has
    its own bar, also in threads. The environment variable ``TQDM_DISABLE=1`` disables it.

    Parameters
    ----------
    n_rows : int
        The total number of rows.
    progress : bool, default=True
        Whether to show a bar.

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
                miniters=0,  # refresh by time only, since rows may become slower
                bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} rows, {remaining} left",
            )
        return self

    def update(self, n_rows: float) -> None:
        """Add to the number of finished rows.

        Parameters
        ----------
        n_rows : float
            The number of rows finished since the last call, which may be a fraction.
        """
        n_before, self._n_done = int(self._n_done), self._n_done + n_rows
        # The last update is skipped, so that a bar does not first appear when all rows are done.
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
    """Return a subclass of tqdm, a dependency of shap, without side effects on the process.

    The base is the bar for terminals, since that for notebooks warns if ipywidgets is missing.
    """
    from tqdm.std import TqdmDefaultWriteLock, tqdm

    class Bar(tqdm):
        """A bar that does not set class attributes of tqdm."""

        # Disables the monitor thread, which outlives the bar and only serves bars with `miniters`.
        monitor_interval = 0

    # The default lock of tqdm includes a multiprocessing lock, after whose creation
    # multiprocessing.set_start_method raises. The thread lock, shared by all bars, is enough.
    Bar.set_lock(TqdmDefaultWriteLock.th_lock)
    return Bar
