"""Tables for a network without an encoder: their columns as numbers, or the one that is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nnkit.encoding.column_codecs import NumberColumn
from nnkit.encoding.containers import column_at, is_dataframe, numeric_matrix
from nnkit.encoding.kinds import kind_of

__all__ = ["as_numbers"]

_CALLED = {
    "date": ("dates", "or give the days since a date"),
    "duration": ("durations", "or give seconds by .dt.total_seconds()"),
    "category": ("text or other levels", "or use OneHotEncoder in a ColumnTransformer"),
}


def as_numbers(X: Any) -> Any:
    """Return a table of nullable, Arrow or object columns as one of floats.

    Tables that NumPy reads as numbers are returned as they are.

    Parameters
    ----------
    X : DataFrame of pandas or polars, or anything else, which is returned as it is
        The table.

    Raises
    ------
    ValueError
        If a column holds dates, durations, or text that is no number; the message names it.
    """
    if isinstance(X, np.ndarray) and X.dtype.kind in "Mm":
        raise _no_numbers("X", "date" if X.dtype.kind == "M" else "duration", None)
    if not is_dataframe(X) or 0 in X.shape or _is_plain(X):
        return X
    names = list(X.columns)
    columns = {
        position: _numbers_of(column_at(X, position, repr(name)), name)
        for position, name in enumerate(names)
    }
    frame = pd.DataFrame(columns)
    frame.columns = pd.Index(names)
    return frame


def _is_plain(X: Any) -> bool:
    if isinstance(X, pd.DataFrame):
        # One dtype for all, or a look at each; truth values are numbers of NumPy too.
        return all(isinstance(dtype, np.dtype) and dtype.kind in "fiubc" for dtype in X.dtypes)
    return numeric_matrix(X[:1]) is not None


def _numbers_of(column: pd.Series, name: Any) -> np.ndarray:
    where = f"The column {name!r} of X"
    kind = kind_of(column, repr(name))
    if kind in ("number", "boolean"):
        numbers: np.ndarray = NumberColumn(where, "number").read(column)[:, 0]
        return numbers
    if kind == "empty":
        return np.full(len(column), np.nan)
    if kind == "category":
        try:
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise _no_numbers(where, kind, column) from error
    raise _no_numbers(where, kind, column)


def _no_numbers(where: str, kind: str, column: pd.Series | None) -> ValueError:
    what, remedy = _CALLED[kind]
    shown = ""
    if column is not None and kind == "category":
        # In a column of numbers with one "?" the "?" is the fault.
        present = column.dropna().tolist()
        shown = f", such as {next((v for v in present if not _is_float(v)), present[0])!r}"
    return ValueError(
        f"{where} holds {what}{shown}, but the network takes numbers. Encode it before, for "
        f"example with encoder=TabularEncoder() of nnkit.encoding, {remedy}."
    )


def _is_float(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
