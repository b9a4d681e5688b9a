"""Fitted preprocessing and encoded rows, for masked samples made after the preprocessing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from nnkit.encoding import ImageEncoder, SequenceEncoder
from nnkit.estimators.classifier import KerasClassifier
from nnkit.estimators.network_function import NetworkFunction
from nnkit.estimators.regressor import KerasRegressor
from nnkit.explanation.masking.background import Background
from nnkit.explanation.masking.input_layout import InputLayout
from nnkit.explanation.masking.masked_samples import MaskedEncodedRows, MaskedRows, MaskedTable
from nnkit.explanation.masking.row_pools import make_pool
from nnkit.explanation.pipelines.columnwise import is_columnwise, source_columns
from nnkit.explanation.pipelines.outputs import Output
from nnkit.explanation.pipelines.steps import DecomposedPipeline, predicts_as

__all__ = ["EncodedRows", "FittedPreprocessing", "encoded_rows", "transformed_rows"]

# Encoded rows are dense: with more values than this, masked samples are made of raw rows.
_MAX_ENCODED_VALUES = 2**27


@dataclass(frozen=True)
class FittedPreprocessing:
    """The steps of a fitted estimator, and the network function of its last step.

    Parameters
    ----------
    pipeline : DecomposedPipeline
        The transformers and the last step.
    function : NetworkFunction or None
        The predictions of the networks of the last step if it is an nnkit estimator, else None.
    """

    pipeline: DecomposedPipeline
    function: NetworkFunction | None

    @classmethod
    def of(cls, pipeline: DecomposedPipeline, *, is_raw: bool = False) -> FittedPreprocessing:
        """Return the preprocessing of a pipeline, with the network function of its last step.

        Parameters
        ----------
        pipeline : DecomposedPipeline
            The transformers and the last step.
        is_raw : bool, default=False
            Whether the raw outputs of the networks are explained.
        """
        final, function = pipeline.final, None
        if predicts_as(final, KerasClassifier) or predicts_as(final, KerasRegressor):
            function = pipeline.network if is_raw else NetworkFunction(final)
        return cls(pipeline, function)

    @property
    def all_transformers(self) -> list[Any]:
        """The steps before the last step, and the encoder of an nnkit estimator."""
        encoder = None
        if self.function is not None:
            encoder = getattr(self.pipeline.final, "encoder_", None)
        transformers = self.pipeline.transformers
        return transformers if encoder is None else [*transformers, encoder]

    def transformed(self, X: Any) -> Any:
        """Return the dense input rows of the last step, see `transformed_rows`."""
        return transformed_rows(self.pipeline, X)

    def encoded(self, X_transformed: Any) -> Any:
        """Return the encoded features of input rows of the last step, or the rows themselves."""
        return X_transformed if self.function is None else self.function.encode(X_transformed)

    def masked_samples(
        self, output: Output, X: Any, background: Any, of_column: np.ndarray, n_groups: int
    ) -> MaskedRows:
        """Return the masked samples of encoded rows.

        Parameters
        ----------
        output : Output
            The explained output.
        X, background : DataFrame or ndarray of shape (n_rows, n_encoded)
            Encoded rows.
        of_column : ndarray of int, shape (n_encoded,)
            The feature group of each encoded feature.
        n_groups : int
            The number of feature groups.
        """
        if self.function is None:
            predictions = partial(output.predictions, self.pipeline.last_step)
            return MaskedTable(predictions, X, background, of_column, n_groups)
        return MaskedEncodedRows(self.function, output.read, X, background, of_column, n_groups)


def transformed_rows(pipeline: DecomposedPipeline, X: Any) -> Any:
    """Return the input rows of the last step of a pipeline as a dense table.

    Parameters
    ----------
    pipeline : DecomposedPipeline
        The transformers and the last step.
    X : DataFrame, array or dict with n_samples rows
        The input of the pipeline. A copy is transformed, since a transformer may change it.
    """
    transformed: Any = pipeline.transformed(X.copy())
    return transformed.toarray() if issparse(transformed) else transformed


@dataclass(frozen=True)
class EncodedRows:
    """Explained rows and background after column-wise preprocessing.

    Parameters
    ----------
    preprocessing : FittedPreprocessing
        The preprocessing and the last step.
    X, background : DataFrame or ndarray of shape (n_rows, n_encoded)
        Flat rows of encoded features of a network, or the input rows of another last step.
    sources : ndarray of int, shape (n_encoded,)
        The raw column that each encoded feature is computed from.
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
        The preprocessing and the last step.
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The flat table to explain.
    layout : InputLayout
        The layout of X.
    background : Background
        The background rows.
    seed : int
        Seed of the masked samples on which the preprocessing is checked.
    has_encoded_groups : bool, default=False
        Whether each encoded feature is a feature group, whatever its source.

    Returns
    -------
    encoded : EncodedRows or None
        None if there is no preprocessing and no network, if columns are mixed or may be mixed,
        or if the encoded rows have too many values.

    Notes
    -----
    If the preprocessing T acts column by column, ``T(x_S, b_rest)`` takes each encoded feature
    from ``T(x)`` if its source is in S, and from ``T(b)`` otherwise. The value of each coalition
    and the Shapley values are then the same as with masked samples of raw rows.
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

        def encode(table: Any) -> np.ndarray:
            rows = preprocessing.transformed(layout.restored(table))
            return np.asarray(preprocessing.encoded(rows))

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
    """Return the source column of each encoded feature, and whether transformers were probed.

    Without raw background rows (``may_probe=False``) only known transformers have sources, since
    a probe could not be verified on masked samples of explained and background rows.
    """
    if has_encoded_groups and preprocessing.function is not None:
        return np.arange(preprocessing.function.n_encoded), False
    if layout.kind != "table":
        return _sources_of_parts(preprocessing, layout), False
    # A probe cannot succeed on a single row, so this call finds known transformers only.
    known = source_columns(preprocessing.all_transformers, pool[:1])
    if known is not None or not may_probe:
        return known, False
    return source_columns(preprocessing.all_transformers, pool), True


def _sources_of_parts(preprocessing: FittedPreprocessing, layout: InputLayout) -> np.ndarray | None:
    """Return the source of each encoded feature of an array, or of several inputs."""
    encoder = preprocessing.all_transformers
    if encoder:
        # Encoders of images and sequences compute each encoded feature from the element at its
        # place, unless they resize or fill gaps, which `is_columnwise` finds.
        is_elementwise = (
            layout.kind == "array"
            and len(encoder) == 1
            and isinstance(encoder[0], (ImageEncoder, SequenceEncoder))
            and preprocessing.function is not None
            and preprocessing.function.n_encoded == layout.parts[0].n_columns
        )
        return np.arange(layout.parts[0].n_columns) if is_elementwise else None
    if layout.kind == "array":
        return np.arange(layout.parts[0].n_columns)
    # The inputs of the network may be in another order than those of X.
    ends = np.cumsum([part.n_columns for part in layout.parts])
    columns = {
        part.name: np.arange(end - part.n_columns, end)
        for part, end in zip(layout.parts, ends, strict=True)
    }
    names = [] if preprocessing.function is None else preprocessing.function.input_names
    if set(names) - set(columns):
        return None
    return np.concatenate([columns[name] for name in names]) if names else None


def _stacked(X: Any, background: Any) -> Any:
    """Return the rows of two tables, one below the other, as one table."""
    n_rows = len(X) + len(background)
    return make_pool(X, background).take(np.repeat(np.arange(n_rows)[:, None], X.shape[1], axis=1))
