"""Rows and background in containers other than in fit."""

import numpy as np
import pandas as pd
import pytest

from nnkit import KerasRegressor, explain

N = 60


def frame_with_gaps():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=N).round(3),
            "whole": rng.integers(0, 50, N),
            "date": pd.date_range("2020-01-01", periods=N, freq="7D"),
            "text": rng.choice(["a", "b", "c"], N),
            "truth": rng.random(N) < 0.5,
        }
    )
    frame.loc[[2, 30], "number"] = np.nan
    frame.loc[[1, 40], "date"] = pd.NaT
    frame.loc[[3, 50], "text"] = None
    return frame


def with_python_dates(frame):
    return frame.assign(date=[None if pd.isna(d) else d.date() for d in frame["date"]])


def as_polars(frame):
    polars = pytest.importorskip("polars")
    dates = [None if pd.isna(date) else date.to_pydatetime() for date in frame["date"]]
    without_gaps = {c: [None if pd.isna(v) else v for v in frame[c]] for c in frame}
    return polars.DataFrame(without_gaps | {"date": dates})


CONTAINERS = {
    "pandas": lambda frame: frame,
    "object": lambda frame: frame.astype(object),
    "nullable": lambda frame: frame.convert_dtypes(dtype_backend="numpy_nullable"),
    "arrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "categories": lambda frame: frame.assign(text=frame["text"].astype("category")),
    "Python dates": with_python_dates,
    "polars": as_polars,
}


@pytest.fixture(scope="module")
def regressor():
    frame = frame_with_gaps()
    y = frame["number"].fillna(0) + frame["whole"] / 10 + (frame["text"] == "a")
    return KerasRegressor("mlp", epochs=3, random_state=0).fit(frame, y)


@pytest.fixture(scope="module")
def expected(regressor):
    frame = frame_with_gaps()
    return explain(regressor, frame[:4], frame, method="exact", max_background=20)


@pytest.mark.parametrize("is_whole", [False, True], ids=["encoded rows", "whole rows"])
@pytest.mark.parametrize("of_background", CONTAINERS)
@pytest.mark.parametrize("of_rows", CONTAINERS)
def test_containers_give_equal_values(regressor, expected, of_rows, of_background, is_whole):
    if "arrow" in (of_rows, of_background):
        pytest.importorskip("pyarrow")
    frame = frame_with_gaps()
    rows, background = CONTAINERS[of_rows](frame[:4]), CONTAINERS[of_background](frame)
    output = (lambda table: regressor.predict(table)) if is_whole else "auto"

    explanation = explain(
        regressor, rows, background, method="exact", max_background=20, output=output
    )

    np.testing.assert_allclose(explanation.values, expected.values, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(explanation.base_values, expected.base_values, rtol=1e-4)
