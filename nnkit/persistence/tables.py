"""Containers of pandas and polars as fields that are arrays, text and lists of them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["KINDS", "from_fields", "to_fields"]

KINDS = ("frame", "index", "polars", "range", "series", "values")
"""Kinds of containers: frame and series of pandas, its two kinds of index, its extension arrays."""


def to_fields(value: Any) -> tuple[str, dict[str, Any]] | None:
    """Return the kind of a container and its fields; None for anything else.

    Parameters
    ----------
    value : object

    Returns
    -------
    kind, fields : str, dict
        The fields are arrays, text, numbers, lists and containers.
    """
    if type(value) is pd.DataFrame and not isinstance(value.columns, pd.MultiIndex):
        return "frame", _frame_fields(value)
    if type(value) is pd.Series and not isinstance(value.index, pd.MultiIndex):
        return "series", {"values": value.array, "index": value.index, "name": value.name}
    if type(value) is pd.RangeIndex:
        bounds = [value.start, value.stop, value.step]
        return "range", {"bounds": bounds, "name": value.name}
    if isinstance(value, pd.Index) and not isinstance(value, pd.MultiIndex):
        return "index", {"values": value.array, "name": value.name}
    if isinstance(value, pd.api.extensions.ExtensionArray):
        fields = _array_fields(value)
        return None if fields is None else ("values", fields)
    if type(value).__module__.startswith("polars.") and type(value).__name__ == "DataFrame":
        file = io.BytesIO()
        value.write_ipc(file)
        return "polars", {"ipc": file.getvalue()}
    return None


def from_fields(kind: str, fields: dict[str, Any]) -> Any:
    """Return the container of a kind and its fields, which are restored."""
    if kind == "frame":
        return _frame_of(fields)
    if kind == "series":
        values = fields["values"]
        return pd.Series(values, dtype=values.dtype, index=fields["index"], name=fields["name"])
    if kind == "range":
        start, stop, step = fields["bounds"]
        return pd.RangeIndex(start, stop, step, name=fields["name"])
    if kind == "index":
        # Without a dtype, pandas would read objects that are text as its text dtype.
        return pd.Index(fields["values"], dtype=fields["values"].dtype, name=fields["name"])
    if kind == "polars":
        import polars

        return polars.read_ipc(io.BytesIO(fields["ipc"]))
    return _array_of(fields)


def _frame_fields(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of a frame; those of the same dtype of NumPy are one array."""
    by_dtype: dict[Any, list[int]] = {}
    for position, dtype in enumerate(frame.dtypes):
        is_block = isinstance(dtype, np.dtype) and dtype.kind != "O"
        by_dtype.setdefault(dtype if is_block else position, []).append(position)
    parts: list[Any] = [
        frame.iloc[:, positions].to_numpy()
        if isinstance(key, np.dtype)
        else frame.iloc[:, positions[0]].array
        for key, positions in by_dtype.items()
    ]
    return {
        "columns": frame.columns,
        "index": frame.index,
        "positions": list(by_dtype.values()),
        "parts": parts,
    }


def _frame_of(fields: dict[str, Any]) -> pd.DataFrame:
    found: dict[int, Any] = {}
    for positions, part in zip(fields["positions"], fields["parts"], strict=True):
        if len(positions) == 1 and getattr(part, "ndim", 1) == 1:
            found[positions[0]] = part
        else:
            found.update(zip(positions, part.T, strict=True))
    frame = pd.DataFrame(
        {position: found[position] for position in sorted(found)}, index=fields["index"]
    )
    frame.columns = fields["columns"]
    return frame


def _array_fields(array: Any) -> dict[str, Any] | None:
    """Return the fields of an extension array, None if it is not restored from them."""
    dtype = array.dtype
    if isinstance(dtype, np.dtype) or isinstance(array, pd.arrays.NumpyExtensionArray):
        return {"dtype": "numpy", "values": array.to_numpy()}
    if isinstance(dtype, pd.CategoricalDtype):
        levels = {"categories": dtype.categories, "ordered": bool(dtype.ordered)}
        return {"dtype": "category", "codes": array.codes, **levels}
    if isinstance(dtype, pd.IntervalDtype):
        bounds = {"left": array.left.array, "right": array.right.array}
        return {"dtype": "interval", "closed": dtype.closed, **bounds}
    if isinstance(dtype, pd.StringDtype):
        values = array.to_numpy(dtype=object, na_value=None)
        na = "nan" if dtype.na_value is np.nan else "NA"
        return {"dtype": "string", "values": values, "storage": dtype.storage, "na": na}
    if isinstance(dtype, pd.DatetimeTZDtype):
        in_utc = array.tz_convert("UTC").tz_localize(None).to_numpy()
        return {"dtype": "zoned dates", "values": in_utc, "zone": dtype.tz}
    return _fields_by_name(array)


def _fields_by_name(array: Any) -> dict[str, Any] | None:
    """Return the values of an array whose dtype has a name from which pandas makes it."""
    name = str(array.dtype)
    is_missing = np.asarray(array.isna())
    values = array.astype(object)
    values = np.asarray(values, dtype=object).copy()
    values[is_missing] = None
    fields = {"dtype": name, "values": values}
    try:
        is_equal = _array_of(fields).equals(array)
    except (TypeError, ValueError, NotImplementedError):
        return None
    return fields if is_equal else None


def _array_of(fields: dict[str, Any]) -> Any:
    name = fields["dtype"]
    if name == "numpy":
        return pd.Series(fields["values"], dtype=fields["values"].dtype).array
    if name == "category":
        categories, ordered = fields["categories"], fields["ordered"]
        return pd.Categorical.from_codes(fields["codes"], categories=categories, ordered=ordered)
    if name == "interval":
        left, right = pd.Index(fields["left"]), pd.Index(fields["right"])
        return pd.arrays.IntervalArray.from_arrays(left, right, closed=fields["closed"])
    if name == "string":
        na = np.nan if fields["na"] == "nan" else pd.NA
        return pd.array(fields["values"], dtype=pd.StringDtype(fields["storage"], na_value=na))
    if name == "zoned dates":
        moments = pd.Series(fields["values"]).dt.tz_localize("UTC")
        return moments.dt.tz_convert(fields["zone"]).array
    return pd.array(fields["values"].tolist(), dtype=name)
