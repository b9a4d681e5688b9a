"""Descriptions of random tables, targets and sample weights, which generate reproducible data.

A description prints as one line of code, so that a failing example can be reproduced.
"""

from __future__ import annotations

import datetime
import decimal
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse

__all__ = [
    "COLUMNS",
    "CONTAINERS",
    "LABELS",
    "NAMES",
    "VALUES",
    "WEIGHTS",
    "Table",
    "Target",
    "Weights",
    "can_make",
]


def _dates(rng, n):
    return pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 10**6, n), unit="min")


def _words(rng, n):
    return rng.choice(["red", "green", "deep blue", "", "Ünïcode"], n).astype(object)


COLUMNS = {
    "int": lambda rng, n: rng.integers(-5, 1000, n),
    "small int": lambda rng, n: rng.integers(0, 3, n),
    "int8": lambda rng, n: rng.integers(-128, 127, n).astype(np.int8),
    "huge int": lambda rng, n: rng.integers(-(2**62), 2**62, n),
    "uint64": lambda rng, n: rng.integers(0, 2**63, n).astype(np.uint64) * np.uint64(2),
    "float": lambda rng, n: rng.normal(size=n),
    "float32": lambda rng, n: rng.normal(size=n).astype(np.float32),
    "float16": lambda rng, n: rng.normal(size=n).astype(np.float16),
    "huge float": lambda rng, n: rng.normal(size=n) * 1e300,
    "tiny float": lambda rng, n: rng.normal(size=n) * 1e-300,
    "wide float": lambda rng, n: 10.0 ** rng.integers(-30, 30, n),
    "far float": lambda rng, n: 1e9 + rng.normal(size=n) * 1e-3,
    "infinite": lambda rng, n: np.where(np.arange(n) == n // 2, np.inf, rng.normal(size=n)),
    "constant": lambda rng, n: np.full(n, 3.5),
    "zeros": lambda rng, n: np.zeros(n),
    "all missing": lambda rng, n: np.full(n, np.nan),
    "bool": lambda rng, n: rng.integers(0, 2, n).astype(bool),
    "text": _words,
    "one word": lambda rng, n: np.full(n, "same", dtype=object),
    "distinct text": lambda rng, n: np.array([f"word {i}" for i in range(n)], dtype=object),
    "numbers as text": lambda rng, n: rng.integers(0, 9, n).astype(str).astype(object),
    "text and numbers": lambda rng, n: np.array(
        [[1, "a", 2.5, "b"][i] for i in rng.integers(0, 4, n)], dtype=object
    ),
    "truth values as objects": lambda rng, n: rng.integers(0, 2, n).astype(bool).astype(object),
    "category": lambda rng, n: pd.Categorical(
        rng.choice(["low", "high"], n), ["low", "mid", "high"]
    ),
    "category of numbers": lambda rng, n: pd.Categorical(rng.integers(0, 4, n)),
    "date": _dates,
    "zoned date": lambda rng, n: _dates(rng, n).tz_localize("UTC"),
    "dates as objects": lambda rng, n: np.array(
        [datetime.date(2020, 1, 1 + i) for i in rng.integers(0, 28, n)], dtype=object
    ),
    "duration": lambda rng, n: pd.to_timedelta(rng.integers(0, 10**6, n), unit="s"),
    "period": lambda rng, n: _dates(rng, n).to_period("D"),
    "decimal": lambda rng, n: np.array(
        [decimal.Decimal(int(i)) / 7 for i in rng.integers(0, 99, n)], dtype=object
    ),
    "complex": lambda rng, n: rng.normal(size=n) + 1j,
    "lists": lambda rng, n: _objects([[i, i + 1] for i in range(n)]),
    "bytes": lambda rng, n: _objects([b"ab", b"c"] * n)[:n],
}  # fmt: skip
"""Generators of columns by name: functions of a random generator and a number of rows."""

_NUMBERS = {
    "int", "small int", "int8", "float", "float32", "huge float", "tiny float", "wide float",
    "far float", "infinite", "constant", "zeros", "all missing", "bool", "huge int", "float16",
}  # fmt: skip

CONTAINERS = ("pandas", "numpy", "nullable", "arrow", "polars", "lists", "sparse", "fortran")
NAMES = ("plain", "numbers", "duplicated", "empty text", "mixed", "double underscore")


def _objects(values):
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


@dataclass(frozen=True)
class Table:
    """Description of a table: kinds of columns, number of rows, container, names and seed."""

    columns: tuple[str, ...]
    n_rows: int
    container: str = "pandas"
    names: str = "plain"
    has_gaps: bool = False
    seed: int = 0

    def make(self):
        """Return a new table."""
        rng = np.random.default_rng(self.seed)
        made = [COLUMNS[kind](rng, self.n_rows) for kind in self.columns]
        if self.has_gaps:
            gap = rng.random((self.n_rows, len(made))) < 0.3
            made = [
                pd.Series(column).mask(gap[:, at]) if "complex" not in kind else column
                for at, (kind, column) in enumerate(zip(self.columns, made, strict=True))
            ]
        frame = pd.concat(
            [pd.Series(column).reset_index(drop=True) for column in made], axis=1
        ) if made else pd.DataFrame(index=range(self.n_rows))  # fmt: skip
        frame.columns = self.column_names()
        return _contained(frame, self.container)

    def column_names(self):
        """Return the names of the columns."""
        n = len(self.columns)
        return {
            "plain": [f"col{i}" for i in range(n)],
            "numbers": list(range(n)),
            "duplicated": ["same"] * n,
            "empty text": ["", *(f"col{i}" for i in range(1, n))][:n],
            "mixed": [i if i % 2 else f"col{i}" for i in range(n)],
            "double underscore": [f"model__{i}" for i in range(n)],
        }[self.names]


def _contained(frame, container):
    if container == "numpy":
        return frame.to_numpy()
    if container == "fortran":
        return np.asfortranarray(frame.to_numpy())
    if container == "nullable":
        return frame.convert_dtypes()
    if container == "arrow":
        return frame.convert_dtypes(dtype_backend="pyarrow")
    if container == "polars":
        return pl.DataFrame({str(name): list(frame.iloc[:, at]) for at, name in enumerate(frame)})
    if container == "lists":
        return frame.to_numpy().tolist()
    if container == "sparse":
        return sparse.csr_matrix(frame.to_numpy())
    return frame


def can_make(table):
    """Return whether the container supports the columns."""
    try:
        table.make()
    except Exception:  # pandas, polars, Arrow and SciPy raise errors of many types
        return False
    return True


LABELS = {
    "binary": lambda rng, n: rng.integers(0, 2, n),
    "three classes": lambda rng, n: rng.integers(0, 3, n),
    "far labels": lambda rng, n: rng.choice([-7, 10**12], n),
    "words": lambda rng, n: rng.choice(["no", "yes"], n),
    "three words": lambda rng, n: rng.choice(["a", "bb", "ccc"], n).astype(object),
    "bool": lambda rng, n: rng.integers(0, 2, n).astype(bool),
    "bool as objects": lambda rng, n: rng.integers(0, 2, n).astype(bool).astype(object),
    "float labels": lambda rng, n: rng.integers(0, 2, n).astype(float),
    "category": lambda rng, n: pd.Series(pd.Categorical(rng.choice(["no", "yes"], n))),
    "text and numbers": lambda rng, n: _objects([["a", 1][i] for i in rng.integers(0, 2, n)]),
    "nullable int": lambda rng, n: pd.Series(rng.integers(0, 2, n)).astype("Int64"),
    "one class": lambda rng, n: np.zeros(n, dtype=int),
    "distinct": lambda rng, n: np.arange(n),
    "bytes": lambda rng, n: rng.choice([b"no", b"yes"], n),
    "dates": lambda rng, n: rng.choice(np.array(["2020-01-01", "2021-01-01"], "M8[D]"), n),
    "multilabel": lambda rng, n: rng.integers(0, 2, (n, 3)),
    "sparse multilabel": lambda rng, n: sparse.csr_matrix(rng.integers(0, 2, (n, 3))),
    "multi-output": lambda rng, n: rng.integers(0, 3, (n, 2)),
    "multi-output words": lambda rng, n: rng.choice(["x", "y", "z"], (n, 2)),
    "column": lambda rng, n: rng.integers(0, 2, (n, 1)),
    "frame": lambda rng, n: pd.DataFrame({"label": rng.integers(0, 2, n)}),
    "list": lambda rng, n: rng.integers(0, 2, n).tolist(),
    "fractions": lambda rng, n: rng.normal(size=n),
    "gap": lambda rng, n: np.where(np.arange(n) == n // 2, np.nan, rng.integers(0, 2, n)),
    "gap in words": lambda rng, n: _objects([None, *rng.choice(["no", "yes"], n)])[:n],
    "too short": lambda rng, n: rng.integers(0, 2, n + 1),
    "scalar": lambda rng, n: 1,
    "ragged": lambda rng, n: [[1] * (1 + i % 2) for i in range(n)],
    "complex": lambda rng, n: rng.normal(size=n) + 1j,
}
"""Generators of targets of a classifier by name."""

VALUES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "float32": lambda rng, n: rng.normal(size=n).astype(np.float32),
    "int": lambda rng, n: rng.integers(-5, 100, n),
    "huge int": lambda rng, n: rng.integers(-(2**62), 2**62, n),
    "bool": lambda rng, n: rng.integers(0, 2, n).astype(bool),
    "constant": lambda rng, n: np.full(n, 2.5),
    "far": lambda rng, n: 1e9 + rng.normal(size=n),
    "1e30": lambda rng, n: rng.normal(size=n) * 1e30,
    "1e155": lambda rng, n: rng.normal(size=n) * 1e155,
    "1e300": lambda rng, n: rng.normal(size=n) * 1e300,
    "1e-30": lambda rng, n: rng.normal(size=n) * 1e-30,
    "1e-165": lambda rng, n: rng.normal(size=n) * 1e-165,
    "1e-300": lambda rng, n: rng.normal(size=n) * 1e-300,
    "wide": lambda rng, n: 10.0 ** rng.integers(-30, 30, n),
    "two columns": lambda rng, n: rng.normal(size=(n, 2)),
    "columns of two sizes": lambda rng, n: rng.normal(size=(n, 2)) * [1e-20, 1e20],
    "column": lambda rng, n: rng.normal(size=(n, 1)),
    "frame": lambda rng, n: pd.DataFrame(rng.normal(size=(n, 2)), columns=["a", "b"]),
    "nullable": lambda rng, n: pd.Series(rng.normal(size=n)).astype("Float64"),
    "arrow": lambda rng, n: pd.Series(rng.normal(size=n)).astype("float64[pyarrow]"),
    "polars": lambda rng, n: pl.Series(rng.normal(size=n)),
    "list": lambda rng, n: rng.normal(size=n).tolist(),
    "numbers as text": lambda rng, n: rng.integers(0, 9, n).astype(str),
    "gap": lambda rng, n: np.where(np.arange(n) == n // 2, np.nan, rng.normal(size=n)),
    "nullable gap": lambda rng, n: pd.Series([pd.NA, *rng.normal(size=n)][:n], dtype="Float64"),
    "infinite": lambda rng, n: np.where(np.arange(n) == 0, np.inf, rng.normal(size=n)),
    "words": lambda rng, n: rng.choice(["no", "yes"], n),
    "dates": _dates,
    "missing date": lambda rng, n: pd.Series([pd.NaT, *_dates(rng, n)][:n]),
    "too short": lambda rng, n: rng.normal(size=n + 1),
    "scalar": lambda rng, n: 1.0,
    "ragged": lambda rng, n: [[1.0] * (1 + i % 2) for i in range(n)],
    "complex": lambda rng, n: rng.normal(size=n) + 1j,
}
"""Generators of targets of a regressor by name."""

WEIGHTS = {
    "none": lambda rng, n: None,
    "equal": lambda rng, n: np.ones(n),
    "random": lambda rng, n: rng.random(n) + 0.1,
    "int": lambda rng, n: rng.integers(1, 9, n),
    "float32": lambda rng, n: rng.random(n).astype(np.float32) + 1,
    "series": lambda rng, n: pd.Series(rng.random(n) + 0.1, index=np.arange(n)[::-1]),
    "list": lambda rng, n: (rng.random(n) + 0.1).tolist(),
    "1e12": lambda rng, n: (rng.random(n) + 0.1) * 1e12,
    "1e36": lambda rng, n: (rng.random(n) + 0.1) * 1e36,
    "1e300": lambda rng, n: (rng.random(n) + 0.1) * 1e300,
    "1e-40": lambda rng, n: (rng.random(n) + 0.1) * 1e-40,
    "1e-300": lambda rng, n: (rng.random(n) + 0.1) * 1e-300,
    "wide": lambda rng, n: 10.0 ** rng.integers(-150, 150, n),
    "some zero": lambda rng, n: np.where(np.arange(n) % 2, 0.0, 1.0),
    "one row": lambda rng, n: np.where(np.arange(n) == n - 1, 1.0, 0.0),
    "all zero": lambda rng, n: np.zeros(n),
    "negative": lambda rng, n: np.where(np.arange(n) == 0, -1.0, 1.0),
    "missing": lambda rng, n: np.full(n, np.nan),
    "infinite": lambda rng, n: np.full(n, np.inf),
    "too long": lambda rng, n: np.ones(n + 1),
    "column": lambda rng, n: np.ones((n, 1)),
    "scalar": lambda rng, n: 2.0,
    "words": lambda rng, n: ["much"] * n,
    "balanced": lambda rng, n: "balanced",
    "complex": lambda rng, n: np.ones(n) * 1j,
    "ragged": lambda rng, n: [[1.0] * (1 + i % 2) for i in range(n)],
}
"""Generators of sample weights by name."""


@dataclass(frozen=True)
class Target:
    """Description of a target."""

    kind: str
    n_rows: int
    is_labels: bool
    seed: int = 0

    def make(self):
        """Return a new target."""
        kinds = LABELS if self.is_labels else VALUES
        return kinds[self.kind](np.random.default_rng(self.seed), self.n_rows)


@dataclass(frozen=True)
class Weights:
    """Description of sample weights."""

    kind: str
    n_rows: int
    seed: int = 0

    def make(self):
        """Return new weights."""
        return WEIGHTS[self.kind](np.random.default_rng(self.seed), self.n_rows)
