"""Values in error messages."""

import numpy as np
import pandas as pd
import pytest

from nnkit._messages import shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("adam", "'adam'"),
        (2.5, "2.5"),
        (None, "None"),
        (np.arange(3), "array([0, 1, 2])"),
        (np.zeros((5, 2)), "a ndarray of shape (5, 2)"),
        (pd.Series([1]), "a Series of shape (1,)"),
        ("a" * 1000, f"'{'a' * 99}... (str, 1002 characters)"),
    ],
    ids=["text", "number", "none", "short array", "array", "series", "long text"],
)
def test_values_are_shown_on_one_line(value, expected):
    assert shown(value) == expected
