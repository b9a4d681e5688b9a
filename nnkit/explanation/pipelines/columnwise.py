"""The source column of each transformed column, for preprocessing that acts column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from nnkit.encoding import TabularEncoder
from nnkit.encoding.rows import rows_of
from nnkit.explanation.masking.row_pools import make_pool
from nnkit.explanation.pipelines.steps import does_nothing

__all__ = ["is_columnwise", "source_columns"]

# A probe transforms all probed rows once for each column.
_N_PROBED_ROWS, _MAX_PROBED_COLUMNS = 64, 128
# Masked samples per row in a thorough check, and the largest number transformed in one call.
_N_MASKED_PER_ROW, _MAX_MASKED = 16, 8192
_TOLERANCE = 1e-6


def source_columns(transformers: Sequence[Any], X: Any) -> np.ndarray | None:
    """Return the column of X that each transformed column is computed from.

    Parameters
    ----------
    transformers : sequence of transformer
        Fitted, applied in this order; None and "passthrough" pass rows through.
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The checked table. Its rows determine the number of outputs of each transformer and are
        the rows of a probe. A single row is not enough for a probe.

    Returns
    -------
    sources : ndarray of int, shape (n_features_out,), or None
        None if the transformers mix columns, or may do so.

    Notes
    -----
    Without transformers each column is its own source. All outputs of a transformer with one
    source column have this source. For the column-wise transformers of scikit-learn and nnkit,
    the sources follow from fitted attributes. Other transformers of scikit-learn are assumed to
    mix columns. Transformers of third parties, and functions, are probed: in at most 64 rows
    spread over X, the values of one raw column at a time are shifted by one row, and this column
    is the source of each output that changes. An output that changes with two columns mixes
    them. An output that never changes gets the source of the nearest changing output before it,
    or of the first changing output: outputs of one column are usually adjacent, and any source is
    correct for a constant. If no output changes, as when all rows are equal, the result is None.

    A probe misses what a transformer does to rare values. Verify the sources with
    :func:`is_columnwise`.
    """
    rows = np.unique(np.linspace(0, len(X) - 1, _N_PROBED_ROWS).astype(np.intp))
    return _trace_steps(transformers, rows_of(X, rows), np.arange(X.shape[1]))


def is_columnwise(
    transform: Callable[[Any], Any],
    sources: np.ndarray,
    pool: Any,
    *,
    seed: int,
    n_masked: int = 256,
    is_thorough: bool = False,
) -> bool:
    r"""Return whether a transform commutes with the exchange of columns between rows.

    Parameters
    ----------
    transform : callable
        Takes a table like ``pool`` and returns an array or sparse array (n_rows, n_features_out).
    sources : ndarray of int, shape (n_features_out,)
        The raw column that each transformed column is computed from.
    pool : DataFrame or ndarray of shape (n_pool, n_features)
        The rows of which masked samples are made: explained and background rows.
    seed : int
        Seed of the random masked samples, at least 0.
    n_masked : int, default=256
        The number of masked samples to check, at least 1, made from at most as many rows.
    is_thorough : bool, default=False
        Whether to check 16 masked samples of each row instead, each with a random half of its
        columns, so that rows with rare values are included.

    Returns
    -------
    is_columnwise : bool
        Whether all masked samples pass. It is False if ``transform`` raises ValueError on masked
        samples, or returns another number of columns than ``sources`` has.

    Notes
    -----
    Column :math:`j` of masked sample :math:`h` comes from row :math:`r_{hj}`, drawn
    independently. With the transform :math:`T` and the source :math:`s_k` of transformed column
    :math:`k`, the condition is

    .. math:: T(h)_k = T(r_{h s_k})_k

    up to :math:`10^{-6}` of the largest absolute value in column :math:`k` if the values are
    numbers, else exactly. Two missing values are equal.
    """
    rng = np.random.default_rng(seed)
    if not is_thorough:
        kept = rng.permutation(len(pool))[:n_masked]
        draws = rng.integers(len(kept), size=(n_masked, pool.shape[1]))
        return _agree_on(transform, sources, rows_of(pool, kept), draws)
    per_chunk = max(1, _MAX_MASKED // _N_MASKED_PER_ROW)
    for start in range(0, len(pool), per_chunk):
        own = np.arange(start, min(start + per_chunk, len(pool)))
        own = np.repeat(own, _N_MASKED_PER_ROW // 2)[:, np.newaxis]
        others = rng.integers(len(pool), size=own.shape)
        is_own = rng.random((len(own), pool.shape[1])) < 0.5
        drawn = np.concatenate([np.where(is_own, own, others), np.where(is_own, others, own)])
        kept, draws = np.unique(drawn, return_inverse=True)
        if not _agree_on(transform, sources, rows_of(pool, kept), draws.reshape(drawn.shape)):
            return False
    return True


def _agree_on(
    transform: Callable[[Any], Any], sources: np.ndarray, rows: Any, draws: np.ndarray
) -> bool:
    """Return whether transformed masked samples equal masked samples of transformed rows.

    ``draws`` has the row of each value of the masked samples, (n_masked, n_features).
    """
    # Made before the transform, which may overwrite the rows.
    masked_samples = make_pool(rows, rows[:0]).take(draws)
    transformed = _dense(transform(rows))
    try:
        transformed_masked = _dense(transform(masked_samples))
    except ValueError:
        return False
    # An output may depend on the number of rows, so that each shape is checked.
    n_outputs = len(sources)
    if transformed.shape != (len(rows), n_outputs):
        return False
    if transformed_masked.shape != (len(draws), n_outputs):
        return False
    expected = transformed[draws[:, sources], np.arange(n_outputs)]
    return bool(_agrees(transformed_masked, expected).all())


def _trace_steps(steps: Iterable[Any], table: Any, sources: np.ndarray) -> np.ndarray | None:
    """Return the raw source of each output of a sequence of steps, None if columns are mixed."""
    step_input, step_sources = table, sources
    for step in steps:
        if does_nothing(step):
            continue
        if not hasattr(step, "transform"):
            return None
        step_output = step.transform(step_input)
        shape: tuple[int, ...] = getattr(step_output, "shape", ())
        if len(shape) != 2:
            return None
        traced = _trace(step, step_input, shape[1], step_sources)
        if traced is None:
            return None
        step_input, step_sources = step_output, traced
    return step_sources


def _trace(transformer: Any, table: Any, n_outputs: int, sources: np.ndarray) -> np.ndarray | None:
    """Return the raw source of each output of a transformer, None if columns are mixed.

    Types are compared exactly, since a subclass may override ``transform``.
    """
    kind = type(transformer)
    traced: np.ndarray | None = None
    if np.unique(sources).size == 1:
        traced = np.full(n_outputs, sources[0])
    elif _is_one_to_one(transformer):
        traced = sources
    elif kind in _COMPOSERS:
        traced = _COMPOSERS[kind](transformer, table, sources)
    elif kind in _LAYOUTS:
        traced = sources[_LAYOUTS[kind](transformer)]
    elif isinstance(transformer, SelectorMixin):
        traced = sources[transformer.get_support(indices=True)]
    elif kind is FunctionTransformer or kind.__module__.split(".")[0] != "sklearn":
        traced = _probe(transformer, table, sources)
    return traced if traced is not None and len(traced) == n_outputs else None


# Transformers composed of other transformers.


def _trace_pipeline(pipeline: Pipeline, table: Any, sources: np.ndarray) -> np.ndarray | None:
    return _trace_steps([step for _, step in pipeline.steps], table, sources)


def _trace_frozen(frozen: FrozenEstimator, table: Any, sources: np.ndarray) -> np.ndarray | None:
    return _trace_steps([frozen.estimator], table, sources)


def _trace_union(union: FeatureUnion, table: Any, sources: np.ndarray) -> np.ndarray | None:
    traced = [sources[:0]]
    for _, branch in union.transformer_list:
        if isinstance(branch, str) and branch == "drop":
            continue
        branch_sources = _trace_steps([branch], table, sources)
        if branch_sources is None:
            return None
        traced.append(branch_sources)
    return np.concatenate(traced)


def _trace_column_transformer(
    transformer: ColumnTransformer, table: Any, sources: np.ndarray
) -> np.ndarray | None:
    blocks = transformer.output_indices_
    traced = np.empty(max(block.stop for block in blocks.values()), dtype=sources.dtype)
    for name, branch, columns in transformer.transformers_:
        n_outputs = blocks[name].stop - blocks[name].start
        if n_outputs == 0:  # dropped, or without columns
            continue
        positions = _branch_positions(transformer, columns, table)
        is_frame = isinstance(table, pd.DataFrame)
        branch_table = table.iloc[:, positions] if is_frame else table[:, positions]
        branch_sources = _trace(branch, branch_table, n_outputs, sources[positions])
        if branch_sources is None:
            return None
        traced[blocks[name]] = branch_sources
    return traced


def _branch_positions(transformer: ColumnTransformer, columns: Any, table: Any) -> np.ndarray:
    """Return the positions in the table of the input columns of a branch."""
    names = getattr(transformer, "feature_names_in_", None)
    positions = np.arange(transformer.n_features_in_)
    if isinstance(columns, slice):
        is_named = isinstance(columns.start, str) or isinstance(columns.stop, str)
        key: Any = columns
    else:
        key = np.atleast_1d(np.asarray(columns))
        is_named = isinstance(key[0], str)
    chosen = pd.Series(positions, index=names).loc[key].to_numpy() if is_named else positions[key]
    if names is None or not isinstance(table, pd.DataFrame):
        return chosen
    # ColumnTransformer selects columns of a data frame by their names in fit, in any order.
    return table.columns.get_indexer(names[chosen])


# The source of each output of a known transformer.


def _is_one_to_one(transformer: Any) -> bool:
    if type(transformer) is FunctionTransformer:
        return transformer.func is None or isinstance(transformer.func, np.ufunc)
    return type(transformer) in _ONE_TO_ONE


def _imputer_layout(imputer: SimpleImputer) -> np.ndarray:
    # Columns without a statistic are dropped; missing indicators are appended.
    kept = np.flatnonzero(~pd.isna(imputer.statistics_))
    return np.append(kept, imputer.indicator_.features_) if imputer.add_indicator else kept


def _one_hot_layout(encoder: OneHotEncoder) -> np.ndarray:
    # One output per category; infrequent categories share one, a dropped category has none.
    widths = np.array([len(categories) for categories in encoder.categories_])
    rare = getattr(encoder, "infrequent_categories_", None)
    if rare is not None:
        widths -= [0 if categories is None else len(categories) - 1 for categories in rare]
    if encoder.drop_idx_ is not None:
        widths -= [dropped is not None for dropped in encoder.drop_idx_]
    return np.repeat(np.arange(len(widths)), widths)


def _bins_layout(discretizer: KBinsDiscretizer) -> np.ndarray:
    is_ordinal = discretizer.encode == "ordinal"
    n_columns = len(discretizer.n_bins_)
    return np.repeat(np.arange(n_columns), 1 if is_ordinal else discretizer.n_bins_)


def _target_layout(encoder: TargetEncoder) -> np.ndarray:
    # The outputs for the classes of a column are adjacent.
    n_classes = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    return np.repeat(np.arange(encoder.n_features_in_), n_classes)


def _spline_layout(transformer: SplineTransformer) -> np.ndarray:
    # The splines of a column are adjacent, with the same number for each column.
    n_columns = transformer.n_features_in_
    return np.repeat(np.arange(n_columns), transformer.n_features_out_ // n_columns)


def _tabular_layout(encoder: TabularEncoder) -> np.ndarray:
    # Output names begin with the name of their input: "0:", "1:", ... are unique prefixes.
    nameless = copy(encoder)
    if hasattr(nameless, "feature_names_in_"):
        del nameless.feature_names_in_
    names_in = [f"{position}:" for position in range(encoder.n_features_in_)]
    names_out = nameless.get_feature_names_out(names_in)
    return np.array([int(name.split(":", 1)[0]) for name in names_out], dtype=np.intp)


_ONE_TO_ONE = {
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
}

_LAYOUTS: dict[type, Callable[[Any], np.ndarray]] = {
    KBinsDiscretizer: _bins_layout,
    MissingIndicator: lambda indicator: indicator.features_,
    OneHotEncoder: _one_hot_layout,
    SimpleImputer: _imputer_layout,
    SplineTransformer: _spline_layout,
    TabularEncoder: _tabular_layout,
    TargetEncoder: _target_layout,
}

_COMPOSERS: dict[type, Callable[[Any, Any, np.ndarray], np.ndarray | None]] = {
    ColumnTransformer: _trace_column_transformer,
    FeatureUnion: _trace_union,
    FrozenEstimator: _trace_frozen,
    Pipeline: _trace_pipeline,
}


# Probes of unknown transformers.


def _probe(transformer: Any, table: Any, sources: np.ndarray) -> np.ndarray | None:
    """Return the source that changes each output, None if two sources do, or no output changes."""
    is_sparse = issparse(table)
    rows = table.toarray() if is_sparse else table
    if not isinstance(rows, (pd.DataFrame, np.ndarray)):
        return None
    if np.unique(sources).size > _MAX_PROBED_COLUMNS:
        return None
    pool = make_pool(rows, rows[:0])

    def outputs_of(entries: np.ndarray) -> np.ndarray:
        masked_samples = pool.take(entries)
        return _dense(
            transformer.transform(type(table)(masked_samples) if is_sparse else masked_samples)
        )

    entries = np.tile(np.arange(len(rows))[:, np.newaxis], len(sources))
    outputs = outputs_of(entries)
    traced = np.full(outputs.shape[1], -1)
    for source in np.unique(sources):
        moved_entries = np.where(sources == source, np.roll(entries, -1, axis=0), entries)
        try:
            moved_outputs = outputs_of(moved_entries)
        except ValueError:
            return None
        if moved_outputs.shape != outputs.shape:
            return None
        has_moved = ~_agrees(moved_outputs, outputs).all(axis=0)
        if (traced[has_moved] >= 0).any():
            return None
        traced[has_moved] = source
    known = np.flatnonzero(traced >= 0)
    if known.size == 0:
        return None
    nearest_before = np.searchsorted(known, np.arange(len(traced)), side="right") - 1
    return traced[known[np.maximum(nearest_before, 0)]]


def _dense(outputs: Any) -> np.ndarray:
    return outputs.toarray() if issparse(outputs) else np.asarray(outputs)


def _agrees(outputs: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return where arrays (n_rows, n_columns) agree, numbers up to rounding in each column."""
    if outputs.dtype.kind in "biuf" and expected.dtype.kind in "biuf":
        finite = np.where(np.isfinite(expected), np.abs(expected), 0)
        scale = finite.max(axis=0, initial=0)
        return np.isclose(outputs, expected, rtol=0, atol=_TOLERANCE * scale, equal_nan=True)
    # NaN and pandas.NA are not equal to themselves, None is.
    comparable = [table.astype(object) for table in (outputs, expected)]
    for table in comparable:
        table[pd.isna(table)] = None
    return np.equal(*comparable).astype(bool)
