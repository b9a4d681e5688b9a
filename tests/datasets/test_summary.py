"""A summary has the extremes, the levels and a sample of a table that is read once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nnkit.datasets import BlockTable, summary
from nnkit.datasets.summary import summarize
from nnkit.encoding import TabularEncoder

pa = pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def _small_sample(monkeypatch):
    monkeypatch.setattr(summary, "_SAMPLE_ROWS", 300)


def _table(frame: pd.DataFrame, block_rows: int = 170) -> BlockTable:
    return BlockTable(pa.Table.from_pandas(frame, preserve_index=False), block_rows=block_rows)


def test_levels_are_counted_in_all_rows(frame):
    found = summarize(_table(frame), seed=0)
    assert set(found.levels) == {"city", "member", "bought"}
    expected = frame["city"].value_counts()
    pd.testing.assert_series_equal(
        found.levels["city"].sort_index(), expected.sort_index(), check_names=False,
        check_index_type=False,
    )  # fmt: skip


def test_the_sample_has_the_extremes_of_all_rows(frame):
    found = summarize(_table(frame), seed=0)
    assert 300 <= len(found.rows) < 340
    for name in ("age", "income", "since", "weight"):
        assert found.rows[name].min() == frame[name].min()
        assert found.rows[name].max() == frame[name].max()
    pd.testing.assert_frame_equal(
        found.rows, frame.iloc[found.positions].reset_index(drop=True), check_dtype=False
    )


def test_a_rare_missing_or_present_value_is_part_of_the_sample():
    n_rows = 5000
    frame = pd.DataFrame({"gap": np.zeros(n_rows), "value": np.full(n_rows, np.nan)})
    frame.loc[4321, "gap"] = np.nan
    frame.loc[1234, "value"] = 1.0
    found = summarize(_table(frame), seed=0)
    assert found.rows["gap"].isna().sum() == 1
    assert found.rows["value"].notna().sum() == 1


def test_a_summary_does_not_depend_on_the_size_of_the_blocks(frame):
    first = summarize(_table(frame, 170), seed=0)
    for block_rows in (64, 1999, 2000):
        other = summarize(_table(frame, block_rows), seed=0)
        np.testing.assert_array_equal(other.positions, first.positions)
        pd.testing.assert_frame_equal(other.rows, first.rows)
        encoders = [
            TabularEncoder()._fit_sample(found.rows, found.levels) for found in (first, other)
        ]
        encoded = [encoder.transform(frame) for encoder in encoders]
        np.testing.assert_array_equal(*encoded)
        assert [encoder.categories_["city"].tolist() for encoder in encoders].count(
            encoders[0].categories_["city"].tolist()
        ) == 2


def test_kept_rows_are_part_of_the_sample(frame):
    kept = np.array([3, 777, 1500])
    found = summarize(_table(frame), seed=0, also=kept)
    pd.testing.assert_frame_equal(
        found.at(kept).reset_index(drop=True),
        frame.iloc[kept].reset_index(drop=True),
        check_dtype=False,
    )


def test_an_encoder_of_a_summary_is_near_that_of_all_rows(frame, monkeypatch):
    monkeypatch.setattr(summary, "_SAMPLE_ROWS", 1000)
    X = frame.drop(columns=["bought", "weight"])
    X.loc[::500, "city"] = "rare"  # 4 rows
    found = summarize(_table(X), seed=0)
    whole = TabularEncoder(min_frequency=3).fit(X)
    sketched = TabularEncoder(min_frequency=3)._fit_sample(found.rows, found.levels)
    assert sketched.categories_["city"].tolist() == whole.categories_["city"].tolist()
    assert sketched.cardinalities_ == whole.cardinalities_
    assert sketched.get_feature_names_out().tolist() == whole.get_feature_names_out().tolist()
    # The quartiles of 1000 rows have ranks with a standard error of 1.4 %.
    np.testing.assert_allclose(sketched.transform(X), whole.transform(X), atol=0.2)
    rarer = TabularEncoder(min_frequency=5)._fit_sample(found.rows, found.levels)
    assert "rare" not in rarer.categories_["city"]


def test_missing_categories_count_for_the_scaling_of_one_hot_columns():
    values = np.array(["a", "b", "c", None], dtype=object)[np.arange(2000) % 4]
    X = pd.DataFrame({"c": values})
    found = summarize(_table(X), seed=0)
    assert found.levels["c"].sum() == 2000
    np.testing.assert_array_equal(
        TabularEncoder(scaling="standard")._fit_sample(found.rows, found.levels).transform(X),
        TabularEncoder(scaling="standard").fit(X).transform(X),
    )


def test_numbers_that_are_categories_are_counted(frame):
    found = summarize(_table(frame.assign(code=np.arange(2000) % 7)), 0, categories=["code"])
    assert found.levels["code"].to_dict() == {code: 286 if code < 5 else 285 for code in range(7)}


def test_too_many_levels_are_bounded(monkeypatch):
    monkeypatch.setattr(summary, "_MAX_LEVELS", 100)
    names = np.where(np.arange(2000) % 2, "often", [f"id{i}" for i in range(2000)])
    table = _table(pd.DataFrame({"key": names, "x": np.arange(2000.0)}))
    with pytest.warns(UserWarning, match="Column 'key' has more than 100 distinct values"):
        found = summarize(table, seed=0)
    assert found.levels["key"]["often"] == 1000
    assert len(found.levels["key"]) <= 100
