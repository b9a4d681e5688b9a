"""Encoded rows on disk equal the array that was written, whatever is read of them."""

from __future__ import annotations

import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from nnkit.datasets import encoded_rows
from nnkit.datasets.encoded_rows import EncodedRows, RowsWriter, order_on_disk

N_ROWS, N_COLUMNS = 1000, 5


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N_ROWS, N_COLUMNS)).astype(np.float32)


def _on_disk(array: np.ndarray, window_bytes: int = 4 * 640) -> EncodedRows:
    writer = RowsWriter(*_like(array), max_bytes=1, cache_dir=None)
    for start in range(0, len(array), 300):
        writer.add(array[start : start + 300])
    rows = writer.finished(window_bytes)
    assert isinstance(rows, EncodedRows)
    return rows


def _like(array: np.ndarray) -> tuple[int, tuple[int, ...], np.dtype]:
    return len(array), array.shape[1:], array.dtype


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(encoded_rows, "_BLOCK_BYTES", 640)  # 32 rows


@pytest.mark.parametrize("window_bytes", [1, 4 * 640, 10**6])
def test_rows_are_read_by_position(array, window_bytes):
    rows = _on_disk(array, window_bytes)
    assert rows.shape == array.shape
    assert rows.dtype == array.dtype
    assert (len(rows), rows.ndim, rows.nbytes) == (N_ROWS, 2, array.nbytes)
    rng = np.random.default_rng(1)
    for _ in range(5):
        positions = rng.integers(0, N_ROWS, size=(7, 30))
        np.testing.assert_array_equal(rows[positions], array[positions])
    np.testing.assert_array_equal(rows[10:700], array[10:700])
    np.testing.assert_array_equal(rows[-5:], array[-5:])
    chosen = rng.permutation(N_ROWS)[:200]
    part = rows.at(chosen)
    assert part.shape == (200, N_COLUMNS)
    np.testing.assert_array_equal(part[::3], array[chosen[::3]])
    np.testing.assert_array_equal(part.at(np.array([3, 1]))[:], array[chosen[[3, 1]]])
    converted = rows.astype("float64")
    assert converted[:4].dtype == converted.dtype == np.float64
    np.testing.assert_array_equal(converted[:4], array[:4].astype(np.float64))


def test_an_order_is_a_permutation_that_reads_each_block_once(array):
    rows = _on_disk(array)
    order = rows.order_of_epoch(np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(order), np.arange(N_ROWS))
    assert not np.array_equal(order, np.sort(order))
    loaded = []
    load = EncodedRows._load
    rows._load = lambda block, into: (loaded.append(block), load(rows, block, into))  # type: ignore[method-assign]
    for start in range(0, N_ROWS, 50):
        part = order[start : start + 50]
        np.testing.assert_array_equal(rows[part], array[part])
    assert sorted(loaded) == list(range(-(-N_ROWS // 32)))


def test_an_order_of_some_rows_has_each_of_them_once(array):
    rows = _on_disk(array)
    training = np.sort(np.random.default_rng(0).permutation(N_ROWS)[:900])
    order = order_on_disk({"a": rows, "b": array}, training, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(order), np.arange(900))
    again = order_on_disk(rows, training, np.random.default_rng(1))
    np.testing.assert_array_equal(order, again)


def test_neighbours_are_mixed_with_rows_of_other_blocks(array):
    rows = _on_disk(array, 10 * 640)
    order = rows.order_of_epoch(np.random.default_rng(0))
    blocks = order // 32
    # A window has 5 of 32 blocks: of 64 rows in turn, few are of one block.
    for start in range(0, 900, 64):
        assert len(np.unique(blocks[start : start + 64])) >= 4


def test_few_rows_stay_in_memory(array):
    writer = RowsWriter(*_like(array), max_bytes=2 * array.nbytes, cache_dir=None)
    writer.add(array)
    kept = writer.finished(1)
    assert isinstance(kept, np.ndarray)
    np.testing.assert_array_equal(kept, array)


def test_the_file_has_no_name(array, tmp_path):
    writer = RowsWriter(*_like(array), max_bytes=1, cache_dir=str(tmp_path))
    writer.add(array)
    rows = writer.finished(10**6)
    assert os.listdir(tmp_path) == []
    np.testing.assert_array_equal(rows[:], array)


def test_a_full_disk_is_found_before_writing(array, tmp_path, monkeypatch):
    usage = SimpleNamespace(total=10**4, used=10**4 - 100, free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(
        ValueError, match=r"The encoded rows take 2e-05 GB, but .* has 1e-07 GB left"
    ):
        RowsWriter(*_like(array), max_bytes=1, cache_dir=str(tmp_path))


def test_a_missing_folder_is_named(array):
    with pytest.raises(ValueError, match="cache_dir='nowhere' is no folder"):
        RowsWriter(*_like(array), max_bytes=1, cache_dir="nowhere")


def test_a_table_that_changed_is_refused(array):
    writer = RowsWriter(*_like(array), max_bytes=1, cache_dir=None)
    writer.add(array[:10])
    with pytest.raises(ValueError, match="X had 1000 rows at first and now 10"):
        writer.finished(1)
