"""The worth of coalitions, in calls of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from nnkit.explanation.hybrids import HybridRows

__all__ = ["Game", "tell_nobody"]


def tell_nobody(n_rows: float) -> None:
    """Take the news that rows are done, and do nothing with it."""


class Game:
    """The games that Shapley values divide, one for each explained row.

    Parameters
    ----------
    hybrids : HybridRows
        Explained rows and background rows, and what is predicted for their hybrids.
    batch_rows : int
        The largest number of hybrids at once.
    on_rows : callable, default=tell_nobody
        Is told how many explained rows are done; parts of rows add up.

    Attributes
    ----------
    n_samples, n_background, n_players : int
        Explained rows, background rows, and players.
    batch_rows : int
        As given, or fewer where the network needs more memory for each.
    f_X : ndarray of shape (n_samples, n_outputs)
        The outputs of the explained rows.
    f_background : ndarray of shape (n_background, n_outputs)
        The outputs of the background rows.
    base : ndarray of shape (n_outputs,)
        Their mean, the worth of no players.

    Raises
    ------
    ValueError
        If an output is NaN or infinite.

    Notes
    -----
    A hybrid of the explained row x and the background row b takes the columns of the players in
    the coalition S from x and the others from b. The worth of S is the mean output of its hybrids
    with all background rows, ``v(S) = mean_b f(x_S, b_rest)``.
    """

    def __init__(
        self,
        hybrids: HybridRows,
        batch_rows: int,
        on_rows: Callable[[float], None] = tell_nobody,
    ) -> None:
        self._hybrids = hybrids
        self.n_samples = hybrids.n_samples
        self.n_background = hybrids.n_background
        self.n_players = hybrids.n_players
        self.batch_rows = min(batch_rows, hybrids.rows_per_call)
        self.on_rows = on_rows
        self.f_X = self._of(hybrids.of_rows, self.n_samples)
        self.f_background = self._of(hybrids.of_background, self.n_background)
        for name, outputs in (("X", self.f_X), ("the background", self.f_background)):
            n_bad = int((~np.isfinite(outputs)).any(axis=1).sum())
            if n_bad:
                raise ValueError(
                    f"The explained output must be finite. It is NaN or infinite for {n_bad} of "
                    f"the {len(outputs)} row(s) of {name}."
                )
        self.base = self.f_background.mean(axis=0)

    def _of(self, outputs_of: Callable[[slice], np.ndarray], n_rows: int) -> np.ndarray:
        """Return the outputs of all rows of a kind, in calls of bounded size."""
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
        """Return what `outputs` yields along permutations, if it needs no masked rows.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)
            The explained rows.
        background_rows : ndarray of int, shape (n_pairs,)
            The background row of each pair of permutations.
        ranks : ndarray of int, shape (n_pairs, n_players)
            The place at which each player joins.
        """
        along, size = self._hybrids.along, self.batch_rows
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
        """Yield the outputs of the same hybrids for explained rows, some rows at a time.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)
            The explained rows.
        background_rows : ndarray of int, shape (n_hybrids,)
            The background row of each hybrid.
        masks : ndarray of bool, shape (n_hybrids, n_players)
            Who is in the coalition, that is, comes from the explained row.

        Yields
        ------
        at : slice
            Which of ``rows`` the outputs belong to.
        outputs : ndarray of shape (n_rows_at, n_hybrids, n_outputs)
            From calls of at most ``batch_rows`` hybrids.
        """
        n_hybrids = len(background_rows)
        size = min(n_hybrids, self.batch_rows)
        pieces = [
            self._hybrids.prepare(
                background_rows[first : first + size], masks[first : first + size]
            )
            for first in range(0, n_hybrids, max(1, size))
        ]
        n_at_once = max(1, self.batch_rows // max(1, n_hybrids))
        for first in range(0, len(rows), n_at_once):
            at = slice(first, min(first + n_at_once, len(rows)))
            found = [self._hybrids(rows[at], piece) for piece in pieces]
            yield (
                at,
                (
                    np.concatenate(found, axis=1)
                    if found
                    else np.empty((at.stop - at.start, 0, self.n_outputs))
                ),
            )
