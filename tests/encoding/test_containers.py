"""Columns in all containers: fit on one and transform another, with missing values."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from nnkit.encoding import TabularEncoder

N_ROWS = 8
DAYS = [datetime.date(2020, 1 + i, 1 + 3 * i) for i in range(6)]
MOMENTS = [datetime.datetime(2020, 1 + i, 1, i) for i in range(6)]


def with_gaps(values):
    return [*values[:3], None, *values[3:], None]


# Values by description, and their kind in TabularEncoder.
VALUES = {
    "whole number": ([1, 5, 2, 9, 4, 7], "number"),
    "decimal": ([1.5, 5.25, 2.0, 9.5, 4.0, 7.0], "number"),
    "truth value": ([True, False, True, True, False, False], "boolean"),
    "date": (DAYS, "date"),
    "moment": (MOMENTS, "date"),
    "time": ([datetime.time(i, 30 * (i % 2), 5) for i in range(6)], "number"),
    "duration": ([datetime.timedelta(minutes=i * i) for i in range(6)], "number"),
    "period": ([pd.Period(f"2020-0{i + 1}", "M") for i in range(6)], "date"),
    "text": (list("abcabd"), "category"),
}


def objects(values):
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return pd.DataFrame({"x": pd.Series(objects, dtype=object)})


def nullable(values):
    return pd.DataFrame({"x": pd.Series(values).convert_dtypes(dtype_backend="numpy_nullable")})


def in_arrow(values, dtype=None):
    array = pa.array(values, type=dtype)
    return pd.DataFrame({"x": pd.Series(pd.array(array, dtype=pd.ArrowDtype(array.type)))})


def numpy_frame(values, dtype):
    return pd.DataFrame({"x": np.array([np.nan if v is None else v for v in values], dtype=dtype)})


def numpy_times(values, dtype):
    return pd.DataFrame({"x": np.array(values, dtype=dtype)})


def categorical(values):
    present = [value for value in values if value is not None]
    categories = pd.Index(list(dict.fromkeys(present)))
    return pd.DataFrame({"x": pd.Categorical(values, categories=categories)})


def in_polars(values, dtype=None):
    return pl.DataFrame({"x": pl.Series("x", values, dtype=dtype)})


def starts(values):
    return [None if value is None else value.start_time.to_pydatetime() for value in values]


CONTAINERS = {
    "whole number": {
        "numpy": lambda v: numpy_frame(v, float),
        "object": objects,
        "object decimals and ints": lambda v: objects(
            [Decimal(x) if x and i % 2 else x for i, x in enumerate(v)]
        ),
        "nullable": nullable,
        "arrow": in_arrow,
        "arrow decimal": lambda v: in_arrow(
            [None if x is None else Decimal(x) for x in v], pa.decimal128(10, 2)
        ),
        "polars": in_polars,
        "polars int128": lambda v: in_polars(v, pl.Int128),
    },
    "decimal": {
        "numpy": lambda v: numpy_frame(v, float),
        "object": objects,
        "object decimals": lambda v: objects([None if x is None else Decimal(str(x)) for x in v]),
        "object decimals and floats": lambda v: objects(
            [Decimal(str(x)) if x and i % 2 else x for i, x in enumerate(v)]
        ),
        "object fractions": lambda v: objects([None if x is None else Fraction(x) for x in v]),
        "nullable": nullable,
        "arrow": in_arrow,
        "arrow decimal128": lambda v: in_arrow(
            [None if x is None else Decimal(str(x)) for x in v], pa.decimal128(10, 3)
        ),
        "arrow decimal256": lambda v: in_arrow(
            [None if x is None else Decimal(str(x)) for x in v], pa.decimal256(10, 3)
        ),
        "polars": in_polars,
        "polars decimal": lambda v: in_polars(
            [None if x is None else Decimal(str(x)) for x in v], pl.Decimal(10, 3)
        ),
    },
    "truth value": {
        "object": objects,
        "nullable": nullable,
        "arrow": in_arrow,
        "polars": in_polars,
        "text": lambda v: objects([None if x is None else str(x).lower() for x in v]),
    },
    "date": {
        "numpy": lambda v: numpy_times(v, "datetime64[D]"),
        "object": objects,
        "arrow date32": in_arrow,
        "arrow date64": lambda v: in_arrow(v, pa.date64()),
        "polars": in_polars,
    },
    "moment": {
        "numpy": lambda v: numpy_times(v, "datetime64[ns]"),
        "object": objects,
        "object of timestamps": lambda v: objects(
            [None if x is None else pd.Timestamp(x) for x in v]
        ),
        "arrow": in_arrow,
        "polars": in_polars,
    },
    "time": {
        "object": objects,
        "arrow time32": lambda v: in_arrow(v, pa.time32("s")),
        "arrow time64": in_arrow,
        "polars": in_polars,
    },
    "duration": {
        "numpy": lambda v: numpy_times(v, "timedelta64[s]"),
        "object": objects,
        "arrow": in_arrow,
        "polars": in_polars,
    },
    "period": {
        "period": lambda v: pd.DataFrame({"x": pd.PeriodIndex(v, freq="M")}),
        "object": objects,
        "moments": lambda v: numpy_times(starts(v), "datetime64[us]"),
    },
    "text": {
        "object": objects,
        "nullable": lambda v: pd.DataFrame({"x": pd.array(v, dtype="string")}),
        "arrow": in_arrow,
        "arrow dictionary": lambda v: in_arrow(v, pa.dictionary(pa.int8(), pa.string())),
        "categorical": categorical,
        "polars": in_polars,
        "polars categorical": lambda v: in_polars(v, pl.Categorical),
    },
}
# Categoricals of numbers and dates are categories in fit. In transform, all columns accept them.
LATER = {kind: {"categorical": categorical} for kind in VALUES if kind != "text"}
PAIRS = [
    pytest.param(kind, learnt, read, id=f"{kind}-{learnt}-{read}")
    for kind, containers in CONTAINERS.items()
    for learnt in containers
    for read in {**containers, **LATER.get(kind, {})}
    if not (kind == "truth value" and learnt == "text")
]


@pytest.mark.parametrize(("kind", "learnt", "read"), PAIRS)
def test_encoded_values_are_equal_for_every_container(kind, learnt, read):
    values, feature_kind = VALUES[kind]
    values = with_gaps(values)
    first = next(iter(CONTAINERS[kind].values()))(values)
    table = CONTAINERS[kind][learnt](values)
    later = {**CONTAINERS[kind], **LATER.get(kind, {})}[read](values)

    encoder = TabularEncoder().fit(table)

    assert encoder.feature_kinds_.tolist() == [feature_kind]
    expected = TabularEncoder().fit_transform(first)
    assert len(np.unique(expected, axis=0)) > 2
    np.testing.assert_allclose(encoder.transform(later), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind != "text"])
@pytest.mark.parametrize("read", ["same", "plain"])
def test_levels_of_a_categorical_are_known_in_transform(kind, read):
    values = with_gaps(VALUES[kind][0])
    table = categorical(values)
    encoder = TabularEncoder().fit(table)

    later = table if read == "same" else objects(values)
    codes = encoder.transform(later)

    np.testing.assert_array_equal(codes, encoder.transform(table))
    assert len(np.unique(codes, axis=0)) > 2


NESTED = [["a", "b"], ["c"], ["d"]]


@pytest.mark.parametrize("container", [objects, in_arrow, in_polars])
def test_fit_raises_on_a_column_of_nested_values(container):
    with pytest.raises(ValueError, match="The values of column 'x' must be scalars"):
        TabularEncoder().fit(container(NESTED))


def test_large_integers_with_missing_values_are_distinct_levels():
    ids = [2**60, 2**60 + 1, 2**60 + 2, None]
    encoder = TabularEncoder(categorical_features=["x"], max_one_hot=0)

    for container in (objects, in_polars, in_arrow):
        assert encoder.fit_transform(container(ids)).ravel().tolist() == [1.0, 2.0, 3.0, 0.0]


def test_fit_raises_on_times_with_and_without_time_zone():
    zoned = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)

    with pytest.raises(ValueError, match="Column 'x' has times with a time zone and times without"):
        TabularEncoder().fit(objects([zoned, MOMENTS[0]]))


def test_arrow_tables_and_lazy_frames_are_encoded_like_frames():
    frame = pd.DataFrame({"x": [1.0, 2.0, 5.0], "city": ["a", "b", "a"]})
    encoder = TabularEncoder().fit(frame)

    for table in (pa.table(dict(frame)), pl.DataFrame(dict(frame)).lazy()):
        np.testing.assert_array_equal(encoder.transform(table), encoder.transform(frame))
        assert TabularEncoder().fit(table).feature_names_in_.tolist() == ["x", "city"]
