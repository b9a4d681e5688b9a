"""Sources of tables that are read in blocks: Arrow, Dask, and arrays on disk."""

from __future__ import annotations

import glob
import mmap
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnkit._messages import shown
from nnkit._suggestions import did_you_mean

__all__ = [
    "ArraySource",
    "ArrowSource",
    "Source",
    "bytes_of",
    "file_of_array",
    "is_source",
    "source_of",
]

# Formats of pyarrow.dataset by the suffix of the files.
_FORMATS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "ipc",
    ".feather": "feather",
    ".csv": "csv",
    ".orc": "orc",
}

# Row groups of Parquet files above this size, uncompressed, are read in parts, by one thread.
_MAX_BYTES_OF_ROW_GROUP = 2**28

# Smaller arrays on disk are read whole.
_MIN_BYTES_OF_ARRAY = 2**28


class Source(ABC):
    """A table that is read in blocks, in the order of its rows.

    Attributes
    ----------
    n_rows : int
    columns : list of str or None
        None for an array, whose columns have no names.
    """

    n_rows: int
    columns: list[str] | None

    @abstractmethod
    def blocks(self, columns: Sequence[str] | None, block_rows: int) -> Iterator[Any]:
        """Yield the rows in blocks: Arrow tables, or arrays.

        Parameters
        ----------
        columns : sequence of str or None
            Columns to read. None reads all.
        block_rows : int
            Largest number of rows of a block, at least 1.
        """


class ArraySource(Source):
    """An array on disk (``numpy.memmap``) of at least two axes.

    Parameters
    ----------
    array : ndarray of shape (n_rows, ...)
    """

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.n_rows = len(array)
        self.columns = None

    def blocks(self, columns: Sequence[str] | None, block_rows: int) -> Iterator[np.ndarray]:
        """Yield slices of the array, as arrays in memory."""
        del columns
        file = file_of_array(self.array)
        if file is None:
            for start in range(0, self.n_rows, block_rows):
                yield np.array(self.array[start : start + block_rows])
            return
        # Pages of a memory map would count as memory of the process.
        path, offset = file
        row_shape, dtype = self.array.shape[1:], self.array.dtype
        row_size = int(np.prod(row_shape))
        with open(path, "rb") as opened:
            opened.seek(offset)
            for start in range(0, self.n_rows, block_rows):
                n_rows = min(block_rows, self.n_rows - start)
                yield np.fromfile(opened, dtype, n_rows * row_size).reshape(n_rows, *row_shape)


def bytes_of(rows: np.ndarray) -> Any:
    """Return the memory of an array in the order of its rows, to be read or written.

    Parameters
    ----------
    rows : ndarray
        Contiguous.
    """
    return memoryview(rows.reshape(-1).view(np.uint8))  # type: ignore[arg-type]


def file_of_array(array: np.ndarray) -> tuple[str, int] | None:
    """Return the file of an array on disk and the offset of its first byte.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    file : tuple of str and int, or None
        None if the array is not a whole file, or part of one, in the order of its rows.
    """
    name = getattr(array, "filename", None)
    # A slice of a memory map has the map as its base, and the offset of the whole.
    is_whole = isinstance(getattr(array, "base", None), mmap.mmap)
    if name is None or not is_whole or not array.flags.c_contiguous:
        return None
    return str(name), int(array.offset)  # type: ignore[attr-defined]


class ArrowSource(Source):
    """A ``pyarrow.dataset.Dataset``, such as a folder of Parquet files.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset
    """

    columns: list[str]

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.columns = list(dataset.schema.names)
        self.n_rows = int(dataset.count_rows())

    def blocks(self, columns: Sequence[str] | None, block_rows: int) -> Iterator[Any]:
        """Yield tables of Arrow."""
        import pyarrow as pa

        names = self.columns if columns is None else list(columns)
        yield from _in_blocks(self._parts(names, block_rows), block_rows)
        pa.default_memory_pool().release_unused()

    def _parts(self, names: list[str], block_rows: int) -> Iterator[Any]:
        """Yield tables of any length.

        Arrow's own scanner reads many batches ahead: 4 GB of a table of 5 GB.
        """
        dataset, options = self._dataset, {"columns": names, "batch_size": block_rows}
        fragments = list(dataset.get_fragments())
        # A dataset with a filter has fragments of more rows.
        if sum(fragment.count_rows() for fragment in fragments) != self.n_rows:
            yield from _tables_of(dataset.scanner(use_threads=False, **options))
            return
        for fragment in fragments:
            for part in _row_groups_of(fragment):
                yield from _tables_of(
                    part.scanner(schema=dataset.schema, use_threads=part is not fragment, **options)
                )


def _row_groups_of(fragment: Any) -> list[Any]:
    """Return the row groups of a Parquet file, unless one is large; else the fragment itself."""
    groups = getattr(fragment, "row_groups", None)
    if not groups or max(group.total_byte_size for group in groups) > _MAX_BYTES_OF_ROW_GROUP:
        return [fragment]
    return list(fragment.split_by_row_group())


def _tables_of(scanner: Any) -> Iterator[Any]:
    import pyarrow as pa

    for batch in scanner.to_batches():
        if batch.num_rows:
            yield pa.Table.from_batches([batch])


def _in_blocks(tables: Iterator[Any], block_rows: int) -> Iterator[Any]:
    """Yield tables of ``block_rows`` rows, and a last one of the rest."""
    import pyarrow as pa

    waiting: list[Any] = []
    n_waiting = 0
    for table in tables:
        waiting.append(table)
        n_waiting += table.num_rows
        if n_waiting < block_rows:
            continue
        joined = pa.concat_tables(waiting)
        n_whole = n_waiting // block_rows
        for at in range(n_whole):
            yield joined.slice(at * block_rows, block_rows)
        rest = joined.slice(n_whole * block_rows)
        n_waiting = rest.num_rows
        waiting = [rest] if n_waiting else []
    if waiting:
        yield pa.concat_tables(waiting)


class _DaskSource(Source):
    """A Dask DataFrame, whose partitions are computed one by one.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
    """

    def __init__(self, frame: Any) -> None:
        import pyarrow as pa

        self._frame = frame
        self.columns = [str(name) for name in frame.columns]
        self.n_rows = int(frame.map_partitions(len).compute().sum())
        self._schema = pa.Schema.from_pandas(frame.head(1000, npartitions=-1), preserve_index=False)

    def blocks(self, columns: Sequence[str] | None, block_rows: int) -> Iterator[Any]:
        """Yield tables of Arrow."""
        import pyarrow as pa

        wanted = self._frame if columns is None else self._frame[list(columns)]
        fields = [self._schema.field(name) for name in wanted.columns]
        schema = pa.schema(fields)
        tables = (
            pa.Table.from_pandas(partition.compute(), schema=schema, preserve_index=False)
            for partition in wanted.partitions
        )
        yield from _in_blocks(tables, block_rows)


def is_source(X: Any) -> bool:
    """Return whether X is a table that is read in blocks.

    Parameters
    ----------
    X : object
        A path or pattern of files, a list of paths, a dataset or table of Arrow, a Dask DataFrame,
        or a large array on disk.
    """
    if isinstance(X, (str, Path)):
        return True
    if isinstance(X, list):
        return bool(X) and all(_is_path_of_table(part) for part in X)
    if isinstance(X, np.memmap):
        return X.ndim > 1 and X.nbytes >= _MIN_BYTES_OF_ARRAY and X.dtype.kind in "fiub"
    return _is_of(X, "pyarrow", "Dataset") or _is_of(X, "dask", "DataFrame")


def source_of(X: Any) -> Source:
    """Return the source of a table for which `is_source` holds, or of a ``pyarrow.Table``.

    Parameters
    ----------
    X : object

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    ValueError
        If there are no files, their formats are unknown, or their schemas differ.
    """
    if isinstance(X, np.ndarray):
        return ArraySource(X)
    try:
        import pyarrow as pa
        import pyarrow.dataset as arrow_dataset
    except ImportError as error:
        raise ImportError(
            "Tables on disk are read with pyarrow. Install it: pip install nnkit[arrow]."
        ) from error
    if _is_of(X, "dask", "DataFrame"):
        source: Source = _DaskSource(X)
    elif isinstance(X, pa.Table):
        source = ArrowSource(arrow_dataset.dataset(X))
    elif isinstance(X, arrow_dataset.Dataset):
        source = ArrowSource(X)
    else:
        paths = _files_of(X)
        kind = _format_of(paths)
        try:
            dataset = arrow_dataset.dataset(paths, format=kind, partitioning=None)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{paths[0]!r} cannot be read as a table: {str(error).splitlines()[0]}"
            ) from error
        _check_schemas(dataset, paths)
        source = ArrowSource(dataset)
    if not source.n_rows:
        raise ValueError(f"X ({_name_of(X)}) has no rows.")
    return source


def _is_of(X: Any, package: str, name: str) -> bool:
    return any(
        cls.__name__ == name and cls.__module__.partition(".")[0].startswith(package)
        for cls in type(X).__mro__
    )


def _name_of(X: Any) -> str:
    return repr(str(X)) if isinstance(X, (str, Path)) else type(X).__name__


def _is_path_of_table(part: Any) -> bool:
    return isinstance(part, (str, Path)) and Path(part).suffix in _FORMATS


def _files_of(X: Any) -> list[str]:
    """Return the files of a path, a pattern, a folder, or a list of paths, in sorted order."""
    if isinstance(X, list):
        return [file for part in X for file in _files_of(part)]
    text = os.fspath(X)
    if os.path.isdir(text):
        found = [str(path) for path in sorted(Path(text).rglob("*")) if path.suffix in _FORMATS]
        if not found:
            raise ValueError(
                f"The folder {text!r} has no table. It needs files with one of the suffixes "
                f"{', '.join(_FORMATS)}."
            )
        return found
    if os.path.isfile(text):
        return [text]
    found = sorted(glob.glob(text, recursive=True))
    if not found:
        raise ValueError(
            f"X={text!r} is no file, and no file has a name of this pattern (the working directory "
            f"is {os.getcwd()!r})."
        )
    return found


def _format_of(paths: Sequence[str]) -> str:
    suffixes = {Path(path).suffix for path in paths}
    formats = {_FORMATS.get(suffix) for suffix in suffixes}
    if len(formats) == 1 and None not in formats:
        return str(formats.pop())
    unlike = sorted(suffixes)
    hint = did_you_mean(unlike[0], list(_FORMATS)) if None in formats else ""
    raise ValueError(
        f"The files of X must have one format, with one of the suffixes {', '.join(_FORMATS)}. "
        f"Got {shown(unlike)} instead.{hint and ' ' + hint}"
    )


def _check_schemas(dataset: Any, paths: Sequence[str]) -> None:
    """Raise a ValueError if a file has other columns than the first, or other types."""
    expected = dataset.schema
    for fragment, path in zip(dataset.get_fragments(), paths, strict=True):
        schema = fragment.physical_schema
        if schema.equals(expected):
            continue
        missing = [name for name in expected.names if name not in schema.names]
        added = [name for name in schema.names if name not in expected.names]
        if missing or added:
            which = f"lacks the column {missing[0]!r}" if missing else f"has a column {added[0]!r}"
            raise ValueError(
                f"The files of X must have the same columns, but {path!r} {which}, unlike "
                f"{paths[0]!r}."
            )
        for name in expected.names:
            ours, theirs = expected.field(name).type, schema.field(name).type
            if ours != theirs:
                raise ValueError(
                    f"The column {name!r} has the type {theirs} in {path!r} and {ours} in "
                    f"{paths[0]!r}. Write all files with one schema."
                )
