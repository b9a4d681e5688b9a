"""The worth of coalitions, in calls of bounded size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nnkit.explanation.players import Players
from nnkit.explanation.tables import make_pool

__all__ = ["Game"]


class Game:
    """The games that Shapley values divide, one for each explained row.

    Parameters
    ----------
    output : callable
        Takes a table of n rows and returns an ndarray of shape (n, n_outputs).
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The checked rows to explain.
    background : DataFrame or ndarray of shape (n_background, n_features)
        The aligned background.
    players : Players
        Which columns play together.
    batch_rows : int
        The largest number of rows in one call of ``output``.

    Attributes
    ----------
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
        output: Callable[[Any], np.ndarray],
        X: Any,
        background: Any,
        players: Players,
        batch_rows: int,
    ) -> None:
        self.n_samples = len(X)
        self.n_background = len(background)
        self.n_players = len(players)
        self.batch_rows = batch_rows
        self._output = output
        self._player_of_column = players.of_column
        self._pool = make_pool(X, background)
        # The grand coalition and the empty one need one hybrid for each row of the pool.
        first = np.zeros(1, dtype=np.intp)
        self.f_X = self._evaluate(
            np.arange(self.n_samples),
            first,
            lambda hybrids: np.ones((len(hybrids), self.n_players), dtype=bool),
        )[:, 0]
        self.f_background = self._evaluate(
            first,
            np.arange(self.n_background),
            lambda hybrids: np.zeros((len(hybrids), self.n_players), dtype=bool),
        )[0]
        for name, outputs in (("X", self.f_X), ("the background", self.f_background)):
            n_bad = int((~np.isfinite(outputs)).any(axis=1).sum())
            if n_bad:
                raise ValueError(
                    f"The explained output must be finite. It is NaN or infinite for {n_bad} of "
                    f"the {len(outputs)} row(s) of {name}."
                )
        self.base = self.f_background.mean(axis=0)

    @property
    def n_outputs(self) -> int:
        """The number of explained outputs."""
        return self.f_X.shape[1]

    def evaluate(
        self,
        rows: np.ndarray,
        background_rows: np.ndarray,
        masks_of: Callable[[np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Return the outputs of the same hybrids for each of some explained rows.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)
            The explained rows.
        background_rows : ndarray of int, shape (n_hybrids,)
            The background row of each hybrid.
        masks_of : callable
            Takes positions of hybrids, of shape (n,), and returns a boolean ndarray of shape
            (n, n_players): who is in the coalition, that is, comes from the explained row.

        Returns
        -------
        outputs : ndarray of shape (n_rows, n_hybrids, n_outputs)
            In calls of at most ``batch_rows`` rows.
        """
        if not len(background_rows):
            return np.empty((len(rows), 0, self.n_outputs))
        return self._evaluate(rows, background_rows, masks_of)

    def _evaluate(
        self,
        rows: np.ndarray,
        background_rows: np.ndarray,
        masks_of: Callable[[np.ndarray], np.ndarray],
    ) -> np.ndarray:
        n_hybrids = len(background_rows)
        hybrids_per_call = min(n_hybrids, self.batch_rows)
        rows_per_call = self.batch_rows // hybrids_per_call
        all_outputs = []
        for first in range(0, n_hybrids, hybrids_per_call):
            hybrids = np.arange(first, min(first + hybrids_per_call, n_hybrids))
            from_x = masks_of(hybrids)[:, self._player_of_column]  # (h, n_players) -> (h, d)
            from_background = self.n_samples + background_rows[hybrids, np.newaxis]
            outputs = []
            for row in range(0, len(rows), rows_per_call):
                explained = rows[row : row + rows_per_call]
                n_rows = len(explained)
                sources = np.where(  # (n_rows * n_hybrids, d)
                    np.tile(from_x, (n_rows, 1)),
                    np.repeat(explained, len(hybrids))[:, np.newaxis],
                    np.tile(from_background, (n_rows, 1)),
                )
                hybrid_outputs = self._output(self._pool.take(sources))
                outputs.append(hybrid_outputs.reshape(n_rows, len(hybrids), -1))
            all_outputs.append(np.concatenate(outputs))
        return np.concatenate(all_outputs, axis=1)
