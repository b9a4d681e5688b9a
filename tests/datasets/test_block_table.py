"""Tables in blocks: sources, columns, rows, and messages about what cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnkit.datasets import BlockTable

pa = pytest.importorskip("pyarrow")
dataset = pytest.importorskip("pyarrow.dataset")
parquet = pytest.importorskip("pyarrow.parquet")


def _sources(folder: Path, frame: pd.DataFrame) -> dict[str, object]:
    return {
        "pattern": str(folder / "*.parquet"),
        "folder": folder,
        "list": [str(path) for path in sorted(folder.glob("*.parquet"))],
        "dataset": dataset.dataset(sorted(map(str, folder.glob("*.parquet")))),
        "table": pa.Table.from_pandas(frame, preserve_index=False),
    }


@pytest.mark.parametrize("kind", ["pattern", "folder", "list", "dataset", "table"])
@pytest.mark.parametrize("block_rows", [1, 333, None])
def test_blocks_are_the_rows_of_the_table_in_their_order(folder, frame, kind, block_rows):
    short = frame[:50] if block_rows == 1 else frame
    source = _sources(folder, frame)[kind]
    table = BlockTable(source, block_rows=block_rows)
    assert table.shape == frame.shape
    assert list(table.columns) == list(frame.columns)
    blocks = []
    for block in table.blocks():
        blocks.append(block)
        if sum(map(len, blocks)) >= len(short):
            break
    read = pd.concat(blocks, ignore_index=True)
    pd.testing.assert_frame_equal(read, short, check_dtype=False)
    if block_rows is not None:
        assert max(map(len, blocks)) <= block_rows


def test_csv_and_feather_are_read_too(frame, tmp_path):
    numbers = frame[["age", "city"]]
    numbers.to_csv(tmp_path / "table.csv", index=False)
    numbers.to_feather(tmp_path / "table.feather")
    for name in ("table.csv", "table.feather"):
        (block,) = BlockTable(tmp_path / name).blocks()
        pd.testing.assert_frame_equal(block, numbers, check_dtype=False)


def test_rows_by_position(folder, frame):
    table = BlockTable(folder, block_rows=300)
    positions = np.array([1999, 5, 700])
    part = table.at(positions)
    assert part.shape == (3, frame.shape[1])
    expected = frame.iloc[np.sort(positions)].reset_index(drop=True)
    pd.testing.assert_frame_equal(table.take(positions), expected, check_dtype=False)
    # A part of a part counts its own rows.
    again = part.at(np.array([2, 0])).take(np.arange(2))
    pd.testing.assert_frame_equal(
        again, frame.iloc[[5, 1999]].reset_index(drop=True), check_dtype=False
    )


def test_a_sample_is_drawn_by_its_seed(folder):
    table = BlockTable(folder)
    first = table.sample(20, random_state=3)
    assert len(first) == 20
    pd.testing.assert_frame_equal(first, table.sample(20, random_state=3))
    assert not first.equals(table.sample(20, random_state=4))


def test_columns_apart(folder, frame):
    table, values = BlockTable(folder).with_columns_apart(y="bought", sample_weight="weight")
    assert list(table.columns) == ["age", "income", "city", "member", "since"]
    assert values["y"].tolist() == frame["bought"].tolist()
    np.testing.assert_array_equal(values["sample_weight"], frame["weight"])


def test_an_array_on_disk(tmp_path):
    array = np.memmap(tmp_path / "array.bin", np.float32, "w+", offset=128, shape=(1000, 3))
    array[...] = np.arange(3000).reshape(1000, 3)
    array.flush()
    table = BlockTable(array, block_rows=300)
    assert table.shape == (1000, 3)
    np.testing.assert_array_equal(np.concatenate(list(table.blocks())), array)
    # The offset of a slice of a memory map is that of the whole.
    tail = BlockTable(array[400:], block_rows=300)
    np.testing.assert_array_equal(np.concatenate(list(tail.blocks())), array[400:])


def test_a_dask_dataframe(frame):
    dask = pytest.importorskip("dask.dataframe")
    table = BlockTable(dask.from_pandas(frame, npartitions=3), block_rows=400)
    assert table.shape == frame.shape
    read = pd.concat(list(table.blocks()), ignore_index=True)
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)


def _write(folder: Path, name: str, frame: pd.DataFrame) -> None:
    parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / name)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (pd.DataFrame({"a": [1.0]}), "the same columns, but .*2.parquet' lacks the column 'b'"),
        (
            pd.DataFrame({"a": [1.0], "b": ["x"], "c": [1]}),
            "the same columns, but .*2.parquet' has a column 'c'",
        ),
        (
            pd.DataFrame({"a": ["1"], "b": ["x"]}),
            r"column 'a' has the type (large_)?string in .*2.parquet' and double in .*1.parquet'",
        ),
    ],
)
def test_files_with_other_schemas_are_named(tmp_path, second, message):
    _write(tmp_path, "1.parquet", pd.DataFrame({"a": [1.0], "b": ["x"]}))
    _write(tmp_path, "2.parquet", second)
    with pytest.raises(ValueError, match=message):
        BlockTable(tmp_path)


def test_what_cannot_be_read_is_named(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"The folder '.*empty' has no table"):
        BlockTable(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"X='nowhere/\*.parquet' is no file, and no file has"):
        BlockTable("nowhere/*.parquet")
    (tmp_path / "table.txt").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"must have one format.*Got \['.txt'\] instead"):
        BlockTable(tmp_path / "table.txt")
    (tmp_path / "broken.parquet").write_bytes(b"not a table")
    with pytest.raises(ValueError, match=r"broken.parquet' cannot be read as a table"):
        BlockTable(tmp_path / "broken.parquet")
    _write(tmp_path, "none.parquet", pd.DataFrame({"a": np.empty(0)}))
    with pytest.raises(ValueError, match=r"none.parquet'\) has no rows"):
        BlockTable(tmp_path / "none.parquet")
    with pytest.raises(ValueError, match=r"columns='ago' is no column of X. Did you mean age"):
        BlockTable(folder / "part00.parquet", columns=["ago"])


def test_a_label_column_is_checked(frame, tmp_path):
    frame.loc[[17, 30], "bought"] = None
    _write(tmp_path, "gaps.parquet", frame)
    table = BlockTable(tmp_path)
    with pytest.raises(
        ValueError, match=r"y='bought' has 2 missing value\(s\), the first in row 17"
    ):
        table.with_columns_apart(y="bought")
    with pytest.raises(ValueError, match=r"y='sold' is no column of X"):
        table.with_columns_apart(y="sold")


@pytest.mark.parametrize("max_memory", [0, -1, "much", "5 parsecs", None, True])
def test_max_memory_is_checked(folder, max_memory):
    with pytest.raises(ValueError, match="max_memory must be a number of bytes above 0"):
        BlockTable(folder, max_memory=max_memory)


def test_max_memory_has_units(folder):
    assert BlockTable(folder, max_memory="1.5 MB").max_bytes == 1_500_000
    assert BlockTable(folder, max_memory=2**20).max_bytes == 2**20
