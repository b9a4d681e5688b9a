"""Conversion of tables, arrays and dicts of inputs to one flat table, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from nnkit.explanation.masking.row_pools import check_table

__all__ = ["InputLayout", "InputPart", "flat_table"]


@dataclass(frozen=True)
class InputPart:
    """Name, row shape and dtype of one input array of the estimator.

    Parameters
    ----------
    name : str
        The name of the input; "x" for a single array.
    row_shape : tuple of int
        The shape of one row.
    dtype : dtype
        The dtype of the array.
    """

    name: str
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def n_columns(self) -> int:
        """The number of columns of this input in the flat table."""
        return prod(self.row_shape)

    @property
    def column_names(self) -> list[str]:
        """The names of these columns, ``x0`` for a table, ``x[0,1]`` for a larger array."""
        if len(self.row_shape) == 1 and self.name == "x":
            return [f"x{j}" for j in range(self.n_columns)]
        if self.n_columns == 1:
            return [self.name]
        indices = np.ndindex(*self.row_shape)
        return [f"{self.name}[{','.join(map(str, index))}]" for index in indices]


@dataclass(frozen=True)
class InputLayout:
    """The structure of the input of the estimator, whose values are the columns of a flat table.

    Parameters
    ----------
    kind : {"table", "array", "inputs"}
        A table, an array of more than two axes, or a dict of arrays.
    parts : tuple of InputPart
        The arrays, in the order of their columns; () for a data frame.
    """

    kind: str
    parts: tuple[InputPart, ...] = ()

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row of a single array."""
        return self.parts[0].row_shape

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one row of each array, by name."""
        return {part.name: part.row_shape for part in self.parts}

    @property
    def description(self) -> str:
        """Description of the input for error messages."""
        if self.kind == "array":
            return f"an array with rows of shape {self.row_shape}"
        return f"a dict of inputs {self.shapes}" if self.kind == "inputs" else "a table"

    def column_names(self, table: Any) -> list[str]:
        """Return the names of the columns of a flat table of this layout."""
        if isinstance(table, pd.DataFrame):
            return [str(column) for column in table.columns]
        return [name for part in self.parts for name in part.column_names]

    def restored(self, table: Any) -> Any:
        """Return a flat table in the form in which the estimator takes it.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_samples, n_columns)
            A flat table of this layout.
        """
        if self.kind == "table":
            return table
        if self.kind == "array":
            return table.reshape(len(table), *self.row_shape)
        ends = np.cumsum([part.n_columns for part in self.parts])[:-1]
        return {
            part.name: _in_dtype(columns, part.dtype).reshape(len(table), *part.row_shape)
            for part, columns in zip(self.parts, np.split(table, ends, axis=1), strict=True)
        }


def flat_table(X: Any, name: str) -> tuple[Any, InputLayout]:
    """Return rows as a flat table, with its layout.

    Parameters
    ----------
    X : DataFrame, array-like of shape (n_samples, ...), or dict of array-like
        The input of the estimator.
    name : str
        The name of the table in error messages.

    Returns
    -------
    table : DataFrame or ndarray of shape (n_samples, n_columns)
        An array of more than two axes has one column per element of a row. A dict has the
        columns of its inputs one after the other, in float64.
    layout : InputLayout
        The layout of the table.

    Raises
    ------
    ValueError
        If X has fewer than two dimensions, is sparse, has no rows or columns, has duplicate
        column names, or is a dict of arrays of different lengths.
    """
    if isinstance(X, Mapping) and not isinstance(X, pd.DataFrame):
        return _flat_inputs(X, name)
    if not isinstance(X, pd.DataFrame) and not issparse(X) and not hasattr(X, "columns"):
        array = np.asarray(X)
        if array.ndim > 2:
            part = InputPart("x", array.shape[1:], array.dtype)
            return check_table(array.reshape(len(array), part.n_columns), name), InputLayout(
                "array", (part,)
            )
    table = check_table(X, name)
    if isinstance(table, pd.DataFrame):
        return table, InputLayout("table")
    return table, InputLayout("table", (InputPart("x", table.shape[1:], table.dtype),))


def _in_dtype(columns: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return numbers in a dtype, unchanged if the dtype is an integer one and they are not."""
    with np.errstate(invalid="ignore"):  # missing values in an integer dtype
        typed = columns.astype(dtype)
    return typed if dtype.kind == "f" or np.array_equal(typed, columns) else columns


def _flat_inputs(X: Mapping[Any, Any], name: str) -> tuple[np.ndarray, InputLayout]:
    parts, columns = [], []
    for key, values in X.items():
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"{name}[{key!r}] must hold numbers to be explained. "
                f"Got values of dtype {array.dtype} instead."
            )
        array = array[:, np.newaxis] if array.ndim == 1 else array
        parts.append(InputPart(str(key), array.shape[1:], array.dtype))
        columns.append(array.reshape(len(array), parts[-1].n_columns).astype(np.float64))
    lengths = {part.name: len(array) for part, array in zip(parts, columns, strict=True)}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f"{name} must be a dict of arrays with the same number of rows. Got {lengths} instead."
        )
    return check_table(np.concatenate(columns, axis=1), name), InputLayout("inputs", tuple(parts))
