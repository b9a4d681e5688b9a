"""A table of numbers, categories, Boolean values and dates, in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

N_ROWS = 2000


def mixed_frame(n_rows: int = N_ROWS, seed: int = 0) -> pd.DataFrame:
    """Return a table with a label "bought" and weights "weight"."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n_rows),
            "income": rng.lognormal(10, 1, n_rows),
            "city": rng.choice([f"city{i:02}" for i in range(15)], n_rows),
            "member": rng.random(n_rows) < 0.3,
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(0, 10**7, n_rows), unit="s"),
        }
    )
    score = (frame["age"] - 40) / 10 + (frame["city"] < "city07") + rng.normal(0, 0.3, n_rows)
    frame.loc[rng.random(n_rows) < 0.02, "income"] = np.nan
    frame["bought"] = np.where(score > 0.5, "yes", "no")
    frame["weight"] = rng.uniform(0.5, 1.5, n_rows)
    return frame


def write_parts(frame: pd.DataFrame, folder: Path, n_parts: int = 4) -> Path:
    """Write the rows of a table to Parquet files, in their order."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    size = -(-len(frame) // n_parts)
    for part in range(n_parts):
        rows = frame[part * size : (part + 1) * size]
        table = pa.Table.from_pandas(rows, preserve_index=False)
        parquet.write_table(table, folder / f"part{part:02}.parquet")
    return folder
