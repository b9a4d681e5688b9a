"""Plain parts: round trips of values, and parts that are refused."""

import datetime
import decimal
import json
import zoneinfo
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnkit.persistence.plain_parts import PlainParts
from nnkit.persistence.stored_state import attributes_of_state, state_of_attributes


@dataclass(frozen=True)
class Range:
    low: float
    high: float


class Owner:
    """A class whose attributes are stored."""

    limit = 1

    def fit(self):
        """Return nothing; a stored attribute may not replace it."""


def refuse(value):
    raise TypeError(f"{type(value).__name__} is not plain")


PARTS = PlainParts({"Range": Range}, refuse)


def through_state(value):
    """Return a value after a round trip, in which only arrays and bytes are outside of the JSON."""
    state = state_of_attributes({"value": PARTS.of(value)})
    json.loads(state["attributes"])
    assert all(isinstance(part, (np.ndarray, np.generic, bytes)) for part in state["parts"])
    return PARTS.restored(attributes_of_state(Owner, state)["value"])


def assert_same(restored, value):
    assert type(restored) is type(value)
    if isinstance(value, np.ndarray):
        assert restored.dtype == value.dtype
        assert restored.shape == value.shape
        assert list(map(repr, restored.ravel().tolist())) == list(map(repr, value.ravel().tolist()))
    elif isinstance(value, (list, tuple)):
        assert len(restored) == len(value)
        for one, other in zip(restored, value, strict=True):
            assert_same(one, other)
    elif isinstance(value, dict):
        assert_same(list(restored.items()), list(value.items()))
    else:
        assert repr(restored) == repr(value)


ROME = zoneinfo.ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, 2: "b", (3, "x"): None, True: 0.5},
        {"nnkit": "a key of the user", "nnkit part": 3},
        {"nnkit part": [np.arange(3.0)]},
        [float("nan"), float("inf"), -0.0],
        [0.1] * 20,
        [np.zeros((2, 3), np.float32), np.ones(4, np.float32), np.float32(2.0).reshape(())],
        np.arange(1000, dtype=np.int16).reshape(10, 100),
        np.array([0.1, 1 / 3], np.float32),
        np.array(["a", None, 1, 2.5, True, float("nan")], dtype=object),
        np.array([["a", "b"], ["c", "d"]], dtype=object),
        np.array(["a", "bc"]),
        np.array(["2020-01-01", "NaT"], "datetime64[s]"),
        np.float32(0.1),
        np.datetime64("2020-01-01T10"),
        b"\x00\xff",
        {1},
        frozenset({"a"}),
        Range(0.5, 2.0),
        (Range(1.0, 2.0), [Range(3.0, 4.0)]),
        slice(2, None, -1),
        np.dtype("float32"),
        np.dtype("<U7"),
        np.dtype("O"),
        decimal.Decimal("1.50"),
        datetime.date(2020, 2, 29),
        datetime.time(1, 2, 3),
        datetime.datetime(2020, 2, 29, 1, 2, 3),
        datetime.timedelta(days=1, microseconds=5),
        pd.Timestamp("2020-01-01 10:00:00.123456789"),
        pd.Timestamp("2020-10-25 01:30", tz="UTC").tz_convert("Europe/Rome"),
        pd.Timedelta("1 days 2 ns"),
        pd.Period("2020-03", freq="M"),
        pd.NaT,
        pd.NA,
        ROME,
        datetime.UTC,
        2 + 3j,
    ],
    ids=repr,
)
def test_value_is_the_same_after_a_round_trip(value):
    assert_same(through_state(value), value)


def test_local_time_of_a_zone_keeps_its_moment_and_its_zone():
    later = datetime.datetime(2020, 10, 25, 2, 30, tzinfo=ROME, fold=1)

    restored = through_state(later)

    assert restored == later
    assert restored.utcoffset() == later.utcoffset()


FRAME = pd.DataFrame(
    {
        "float": [0.5, np.nan, 2.0],
        "second float": [1.0, 2.0, 3.0],
        "small": np.array([1, 2, 3], np.int8),
        "text": ["a", None, "c"],
        "objects": np.array(["a", 1, None], dtype=object),
        "all missing": np.array([np.nan, np.nan, np.nan], dtype=object),
        "category": pd.Categorical(["u", None, "v"], categories=["v", "u", "w"], ordered=True),
        "numbers as levels": pd.Categorical([1.5, 2.5, 1.5]),
        "Boolean": [True, False, True],
        "nullable": pd.array([1, None, 3], dtype="Int64"),
        "nullable Boolean": pd.array([True, None, False], dtype="boolean"),
        "date": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
        "zoned date": pd.to_datetime(["2020-01-01", None, "2020-10-25"]).tz_localize("Europe/Rome"),
        "duration": pd.to_timedelta([1, 2, 3], unit="D"),
        "interval": pd.arrays.IntervalArray.from_breaks([0.0, 1.0, 2.0, 3.0]),
        "period": pd.period_range("2020-01", periods=3, freq="M"),
        "decimal": [decimal.Decimal("1.5"), None, decimal.Decimal(2)],
        3: [1, 2, 3],
    },
    index=[10, 5, 7],
)


def test_frame_with_columns_of_every_kind_is_the_same_after_a_round_trip():
    restored = through_state(FRAME)

    pd.testing.assert_frame_equal(restored, FRAME)


@pytest.mark.parametrize("dtype", ["int64[pyarrow]", "string[pyarrow]", "Sparse[float64, nan]"])
def test_series_of_further_dtypes_is_the_same_after_a_round_trip(dtype):
    values = ["1", None] if "string" in dtype else [1, None]
    series = pd.Series(pd.array(values, dtype=dtype), name="s")

    pd.testing.assert_series_equal(through_state(series), series)


def test_polars_frame_is_the_same_after_a_round_trip():
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "y"], "c": [[1], [2, 3]]})

    assert through_state(frame).equals(frame)


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(2, 8, 3, name="row"),
        pd.Index(["a", "b"], dtype=object),
        pd.Index([1.5, 2.5]),
        pd.Index([], dtype=object),
        pd.DatetimeIndex(["2020-01-01", "2020-01-02"]),
        pd.IntervalIndex.from_breaks([0, 1, 2]),
    ],
)
def test_index_is_the_same_after_a_round_trip(index):
    pd.testing.assert_index_equal(through_state(index), index)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_any_nested_value_is_the_same_after_a_round_trip(value):
    assert_same(through_state(value), value)


def test_value_of_another_class_goes_to_keep():
    parts = PlainParts({}, keep=lambda value: {"nnkit": "kept", "text": str(value)})

    assert parts.of([Range(1, 2)]) == [{"nnkit": "kept", "text": "Range(low=1, high=2)"}]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"nnkit": "os.system", "text": "true"}, "kind 'os.system', which this version"),
        ({"nnkit": "Range", "low": 1.0}, "a Range has the entries"),
        ({"nnkit": "Range", "low": 1.0, "high": 2.0, "fit": 1}, "a Range has the entries"),
        ({"nnkit": "arrays", "flat": None, "shapes": [[2]]}, "is damaged"),
        ({"nnkit": "dict", "keys": [[1]], "values": [2]}, "is damaged"),
        ({"nnkit": "frame"}, "is damaged"),
    ],
)
def test_unknown_or_damaged_part_is_refused(part, message):
    with pytest.raises(ValueError, match=message):
        PARTS.restored(part)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, r"stored by nnkit .* in the format 2, but nnkit .* reads the format 1"),
        ({"format": None}, "in the format None"),
        ({"cloudpickled": b""}, "must have the entries"),
        ({"attributes": "{"}, "is damaged"),
        ({"attributes": '{"value": {"nnkit part": 7}}'}, "is damaged"),
        ({"attributes": '{"fit": 1}'}, "has the attribute 'fit', which no Owner stores"),
        ({"attributes": '{"__class__": 1}'}, "has the attribute '__class__'"),
        ({"attributes": '{"a b": 1}'}, "has the attribute 'a b'"),
        ({"attributes": "[1]"}, "is damaged"),
    ],
)
def test_state_of_another_format_or_with_further_entries_is_refused(changes, message):
    state = {**state_of_attributes({"value": 1}), **changes}

    with pytest.raises(ValueError, match=message):
        attributes_of_state(Owner, state)


@pytest.mark.parametrize("state", [None, {}, [1], {"cloudpickled": b""}])
def test_foreign_state_is_refused(state):
    with pytest.raises(ValueError, match="is not one that nnkit stored"):
        attributes_of_state(Owner, state)
