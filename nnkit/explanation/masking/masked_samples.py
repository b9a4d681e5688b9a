"""Masked samples of explained and background rows, and the predictions for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from nnkit.estimators.network_function import NetworkFunction
from nnkit.explanation.attribution.walks import MIN_WALK_GROUPS, Walks
from nnkit.explanation.masking.row_pools import make_pool

__all__ = ["MaskedEncodedRows", "MaskedRows", "MaskedTable"]

# Memory of the masked samples of one call: 8 bytes per value and 8 for its source row.
_MAX_BYTES, _BYTES_PER_ENTRY = 2**29, 16


class MaskedRows(Protocol):
    """Explained and background rows of which masked samples are made and predicted.

    A masked sample takes the columns of the feature groups in a mask from an explained row, and
    the other columns from a background row.

    Attributes
    ----------
    n_samples, background_size : int
        The numbers of explained rows and background rows.
    n_groups : int
        The number of feature groups.
    rows_per_call : int
        The largest number of masked samples in one call that keeps memory bounded.
    arithmetic : float
        Floating-point operations for one masked sample; 0 if unknown.
    """

    n_samples: int
    background_size: int
    n_groups: int
    rows_per_call: int
    arithmetic: float

    def of_rows(self, at: slice) -> np.ndarray:
        """Return the outputs (n_rows, n_outputs) of some explained rows."""
        ...

    def of_background(self, at: slice) -> np.ndarray:
        """Return the outputs (n_rows, n_outputs) of some background rows."""
        ...

    def prepare(self, background_rows: np.ndarray, masks: np.ndarray) -> Any:
        """Return background rows and masks, prepared for use with any explained rows.

        Parameters
        ----------
        background_rows : ndarray of int, shape (n_masked,)
            The background row of each masked sample.
        masks : ndarray of bool, shape (n_masked, n_groups)
            The feature groups that come from the explained row.
        """
        ...

    def __call__(self, rows: np.ndarray, prepared: Any) -> np.ndarray:
        """Return the outputs (n_rows, n_masked, n_outputs) of all masked samples of explained rows.

        Parameters
        ----------
        rows : ndarray of int, shape (n_rows,)
            The explained rows.
        prepared : object
            The result of `prepare`.
        """
        ...

    def along(
        self, row: int, background_rows: np.ndarray, ranks: np.ndarray, batch_rows: int
    ) -> np.ndarray | None:
        """Return the outputs along permutations, None if masked samples are needed for them.

        Parameters
        ----------
        row : int
            The explained row.
        background_rows : ndarray of int, shape (n_pairs,)
            The background row of each pair of permutations.
        ranks : ndarray of int, shape (n_pairs, n_groups)
            The position of each feature group in the permutation.
        batch_rows : int
            The largest number of predictions in one call.

        Returns
        -------
        outputs : ndarray of shape (n_pairs * 2 * (n_groups - 1), n_outputs), or None
            In the order of `nnkit.explanation.attribution.permutation.pair_masks`.
        """
        ...


class MaskedTable:
    """Masked samples of the rows of two tables, each column with its own dtype.

    Parameters
    ----------
    output : callable
        The explained output, from a table of n rows to an ndarray of shape (n, n_outputs).
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The explained rows.
    background : DataFrame or ndarray of shape (background_size, n_columns)
        The aligned background.
    of_column : ndarray of int, shape (n_columns,)
        The feature group of each column.
    n_groups : int
        The number of feature groups, including those without columns.
    """

    arithmetic = 0.0

    def __init__(
        self,
        output: Callable[[Any], np.ndarray],
        X: Any,
        background: Any,
        of_column: np.ndarray,
        n_groups: int,
    ) -> None:
        self.n_samples, self.background_size = len(X), len(background)
        self.n_groups = n_groups
        self.rows_per_call = max(1, _MAX_BYTES // (_BYTES_PER_ENTRY * len(of_column)))
        self._output = output
        self._of_column = of_column
        self._pool = make_pool(X, background)

    def of_rows(self, at: slice) -> np.ndarray:
        """Return the outputs of explained rows, see :meth:`MaskedRows.of_rows`."""
        return self._of(np.arange(self.n_samples)[at])

    def of_background(self, at: slice) -> np.ndarray:
        """Return the outputs of background rows, see :meth:`MaskedRows.of_background`."""
        return self._of(self.n_samples + np.arange(self.background_size)[at])

    def _of(self, rows: np.ndarray) -> np.ndarray:
        sources = np.repeat(rows[:, np.newaxis], len(self._of_column), axis=1)
        return self._output(self._pool.take(sources))

    def along(self, *_: Any) -> None:
        """Return None: masked samples of tables are always needed."""

    def prepare(self, background_rows: np.ndarray, masks: np.ndarray) -> Any:
        """Return the source of each column, see :meth:`MaskedRows.prepare`."""
        return masks[:, self._of_column], self.n_samples + background_rows[:, np.newaxis]

    def __call__(self, rows: np.ndarray, prepared: Any) -> np.ndarray:
        """Return the outputs of masked samples, see :meth:`MaskedRows.__call__`."""
        from_row, from_background = prepared
        n_rows, n_masked = len(rows), len(from_row)
        sources = np.where(  # (n_rows, n_masked, n_columns)
            from_row, rows[:, np.newaxis, np.newaxis], from_background
        )
        outputs = self._output(self._pool.take(sources.reshape(n_rows * n_masked, -1)))
        return outputs.reshape(n_rows, n_masked, -1)


class MaskedEncodedRows:
    """Masked samples of encoded rows, made and predicted inside compiled networks.

    Parameters
    ----------
    function : NetworkFunction
        The predictions of the networks.
    read : callable
        From an array of predictions for n rows to the explained outputs (n, n_outputs).
    X : ndarray of shape (n_samples, n_encoded)
        Encoded explained rows.
    background : ndarray of shape (background_size, n_encoded)
        Encoded background rows.
    of_encoded : ndarray of int, shape (n_encoded,)
        The feature group of each encoded feature.
    n_groups : int
        The number of feature groups, including those without encoded features.
    """

    def __init__(
        self,
        function: NetworkFunction,
        read: Callable[[np.ndarray], np.ndarray],
        X: np.ndarray,
        background: np.ndarray,
        of_encoded: np.ndarray,
        n_groups: int,
    ) -> None:
        self.n_samples, self.background_size = len(X), len(background)
        self.n_groups = n_groups
        self.rows_per_call = function.rows_per_call
        self.arithmetic = function.arithmetic
        self._function, self._read = function, read
        self._X, self._background = X, background
        self._of_encoded = of_encoded

    def of_rows(self, at: slice) -> np.ndarray:
        """Return the outputs of explained rows, see :meth:`MaskedRows.of_rows`."""
        return self._read(self._function(self._X[at]))

    def of_background(self, at: slice) -> np.ndarray:
        """Return the outputs of background rows, see :meth:`MaskedRows.of_background`."""
        return self._read(self._function(self._background[at]))

    def prepare(self, background_rows: np.ndarray, masks: np.ndarray) -> Any:
        """Return masked samples on the device, see :meth:`MaskedRows.prepare`."""
        return self._function.masked_samples(
            self._background[background_rows], masks[:, self._of_encoded]
        )

    @cached_property
    def _walks(self) -> Walks | None:
        if self.n_groups < MIN_WALK_GROUPS:
            return None
        return Walks.of(self._function, self._X, self._background, self._of_encoded)

    def along(
        self, row: int, background_rows: np.ndarray, ranks: np.ndarray, batch_rows: int
    ) -> np.ndarray | None:
        """Return the outputs along permutations, see :meth:`MaskedRows.along`."""
        if self._walks is None:
            return None
        return self._read(self._walks(row, background_rows, ranks, batch_rows))

    def __call__(self, rows: np.ndarray, prepared: Any) -> np.ndarray:
        """Return the outputs of masked samples, see :meth:`MaskedRows.__call__`."""
        predicted = self._function.of_masked_samples(self._X[rows], prepared)
        n_rows, n_masked = predicted.shape[:2]
        outputs = self._read(predicted.reshape(n_rows * n_masked, *predicted.shape[2:]))
        return outputs.reshape(n_rows, n_masked, -1)
