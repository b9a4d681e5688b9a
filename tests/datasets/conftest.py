"""A table of numbers, categories, Boolean values and dates, in memory and in files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tables_on_disk import mixed_frame, write_parts


@pytest.fixture
def frame() -> pd.DataFrame:
    return mixed_frame()


@pytest.fixture
def folder(frame: pd.DataFrame, tmp_path: Path) -> Path:
    return write_parts(frame, tmp_path)
