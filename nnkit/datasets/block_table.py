"""`BlockTable`: the columns of a source, in place of a DataFrame that fits into memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from nnkit._messages import shown
from nnkit._suggestions import did_you_mean
from nnkit._validation import as_count
from nnkit.datasets.sources import ArraySource, Source, is_source, source_of

__all__ = ["BlockTable", "is_block_table", "joined_blocks", "rows_of_block"]

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

# Values of a block, if its number of rows is not given: 32 MiB in float64.
_VALUES_OF_BLOCK = 2**22


class BlockTable:
    """A table that is read in blocks of rows and never held in memory as a whole.

    The estimators make one of a path, a dataset or a large array on disk by themselves. Make it for
    other settings than the defaults.

    Parameters
    ----------
    source : str, Path, list, pyarrow Dataset or Table, Dask DataFrame, or ndarray
        The table: a file, a folder, a pattern such as ``"folder/*.parquet"`` or a list of files of
        the formats Parquet, Arrow, Feather, CSV or ORC; a ``pyarrow.dataset.Dataset`` or
        ``pyarrow.Table``; a Dask DataFrame; or an array on disk (``numpy.memmap``).
    columns : sequence of str or None, default=None
        Columns of the table. None is all of them.
    block_rows : int or None, default=None
        Rows that are read at once, at least 1. None reads about four million values at once.
    max_memory : int or str, default="1GB"
        Memory for encoded rows, above 0, in bytes or with a unit such as "500MB". Encoded rows of
        up to half of it are kept in memory. More of them are written to a temporary file, from
        which a training reads windows of a quarter of it.
    cache_dir : str, Path or None, default=None
        Folder of the temporary file, which must exist. None is the folder of the system.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    ValueError
        If there are no files or rows, the schemas of the files differ, or a column is unknown.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from nnkit.datasets import BlockTable
    >>> table = BlockTable(pa.table({"a": [1, 2, 3], "b": [4.0, 5.0, 6.0]}), block_rows=2)
    >>> table.shape
    (3, 2)
    >>> [len(block) for block in table.blocks()]
    [2, 1]
    """

    def __init__(
        self,
        source: Any,
        *,
        columns: Sequence[str] | None = None,
        block_rows: int | None = None,
        max_memory: int | str = "1GB",
        cache_dir: Any = None,
    ) -> None:
        self.max_bytes = _bytes_of(max_memory)
        self.cache_dir = None if cache_dir is None else str(cache_dir)
        if block_rows is not None:
            as_count("block_rows", block_rows)
        self._source: Source = source_of(source)
        self._columns = self._source.columns if columns is None else list(columns)
        for name in self._columns or ():
            self._check_column(name, "columns")
        self._block_rows = block_rows
        # Whether each row of the source is part of the table; None for all.
        self._mask: np.ndarray | None = None
        self._n_rows = self._source.n_rows

    @classmethod
    def of(cls, X: Any) -> BlockTable:
        """Return the table of a source; a table unchanged."""
        return X if isinstance(X, BlockTable) else cls(X)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows and columns; further axes for an array."""
        if isinstance(self._source, ArraySource):
            return (self._n_rows, *self._source.array.shape[1:])
        return self._n_rows, len(self._columns or ())

    @property
    def columns(self) -> pd.Index | None:
        """Names of the columns; None for an array."""
        return None if self._columns is None else pd.Index(self._columns)

    def __len__(self) -> int:
        return self._n_rows

    @property
    def array(self) -> np.ndarray | None:
        """The array on disk, if the table is all of one; else None."""
        if isinstance(self._source, ArraySource) and self._mask is None:
            return self._source.array
        return None

    # Rows

    def arrow_blocks(self, block_rows: int | None = None) -> Iterator[Any]:
        """Yield the rows in blocks as they are in the source: Arrow tables, or arrays.

        Parameters
        ----------
        block_rows : int or None, default=None
            Largest number of rows of a block. None is that of the table.
        """
        size = block_rows or self._size_of_block
        start = 0
        for block in self._source.blocks(self._columns, size):
            n_rows = len(block)
            if self._mask is not None:
                block = rows_of_block(block, self._mask[start : start + n_rows])
            start += n_rows
            if len(block):
                yield block

    def blocks(self, block_rows: int | None = None) -> Iterator[Any]:
        """Yield the rows in blocks: DataFrames, or arrays for an array.

        Parameters
        ----------
        block_rows : int or None, default=None
            Largest number of rows of a block. None is that of the table.
        """
        for block in self.arrow_blocks(block_rows):
            yield block if isinstance(block, np.ndarray) else block.to_pandas()

    @property
    def head(self) -> Any:
        """The first rows, at most 1000, from which columns and types are learnt."""
        return next(self.blocks(min(1000, self._size_of_block)))

    def at(self, positions: np.ndarray) -> BlockTable:
        """Return the table of some of the rows, in the order of this table.

        Parameters
        ----------
        positions : ndarray of int
            Positions of the rows, in any order.
        """
        inside = np.zeros(self._n_rows, dtype=bool)
        inside[positions] = True
        part = self._like(self._columns)
        part._mask = inside
        if self._mask is not None:
            part._mask = self._mask.copy()
            part._mask[self._mask] = inside
        part._n_rows = int(np.count_nonzero(inside))
        return part

    def take(self, positions: np.ndarray) -> Any:
        """Return rows as a DataFrame, or as an array, in ascending order of their positions.

        Parameters
        ----------
        positions : ndarray of int
            Positions of the rows.
        """
        return joined_blocks(list(self.at(positions).arrow_blocks()))

    def sample(self, n_rows: int, random_state: int | None = None) -> Any:
        """Return a random sample of rows as a DataFrame, or as an array.

        Parameters
        ----------
        n_rows : int
            Largest number of rows, at least 1.
        random_state : int or None, default=None
            Seed of the draw. None draws other rows in each call.
        """
        n_drawn = min(as_count("n_rows", n_rows), self._n_rows)
        rng = np.random.default_rng(random_state)
        return self.take(rng.choice(self._n_rows, n_drawn, replace=False))

    @property
    def _size_of_block(self) -> int:
        if self._block_rows is not None:
            return self._block_rows
        return max(1, _VALUES_OF_BLOCK // max(1, int(np.prod(self.shape[1:]))))

    def _like(self, columns: list[str] | None) -> BlockTable:
        table = object.__new__(BlockTable)
        vars(table).update(vars(self))
        table._columns = columns
        return table

    # Columns

    def with_columns(self, names: Sequence[str]) -> BlockTable:
        """Return the table of some of its columns.

        Parameters
        ----------
        names : sequence of str
        """
        return self._like(list(names))

    def with_columns_apart(self, **names: Any) -> tuple[BlockTable, dict[str, Any]]:
        """Return the table without some of its columns, and their values.

        Parameters
        ----------
        **names : str or object
            By the name of an argument of ``fit``: the name of a column. Anything else is a value
            that was given, and is returned unchanged.

        Returns
        -------
        table : BlockTable
        values : dict of str to Series or object

        Raises
        ------
        ValueError
            If a column does not exist or has missing values.
        """
        apart = {name: label for name, label in names.items() if isinstance(label, str)}
        if not apart:
            return self, names
        for name, label in apart.items():
            self._check_column(label, name)
        read = self._like(list(dict.fromkeys(apart.values())))
        frame = joined_blocks(list(read.arrow_blocks()))
        for name, label in apart.items():
            missing = np.flatnonzero(frame[label].isna())
            if len(missing):
                raise ValueError(
                    f"{name}={label!r} has {len(missing)} missing value(s), the first in row "
                    f"{missing[0]}. Leave these rows out, for example with "
                    f"pyarrow.dataset.Dataset.filter."
                )
        rest = [name for name in self._columns or () if name not in set(apart.values())]
        if not rest:
            raise ValueError(f"X has no columns beside {sorted(set(apart.values()))}.")
        values = {name: frame[label] for name, label in apart.items()}
        return self._like(rest), names | values

    def _check_column(self, name: str, argument: str) -> None:
        known = self._source.columns
        if known is None:
            raise ValueError(
                f"{argument}={name!r} names a column, but an array has no names. Give the values."
            )
        if name not in known:
            raise ValueError(
                f"{argument}={shown(name)} is no column of X. {did_you_mean(name, known)}"
            )


def is_block_table(X: Any, y: Any = None) -> bool:
    """Return whether the rows of X are read in blocks.

    Parameters
    ----------
    X : object
        The argument of ``fit`` or ``predict``.
    y : object, default=None
        A name of a column makes a ``pyarrow.Table`` a table in blocks.
    """
    if isinstance(X, BlockTable) or is_source(X):
        return True
    is_arrow = type(X).__module__.partition(".")[0] == "pyarrow" and type(X).__name__ == "Table"
    return is_arrow and isinstance(y, str)


def rows_of_block(block: Any, inside: np.ndarray) -> Any:
    """Return some rows of a block.

    Parameters
    ----------
    block : pyarrow.Table or ndarray
    inside : ndarray of bool of shape (n_rows,)
    """
    if isinstance(block, np.ndarray):
        return block[inside]
    import pyarrow as pa

    return block.filter(pa.array(inside))


def joined_blocks(blocks: list[Any]) -> Any:
    """Return Arrow tables as one DataFrame, or arrays as one array.

    Parameters
    ----------
    blocks : list of pyarrow.Table or ndarray
        At least one.
    """
    if isinstance(blocks[0], np.ndarray):
        return np.concatenate(blocks)
    import pyarrow as pa

    # Blocks of categories have dictionaries of their own.
    return pa.concat_tables(blocks).unify_dictionaries().to_pandas()


def _bytes_of(max_memory: int | str) -> int:
    if isinstance(max_memory, str):
        found = re.fullmatch(r"([0-9.]+)\s*([KMGT]?B?)", max_memory.strip().upper())
        if found is not None and found[2] in _UNITS:
            return int(float(found[1]) * _UNITS[found[2]])
    elif isinstance(max_memory, Real) and not isinstance(max_memory, bool) and max_memory > 0:
        return int(max_memory)
    raise ValueError(
        "max_memory must be a number of bytes above 0, or a text such as '500MB'. "
        f"Got {shown(max_memory)} instead."
    )
