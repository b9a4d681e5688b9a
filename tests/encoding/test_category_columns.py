"""Columns of categories: one-hot columns, codes and levels."""

import datetime
import decimal
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from raw_columns import as_objects, clipped, origin_of
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder

from nnkit.encoding import TabularEncoder


def frame(values):
    return pd.DataFrame({"x": values})


def test_few_levels_are_scaled_one_hot_columns():
    X = pd.DataFrame({"city": ["Oslo"] * 3 + ["Paris"] * 6 + ["Rome", None, None]})

    encoder = TabularEncoder().fit(X)
    rows = encoder.transform(pd.DataFrame({"city": ["Oslo", "Paris", "Rome", None, "Bonn"]}))

    # Oslo is a quarter of the rows: upper quartile 0.25. Paris is a half: median 0.5, quartiles 0
    # and 1. Rome is one in twelve: equal quartiles, half range 0.5.
    oslo = [4.0, 0.0, 0.0, 0.0, 0.0]
    paris = [-0.5, 0.5, -0.5, -0.5, -0.5]
    rome = [0.0, 0.0, 2.0, 0.0, 0.0]
    np.testing.assert_allclose(rows, clipped(np.transpose([oslo, paris, rome])), rtol=1e-6)


def test_two_levels_are_one_column_of_opposite_signs():
    X = pd.DataFrame({"sex": ["m", "f", "m", None]})
    encoder = TabularEncoder(scaling=None).fit(X)

    assert encoder.get_feature_names_out().tolist() == ["sex_f"]
    assert encoder.transform(X)[:, 0].tolist() == [-1.0, 1.0, -1.0, 0.0]


def test_boolean_column_accepts_zero_and_one():
    X = pd.DataFrame({"paid": [True, False, True]})
    encoder = TabularEncoder(scaling=None).fit(X)

    assert encoder.transform(X)[:, 0].tolist() == [-1.0, 1.0, -1.0]
    later = pd.DataFrame({"paid": [1.0, 0.0, np.nan, 7.0]})
    assert encoder.transform(later)[:, 0].tolist() == [-1.0, 1.0, 0.0, 0.0]


def test_boolean_levels_are_recognised_as_text_in_any_case():
    encoder = TabularEncoder().fit(frame([True, False, True]))

    for later in (["true", "false"], ["TRUE", "False"]):
        np.testing.assert_array_equal(
            encoder.transform(frame(later)), encoder.transform(frame([True, False]))
        )


def test_single_level_is_an_indicator_of_its_presence():
    X = pd.DataFrame({"flag": ["x", None, "x", None], "same": ["y"] * 4})

    assert TabularEncoder(scaling=None).fit_transform(X).tolist() == [[1, 1], [0, 1]] * 2
    assert TabularEncoder().fit_transform(X)[:, 1].tolist() == [0.0] * 4


def test_many_levels_are_unscaled_codes():
    X = pd.DataFrame({"line": [*"cabdab", None]})
    encoder = TabularEncoder(max_one_hot=3).fit(X)

    assert encoder.transform(X)[:, 0].tolist() == [3, 1, 2, 4, 1, 2, 0]
    assert encoder.transform(pd.DataFrame({"line": ["zebra"]})).tolist() == [[0.0]]
    assert encoder.cardinalities_ == (5,)


@pytest.mark.parametrize(("n_levels", "n_columns"), [(2, 1), (3, 3), (8, 8), (9, 1)])
def test_number_of_encoded_features_depends_on_the_number_of_levels(n_levels, n_columns):
    X = pd.DataFrame({"c": [f"level {i}" for i in range(n_levels)]})

    encoder = TabularEncoder().fit(X)

    assert encoder.transform(X).shape == (n_levels, n_columns)
    assert encoder.cardinalities_ == ((10,) if n_levels == 9 else ())


def test_quantile_scaling_does_not_change_one_hot_columns():
    X = pd.DataFrame({"city": ["Rome", "Paris", "Oslo", None]})

    X_encoded = TabularEncoder(scaling="quantile").fit_transform(X)

    assert X_encoded.tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_unscaled_categories_equal_one_hot_encoder():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.choice(list("xyz"), 50), "b": rng.choice(list("pqrst"), 50)})
    one_hot = make_column_transformer((OneHotEncoder(), ["a", "b"]), sparse_threshold=0)

    X_encoded = TabularEncoder(scaling=None).fit_transform(X)

    np.testing.assert_array_equal(X_encoded, one_hot.fit_transform(X))


LEVELS = ["b", None, "a", "c"]


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(LEVELS),
        pl.Series(LEVELS, dtype=pl.Categorical),
        pl.Series(LEVELS, dtype=pl.Enum(["never", "c", "b", "a"])),
        pl.Series([None if level is None else level.encode() for level in LEVELS]),
        pd.array(LEVELS, dtype="string"),
        pd.Categorical(LEVELS, categories=["never", "c", "b", "a"]),
        as_objects(LEVELS),
        as_objects([b"b", np.nan, b"a", b"c"]),
    ],
    ids=origin_of,
)
def test_levels_of_every_dtype_are_encoded_alike(column):
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame

    encoder = TabularEncoder(max_one_hot=2).fit(frame({"c": column}))

    assert encoder.transform(frame({"c": column}))[:, 0].tolist() == [2, 0, 1, 3]
    assert encoder.categories_["c"].tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("dtype", ["U1", "S1", np.dtypes.StringDType()])
def test_arrays_of_text_are_categories(dtype):
    X = np.array([["b"], ["a"], ["c"]], dtype=dtype)

    assert TabularEncoder(max_one_hot=2).fit_transform(X)[:, 0].tolist() == [2, 1, 3]


def test_mixture_of_text_and_numbers_has_levels_by_text():
    X = pd.DataFrame({"code": as_objects(["a", 1, 1.0, True, None, 2.5, "1"])})

    encoder = TabularEncoder(max_one_hot=2).fit(X)

    assert encoder.categories_["code"].tolist() == ["1", "2.5", "True", "a"]
    assert encoder.transform(X)[:, 0].tolist() == [4, 1, 1, 3, 0, 2, 1]


def test_rows_of_a_mixture_are_encoded_independently():
    """A single row is not a mixture: its dtype is that of its value."""
    moments = [datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), datetime.timedelta(1)]
    X = pd.DataFrame({"code": as_objects([*moments, False, 0, decimal.Decimal("1.0"), 1.5, "a"])})
    encoder = TabularEncoder(max_one_hot=2).fit(X)

    X_encoded = encoder.transform(X)

    assert X_encoded[0] == X_encoded[1]
    for row in range(len(X)):
        assert encoder.transform(X.iloc[[row]])[0] == X_encoded[row]


@pytest.mark.parametrize("later", [[1, 3, 9], [1.0, 3.0, np.nan], ["1", "3", "9"], [True, 3, 0]])
def test_levels_are_compared_as_text(later):
    X = pd.DataFrame({"rank": pd.Categorical([10, 3, 1, 2])})
    encoder = TabularEncoder(max_one_hot=2).fit(X)

    codes = encoder.transform(pd.DataFrame({"rank": as_objects(later)}))[:, 0]

    assert encoder.categories_["rank"].tolist() == [1, 2, 3, 10]
    assert codes.tolist() == [0 if later[0] is True else 1, 3, 0]


def test_categorical_levels_that_do_not_occur_in_fit_are_unknown():
    X = pd.DataFrame({"c": pd.Categorical(["a", "b"], categories=["a", "b", "never"])})
    encoder = TabularEncoder(max_one_hot=1).fit(X)

    assert encoder.cardinalities_ == (3,)
    with pytest.warns(UserWarning, match="No value of column 'c' occurred in fit"):
        assert encoder.transform(X.assign(c="never"))[:, 0].tolist() == [0.0, 0.0]


def test_rare_levels_of_a_column_of_codes_are_unknown():
    X = pd.DataFrame({"city": ["a"] * 3 + ["b"] * 2 + ["c"] * 3})

    encoder = TabularEncoder(max_one_hot=2, min_frequency=3).fit(X)

    assert encoder.cardinalities_ == (3,)
    assert encoder.categories_["city"].tolist() == ["a", "c"]
    assert encoder.transform(X)[:, 0].tolist() == [1] * 3 + [0] * 2 + [2] * 3


def test_rare_levels_of_one_hot_columns_are_kept():
    X = pd.DataFrame({"city": ["a"] * 3 + ["b"]})

    encoder = TabularEncoder(max_one_hot=2, min_frequency=3).fit(X)

    assert encoder.categories_["city"].tolist() == ["a", "b"]


def test_column_of_rare_levels_only_has_code_zero():
    X = pd.DataFrame({"name": ["a", "b", "c"]})

    encoder = TabularEncoder(max_one_hot=2, min_frequency=2).fit(X)

    assert encoder.cardinalities_ == (1,)
    assert encoder.transform(X).tolist() == [[0.0]] * 3


def test_memory_is_linear_in_the_number_of_rows_with_many_levels():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"shop": [f"shop {i}" for i in rng.integers(0, 10_000, 30_000)]})
    encoder = TabularEncoder().fit(X)

    tracemalloc.start()
    encoder.transform(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # A row is a string of about 60 bytes. One column for each level would need 1.2 GB.
    assert peak < 3 * X.memory_usage(deep=True).sum()


def test_fit_warns_of_columns_with_distinct_text():
    sentences = [f"This is the review number {row} of the film." for row in range(30)]

    with pytest.warns(UserWarning, match="Nearly every value of column 'x' is distinct.*Tfidf"):
        encoder = TabularEncoder().fit(frame(sentences))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(frame(["new one", "another"]))
