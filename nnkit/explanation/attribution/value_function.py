"""The value of a coalition: the mean output of masked samples, in calls of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nnkit.explanation.masking.masked_samples import MaskedRows

__all__ = ["ValueFunction", "ignore_progress"]


def ignore_progress(n_rows: float) -> None:
    """Do nothing: a callback for calls that report no progress.

    Parameters
    ----------
    n_rows : float
        The number of finished rows.
    """


class ValueFunction:
    """The value function of each explained row, and the outputs of its masked samples.

    Parameters
    ----------
    masked_samples : MaskedRows
        The explained and background rows, and the predictions for their masked samples.
    batch_rows : int
        The largest number of masked samples in one call.
    on_rows : callable, default=ignore_progress
        Called with the number of explained rows finished since the last call, which may be a
        fraction.

    Attributes
    ----------
    n_samples, background_size, n_groups : int
        The numbers of explained rows, background rows and feature groups.
    batch_rows : int
        The largest number of masked samples in one call, reduced if memory requires it.
    f_X : ndarray of shape (n_samples, n_outputs)
        The outputs of the explained rows.
    f_background : ndarray of shape (background_size, n_outputs)
        The outputs of the background rows.
    base : ndarray of shape (n_outputs,)
        Their mean, the value of the empty coalition.

    Raises
    ------
    ValueError
        If an output is NaN or infinite.

    Notes
    -----
    A masked sample of the explained row x and the background row b takes the columns of the
    feature groups in the coalition S from x and the others from b. The value of S is the mean
    output of its masked samples over all background rows, ``v(S) = mean_b f(x_S, b_rest)``.
    """

    def __init__(
        self,
        masked_samples: MaskedRows,
        batch_rows: int,
        on_rows: Callable[[float], None] = ignore_progress,
    ) -> None:
        self._masked_samples = masked_samples
        self.n_samples = masked_samples.n_samples
        self.background_size = masked_samples.background_size
        self.n_groups = masked_samples.n_groups
        self.batch_rows = min(batch_rows, masked_samples.rows_per_call)
        self.on_rows = on_rows
        self.f_X = self._of(masked_samples.of_rows, self.n_samples)
        self.f_background = self._of(masked_samples.of_background, self.background_size)
        for name, outputs in (("X", self.f_X), ("the background", self.f_background)):
            n_bad = int((~np.isfinite(outputs)).any(axis=1).sum())
            if n_bad:
                raise ValueError(
                    f"The explained output must be finite. It is NaN or infinite for {n_bad} of "
                    f"the {len(outputs)} row(s) of {name}."
                )
        self.base = self.f_background.mean(axis=0)

    def _of(self, outputs_of: Callable[[slice], np.ndarray], n_rows: int) -> np.ndarray:
        """Return the outputs of all explained or all background rows, in bounded calls."""
        size = self.batch_rows
        chunks = [outputs_of(slice(start, start + size)) for start in range(0, n_rows, size)]
        return np.concatenate(chunks)

    @property
    def n_outputs(self) -> int:
        """The number of explained outputs."""
        return self.f_X.shape[1]

    def outputs_along(
        self, rows: np.ndarray, background_rows: np.ndarray, ranks: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]] | None:
        """Return the outputs along permutations if they need no masked samples, else None.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)
            The explained rows.
        background_rows : ndarray of int, shape (n_pairs,)
            The background row of each pair of permutations.
        ranks : ndarray of int, shape (n_pairs, n_groups)
            The position of each feature group in the permutation.

        Returns
        -------
        outputs : iterator of tuple, or None
            Items as `outputs` yields them for the masks of these permutations.
        """
        along, size = self._masked_samples.along, self.batch_rows
        first = along(int(rows[0]), background_rows, ranks, size)
        if first is None:
            return None

        def of_rows() -> Iterator[tuple[slice, np.ndarray]]:
            yield slice(0, 1), first[np.newaxis]
            for at in range(1, len(rows)):
                found = along(int(rows[at]), background_rows, ranks, size)
                assert found is not None
                yield slice(at, at + 1), found[np.newaxis]

        return of_rows()

    def outputs(
        self, rows: np.ndarray, background_rows: np.ndarray, masks: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the outputs of the same masks for all explained rows, some rows at a time.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)
            The explained rows.
        background_rows : ndarray of int, shape (n_masked,)
            The background row of each masked sample.
        masks : ndarray of bool, shape (n_masked, n_groups)
            The coalition of each masked sample: the groups that come from the explained row.

        Yields
        ------
        at : slice
            The slice of ``rows`` that the outputs belong to.
        outputs : ndarray of shape (n_rows_at, n_masked, n_outputs)
            From calls of at most ``batch_rows`` masked samples.
        """
        n_masked = len(background_rows)
        size = min(n_masked, self.batch_rows)
        pieces = [
            self._masked_samples.prepare(
                background_rows[first : first + size], masks[first : first + size]
            )
            for first in range(0, n_masked, max(1, size))
        ]
        n_at_once = max(1, self.batch_rows // max(1, n_masked))
        for first in range(0, len(rows), n_at_once):
            at = slice(first, min(first + n_at_once, len(rows)))
            found = [self._masked_samples(rows[at], piece) for piece in pieces]
            yield (
                at,
                (
                    np.concatenate(found, axis=1)
                    if found
                    else np.empty((at.stop - at.start, 0, self.n_outputs))
                ),
            )
