"""Targets of all dtypes and containers, and errors on unsupported ones."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from nnkit import KerasClassifier, KerasRegressor


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (np.array([1 + 2j, 3.0, 4.0]), "complex numbers"),
        (np.array(["2020-01-01", "NaT", "2020-01-03"], dtype="datetime64[ns]"), "dates"),
        (np.array([1, 2, "NaT"], dtype="timedelta64[s]"), "durations"),
    ],
)
def test_regressor_raises_on_a_nonnumeric_target(y, kind):
    with pytest.raises(ValueError, match=f"must be numbers for a regression. Got {kind}"):
        KerasRegressor("mlp").fit(np.arange(3.0).reshape(-1, 1), y)


X = np.column_stack([np.arange(12) % 2, np.arange(12) / 12.0])
HALF = (np.arange(12) % 2).tolist()
TRUE = [bool(value) for value in HALF]
DATES = pd.to_datetime(["2020-01-01", "2021-01-01"] * 6)


def objects(values):
    return np.array(values, dtype=object)


LABELS = {
    "nullable integers": (pd.Series(HALF, dtype="Int64"), [0, 1]),
    "nullable text": (pd.Series(["a", "b"] * 6, dtype="string"), ["a", "b"]),
    "object truth values": (objects(TRUE), [False, True]),
    "object integers": (objects(HALF), [0, 1]),
    "object decimals": (objects([Decimal(value) for value in HALF]), [0, 1]),
    "categorical": (pd.Series(pd.Categorical(["a", "b"] * 6, categories=list("bca"))), ["a", "b"]),
    "arrow": (pa.array(["a", "b"] * 6), ["a", "b"]),
    "arrow chunks": (pa.chunked_array([HALF]), [0, 1]),
    "arrow series": (pd.Series(TRUE, dtype=pd.ArrowDtype(pa.bool_())), [False, True]),
    "polars": (pl.Series(["a", "b"] * 6), ["a", "b"]),
    "polars truth values": (pl.Series(TRUE), [False, True]),
    "polars categorical": (pl.Series(["a", "b"] * 6, dtype=pl.Categorical), ["a", "b"]),
    "dates": (DATES, DATES[:2].to_numpy().tolist()),
    "zoned dates": (DATES.tz_localize("UTC"), DATES[:2].tz_localize("UTC").tolist()),
}


@pytest.mark.parametrize("kind", LABELS)
def test_classifier_accepts_labels_of_all_dtypes_and_containers(kind):
    y, classes = LABELS[kind]

    clf = KerasClassifier("mlp", epochs=1, random_state=0).fit(X, y)

    assert clf.classes_.tolist() == classes
    assert set(clf.predict(X).tolist()) <= set(classes)


OBJECTS = {
    "date": [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)],
    "datetime": [datetime.datetime(2020, 1, 1), datetime.datetime(2021, 1, 1)],
    "time": [datetime.time(1), datetime.time(2)],
    "duration": [datetime.timedelta(1), datetime.timedelta(2)],
    "period": [pd.Period("2020", "Y"), pd.Period("2021", "Y")],
    "decimal": [Decimal("0.1"), Decimal("0.2")],
    "fraction": [Fraction(1, 3), Fraction(2, 3)],
}
CONTAINERS = {
    "list": list,
    "array": objects,
    "series": lambda y: pd.Series(y, dtype=object),
    "categorical": lambda y: pd.Categorical(pd.Series(y, dtype=object)),
    "frame": lambda y: pd.DataFrame({"y": pd.Series(y, dtype=object)}),
}


@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", OBJECTS)
def test_predict_returns_labels_of_the_given_object_type(kind, container):
    y = CONTAINERS[container](OBJECTS[kind] * 6)

    clf = KerasClassifier("mlp", epochs=1, random_state=0).fit(X, y)

    assert [type(label) for label in clf.classes_.tolist()] == [type(OBJECTS[kind][0])] * 2
    assert clf.classes_.tolist() == OBJECTS[kind]
    assert set(clf.predict(X).ravel().tolist()) <= set(OBJECTS[kind])
    assert 0 <= clf.score(X, y) <= 1


TABLES = {
    "nullable": pd.DataFrame({"a": HALF, "b": [0, 1, 2] * 4}, dtype="Int64"),
    "text and numbers": pd.DataFrame({"a": ["x", "y"] * 6, "b": [0, 1, 2] * 4}),
    "polars": pl.DataFrame({"a": ["x", "y"] * 6, "b": [0, 1, 2] * 4}),
    "arrow": pa.table({"a": ["x", "y"] * 6, "b": [0, 1, 2] * 4}),
}


@pytest.mark.parametrize("kind", TABLES)
def test_classifier_accepts_tables_of_labels(kind):
    clf = KerasClassifier("mlp", epochs=1, random_state=0).fit(X, TABLES[kind])

    first = [0, 1] if kind == "nullable" else ["x", "y"]
    assert [classes.tolist() for classes in clf.classes_] == [first, [0, 1, 2]]
    assert clf.predict(X).shape == (12, 2)
    assert set(clf.predict(X)[:, 0].tolist()) <= set(first)


@pytest.mark.parametrize("make", [list, objects, pd.Series, lambda y: pd.DataFrame({"y": y})])
def test_classifier_raises_on_labels_of_text_and_numbers(make):
    with pytest.raises(ValueError, match="The labels of y must have one type.*to strings"):
        KerasClassifier("mlp").fit(X, make(["a", 1] * 6))


@pytest.mark.parametrize("cls", [KerasClassifier, KerasRegressor])
@pytest.mark.parametrize("dtype", ["Int64", "Float64", "float", pd.ArrowDtype(pa.int64())])
def test_fit_raises_on_a_missing_target_value(cls, dtype):
    y = pd.Series([0, 1, None, *HALF[3:]], dtype=dtype)

    with pytest.raises(ValueError, match="y contains NaN"):
        cls("mlp").fit(X, y)


VALUES = np.arange(12.0)
NUMBERS = {
    "nullable": pd.Series(VALUES, dtype="Float64"),
    "arrow decimals": pd.Series(VALUES).astype(pd.ArrowDtype(pa.decimal128(5, 2))),
    "arrow": pa.array(VALUES),
    "decimals": objects([Decimal(value) for value in VALUES]),
    "fractions": objects([Fraction(value) for value in VALUES]),
    "polars": pl.Series(VALUES),
    "polars frame": pl.DataFrame({"y": VALUES}),
    "categorical": pd.Series(pd.Categorical(VALUES)),
}


@pytest.fixture(scope="module")
def on_numpy():
    """Predictions of a fit on a NumPy array."""
    return KerasRegressor("mlp", epochs=1, random_state=0).fit(X, VALUES).predict(X)


@pytest.mark.parametrize("kind", NUMBERS)
def test_regressor_accepts_numbers_of_all_containers(kind, on_numpy):
    reg = KerasRegressor("mlp", epochs=1, random_state=0).fit(X, NUMBERS[kind])

    np.testing.assert_allclose(reg.predict(X).ravel(), on_numpy, rtol=1e-5)
