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
from nnkit.explanation.masking.background import Background
from nnkit.explanation.masking.input_layout import InputLayout
from nnkit.explanation.masking.masked_samples import MaskedEncodedRows, MaskedRows, MaskedTable
from nnkit.explanation.masking.row_pools import make_pool
from nnkit.explanation.pipelines.columnwise import is_columnwise, source_columns
from nnkit.explanation.pipelines.outputs import Output
from nnkit.explanation.pipelines.steps import predicts_as, steps_of, through

__all__ = ["EncodedRows", "FittedPreprocessing", "encoded_rows"]

# Transformed rows are dense: larger ones stay raw.
_MAX_ENCODED_VALUES = 2**27


@dataclass(frozen=True)
class FittedPreprocessing:
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
    def of(cls, estimator: Any, *, is_raw: bool = False) -> FittedPreprocessing:
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

    def masked_samples(
        self, output: Output, X: Any, background: Any, of_column: np.ndarray, n_groups: int
    ) -> MaskedRows:
        """Return the masked samples of encoded rows.

        Parameters
        ----------
        output : Output
            What is explained.
        X, background : DataFrame or ndarray of shape (n_rows, n_encoded)
            Encoded rows.
        of_column : ndarray of int, shape (n_encoded,)
            The feature group that each encoded column belongs to.
        n_groups : int
            How many feature groups there are.
        """
        if self.function is None:
            predictions = partial(output.predictions, self.final)
            return MaskedTable(predictions, X, background, of_column, n_groups)
        return MaskedEncodedRows(self.function, output.read, X, background, of_column, n_groups)


@dataclass(frozen=True)
class EncodedRows:
    """Explained rows and background, as the last step of the estimator sees them.

    Parameters
    ----------
    preprocessing : FittedPreprocessing
        The parts of the estimator.
    X, background : DataFrame or ndarray of shape (n_rows, n_encoded)
        Of a network flat rows of cells, else as the last step takes them.
    sources : ndarray of int, shape (n_encoded,)
        The raw column that each encoded column is made from.
    """

    preprocessing: FittedPreprocessing
    X: Any
    background: Any
    sources: np.ndarray


def encoded_rows(
    preprocessing: FittedPreprocessing,
    X: Any,
    layout: InputLayout,
    background: Background,
    seed: int,
    *,
    has_encoded_groups: bool = False,
) -> EncodedRows | None:
    """Return encoded rows if the preprocessing acts column by column.

    Parameters
    ----------
    preprocessing : FittedPreprocessing
        The parts of the estimator.
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The flat table to explain.
    layout : InputLayout
        Of X.
    background : Background
        The background rows.
    seed : int
        Seeds the masked samples that the check is made on.
    has_encoded_groups : bool, default=False
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
    has_encoded_groups = has_encoded_groups and bool(preprocessing.all_transformers)
    if preprocessing.function is None and not preprocessing.all_transformers:
        return None
    may_mix = bool(preprocessing.all_transformers) and not has_encoded_groups
    has_raw = background.raw is not None
    pool = _stacked(X, background.raw) if may_mix and has_raw else X
    sources, is_probed = _sources(
        preprocessing, pool, layout, may_probe=has_raw, has_encoded_groups=has_encoded_groups
    )
    if sources is None or len(X) * len(sources) > _MAX_ENCODED_VALUES:
        return None
    X_encoded = preprocessing.encoded(preprocessing.transformed(layout.restored(X)))
    if has_raw:
        background_encoded = preprocessing.encoded(
            preprocessing.transformed(layout.restored(background.raw))
        )
    else:
        background_encoded = preprocessing.encoded(background.kept)
    for encoded in (X_encoded, background_encoded):
        if not isinstance(encoded, (pd.DataFrame, np.ndarray)) or encoded.shape[1] != len(sources):
            return None
    if may_mix:
        encode = lambda table: np.asarray(preprocessing.encoded(preprocessing.transformed(table)))  # noqa: E731
        if not is_columnwise(encode, sources, pool, seed=seed, is_thorough=is_probed):
            return None
    return EncodedRows(preprocessing, X_encoded, background_encoded, sources)


def _sources(
    preprocessing: FittedPreprocessing,
    pool: Any,
    layout: InputLayout,
    *,
    may_probe: bool,
    has_encoded_groups: bool,
) -> tuple[np.ndarray | None, bool]:
    """Return the column of the flat table that each encoded column is made from.

    Beside it is whether transformers had to be probed for that. Rows as they come out of the
    transformers say nothing of what those make of other rows: where the background is of such
    rows, only what is known of transformers counts.
    """
    if has_encoded_groups and preprocessing.function is not None:
        return np.arange(preprocessing.function.n_encoded), False
    if layout.kind != "table":
        return _sources_of_parts(preprocessing, layout), False
    # In a single row, a probe sees nothing.
    known = source_columns(preprocessing.all_transformers, pool[:1])
    if known is not None or not may_probe:
        return known, False
    return source_columns(preprocessing.all_transformers, pool), True


def _sources_of_parts(preprocessing: FittedPreprocessing, layout: InputLayout) -> np.ndarray | None:
    """Return the cell that each encoded cell of an array, or of several inputs, is."""
    if preprocessing.all_transformers:
        return None
    if layout.kind == "array":
        return np.arange(layout.parts[0].n_encoded)
    # The network takes its inputs in an order of its own.
    ends = np.cumsum([part.n_encoded for part in layout.parts])
    columns = {
        part.name: np.arange(end - part.n_encoded, end)
        for part, end in zip(layout.parts, ends, strict=True)
    }
    names = [] if preprocessing.function is None else preprocessing.function.input_names
    if set(names) - set(columns):
        return None
    return np.concatenate([columns[name] for name in names]) if names else None


def _stacked(X: Any, background: Any) -> Any:
    """Return the rows of two tables as one table."""
    n_rows = len(X) + len(background)
    return make_pool(X, background).take(np.repeat(np.arange(n_rows)[:, None], X.shape[1], axis=1))
