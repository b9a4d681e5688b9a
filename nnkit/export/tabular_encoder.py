"""`TabularEncoder` as nodes of an ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from nnkit.encoding import TabularEncoder
from nnkit.encoding.category_columns import CategoryEncoding
from nnkit.encoding.numeric_columns import DateColumn, NumberColumn
from nnkit.encoding.scaling import Scaling
from nnkit.export.graph import DOUBLE, FLOAT, INT64, Graph
from nnkit.export.onnx_columns import MISSING_DATE

__all__ = ["RawColumns", "encoded_features"]

_ML = "ai.onnx.ml"
_DAY, _HOUR = 86_400_000_000, 3_600_000_000  # in microseconds
# 400 years have 146,097 days. Dates are moved by 200 such periods, so that no number is negative,
# because ONNX rounds quotients of integers towards zero.
_PERIOD_DAYS, _N_PERIODS = 146_097, 200
_BOOLEAN_TEXTS = {
    "False": ("False", "false", "FALSE", "0"),
    "True": ("True", "true", "TRUE", "1"),
}


class RawColumns:
    """The inputs of an encoder, as one tensor (n_samples, 1) for each column.

    Parameters
    ----------
    graph : Graph
    variables : sequence of skl2onnx.common._topology.Variable
        Tensors of one or several columns, in the order of the table.
    """

    def __init__(self, graph: Graph, variables: Sequence[Any]) -> None:
        self._graph = graph
        self._places: list[tuple[Any, int, int]] = []
        for variable in variables:
            n_columns = int(variable.type.shape[1] or 0)
            self._places += [(variable, column, n_columns) for column in range(n_columns)]

    def __len__(self) -> int:
        return len(self._places)

    def type_of(self, position: int) -> str:
        """Return the name of the type of a column: "String", "Int64", "Boolean", ..."""
        variable, _, _ = self._places[position]
        return str(type(variable.type).__name__.removesuffix("TensorType"))

    def column(self, position: int) -> str:
        """Return the tensor of a column."""
        variable, column, n_columns = self._places[position]
        name: str = variable.full_name
        if n_columns == 1:
            return name
        return self._graph.add("Gather", name, self._graph.constant([column], np.int64), axis=1)


def encoded_features(graph: Graph, encoder: TabularEncoder, columns: RawColumns) -> str:
    """Add the nodes of an encoder, and return the tensor of the encoded features in float32.

    Parameters
    ----------
    graph : Graph
    encoder : TabularEncoder
        Fitted.
    columns : RawColumns
        The columns of the table.

    Raises
    ------
    ValueError
        If the encoding of a column cannot be expressed in ONNX.
    """
    if len(columns) != encoder.n_features_in_:
        raise ValueError(
            f"X must have the {encoder.n_features_in_} columns of fit. Got {len(columns)} instead."
        )
    if encoder.scaling == "quantile":
        raise ValueError(
            "TabularEncoder(scaling='quantile') cannot be exported to ONNX, which has no quantiles of "
            "a normal distribution. Use scaling='robust' or 'standard'."
        )
    parts = []
    if encoder._numeric:
        numbers = graph.concatenated(
            [
                _numbers(graph, reader, columns, position)
                for position, (reader, _) in encoder._numeric.items()
            ]
        )
        is_missing = graph.add("IsNaN", numbers)
        parts.append(_scaled(graph, encoder._scaling, numbers, is_missing))
        if len(encoder._indicated):
            chosen = graph.constant(encoder._indicated, np.int64)
            parts.append(graph.cast(graph.add("Gather", is_missing, chosen, axis=1), FLOAT))
    for position in encoder._blocks:
        encoding = encoder._categories[position]
        codes = _codes(graph, encoding, columns, position)
        parts.append(_category_features(graph, encoding, codes))
    return graph.concatenated(parts)


def _numbers(
    graph: Graph, reader: NumberColumn | DateColumn, columns: RawColumns, position: int
) -> str:
    """Return the numbers of a column (n_samples, k) in float64, NaN where missing."""
    tensor, kind = columns.column(position), columns.type_of(position)
    if isinstance(reader, DateColumn):
        if kind != "Int64":
            raise _type_error(reader.label, "dates", kind)
        return _date_numbers(graph, reader, tensor)
    if reader.unit == "empty":
        nan = graph.constant([np.nan], np.float64)
        return graph.add("Expand", nan, graph.add("Shape", tensor))
    if kind == "String":
        raise _type_error(reader.label, "numbers", kind)
    return tensor if kind == "Double" else graph.cast(tensor, DOUBLE)


def _type_error(label: str, held: str, kind: str) -> ValueError:
    return ValueError(
        f"Column {label} held {held} in fit, but X has it as {kind}. Give X with the columns of fit."
    )


def _scaled(graph: Graph, scaling: Scaling, numbers: str, is_missing: str) -> str:
    """Return imputed, scaled and clipped numbers in float32; see `Scaling.encode`."""
    is_constant = scaling.factor == 0
    fill, center = (
        np.where(is_constant, 0.0, part)[np.newaxis] for part in (scaling.fill, scaling.center)
    )
    filled = graph.add("Where", is_missing, graph.constant(fill), numbers)
    centered = graph.add("Sub", filled, graph.constant(center))
    scaled = graph.add("Mul", centered, graph.constant(scaling.factor[np.newaxis]))
    bound = float(np.finfo(np.float32).max) if scaling.clip is None else 1e3 * scaling.clip
    clipped = graph.add("Clip", scaled, graph.constant(-bound), graph.constant(bound))
    if scaling.clip is not None:
        # [x / sqrt(1 + (x / clip)^2)]
        ratio = graph.add("Div", clipped, graph.constant(scaling.clip, np.float64))
        squared = graph.add("Mul", ratio, ratio)
        width = graph.add("Sqrt", graph.add("Add", squared, graph.constant(1.0)))
        clipped = graph.add("Div", clipped, width)
    return graph.cast(clipped, FLOAT)


def _codes(graph: Graph, encoding: CategoryEncoding, columns: RawColumns, position: int) -> str:
    """Return the codes of levels (n_samples, 1), 0 for missing and unknown values."""
    tensor, kind = columns.column(position), columns.type_of(position)
    keys = encoding.column.keys.tolist()
    codes = {key: code for code, key in enumerate(keys, start=1)}
    if encoding.column.levels.dtype == bool:
        codes = {text: codes[key] for key in codes for text in _BOOLEAN_TEXTS[key]}
    if kind == "String":
        if not codes:
            codes = {"": 0}
        return _looked_up(graph, tensor, codes, keys_strings=list(codes))
    numbers = {float(key): code for key, code in codes.items() if _is_number(key)}
    if not numbers:
        zero = graph.constant([0], np.int64)
        return graph.add("Expand", zero, graph.add("Shape", tensor))
    if kind == "Int64" or kind == "Boolean":
        integers = tensor if kind == "Int64" else graph.cast(tensor, INT64)
        exact = {int(number): code for number, code in numbers.items() if number.is_integer()}
        return _looked_up(graph, integers, exact, keys_int64s=list(exact))
    # (n, 1) = (1, C) -> (n, C), of which at most one column is true
    values = tensor if kind == "Double" else graph.cast(tensor, DOUBLE)
    is_equal = graph.add("Equal", values, graph.constant([list(numbers)], np.float64))
    weights = graph.constant(np.array(list(numbers.values()))[:, np.newaxis], np.float64)
    return graph.cast(graph.add("MatMul", graph.cast(is_equal, DOUBLE), weights), INT64)


def _looked_up(graph: Graph, tensor: str, codes: Mapping[Any, int], **keys: list[Any]) -> str:
    """Return the codes of values, 0 for those that are no keys."""
    values = {"values_int64s": list(codes.values()), "default_int64": 0}
    return graph.add("LabelEncoder", tensor, domain=_ML, **keys, **values)


def _is_number(key: str) -> bool:
    try:
        float(key)
    except ValueError:
        return False
    return True


def _category_features(graph: Graph, encoding: CategoryEncoding, codes: str) -> str:
    """Return the encoded features of codes (n_samples, 1) in float32."""
    if encoding.table is None:
        return graph.cast(codes, FLOAT)
    rows = graph.reshaped(codes, [-1])
    return graph.add("Gather", graph.constant(encoding.table, np.float32), rows, axis=0)


def _date_numbers(graph: Graph, reader: DateColumn, tensor: str) -> str:
    """Return days since 1970 and calendar parts in float64, NaN where the date is missing."""
    is_missing = graph.add("Equal", tensor, graph.constant(MISSING_DATE, np.int64))
    days = graph.add("Div", graph.cast(tensor, DOUBLE), graph.constant(float(_DAY)))
    parts = [days]
    if reader.parts:
        local = graph.add("Add", tensor, graph.constant(_zone_offset(reader), np.int64))
        of_parts = _calendar_parts(graph, local, reader.parts)
        parts += [graph.cast(part, DOUBLE) for part in of_parts]
    return graph.add("Where", is_missing, graph.constant(np.nan), graph.concatenated(parts))


def _zone_offset(reader: DateColumn) -> int:
    """Return the difference between local time and UTC in microseconds, if it is constant."""
    if reader.zone is None:
        return 0
    moments = pd.date_range("1970-01-01", "2060-01-01", freq="7D", tz=reader.zone)
    offsets = {moment.utcoffset() for moment in moments}
    if len(offsets) > 1:
        raise ValueError(
            f"The calendar parts of column {reader.label} are in the time zone {reader.zone}, whose "
            "difference to UTC varies, which ONNX cannot compute. Convert the column with "
            ".dt.tz_convert('UTC') before fit, or use TabularEncoder(dates='number')."
        )
    return int((offsets.pop() or timedelta()) / timedelta(microseconds=1))


def _calendar_parts(graph: Graph, microseconds: str, names: Sequence[str]) -> list[str]:
    r"""Return parts of dates as integers, by their names.

    References
    ----------
    H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2014, function civil_from_days. Years
    begin in March, so that the day that leap years add is the last one.
    """

    def number(value: int) -> str:
        return graph.constant(value, np.int64)

    def plus(tensor: str, value: int) -> str:
        return graph.add("Add", tensor, number(value))

    def times(tensor: str, value: int) -> str:
        return graph.add("Mul", tensor, number(value))

    def quotient(tensor: str, value: int) -> str:
        return graph.add("Div", tensor, number(value))

    def remainder(tensor: str, value: int) -> str:
        return graph.add("Mod", tensor, number(value))

    def minus(tensor: str, other: str) -> str:
        return graph.add("Sub", tensor, other)

    moved = plus(microseconds, _N_PERIODS * _PERIOD_DAYS * _DAY)
    days = quotient(moved, _DAY)
    found = {}
    if "weekday" in names:
        # 1970-01-01 was a Thursday. The moved days are a multiple of 7.
        found["weekday"] = remainder(plus(days, 3), 7)
    if "hour" in names:
        found["hour"] = remainder(quotient(moved, _HOUR), 24)
    if "year" in names or "month" in names:
        since_march = plus(days, 719_468)  # days since 0000-03-01
        period = quotient(since_march, _PERIOD_DAYS)
        day = remainder(since_march, _PERIOD_DAYS)
        leap_days = minus(quotient(day, 36_524), quotient(day, 1_460))
        year = quotient(minus(graph.add("Add", day, leap_days), quotient(day, 146_096)), 365)
        first = graph.add("Add", times(year, 365), minus(quotient(year, 4), quotient(year, 100)))
        month_from_march = quotient(plus(times(minus(day, first), 5), 2), 153)
        is_next_year = graph.cast(graph.add("GreaterOrEqual", month_from_march, number(10)), INT64)
        found["month"] = minus(plus(month_from_march, 3), times(is_next_year, 12))
        whole = graph.add("Add", year, times(plus(period, -_N_PERIODS), 400))
        found["year"] = graph.add("Add", whole, is_next_year)
    return [found[name] for name in names]
