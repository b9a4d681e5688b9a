"""Tables in blocks: their targets, the encoder that learns from them, and their encoded rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from nnkit.datasets.block_table import BlockTable, is_block_table
from nnkit.datasets.encoded_rows import EncodedRows, RowsWriter
from nnkit.datasets.sources import file_of_array
from nnkit.datasets.summary import TableSummary, summarize
from nnkit.encoding.features import encode_first, in_range_of
from nnkit.encoding.kinds import category_mask
from nnkit.encoding.tabular import TabularEncoder

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator

__all__ = [
    "encoded_blocks",
    "encoded_in_turn",
    "learn_encoder",
    "read_table",
    "table_to_predict",
]

# Tables whose values take at most this fraction of max_memory are read whole.
_FRACTION_READ_WHOLE = 1 / 8

# Blocks that are encoded at the same time, while the next one is read.
_N_THREADS = 2


def read_table(
    X: Any, y: Any, sample_weight: Any, groups: Any = None, names: np.ndarray | None = None
) -> tuple[Any, Any, Any, Any]:
    """Return a table in blocks, and the columns of its target, weights and groups as arrays.

    A small table is read whole. Other arguments are returned unchanged.

    Parameters
    ----------
    X, y, sample_weight, groups : object
        The arguments of ``fit``. If X is a table in blocks, the others are names of its columns, or
        values.
    names : ndarray of str or None, default=None
        Names of the columns in ``fit``, which are selected. None learns the columns.

    Raises
    ------
    ValueError
        If a column does not exist, or has missing values.
    """
    if not is_block_table(X, y):
        return X, y, sample_weight, groups
    table, values = BlockTable.of(X).with_columns_apart(
        y=y, sample_weight=sample_weight, groups=groups
    )
    X = table_to_predict(table, names)
    return X, values["y"], values["sample_weight"], values["groups"]


def table_to_predict(X: Any, names: np.ndarray | None) -> Any:
    """Return the table of ``predict``, with the columns of ``fit`` only; other data unchanged.

    Parameters
    ----------
    X : object
        The argument of ``predict``.
    names : ndarray of str or None
        Names of the columns in ``fit``.
    """
    if not is_block_table(X):
        return X
    table = BlockTable.of(X)
    if names is not None and table.columns is not None and set(names) <= set(table.columns):
        # A file may hold the target too.
        table = table.with_columns(list(names))
    return _whole_if_small(table)


def _whole_if_small(table: BlockTable) -> Any:
    n_bytes = 8 * int(np.prod(table.shape))
    if n_bytes > table.max_bytes * _FRACTION_READ_WHOLE:
        return table
    return table.take(np.arange(len(table)))


def learn_encoder(
    encoder: Any, table: BlockTable, y: Any, seed: int, kept: np.ndarray
) -> TableSummary:
    """Fit a transformer to a table in blocks, in one pass.

    A `TabularEncoder` learns the statistics of numbers from a sample of rows that has their
    extremes, and the levels of categories from all rows. Other transformers learn from the sample.

    Parameters
    ----------
    encoder : transformer or None
    table : BlockTable
        The training rows.
    y : ndarray with n_samples rows
        Their targets.
    seed : int
        Seed of the sample.
    kept : ndarray of int
        Positions of further rows of the summary.

    Returns
    -------
    summary : TableSummary
    """
    categories = []
    if isinstance(encoder, TabularEncoder) and table.columns is not None:
        names = list(table.columns)
        mask = category_mask(encoder.categorical_features, len(names), names)
        if mask is not None:
            categories = [name for name, inside in zip(names, mask, strict=True) if inside]
    summary = summarize(table, seed, kept, categories)
    if isinstance(encoder, TabularEncoder):
        encoder._fit_sample(summary.rows, summary.levels)
    elif encoder is not None:
        encode_first(encoder, summary.rows, y[summary.positions])
    return summary


def encoded_blocks(
    estimator: KerasEstimator,
    table: BlockTable,
    encode_block: Callable[[Any], Any],
    *,
    n_readers: int,
) -> Any:
    """Return all rows of a table, encoded: arrays in memory, or `EncodedRows` if they are many.

    Parameters
    ----------
    estimator : estimator
        With a fitted encoder.
    table : BlockTable
    encode_block : callable
        Function from a block to its encoded rows.
    n_readers : int
        Number of networks that read the rows at the same time, at least 1.

    Returns
    -------
    X_encoded : ndarray or EncodedRows, or dict or list of them
    """
    import keras

    window_bytes = table.max_bytes // (4 * n_readers)
    array, file = table.array, None
    if estimator.encoder_ is None and array is not None:
        file = file_of_array(array)
    if array is not None and file is not None:
        # The file is what the network reads. The blocks are checked only.
        for _ in encoded_in_turn(table, encode_block):
            pass
        path, offset = file
        opened = open(path, "rb", buffering=0)  # noqa: SIM115
        return EncodedRows(opened, offset, array.shape, array.dtype, window_bytes)
    writers: Any = None
    for block in encoded_in_turn(table, encode_block):
        rows = keras.tree.map_structure(_dense_float32, block)
        if writers is None:
            writers = keras.tree.map_structure(
                lambda part: RowsWriter(
                    len(table), part.shape[1:], part.dtype, table.max_bytes, table.cache_dir
                ),
                rows,
            )
        keras.tree.map_structure(lambda writer, part: writer.add(part), writers, rows)
    return keras.tree.map_structure(lambda writer: writer.finished(window_bytes), writers)


def encoded_in_turn(table: BlockTable, encode_block: Callable[[Any], Any]) -> Iterator[Any]:
    """Yield the encoded blocks of a table in their order.

    Parameters
    ----------
    table : BlockTable
    encode_block : callable
        Function from a block to its encoded rows. It is called in threads.
    """
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(_N_THREADS) as pool:
        for block in table.blocks():
            waiting.append(pool.submit(encode_block, block))
            if len(waiting) > _N_THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _dense_float32(rows: Any) -> np.ndarray:
    """Return encoded rows as they are stored: floats in float32, other numbers unchanged."""
    dense: np.ndarray = rows.toarray() if sparse.issparse(rows) else rows
    if dense.dtype.kind != "f":
        return dense
    stored: np.ndarray = in_range_of("float32", dense, "X")
    return stored
