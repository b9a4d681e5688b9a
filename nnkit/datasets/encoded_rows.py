"""`EncodedRows`: encoded rows on disk, from which a training reads windows of blocks."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from nnkit.datasets.sources import bytes_of
from nnkit.encoding.rows import aligned_empty

__all__ = ["EncodedRows", "RowsWriter", "is_on_disk", "kept_on_disk", "order_on_disk"]

# Size of a block of rows that are read at once.
_BLOCK_BYTES = 2**20


class EncodedRows:
    """Rows of an array in a file, which are read by position.

    Blocks of rows stay in memory until others take their place, so that rows in an order by windows
    of blocks (`order_of_epoch`) are read once in an epoch.

    Parameters
    ----------
    file : file object
        Opened without a buffer. It is closed when no rows refer to it.
    offset : int
        Position of the first row in the file, in bytes.
    shape : tuple of int
        Number of rows, and shape of a row.
    dtype : dtype
        Of the file.
    window_bytes : int
        Memory for blocks of rows, for each thread.
    """

    def __init__(
        self, file: Any, offset: int, shape: tuple[int, ...], dtype: Any, window_bytes: int
    ) -> None:
        self._file = _SharedFile(file)
        self._offset = offset
        self.shape = shape
        self._n_stored = shape[0]
        self._stored_dtype = self.dtype = np.dtype(dtype)
        self._rows: np.ndarray | None = None
        row_bytes = max(1, int(np.prod(shape[1:])) * self._stored_dtype.itemsize)
        self._row_bytes = row_bytes
        self.block_rows = max(1, _BLOCK_BYTES // row_bytes)
        self._n_blocks = -(-shape[0] // self.block_rows)
        self._n_slots = max(2, min(self._n_blocks, window_bytes // (self.block_rows * row_bytes)))
        self._windows = threading.local()

    # The attributes of an array

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of all rows in bytes, in their dtype."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def astype(self, dtype: Any, copy: bool = False) -> EncodedRows:
        """Return the rows in another dtype, to which each read converts.

        Parameters
        ----------
        dtype : dtype
        copy : bool, default=False
            Ignored: rows are copied when they are read.
        """
        del copy
        converted = self._copied()
        converted.dtype = np.dtype(dtype)
        return converted

    def at(self, rows: np.ndarray) -> EncodedRows:
        """Return some of the rows, still in the file.

        Parameters
        ----------
        rows : ndarray of int
            Their positions.
        """
        part = self._copied()
        part._rows = rows if self._rows is None else self._rows[rows]
        part.shape = (len(rows), *self.shape[1:])
        return part

    def _copied(self) -> EncodedRows:
        copied = object.__new__(EncodedRows)
        vars(copied).update(vars(self))
        return copied

    def __getitem__(self, positions: Any) -> np.ndarray:
        """Return rows as an array in memory.

        Parameters
        ----------
        positions : ndarray of int of any shape, or slice of rows
        """
        if isinstance(positions, slice):
            positions = np.arange(*positions.indices(self.shape[0]))
        positions = np.asarray(positions)
        if self._rows is not None:
            positions = self._rows[positions]
        found = self._read(positions.ravel())
        return found.reshape(*positions.shape, *self.shape[1:])

    def _read(self, positions: np.ndarray) -> np.ndarray:
        """Return rows of the file by position."""
        blocks, within = np.divmod(positions, self.block_rows)
        needed = np.unique(blocks)
        window = self._window()
        if len(needed) <= self._n_slots:
            return self._gathered(window, blocks, within, needed)
        found = np.empty((len(positions), *self.shape[1:]), self.dtype)
        for start in range(0, len(needed), self._n_slots):
            part = needed[start : start + self._n_slots]
            inside = np.flatnonzero((blocks >= part[0]) & (blocks <= part[-1]))
            found[inside] = self._gathered(window, blocks[inside], within[inside], part)
        return found

    def _gathered(
        self, window: _Window, blocks: np.ndarray, within: np.ndarray, needed: np.ndarray
    ) -> np.ndarray:
        for block, slot in window.places_for(needed):
            self._load(block, window.rows[slot])
        found = window.rows[window.slots[blocks], within]
        return found.astype(self.dtype, copy=False)

    def _load(self, block: int, into: np.ndarray) -> None:
        start = block * self.block_rows
        into = into[: min(self.block_rows, self._n_stored - start)]
        self._file.read_into(self._offset + start * self._row_bytes, into)

    def _window(self) -> _Window:
        window = getattr(self._windows, "window", None)
        if window is None:
            shape = (self._n_slots, self.block_rows, *self.shape[1:])
            window = _Window(np.empty(shape, self._stored_dtype), self._n_blocks)
            self._windows.window = window
        return window

    def order_of_epoch(self, rng: np.random.Generator) -> np.ndarray:
        """Return positions in a random order that reads each block once.

        The blocks are shuffled, and then the rows within each window of them.

        Parameters
        ----------
        rng : Generator

        Returns
        -------
        order : ndarray of int32 of shape (n_samples,)
        """
        n_samples = self.shape[0]
        # The first row of each block among these rows, which are in the order of the file.
        starts = np.arange(self._n_blocks + 1) * self.block_rows
        if self._rows is not None:
            starts = np.searchsorted(self._rows, starts)
        starts = np.minimum(starts, n_samples)
        blocks = rng.permutation(self._n_blocks)
        order = np.empty(n_samples, np.int32)
        filled = 0
        # The next window is read while some rows of this one are still to come.
        size = max(1, self._n_slots // 2)
        for first in range(0, self._n_blocks, size):
            window = blocks[first : first + size]
            rows = np.concatenate(
                [np.arange(starts[at], starts[at + 1], dtype=np.int32) for at in window]
            )
            order[filled : filled + len(rows)] = rng.permutation(rows)
            filled += len(rows)
        return order


def is_on_disk(X_encoded: Any) -> bool:
    """Return whether encoded rows, or some of their parts, are on disk.

    Parameters
    ----------
    X_encoded : array, EncodedRows, or dict or list of them
    """
    return any(isinstance(part, EncodedRows) for part in _parts_of(X_encoded))


def kept_on_disk(X_encoded: Any, rows: np.ndarray) -> Any:
    """Return some of the rows, without reading those on disk.

    Parameters
    ----------
    X_encoded : array, EncodedRows, or dict or list of them
    rows : ndarray of int
        Their positions.
    """
    if isinstance(X_encoded, dict):
        return {name: kept_on_disk(part, rows) for name, part in X_encoded.items()}
    if isinstance(X_encoded, (list, tuple)):
        return [kept_on_disk(part, rows) for part in X_encoded]
    return X_encoded.at(rows) if isinstance(X_encoded, EncodedRows) else X_encoded[rows]


def order_on_disk(X_encoded: Any, rows: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Return the order of an epoch, by windows of the part with the largest rows.

    Parameters
    ----------
    X_encoded : EncodedRows, or dict or list of them
    rows : ndarray of int or None
        Positions of the rows of the training, ascending. None is all rows.
    rng : Generator
    """
    parts = [part for part in _parts_of(X_encoded) if isinstance(part, EncodedRows)]
    largest = min(parts, key=lambda part: part.block_rows)
    return (largest if rows is None else largest.at(rows)).order_of_epoch(rng)


def _parts_of(X_encoded: Any) -> list[Any]:
    if isinstance(X_encoded, dict):
        return list(X_encoded.values())
    return list(X_encoded) if isinstance(X_encoded, (list, tuple)) else [X_encoded]


class _Window:
    """Blocks of rows in memory.

    Parameters
    ----------
    rows : ndarray of shape (n_slots, block_rows, ...)
    n_blocks : int
        Number of blocks of the file.

    Attributes
    ----------
    rows : ndarray
    slots : ndarray of int of shape (n_blocks,)
        Slot of each block, -1 for a block that is not in memory.
    """

    def __init__(self, rows: np.ndarray, n_blocks: int) -> None:
        self.rows = rows
        self.slots = np.full(n_blocks, -1, np.int32)
        self._block_of = np.full(len(rows), -1)
        self._last_use = np.zeros(len(rows), np.int64)
        self._clock = 0

    def places_for(self, needed: np.ndarray) -> list[tuple[int, int]]:
        """Return the blocks that are not in memory, each with the slot that it gets.

        Parameters
        ----------
        needed : ndarray of int
            Distinct blocks, at most as many as there are slots.
        """
        self._clock += 1
        slots = self.slots[needed]
        self._last_use[slots[slots >= 0]] = self._clock
        missing = needed[slots < 0]
        if not len(missing):
            return []
        longest_unused = np.argsort(self._last_use, kind="stable")[: len(missing)]
        places = []
        for block, slot in zip(missing.tolist(), longest_unused.tolist(), strict=True):
            if self._block_of[slot] >= 0:
                self.slots[self._block_of[slot]] = -1
            self.slots[block], self._block_of[slot] = slot, block
            self._last_use[slot] = self._clock
            places.append((block, slot))
        return places


class _SharedFile:
    """A file that several threads read, and that is closed with the last reference to it.

    Parameters
    ----------
    file : file object
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._lock = threading.Lock()
        weakref.finalize(self, file.close)

    def read_into(self, position: int, rows: np.ndarray) -> None:
        """Read rows from a position in bytes."""
        target = bytes_of(rows)
        with self._lock:
            self._file.seek(position)
            while len(target):
                n_read = self._file.readinto(target)
                if not n_read:
                    raise OSError(f"The file {self._file.name!r} of encoded rows ends early.")
                target = target[n_read:]


class RowsWriter:
    """Collects encoded rows: in memory if they are few, else in a temporary file.

    The file has no name, so that it is gone when the process ends, however that happens.

    Parameters
    ----------
    n_rows : int
        Number of rows to come.
    row_shape : tuple of int
    dtype : dtype
    max_bytes : int
        Up to half of it is kept in memory.
    cache_dir : str or None
        Folder of the file. None is the folder of the system.

    Raises
    ------
    ValueError
        If the folder does not exist or has no room.
    """

    def __init__(
        self,
        n_rows: int,
        row_shape: tuple[int, ...],
        dtype: Any,
        max_bytes: int,
        cache_dir: str | None,
    ) -> None:
        self._shape, self._dtype = (n_rows, *row_shape), np.dtype(dtype)
        self._n_written = 0
        self._file: Any = None
        self.n_bytes = int(np.prod(self._shape)) * self._dtype.itemsize
        if self.n_bytes <= max_bytes // 2:
            self._rows = aligned_empty(self._shape, self._dtype)
            return
        folder = tempfile.gettempdir() if cache_dir is None else cache_dir
        if not Path(folder).is_dir():
            raise ValueError(f"cache_dir={folder!r} is no folder. Make it, or give another.")
        free = shutil.disk_usage(folder).free
        if self.n_bytes > free:
            raise ValueError(
                f"The encoded rows take {self.n_bytes / 1e9:.3g} GB, but {folder!r} has "
                f"{free / 1e9:.3g} GB left. Give a folder with more room as cache_dir of a "
                "nnkit.datasets.BlockTable."
            )
        self._file = tempfile.TemporaryFile(prefix="nnkit-rows-", dir=folder, buffering=0)  # noqa: SIM115

    def __del__(self) -> None:
        # After an error, nobody takes the file over.
        if getattr(self, "_file", None) is not None:
            self._file.close()

    def add(self, rows: np.ndarray) -> None:
        """Add the next rows.

        Parameters
        ----------
        rows : ndarray of shape (n_added, ...)
        """
        if self._file is None:
            self._rows[self._n_written : self._n_written + len(rows)] = rows
        else:
            content = bytes_of(np.ascontiguousarray(rows, self._dtype))
            while len(content):
                content = content[self._file.write(content) :]
        self._n_written += len(rows)

    def finished(self, window_bytes: int) -> Any:
        """Return all rows, an array or `EncodedRows`.

        Parameters
        ----------
        window_bytes : int
            As for `EncodedRows`.
        """
        if self._n_written != self._shape[0]:
            raise ValueError(
                f"X had {self._shape[0]} rows at first and now {self._n_written}. A table must not "
                "change while a network is fitted to it."
            )
        if self._file is None:
            return self._rows
        file, self._file = self._file, None
        return EncodedRows(file, 0, self._shape, self._dtype, window_bytes)
