"""Probes of unknown transformers, and the check of sources on masked samples."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from columnwise_tables import (
    N_ROWS,
    ColumnSums,
    gappy_table,
    level_table,
    mixed_frame,
    numeric_table,
    verified_sources,
)
from scipy.sparse import csr_array
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    StandardScaler,
)

from nnkit.explanation.pipelines.columnwise import is_columnwise, source_columns


def test_object_without_transform_has_no_sources():
    assert source_columns([object()], numeric_table()) is None


@pytest.mark.parametrize(
    ("transformer", "expected"),
    [
        pytest.param(ColumnSums([[2], [0], [2], [1]]), [2, 0, 2, 1], id="third-party"),
        pytest.param(FunctionTransformer(lambda X: X[:, ::-1] ** 2), [2, 1, 0], id="function"),
        pytest.param(
            FunctionTransformer(lambda X: csr_array(X[:, [1, 1]])), [1, 1], id="sparse-output"
        ),
    ],
)
def test_probe_of_unknown_transformers(transformer, expected):
    X = numeric_table()
    transformer.fit(X)

    assert verified_sources([transformer], X) == expected


def test_probe_keeps_strings_categories_and_dates():
    X = mixed_frame()

    def describe(table):
        parts = {
            "month": table["day"].dt.month,
            "is_big": table["size"].cat.codes == 1,
            "length": table["city"].str.len(),
            "city": table["city"].fillna("?"),
            "size": table["size"],
        }
        return pd.DataFrame(parts)

    assert verified_sources([FunctionTransformer(describe)], X) == [3, 4, 1, 1, 4]


def test_probe_of_sparse_table_transforms_sparse_tables():
    X = level_table()
    encoder = OneHotEncoder().fit(X)
    sums = ColumnSums([[0, 2], [3], [7]]).fit(encoder.transform(X))
    seen = FunctionTransformer(lambda table: sums.transform(table.tocsc()))

    assert verified_sources([encoder, seen], X) == [0, 1, 2]


def test_probe_shifts_all_outputs_of_a_raw_column():
    """Outputs of one raw column may be mixed, those of two may not."""
    X = level_table()
    encoder = OneHotEncoder(sparse_output=False).fit(X)
    weighted = FunctionTransformer(lambda table: table @ np.diag(np.arange(9.0))[:, [1, 3, 8]])
    within = ColumnSums([[0, 1], [7]])
    across = ColumnSums([[2, 3], [7]])

    assert verified_sources([encoder, weighted], X) == [0, 1, 2]
    assert verified_sources([encoder, within], X) == [0, 2]
    assert source_columns([encoder, across], X) is None


def test_probe_of_constant_output_gives_nearest_source():
    X = numeric_table()
    ones = np.ones((1, 1))
    padded = FunctionTransformer(
        lambda table: np.hstack(
            [table[:, :1] * 0, table[:, 2:], np.tile(ones, (len(table), 2)), table[:, :1]]
        )
    )

    assert verified_sources([padded], X) == [2, 2, 2, 2, 0]
    assert is_columnwise(padded.transform, np.array([1, 2, 0, 1, 0]), X, seed=0)


def test_probe_of_subclass_of_known_transformer():
    class Reversed(StandardScaler):
        def transform(self, X):
            return super().transform(X)[:, ::-1]

    X = numeric_table()

    assert verified_sources([Reversed().fit(X)], X) == [2, 1, 0]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([0], id="one-row"),
        pytest.param([4, 4, 4], id="equal-rows"),
    ],
)
def test_probe_of_equal_rows_gives_no_sources(rows):
    X = numeric_table()
    unknown = ColumnSums([[2], [0], [1]]).fit(X)

    assert source_columns([unknown], X[rows]) is None
    assert source_columns([unknown], X[[0, 4]]).tolist() == [2, 0, 1]
    for known in (StandardScaler().fit(X), FunctionTransformer(), FunctionTransformer(np.exp)):
        assert source_columns([known], X[rows]).tolist() == [0, 1, 2]


def test_probe_takes_rows_from_the_whole_table():
    """The first 64 of 640 rows are equal."""
    X = np.zeros((640, 2))
    X[64:] = np.random.default_rng(0).normal(size=(576, 2))

    assert source_columns([ColumnSums([[1], [0]])], X).tolist() == [1, 0]


def test_probe_that_raises_gives_no_sources():
    def checked(table):
        if not (table[:, 0] < table[:, 1]).all():
            raise ValueError("Not in order.")
        return table[:, ::-1]

    lower = numeric_table()[:, 0]
    X = np.column_stack([lower, lower + 0.001])
    ordered = FunctionTransformer(checked)

    assert source_columns([ordered], X) is None
    assert not is_columnwise(ordered.transform, np.array([1, 0]), X, seed=0)


def test_probe_with_varying_number_of_outputs_gives_no_sources():
    X = numeric_table()
    varying = FunctionTransformer(lambda table: table[:, table[0] == X[0]])

    assert source_columns([varying], X) is None


def test_unexpected_number_of_outputs_gives_no_sources():
    X = level_table()
    encoder = OneHotEncoder().fit(X)
    n_bins = KBinsDiscretizer([2, 3, 2]).fit(numeric_table())
    encoder.categories_ = [*encoder.categories_[:2], np.array(["no", "yes", "perhaps"])]
    encoder.transform = OneHotEncoder().fit(X).transform
    n_bins.n_bins_ = np.array([2, 3, 3])

    assert source_columns([encoder], X) is None
    assert source_columns([n_bins], numeric_table()) is None


def test_rare_mixing_passes_probe_and_fails_check():
    X = numeric_table()
    X[40, 0] = 99.0  # of 1000 rows, in none that is probed
    X = np.vstack([X, np.tile(numeric_table(), (10, 1))])

    def transform(table):
        outputs = table.copy()
        outputs[table[:, 0] == 99.0, 2] += table[table[:, 0] == 99.0, 1]
        return outputs

    sources = source_columns([FunctionTransformer(transform)], X)

    assert sources.tolist() == [0, 1, 2]
    assert not is_columnwise(transform, sources, X[:N_ROWS], seed=0)


def test_check_fails_on_batch_dependent_transform():
    X = numeric_table()

    assert not is_columnwise(lambda table: table - table.mean(axis=0), np.arange(3), X, seed=0)


def test_check_fails_on_other_number_of_outputs():
    X = numeric_table()

    assert not is_columnwise(lambda table: table, np.arange(2), X, seed=0)
    assert not is_columnwise(lambda table: table[:, 0], np.array([0]), X, seed=0)


@pytest.mark.parametrize(
    "n_rows", [pytest.param(N_ROWS, id="of-rows"), pytest.param(256, id="of-masked samples")]
)
def test_check_fails_on_varying_number_of_outputs(n_rows):
    def transform(table):
        return table[:, :2] if len(table) == n_rows else table

    assert not is_columnwise(transform, np.arange(3), numeric_table(), seed=0)


def test_check_raises_errors_on_unmasked_rows():
    def refuse(table):
        raise ValueError("No table is right.")

    with pytest.raises(ValueError, match="No table is right."):
        is_columnwise(refuse, np.arange(3), numeric_table(), seed=0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(1e-7, True, id="rounding"),
        pytest.param(1e-4, False, id="more"),
    ],
)
def test_check_tolerance_is_relative_to_each_column(error, expected):
    X = numeric_table() * [1e-6, 1.0, 1e6]
    scale = np.abs(X).max(axis=0)

    def transform(table):
        """Depend a little on how many rows there are."""
        return table + error * scale * (len(table) == 256)

    assert is_columnwise(transform, np.arange(3), X, seed=0) is expected
    # The rounding of a large column is an error in a small one.
    mixed = FunctionTransformer(lambda table: table + 1e-7 * table[:, 2:])
    assert not is_columnwise(mixed.transform, np.arange(3), X, seed=0)


def test_check_fails_on_moved_missing_values():
    X = gappy_table()

    def moved_gaps(table):
        return np.where(np.isnan(table[:, [0, 2, 1]]), np.nan, np.nan_to_num(table))

    assert is_columnwise(lambda table: table, np.arange(3), X, seed=0)
    assert not is_columnwise(moved_gaps, np.arange(3), X, seed=0)


def test_check_draws_masked_samples_by_seed_and_keeps_dtypes():
    X = mixed_frame()
    seen = []

    def transform(table):
        seen.append(table)
        return table

    before = np.random.get_state()[1].copy()
    results = [
        is_columnwise(transform, np.arange(7), X, seed=seed, n_masked=40) for seed in (0, 0, 1)
    ]

    assert results == [True] * 3
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert [len(table) for table in seen] == [40] * 6
    pd.testing.assert_frame_equal(seen[1], seen[3])
    assert not seen[1].equals(seen[5])
    for name, column in seen[1].items():
        assert column.dtype == X[name].dtype
        assert set(column.dropna()) <= set(X[name].dropna())


def test_source_columns_and_check_do_not_modify_x():
    X = numeric_table()
    X_before = X.copy()
    scaler = StandardScaler(copy=False).fit(X.copy())
    union = FeatureUnion([("a", scaler), ("b", ColumnSums([[0], [2]]))]).fit(X.copy())

    sources = source_columns([union], X)
    is_columnwise(union.transform, sources, X, seed=0)

    np.testing.assert_array_equal(X, X_before)


def test_check_keeps_warning_filters():
    X = gappy_table()
    imputer = SimpleImputer().fit(X)
    before = list(warnings.filters)
    seen = []

    def transform(table):
        seen.append(list(warnings.filters))
        return imputer.transform(table)

    assert is_columnwise(transform, source_columns([imputer], X), X, seed=0)
    assert all(filters == before for filters in seen)
