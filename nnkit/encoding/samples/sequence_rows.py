"""Sequences in any container as one array (n_samples, n_steps, n_channels), padded with NaN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from nnkit._messages import shown
from nnkit._suggestions import nearest
from nnkit.encoding.containers import as_table, check_unique_names, is_dataframe

__all__ = ["SequenceRows", "read_sequences", "selected_columns"]

_ROW_FORMS = "an array of shape (n_steps,) or (n_steps, n_channels)"


@dataclass(frozen=True)
class SequenceRows:
    """Sequences as one array.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_steps, n_channels)
        In float32 or float64. Missing values are NaN, and so are all steps behind the end.
    lengths : ndarray of int, shape (n_samples,)
        Number of steps of each sequence, at least 1. It is above ``n_steps`` for sequences of
        which the end is cut.
    """

    values: np.ndarray
    lengths: np.ndarray

    def is_step(self) -> np.ndarray:
        """Return whether a step is before the end of its sequence: (n_samples, n_steps)."""
        return np.arange(self.values.shape[1]) < self.lengths[:, np.newaxis]

    def blocks(self, n_values: int) -> Iterator[tuple[slice, SequenceRows]]:
        """Iterate over groups of rows of about ``n_values`` values, with their positions."""
        n_samples, *shape = self.values.shape
        size = max(1, n_values // max(1, int(np.prod(shape))))
        for start in range(0, n_samples, size):
            rows = slice(start, start + size)
            yield rows, SequenceRows(self.values[rows], self.lengths[rows])


def selected_columns(X: Any, columns: Any) -> Any:
    """Return the columns of a table that hold the sequences.

    Parameters
    ----------
    X : DataFrame of pandas or polars, or any other container
        The rows.
    columns : str, sequence of str, or None
        Names of the columns. None returns ``X`` unchanged.

    Raises
    ------
    ValueError
        If X is no DataFrame, or has no column of one of the names.
    """
    if columns is None:
        return X
    if not is_dataframe(X):
        raise ValueError(
            f"columns={shown(columns)} needs a DataFrame. Got {_kind(X)} instead; leave columns out."
        )
    names = [columns] if isinstance(columns, str) else list(columns)
    if not names:
        raise ValueError("columns must name at least one column, or be None. Got none.")
    known = list(X.columns)
    for name in names:
        if name not in known:
            suggestion = nearest(str(name), [str(column) for column in known])
            hint = "" if suggestion is None else f" Did you mean {suggestion!r}?"
            raise ValueError(f"columns must name columns of X. Got {name!r} instead.{hint}")
    return X[names]


def read_sequences(X: Any, layout: str, n_steps: int | None = None) -> SequenceRows:
    """Return sequences in any container as one array.

    Parameters
    ----------
    X : array, list, Series or DataFrame
        The sequences, as for `nnkit.encoding.SequenceEncoder`.
    layout : {"steps_first", "channels_first"}
        Order of the axes of arrays of three dimensions, and of rows of two dimensions.
    n_steps : int or None, default=None
        Steps of the returned array. Longer sequences are cut at the end. None is the length of the
        longest sequence.

    Raises
    ------
    ValueError
        If there are no rows, a row has no steps or another shape, or a value is no finite number.
    TypeError
        If X is sparse.
    """
    if sparse.issparse(X):
        raise TypeError("Sparse data was passed for X, but sequences are dense. Use X.toarray().")
    values = _array_of(as_table(X), layout)
    _check_not_empty(values.shape)
    lengths = _lengths_of(values)
    longest = int(lengths.max())
    rows = SequenceRows(_of_width(values, longest if n_steps is None else n_steps), lengths)
    _check_finite(rows.values)
    return rows


def _check_not_empty(shape: Sequence[int]) -> None:
    """Raise a ValueError in the words that scikit-learn's estimator checks require."""
    for axis, what in enumerate(("sample", "feature")):
        if shape[axis] == 0:
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={tuple(shape[:2])}) while a minimum of 1 is "
                "required by SequenceEncoder."
            )


def _array_of(X: Any, layout: str) -> np.ndarray:
    """Return the rows of any container as an array, with NaN behind the end of each row."""
    if is_dataframe(X):
        check_unique_names(X)
        return _of_table(X)
    if not _is_sequence(X) and not hasattr(X, "__array__"):
        raise ValueError(f"X must have one sequence for each row. Got {shown(X)} instead.")
    if hasattr(X, "to_list") and not isinstance(X, np.ndarray):  # a Series
        return _of_rows(X.to_list(), layout)
    if isinstance(X, (list, tuple)):
        return _of_rows(X, layout)
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    if array.dtype == object and array.ndim == 1:
        return _of_rows(array.tolist(), layout)
    if array.dtype == object and array.ndim == 2 and array.size and _is_sequence(array.flat[0]):
        return _of_nested([array[:, at] for at in range(array.shape[1])], range(array.shape[1]))
    if array.ndim not in (2, 3):
        raise ValueError(
            "X must have the shape (n_samples, n_steps) or (n_samples, n_steps, n_channels). Got "
            f"{array.shape} instead. Reshape your data: a single sequence is X[numpy.newaxis]."
        )
    floats = _floats_of_array(array)
    if array.ndim == 2:
        return floats[:, :, np.newaxis]
    return floats.transpose(0, 2, 1) if layout == "channels_first" else floats


def _floats_of_array(array: np.ndarray) -> np.ndarray:
    """Return an array of rows as floats. An error names the first row that is not numeric."""
    try:
        return _as_floats(array, "X")
    except (TypeError, ValueError):
        if array.dtype.kind == "c":
            raise
        for position, row in enumerate(array):
            _as_floats(row, f"Row {position} of X")
        raise


def _of_table(X: Any) -> np.ndarray:
    """Return a table of one value a column, or of one sequence a cell."""
    names = list(X.columns)
    _check_not_empty(X.shape)
    columns = [_cells(X[name]) for name in names]
    is_nested = [_holds_sequences(cells) for cells in columns]
    if all(is_nested):
        return _of_nested(columns, [repr(name) for name in names])
    if any(is_nested):
        one, other = names[is_nested.index(True)], names[is_nested.index(False)]
        raise ValueError(
            f"X has a sequence in each row of column {one!r}, but not of column {other!r}. "
            f"Set columns=[{one!r}], with all columns that hold sequences."
        )
    # (n_samples, n_steps) -> (n_samples, n_steps, 1)
    floats = [
        _as_floats(cells, f"Column {name!r} of X")
        for name, cells in zip(names, columns, strict=True)
    ]
    return np.column_stack(floats)[:, :, np.newaxis]


def _cells(column: Any) -> Any:
    """Return the values of a column: an array, or a list if they are sequences of polars."""
    dtype = column.dtype
    if not isinstance(column, pd.Series):
        return column.to_list() if dtype.is_nested() else column.to_numpy()
    if isinstance(dtype, np.dtype):
        return column.to_numpy()
    cells = np.empty(len(column), dtype=object)
    cells[:] = list(column)
    return cells


def _holds_sequences(cells: Any) -> bool:
    if isinstance(cells, np.ndarray) and cells.dtype != object:
        return False
    return any(_is_sequence(cell) for cell in cells)


def _is_sequence(cell: Any) -> bool:
    return hasattr(cell, "__len__") and not isinstance(cell, (str, bytes, Mapping, Set))


def _of_nested(columns: Sequence[Any], labels: Sequence[Any]) -> np.ndarray:
    """Return the rows of columns of which each is a channel, and each cell a sequence."""
    rows = []
    for position, cells in enumerate(zip(*columns, strict=True)):
        channels = [
            _as_floats(cell, f"Row {position} of column {label}") if _is_sequence(cell) else None
            for cell, label in zip(cells, labels, strict=True)
        ]
        rows.append(_joined_channels(channels, labels, position))
    return _padded(rows)


def _joined_channels(
    channels: Sequence[np.ndarray | None], labels: Sequence[Any], position: int
) -> np.ndarray:
    """Return the channels of a row as one array; a channel without a sequence is missing."""
    present = {at: channel for at, channel in enumerate(channels) if channel is not None}
    if not present:
        raise _no_steps_error(position)
    sizes = {}
    for at, channel in present.items():
        shape = channel.shape
        if len(shape) != 1:
            raise ValueError(
                f"Row {position} of column {labels[at]} must be a sequence of numbers. "
                f"Got the shape {shape} instead."
            )
        sizes[at] = shape[0]
    first, *others = present
    for at in others:
        if sizes[at] != sizes[first]:
            raise ValueError(
                f"The channels of a row must have equal lengths. Row {position} has {sizes[first]} "
                f"steps in column {labels[first]}, and {sizes[at]} in column {labels[at]}. Pad the "
                "shorter one with NaN."
            )
    row = np.full((sizes[first], len(channels)), np.nan)
    for at, channel in present.items():
        row[:, at] = channel
    return row


def _of_rows(rows: Sequence[Any], layout: str) -> np.ndarray:
    """Return rows of unequal length as one array, with NaN behind the end."""
    checked = [_row(row, position, layout) for position, row in enumerate(rows)]
    if not checked:
        return np.empty((0, 0, 0))
    for position, row in enumerate(checked):
        if row.shape[1] != checked[0].shape[1]:
            raise ValueError(
                f"All rows of X must have the same channels. Row 0 has {checked[0].shape[1]}, and "
                f"row {position} has {row.shape[1]}.{_layout_hint(layout)}"
            )
    return _padded(checked)


def _layout_hint(layout: str) -> str:
    if layout == "channels_first":
        return " With layout='channels_first', rows have the shape (n_channels, n_steps)."
    return " If the channels are the first axis of each row, set layout='channels_first'."


def _row(row: Any, position: int, layout: str) -> np.ndarray:
    """Return a row as an array of shape (n_steps, n_channels)."""
    label = f"Row {position} of X"
    if not _is_sequence(row) or getattr(row, "shape", None) == ():
        # scikit-learn's checks require "Reshape your data" in the message.
        raise ValueError(
            f"{label} must be {_ROW_FORMS}. Got {shown(row)} instead. Reshape your data: a single "
            "sequence is [X]."
        )
    values = _as_floats(row, label)
    if values.ndim == 1:
        return values[:, np.newaxis]
    if values.ndim != 2:
        raise ValueError(f"{label} must be {_ROW_FORMS}. Got the shape {values.shape} instead.")
    # The rows of a DataFrame are its steps in any layout.
    if layout == "channels_first" and not is_dataframe(row):
        values = values.T
    if values.shape[1] == 0:
        raise ValueError(f"{label} must have at least one channel. Got none.")
    return values


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    lengths = np.array([len(row) for row in rows])
    if not lengths.all():
        raise _no_steps_error(int(np.argmin(lengths)))
    dtype = np.result_type(*{row.dtype for row in rows})
    values = np.full((len(rows), lengths.max(), rows[0].shape[1]), np.nan, dtype=dtype)
    for position, row in enumerate(rows):
        values[position, : len(row)] = row
    return values


def _no_steps_error(position: int) -> ValueError:
    return ValueError(
        f"Row {position} of X has no steps. A sequence must have at least one value that is not "
        "missing. Remove the row."
    )


def _as_floats(values: Any, label: str) -> np.ndarray:
    """Return numbers as float32 or float64, with NaN for missing values.

    Raises
    ------
    ValueError
        If there are other values than numbers. Text is no number, "3.5" included.
    """
    try:
        array = np.asarray(as_table(values))
    except ValueError as error:  # lists of unequal lengths
        raise ValueError(
            f"{label} must be {_ROW_FORMS}. Got lists of unequal lengths instead."
        ) from error
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype.kind in "fiub":
        return array.astype(np.float64)
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {label} has complex numbers.")
    if array.dtype.kind in "SU":
        array = np.asarray(values, dtype=object)  # numbers beside text are still numbers
    elif array.dtype != object:
        raise _no_number_error(label, array.flat[0] if array.size else array.dtype)
    is_present = ~pd.isna(array)
    present = array[is_present].tolist()
    for value in present:
        if not isinstance(value, (Real, Decimal, np.bool_)):
            raise _no_number_error(label, value)
    floats = np.full(array.shape, np.nan)
    floats[is_present] = [float(value) for value in present]
    return floats


def _no_number_error(label: str, value: Any) -> ValueError:
    return ValueError(
        f"{label} must have numbers. Got {shown(value)} instead. Convert it to a number, or leave "
        "it out."
    )


def _lengths_of(values: np.ndarray) -> np.ndarray:
    """Return the number of steps up to the last value of each row that is not NaN."""
    is_present = ~np.isnan(values).all(axis=2)
    lengths = values.shape[1] - np.argmax(is_present[:, ::-1], axis=1) if values.shape[1] else 0
    lengths = np.where(is_present.any(axis=1), lengths, 0)
    if not lengths.all():
        raise _no_steps_error(int(np.argmin(lengths)))
    return lengths


def _of_width(values: np.ndarray, n_steps: int) -> np.ndarray:
    """Return the first ``n_steps`` steps, with NaN behind the end."""
    if values.shape[1] >= n_steps:
        return values[:, :n_steps]
    missing = n_steps - values.shape[1]
    return np.pad(values, ((0, 0), (0, missing), (0, 0)), constant_values=np.nan)


def _check_finite(values: np.ndarray) -> None:
    # Larger numbers are infinite in float32, in which networks compute.
    largest = np.finfo(np.float32).max
    is_beyond = (np.abs(values) > largest).any(axis=(1, 2))
    if is_beyond.any():
        row = int(np.argmax(is_beyond))
        found = values[row][np.abs(values[row]) > largest][0]
        raise ValueError(
            f"The numbers of X must be finite in float32. Row {row} of X has {found}. Replace it, "
            "for example with NaN, which counts as missing."
        )


def _kind(X: Any) -> str:
    return f"an array of shape {X.shape}" if isinstance(X, np.ndarray) else f"a {type(X).__name__}"
