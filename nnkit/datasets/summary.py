"""One pass over a table in blocks: a sample of its rows, and the levels of its categories."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from nnkit.datasets.block_table import BlockTable, joined_blocks, rows_of_block

__all__ = ["TableSummary", "summarize"]

# Rows of the sample. The rank of a quantile of it has a standard error of at most
# 1 / (2 sqrt(n)) = 0.1 %.
_SAMPLE_ROWS = 200_000

# Values of the sample, in tables with many columns: 256 MiB in float64.
_SAMPLE_VALUES = 2**25

# Distinct values of a column that are counted at once. Beyond it, the rarest half is forgotten.
_MAX_LEVELS = 1_000_000


@dataclass(frozen=True)
class TableSummary:
    """What an encoder learns a table from.

    Parameters
    ----------
    rows : DataFrame or ndarray
        All rows of a small table. Else a random sample, and rows with the extremes and with the
        first missing and present value of each column, in the order of the table.
    positions : ndarray of int of shape (n_sampled,)
        Their positions in the table, ascending.
    levels : dict of str to Series of int
        For each column of text, categories or Boolean values of a table that is not small: its
        distinct values as the index, a missing value included, and the number of rows of each.
    """

    rows: Any
    positions: np.ndarray
    levels: dict[str, pd.Series] = field(default_factory=dict)

    def at(self, positions: np.ndarray) -> Any:
        """Return rows that are part of the sample.

        Parameters
        ----------
        positions : ndarray of int
            Positions in the table.
        """
        places = np.searchsorted(self.positions, positions)
        return self.rows[places] if isinstance(self.rows, np.ndarray) else self.rows.iloc[places]


def summarize(
    table: BlockTable,
    seed: int,
    also: np.ndarray | None = None,
    categories: Collection[str] = (),
) -> TableSummary:
    """Read a table once.

    Parameters
    ----------
    table : BlockTable
    seed : int
        Seed of the sample.
    also : ndarray of int or None, default=None
        Positions of rows that become part of the sample.
    categories : collection of str, default=()
        Further columns whose levels are counted, whatever their type.
    """
    n_rows, n_columns = table.shape[0], int(np.prod(table.shape[1:]))
    n_drawn = max(1, min(_SAMPLE_ROWS, _SAMPLE_VALUES // n_columns))
    if n_rows <= n_drawn:
        return TableSummary(joined_blocks(list(table.arrow_blocks())), np.arange(n_rows))
    drawn = np.zeros(n_rows, dtype=bool)
    drawn[np.random.default_rng(seed).choice(n_rows, n_drawn, replace=False)] = True
    if also is not None:
        drawn[also] = True
    if table.columns is None:
        return _summary_of_array(table, drawn)
    return _summary_of_columns(table, drawn, categories)


def _summary_of_array(table: BlockTable, drawn: np.ndarray) -> TableSummary:
    blocks, start = [], 0
    for block in table.arrow_blocks():
        inside = drawn[start : start + len(block)]
        flat = block.reshape(len(block), -1)
        if len(flat[0]) <= 10_000:  # images have no extremes of their own
            with np.errstate(invalid="ignore"):
                # NaN is both the smallest and the largest.
                inside[flat.argmin(axis=0)] = True
                inside[flat.argmax(axis=0)] = True
        blocks.append(block[inside])
        start += len(block)
    return TableSummary(np.concatenate(blocks), np.flatnonzero(drawn))


def _summary_of_columns(
    table: BlockTable, drawn: np.ndarray, categories: Collection[str]
) -> TableSummary:
    columns: list[_Column] | None = None
    sampled, start = [], 0
    # By column and kind, a notable row and its position. A new extreme replaces the last one, so
    # that the rows do not depend on the size of the blocks.
    notable: dict[tuple[str, str], tuple[int, Any]] = {}
    for block in table.arrow_blocks():
        if columns is None:
            columns = [_Column(name, kind, name in categories) for name, kind in _types(block)]
        inside = drawn[start : start + len(block)]
        for column, values in zip(columns, block.columns, strict=True):
            for kind, position in column.notable_rows(values).items():
                # A slice would keep the block in memory.
                notable[column.name, kind] = start + position, block.take([position])
        sampled.append(rows_of_block(block, inside))
        start += len(block)
    assert columns is not None
    positions = np.flatnonzero(drawn)
    added = {position: row for position, row in notable.values() if not drawn[position]}
    if added:
        extra = np.array(sorted(added))
        sampled += [added[position] for position in extra]
        positions = np.concatenate([positions, extra])
    order = np.argsort(positions, kind="stable")
    rows = joined_blocks(sampled).iloc[order].reset_index(drop=True)
    levels = {column.name: column.levels() for column in columns if column.has_levels}
    return TableSummary(rows, positions[order], levels)


def _types(block: Any) -> list[tuple[str, Any]]:
    return [(column.name, column.type) for column in block.schema]


class _Column:
    """What is seen of one column while a table is read.

    Parameters
    ----------
    name : str
    kind : pyarrow.DataType
    is_category : bool
        Whether its levels are counted, whatever its type.
    """

    def __init__(self, name: str, kind: Any, is_category: bool) -> None:
        import pyarrow.types as types

        self.name = name
        self.has_levels = (
            is_category
            or types.is_dictionary(kind)
            or types.is_string(kind)
            or types.is_large_string(kind)
            or types.is_boolean(kind)
        )
        self._has_extremes = (
            types.is_integer(kind)
            or types.is_floating(kind)
            or types.is_temporal(kind)
            or types.is_decimal(kind)
        )
        self._is_floating = types.is_floating(kind)
        self._low: Any = None
        self._high: Any = None
        self._has_missing = self._has_present = False
        self._counts: pd.Series | None = None
        self._n_missing = 0
        self._is_bounded = False

    def notable_rows(self, values: Any) -> dict[str, int]:
        """Return rows of a block with new extremes, or the first missing or present value."""
        import pyarrow.compute as pc

        found: dict[str, int] = {}
        if self.has_levels:
            self._count(values)
        if not (self._has_missing and self._has_present):
            missing = pc.is_null(values, nan_is_null=self._is_floating)
            for name, wanted in (("_has_missing", True), ("_has_present", False)):
                if getattr(self, name):
                    continue
                position = pc.index(missing, wanted).as_py()
                if position >= 0:
                    setattr(self, name, True)
                    found[name] = position
        if self._has_extremes:
            extremes = pc.min_max(values)
            low, high = extremes["min"].as_py(), extremes["max"].as_py()
            if low is not None and low == low:
                if self._low is None or low < self._low:
                    self._low = low
                    found["min"] = pc.index(values, extremes["min"]).as_py()
                if self._high is None or high > self._high:
                    self._high = high
                    found["max"] = pc.index(values, extremes["max"]).as_py()
        return found

    def levels(self) -> pd.Series:
        """Return the number of rows of each level."""
        if self._is_bounded:
            warnings.warn(
                f"Column {self.name!r} has more than {_MAX_LEVELS:,} distinct values, of which the "
                "rarest are treated as unknown. Leave the column out if it holds identifiers.",
                UserWarning,
                stacklevel=8,
            )
        assert self._counts is not None
        if not self._n_missing:
            return self._counts
        missing = pd.Series([self._n_missing], index=pd.Index([None], dtype=object))
        return pd.concat([self._counts, missing])

    def _count(self, values: Any) -> None:
        import pyarrow.types as types

        if types.is_dictionary(values.type):
            # A dictionary can have levels that do not occur.
            values = values.combine_chunks().dictionary_decode()
        found = values.value_counts()
        counts = pd.Series(
            found.field("counts").to_numpy(zero_copy_only=False),
            index=pd.Index(found.field("values").to_pandas()),
        )
        is_missing = np.asarray(counts.index.isna())
        self._n_missing += int(counts[is_missing].sum())
        counts = counts[~is_missing]
        if self._counts is None:
            self._counts = counts
        else:
            self._counts = self._counts.add(counts, fill_value=0).astype(np.int64)
        if len(self._counts) > _MAX_LEVELS:
            self._is_bounded = True
            self._counts = self._counts.nlargest(_MAX_LEVELS // 2)
