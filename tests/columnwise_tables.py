"""Tables for tests of columnwise preprocessing, and a check of its source columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.experimental import enable_iterative_imputer  # noqa: F401

from nnkit.explanation.pipelines.columnwise import is_columnwise, source_columns

N_ROWS = 90


def numeric_table():
    rng = np.random.default_rng(0)
    return np.round(rng.normal(size=(N_ROWS, 3)), 2) * [1.0, 20.0, 0.3] + [0.0, 5.0, 1.0]


def gappy_table():
    """Return the numeric table with missing values in columns 1 and 2."""
    table = numeric_table()
    table[3::7, 1] = np.nan
    table[5::11, 2] = np.nan
    return table


def level_table():
    """Return three categorical columns: three categories; four, two of them rare; and two."""
    rng = np.random.default_rng(1)
    table = np.empty((N_ROWS, 3), dtype=object)
    table[:, 0] = rng.choice(["a", "b", "c"], N_ROWS)
    table[:, 1] = rng.permutation(["p"] * 40 + ["q"] * 40 + ["r"] * 5 + ["s"] * 5)
    table[:, 2] = rng.choice(["no", "yes"], N_ROWS)
    return table


def three_classes():
    return np.arange(N_ROWS) % 3


def mixed_frame():
    numbers, levels = gappy_table(), level_table()
    rng = np.random.default_rng(2)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, N_ROWS), unit="D")
    frame = pd.DataFrame(
        {
            "age": numbers[:, 1],
            "city": pd.Series(levels[:, 0], dtype="str"),
            "income": numbers[:, 0],
            "day": days,
            "size": pd.Categorical(levels[:, 1]),
            "review": rng.choice(["good dog", "bad cat", "good cat bad dog", "cat"], N_ROWS),
            "rate": numbers[:, 2],
        }
    )
    frame.loc[::9, "city"] = None
    frame.loc[4::13, "day"] = pd.NaT
    frame.loc[::17, "size"] = None
    return frame


def transform_by(transformers):
    def transform(table):
        outputs = table
        for transformer in transformers:
            outputs = transformer.transform(outputs)
        return outputs

    return transform


def verified_sources(transformers, X):
    """Return the source columns as a list, checked on masked samples."""
    sources = source_columns(transformers, X)

    assert sources is not None
    assert is_columnwise(transform_by(transformers), sources, X, seed=0)
    assert _is_sharp(transform_by(transformers), sources, X)
    return sources.tolist()


def _is_sharp(transform, sources, X):
    """Return whether the check rejects the sources after a swap of two neighbours."""
    outputs = transform(X)
    values = outputs.toarray() if issparse(outputs) else np.asarray(outputs)
    varies = [len(pd.unique(column)) > 1 for column in values.T]
    for k in range(len(sources) - 1):
        if sources[k] != sources[k + 1] and varies[k] and varies[k + 1]:
            exchanged = sources.copy()
            exchanged[[k, k + 1]] = sources[[k + 1, k]]
            return not is_columnwise(transform, exchanged, X, seed=0)
    return True


class ColumnSums(TransformerMixin, BaseEstimator):
    """A third-party transformer that sums groups of columns."""

    def __init__(self, groups):
        self.groups = groups

    def fit(self, X, y=None):
        self.is_fitted_ = True
        return self

    def transform(self, X):
        dense = X.toarray() if issparse(X) else np.asarray(X)
        return np.column_stack([dense[:, group].sum(axis=1) for group in self.groups])
