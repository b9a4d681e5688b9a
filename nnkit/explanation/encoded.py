"""The fast path: rows as the last step of an estimator sees them, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from nnkit.estimators.classifier import KerasClassifier
from nnkit.estimators.network_function import NetworkFunction
from nnkit.estimators.regressor import KerasRegressor
from nnkit.explanation.background import Background
from nnkit.explanation.columnwise import is_columnwise, source_columns
from nnkit.explanation.hybrids import CellHybrids, HybridRows, TableHybrids
from nnkit.explanation.layout import Layout
from nnkit.explanation.outputs import Output
from nnkit.explanation.steps import predicts_as, steps_of, through
from nnkit.explanation.tables import make_pool

__all__ = ["EncodedRows", "Front", "encoded_rows"]

# Transformed rows are dense: larger ones stay raw.
_MAX_CELLS = 2**27


@dataclass(frozen=True)
class Front:
    """An estimator, taken apart into what transforms rows and what predicts.

    Parameters
    ----------
    transformers : list of transformer
        The steps before the last one.
    final : estimator
        The last step.
    function : NetworkFunction or None
        What nnkit's networks predict, if the last step is one of nnkit's.
    """

    transformers: list[Any]
    final: Any
    function: NetworkFunction | None

    @classmethod
    def of(cls, estimator: Any, *, is_raw: bool = False) -> Front:
        """Return the parts of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A pipeline, perhaps of pipelines, or not.
        is_raw : bool, default=False
            Whether the networks' outputs are explained as they come.
        """
        transformers, final = steps_of(estimator)
        function = None
        if predicts_as(final, KerasClassifier) or predicts_as(final, KerasRegressor):
            function = NetworkFunction(final, is_raw=is_raw)
        return cls(transformers, final, function)

    @property
    def all_transformers(self) -> list[Any]:
        """The steps before the last one, and the encoder in it."""
        encoder = getattr(self.final, "encoder_", None) if self.function is not None else None
        return self.transformers if encoder is None else [*self.transformers, encoder]

    def transformed(self, X: Any) -> Any:
        """Return rows as the last step takes them, dense; those that came stay as they are."""
        transformed: Any = through(self.transformers, X.copy())
        return transformed.toarray() if issparse(transformed) else transformed

    def encoded(self, X_transformed: Any) -> Any:
        """Return rows that the last step takes as its network does, or as they are."""
        return X_transformed if self.function is None else self.function.encode(X_transformed)

    def hybrids(
        self, output: Output, X: Any, background: Any, of_column: np.ndarray, n_players: int
    ) -> HybridRows:
        """Return the hybrids of encoded rows.

        Parameters
        ----------
        output : Output
            What is explained.
        X, background : DataFrame or ndarray of shape (n_rows, n_encoded)
            Encoded rows.
        of_column : ndarray of int, shape (n_encoded,)
            The player that each encoded column belongs to.
        n_players : int
            How many players there are.
        """
        if self.function is None:
            predictions = partial(output.predictions, self.final)
            return TableHybrids(predictions, X, background, of_column, n_players)
        return CellHybrids(self.function, output.read, X, background, of_column, n_players)


@dataclass(frozen=True)
class EncodedRows:
    """Explained rows and background, as the last step of the estimator sees them.

    Parameters
    ----------
    front : Front
        The parts of the estimator.
    X, background : DataFrame or ndarray of shape (n_rows, n_encoded)
        Of a network flat rows of cells, else as the last step takes them.
    sources : ndarray of int, shape (n_encoded,)
        The raw column that each encoded column is made from.
    """

    front: Front
    X: Any
    background: Any
    sources: np.ndarray


def encoded_rows(
    front: Front,
    X: Any,
    layout: Layout,
    background: Background,
    seed: int,
    *,
    has_cells: bool = False,
) -> EncodedRows | None:
    """Return encoded rows if the preprocessing acts column by column.

    Parameters
    ----------
    front : Front
        The parts of the estimator.
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The flat table to explain.
    layout : Layout
        Of X.
    background : Background
        The background rows.
    seed : int
        Seeds the hybrids that the check is made on.
    has_cells : bool, default=False
        Whether encoded columns play themselves, whatever they are made from.

    Returns
    -------
    encoded : EncodedRows or None
        None if there is nothing to gain, if columns are mixed or may be, or if the encoded rows
        would take too much memory.

    Notes
    -----
    With preprocessing T column by column, ``T(x_S, b_rest)`` is the transformed row whose columns
    are taken from ``T(x)`` where their source is in S and from ``T(b)`` elsewhere: the worth of
    each coalition, and with it the Shapley values, are the same.
    """
    has_cells = has_cells and bool(front.all_transformers)
    if front.function is None and not front.all_transformers:
        return None
    may_mix = bool(front.all_transformers) and not has_cells
    has_raw = background.raw is not None
    pool = _stacked(X, background.raw) if may_mix and has_raw else X
    sources, is_probed = _sources(front, pool, layout, may_probe=has_raw, has_cells=has_cells)
    if sources is None or len(X) * len(sources) > _MAX_CELLS:
        return None
    X_encoded = front.encoded(front.transformed(layout.restored(X)))
    if has_raw:
        background_encoded = front.encoded(front.transformed(layout.restored(background.raw)))
    else:
        background_encoded = front.encoded(background.kept)
    for encoded in (X_encoded, background_encoded):
        if not isinstance(encoded, (pd.DataFrame, np.ndarray)) or encoded.shape[1] != len(sources):
            return None
    if may_mix:
        encode = lambda table: np.asarray(front.encoded(front.transformed(table)))  # noqa: E731
        if not is_columnwise(encode, sources, pool, seed=seed, is_thorough=is_probed):
            return None
    return EncodedRows(front, X_encoded, background_encoded, sources)


def _sources(
    front: Front, pool: Any, layout: Layout, *, may_probe: bool, has_cells: bool
) -> tuple[np.ndarray | None, bool]:
    """Return the column of the flat table that each encoded column is made from.

    Beside it is whether transformers had to be probed for that. Rows as they come out of the
    transformers say nothing of what those make of other rows: where the background is of such
    rows, only what is known of transformers counts.
    """
    if has_cells and front.function is not None:
        return np.arange(front.function.n_cells), False
    if layout.kind != "table":
        return _sources_of_parts(front, layout), False
    # In a single row, a probe sees nothing.
    known = source_columns(front.all_transformers, pool[:1])
    if known is not None or not may_probe:
        return known, False
    return source_columns(front.all_transformers, pool), True


def _sources_of_parts(front: Front, layout: Layout) -> np.ndarray | None:
    """Return the cell that each encoded cell of an array, or of several inputs, is."""
    if front.all_transformers:
        return None
    if layout.kind == "array":
        return np.arange(layout.parts[0].n_cells)
    # The network takes its inputs in an order of its own.
    ends = np.cumsum([part.n_cells for part in layout.parts])
    columns = {
        part.name: np.arange(end - part.n_cells, end)
        for part, end in zip(layout.parts, ends, strict=True)
    }
    names = [] if front.function is None else front.function.input_names
    if set(names) - set(columns):
        return None
    return np.concatenate([columns[name] for name in names]) if names else None


def _stacked(X: Any, background: Any) -> Any:
    """Return the rows of two tables as one table."""
    n_rows = len(X) + len(background)
    return make_pool(X, background).take(np.repeat(np.arange(n_rows)[:, None], X.shape[1], axis=1))
