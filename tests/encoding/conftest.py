import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def trips():
    """Return six rows with a column of every kind, with missing values."""
    return pd.DataFrame(
        {
            "age": [10.0, 20.0, 30.0, 40.0, np.nan, 110.0],
            "stops": [0, 0, 0, 0, 0, 8],
            "city": ["Rome", "Paris", "Oslo", None, "Rome", "Rome"],
            "paid": pd.array([True, False, None, True, False, True], dtype="boolean"),
            "day": pd.to_datetime(["2020-01-01", "2020-01-03", None] * 2),
            "line": list("abcdef"),
        }
    )
