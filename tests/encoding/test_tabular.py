"""`TabularEncoder`: parameters, layout, tables and inverse, and properties of random tables."""

import datetime
import inspect
import pickle
import time

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from nnkit.encoding import TabularEncoder, tabular


@parametrize_with_checks(
    [
        TabularEncoder(),
        TabularEncoder(categorical_features=None, scaling="quantile"),
        TabularEncoder(categorical_features=[0], max_one_hot=2, scaling=None),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_tags_allow_missing_values_and_strings():
    tags = TabularEncoder().__sklearn_tags__()

    assert tags.input_tags.allow_nan
    assert tags.input_tags.string
    assert tags.input_tags.categorical
    assert not tags.input_tags.sparse
    assert not tags.target_tags.required


def test_documented_defaults_equal_the_signature():
    documented = inspect.getdoc(TabularEncoder)

    for name, parameter in inspect.signature(TabularEncoder).parameters.items():
        default = parameter.default
        written = f'"{default}"' if isinstance(default, str) else default
        line = documented.split(f"\n{name} : ")[1].split("\n    ")
        assert f"default={written}" in "".join(line[:2]), name


def test_layout_is_numbers_indicators_one_hot_codes(trips):
    encoder = TabularEncoder(max_one_hot=3).fit(trips)

    assert encoder.get_feature_names_out().tolist() == [
        *("age", "stops", "day", "day_weekday"),
        *("age_missing", "day_missing"),
        *("city_Oslo", "city_Paris", "city_Rome", "paid_False"),
        "line",
    ]
    assert encoder.n_numeric_ == 4
    assert encoder.cardinalities_ == (7,)
    kinds = ["number", "number", "category", "boolean", "date", "category"]
    assert encoder.feature_kinds_.tolist() == kinds
    assert {name: list(levels) for name, levels in encoder.categories_.items()} == {
        "city": ["Oslo", "Paris", "Rome"],
        "paid": [False, True],
        "line": list("abcdef"),
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"categorical_features": ["stops", "city", "paid", "line"]},
        {"max_one_hot": 2},
        {"scaling": "standard"},
        {"scaling": "quantile"},
        {"scaling": None},
        {"clip": 1.0},
        {"clip": None},
        {"missing_indicator": False},
        {"dates": "number"},
    ],
)
def test_every_parameter_changes_the_encoding(trips, changed):
    default = TabularEncoder().fit_transform(trips)

    X_encoded = TabularEncoder(**changed).fit_transform(trips)

    assert X_encoded.shape != default.shape or not np.allclose(X_encoded, default)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"max_one_hot": -1}, "max_one_hot must be an integer of at least 0. Got -1 instead"),
        ({"max_one_hot": 2.5}, "max_one_hot must be an integer of at least 0. Got 2.5 instead"),
        ({"scaling": "min-max"}, "scaling must be 'robust', .* Got 'min-max' instead"),
        ({"clip": 0.0}, "clip must be a number in .0, inf., or None. Got 0.0 instead"),
        ({"clip": np.inf}, "clip must be a number in .0, inf., or None. Got inf instead"),
        ({"missing_indicator": "yes"}, "missing_indicator must be True or False. Got 'yes'"),
        ({"dates": "year"}, "dates must be 'parts' or 'number'. Got 'year' instead"),
        ({"categorical_features": "city"}, "names of columns, positions .* Got 'city' instead"),
        ({"categorical_features": ["town"]}, "must name columns of X.* Got 'town' instead"),
        ({"categorical_features": [6]}, r"positions from 0 to 5.* Got \[6\] instead"),
        ({"categorical_features": [-1]}, r"positions from 0 to 5.* Got \[-1\] instead"),
        ({"categorical_features": [True]}, r"a mask of length 6. Got \[True\] instead"),
    ],
)
def test_fit_raises_on_parameters_out_of_range(trips, changed, message):
    with pytest.raises(ValueError, match=message):
        TabularEncoder(**changed).fit(trips)


def test_pandas_polars_and_object_tables_are_encoded_alike(trips):
    in_polars = pl.DataFrame(
        {name: trips[name].astype(object).tolist() for name in ("age", "stops", "line")}
        | {name: [None if pd.isna(v) else v for v in trips[name]] for name in ("city", "paid")}
    ).select("age", "stops", "city", "paid", "line")
    days = pl.Series("day", [None if pd.isna(day) else day.date() for day in trips["day"]])
    in_polars = in_polars.insert_column(4, days).with_columns(pl.col("age").fill_nan(None))

    expected = TabularEncoder(max_one_hot=3).fit_transform(trips)

    for table in (in_polars, trips.astype(object), trips.to_numpy(dtype=object)):
        X_encoded = TabularEncoder(max_one_hot=3).fit(table).transform(table)
        np.testing.assert_array_equal(X_encoded, expected)
    as_lists = TabularEncoder().fit_transform([["a", 1], ["b", 2], ["c", 5]])
    as_frame = TabularEncoder().fit_transform(pd.DataFrame({"s": list("abc"), "n": [1, 2, 5]}))
    np.testing.assert_array_equal(as_lists, as_frame)


def test_set_output_returns_a_dataframe(trips):
    trips.index = list("uvwxyz")
    encoder = TabularEncoder().fit(trips)
    X_encoded = encoder.transform(trips)

    in_pandas = clone(encoder).set_output(transform="pandas").fit_transform(trips)
    in_polars = clone(encoder).set_output(transform="polars").fit_transform(trips)

    assert in_pandas.index.tolist() == list("uvwxyz")
    for table in (in_pandas, in_polars):
        assert list(table.columns) == encoder.get_feature_names_out().tolist()
        np.testing.assert_array_equal(table.to_numpy(), X_encoded)
        pd.testing.assert_frame_equal(
            encoder.inverse_transform(table), encoder.inverse_transform(X_encoded)
        )


def test_equal_feature_names_are_numbered():
    X = pd.DataFrame({"a": [1.0, np.nan], "a_missing": [1, 2], "c": ["x", "y"], "c_x": [1, 2]})

    names = TabularEncoder().fit(X).get_feature_names_out().tolist()

    assert names == ["a", "a_missing", "c_x", "a_missing_2", "c_x_2"]


def test_get_feature_names_out_accepts_names_for_an_array():
    encoder = TabularEncoder().fit(np.array([["a", 1], ["b", 2], ["c", 3]], dtype=object))

    names = encoder.get_feature_names_out(["city", "age"]).tolist()

    assert names == ["age", "city_a", "city_b", "city_c"]
    with pytest.raises(ValueError, match=r"equal to number of features \(2\), got 1"):
        encoder.get_feature_names_out(["city"])
    named = TabularEncoder().fit(pd.DataFrame({"a": [1, 2]}))
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        named.get_feature_names_out(["b"])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "names must be unique. Got 'a' more than"),
        (pd.DataFrame({"a": [1.0, np.inf]}), "numbers of column 'a' must be finite"),
        (np.array([[1.0, 2.0], [3.0, np.inf]]), "numbers of column 1 must be finite"),
        (pd.DataFrame({"a": [[1], [2]]}), r"values of column 'a' must be scalars.* Got \[1\]"),
        (pd.DataFrame({"a": [{"b": 1}, "c"]}), r"values of column 'a' must be .* Got {'b': 1}"),
        (pd.DataFrame({"a": [(1, 2), (3, 4)]}), r"values of column 'a' must be .* Got \(1, 2\)"),
        (pl.DataFrame({"a": [[1], [2]]}), r"values of column 'a' must be .* Got List\(Int64\)"),
        (pl.DataFrame({"a": [{"b": 1}]}), r"values of column 'a' must be .* Got Struct"),
        (pd.DataFrame({"a": [1j, 2.0]}), "Complex data not supported: column 'a'"),
        (pd.DataFrame({"a": []}), r"Found array with 0 sample\(s\) \(shape=\(0, 1\)\)"),
        (pl.DataFrame({"a": []}), r"Found array with 0 sample\(s\) \(shape=\(0, 1\)\)"),
        (pd.DataFrame(index=[0, 1]), r"Found array with 0 feature\(s\) \(shape=\(2, 0\)\)"),
        ([1, 2, 3], "Reshape your data"),
        (pd.Series([1, 2]), "Expected a 2-dimensional container"),
        (np.zeros((2, 2, 2)), "Found array with dim 3"),
    ],
)
def test_fit_raises_on_invalid_tables(table, message):
    with pytest.raises(ValueError, match=message):
        TabularEncoder().fit(table)


def test_fit_raises_on_sparse_tables():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        TabularEncoder().fit(sparse.csr_array(np.eye(3)))


def test_transform_raises_on_columns_in_another_order(trips):
    encoder = TabularEncoder().fit(trips)

    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        encoder.transform(trips[trips.columns[::-1]])
    with pytest.raises(ValueError, match="seen at fit time, yet now missing:\n- age"):
        encoder.transform(trips.drop(columns="age"))


def test_methods_raise_before_fit(trips):
    for method in ("transform", "inverse_transform", "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            getattr(TabularEncoder(), method)(trips)


def test_inverse_transform_restores_the_table(trips):
    encoder = TabularEncoder(max_one_hot=3).fit(trips)

    restored = encoder.inverse_transform(encoder.transform(trips))

    assert restored.columns.tolist() == trips.columns.tolist()
    np.testing.assert_allclose(restored["age"], trips["age"], rtol=1e-5)
    np.testing.assert_allclose(restored["stops"], trips["stops"], atol=1e-5)
    assert restored["city"].fillna("").tolist() == trips["city"].fillna("").tolist()
    assert restored["paid"].astype("boolean").equals(trips["paid"])
    assert restored["line"].tolist() == trips["line"].tolist()
    error = (restored["day"] - trips["day"]).abs().dropna()
    assert len(error) == 4
    assert error.max() < pd.Timedelta("1s")


def test_inverse_transform_returns_single_levels_and_constants():
    X = pd.DataFrame({"c": ["a", "a"], "n": [7.0, 7.0]})
    encoder = TabularEncoder().fit(X)

    restored = encoder.inverse_transform(encoder.transform(X))

    pd.testing.assert_frame_equal(restored, X)


def test_inverse_transform_raises_on_another_number_of_columns(trips):
    encoder = TabularEncoder().fit(trips)

    with pytest.raises(ValueError, match="X_encoded must have 16 columns.* Got 2 instead"):
        encoder.inverse_transform(np.zeros((3, 2)))


def test_fit_accepts_one_row(trips):
    row = trips.iloc[:1]

    assert not TabularEncoder().fit_transform(row).any()
    assert np.isfinite(TabularEncoder().fit(trips).transform(row)).all()


@pytest.mark.parametrize("max_one_hot", [0, 8])
def test_tables_without_numbers_are_encoded(max_one_hot):
    X = pd.DataFrame({"a": ["x", "y", "z"], "b": [True, False, True]})
    encoder = TabularEncoder(max_one_hot=max_one_hot).fit(X)

    assert encoder.n_numeric_ == 0
    assert encoder.transform(X).shape == (3, 4 if max_one_hot else 2)
    assert encoder.cardinalities_ == (() if max_one_hot else (4, 3))
    pd.testing.assert_frame_equal(
        encoder.inverse_transform(encoder.transform(X)), X, check_dtype=False
    )


def fastest(transform, X):
    """Return the shortest time of a transform of one row, which a busy machine hardly changes."""
    seconds = []
    for row in X:
        start = time.perf_counter()
        transform(row[np.newaxis])
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def test_transform_of_one_row_takes_a_small_multiple_of_a_scaler():
    X = np.random.default_rng(0).normal(size=(100, 20))
    encoder, scaler = TabularEncoder().fit(X), StandardScaler().fit(X)

    ratio = fastest(encoder.transform, X) / fastest(scaler.transform, X)

    assert ratio < 6  # 1.3 when measured


COLUMNS = {
    "n": st.floats(-1e6, 1e6) | st.just(np.nan),
    "i": st.integers(-3, 3),
    "c": st.sampled_from(["a", "b", "c", "d", None]),
    "b": st.sampled_from([True, False, None]),
    "d": st.datetimes(datetime.datetime(1950, 1, 1), datetime.datetime(2050, 1, 1)) | st.none(),
}


@st.composite
def tables(draw):
    rows = draw(st.lists(st.tuples(*COLUMNS.values()), min_size=1, max_size=12))
    values = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    return pd.DataFrame(
        {
            "n": np.array(values["n"]),
            "i": np.array(values["i"]),
            "c": pd.Series(values["c"], dtype="str"),
            "b": pd.array(values["b"], dtype="boolean"),
            "d": pd.Series(values["d"], dtype="datetime64[us]"),
        }
    )


encoders = st.builds(
    TabularEncoder,
    max_one_hot=st.sampled_from([0, 2, 8]),
    scaling=st.sampled_from(["robust", "quantile", None]),
    clip=st.sampled_from([1.0, 3.0, None]),
    missing_indicator=st.booleans(),
    dates=st.sampled_from(["parts", "number"]),
)


few = settings(max_examples=25, deadline=None)


@few
@given(tables(), encoders, st.randoms(use_true_random=False))
def test_encoding_does_not_depend_on_the_order_of_rows(X, encoder, random):
    order = list(range(len(X)))
    random.shuffle(order)

    X_encoded = encoder.fit(X).transform(X)
    of_permuted = clone(encoder).fit(X.iloc[order]).transform(X)

    np.testing.assert_array_equal(of_permuted, X_encoded)


@few
@given(tables(), encoders, st.data())
def test_rows_are_encoded_independently(X, encoder, data):
    some = data.draw(st.lists(st.integers(0, len(X) - 1), min_size=1))

    X_encoded = encoder.fit(X).transform(X)

    np.testing.assert_array_equal(encoder.transform(X.iloc[some]), X_encoded[some])


@pytest.mark.filterwarnings("ignore:No value of column")
@few
@given(tables(), tables(), encoders)
def test_output_is_finite_float32_within_clip(X, later, encoder):
    before = X.copy(deep=True)

    X_encoded = encoder.fit(X).transform(later)

    assert X_encoded.dtype == np.float32
    assert X_encoded.shape == (len(later), len(encoder.get_feature_names_out()))
    assert np.isfinite(X_encoded).all()
    if encoder.clip is not None and encoder.scaling is not None:
        assert (np.abs(X_encoded[:, : encoder.n_numeric_]) < encoder.clip).all()
    pd.testing.assert_frame_equal(X, before)


@few
@given(tables(), encoders)
def test_pickled_and_cloned_encoders_are_equal(X, encoder):
    X_encoded = encoder.fit(X).transform(X)

    np.testing.assert_array_equal(pickle.loads(pickle.dumps(encoder)).transform(X), X_encoded)
    np.testing.assert_array_equal(clone(encoder).fit(X).transform(X), X_encoded)


@few
@given(tables(), st.sampled_from([0, 2, 8]))
def test_inverse_transform_restores_levels_and_numbers(X, max_one_hot):
    encoder = TabularEncoder(max_one_hot=max_one_hot, scaling="standard").fit(X)

    restored = encoder.inverse_transform(encoder.transform(X))

    scale = 1 + X["n"].abs().fillna(0).max()
    np.testing.assert_allclose(restored["n"] / scale, X["n"] / scale, atol=1e-5)
    np.testing.assert_allclose(restored["i"], X["i"], atol=1e-4)
    for name in "cb":
        present = X[name].notna()
        assert restored[name][present].tolist() == X[name][present].tolist()
        if X[name][present].nunique() > 1:
            assert restored[name].isna().tolist() == X[name].isna().tolist()


@few
@given(tables())
def test_random_tables_of_pandas_polars_and_objects_are_encoded_alike(X):
    in_polars = pl.DataFrame(
        {
            name: pl.Series([None if pd.isna(v) else v for v in X[name]], dtype=dtype)
            for name, dtype in zip(
                X, (pl.Float64, pl.Int64, pl.String, pl.Boolean, pl.Datetime), strict=True
            )
        }
    )
    encoder = TabularEncoder().fit(X)
    X_encoded = encoder.transform(X)

    np.testing.assert_array_equal(TabularEncoder().fit(in_polars).transform(in_polars), X_encoded)
    np.testing.assert_array_equal(encoder.transform(in_polars), X_encoded)
    np.testing.assert_array_equal(encoder.transform(X.astype(object)), X_encoded)


@few
@given(tables(), st.sampled_from(["robust", "standard", None, "quantile"]))
def test_encoding_does_not_depend_on_the_groups_of_columns_read_at_once(X, scaling):
    numbers = X.select_dtypes("number")
    for table in (X, numbers, numbers.to_numpy(dtype=np.float64)):
        whole = TabularEncoder(scaling=scaling).fit(table)
        X_encoded = whole.transform(table)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tabular, "_GROUP_VALUES", 1)

            grouped = TabularEncoder(scaling=scaling).fit(table)

            np.testing.assert_array_equal(grouped.transform(table), X_encoded)
            assert list(grouped.get_feature_names_out()) == list(whole.get_feature_names_out())


def test_infinity_in_a_later_group_of_columns_raises(monkeypatch):
    monkeypatch.setattr(tabular, "_GROUP_VALUES", 1)
    X = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, np.inf]})

    with pytest.raises(ValueError, match="The numbers of column 'b' must be finite"):
        TabularEncoder().fit(X)
