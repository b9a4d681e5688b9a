"""What the estimator takes, as one flat table, and the way back."""

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
    """One array of those that the estimator takes.

    Parameters
    ----------
    name : str
        Of an input; "x" of the only array.
    row_shape : tuple of int
        Shape of one row.
    dtype : dtype
        Of the array.
    """

    name: str
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def n_encoded(self) -> int:
        """The number of elements of a row."""
        return prod(self.row_shape)

    @property
    def encoded_names(self) -> list[str]:
        """The names of the elements: ``x0`` of a table's, ``x[0,1]`` of a larger array's."""
        if len(self.row_shape) == 1 and self.name == "x":
            return [f"x{j}" for j in range(self.n_encoded)]
        if self.n_encoded == 1:
            return [self.name]
        places = np.ndindex(*self.row_shape)
        return [f"{self.name}[{','.join(map(str, place))}]" for place in places]


@dataclass(frozen=True)
class InputLayout:
    """How the columns of a flat table make up what the estimator takes.

    Parameters
    ----------
    kind : {"table", "array", "inputs"}
        Rows of columns, an array of more axes, or a dict of arrays.
    parts : tuple of InputPart
        The arrays, in the order of their columns; () of a data frame.
    """

    kind: str
    parts: tuple[InputPart, ...] = ()

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of one row of the only array."""
        return self.parts[0].row_shape

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one row of each array, by name."""
        return {part.name: part.row_shape for part in self.parts}

    @property
    def description(self) -> str:
        """What the rows are, in words."""
        if self.kind == "array":
            return f"an array with rows of shape {self.row_shape}"
        return f"a dict of inputs {self.shapes}" if self.kind == "inputs" else "a table"

    def column_names(self, table: Any) -> list[str]:
        """Return the names of the columns of a flat table of this layout."""
        if isinstance(table, pd.DataFrame):
            return [str(column) for column in table.columns]
        return [name for part in self.parts for name in part.encoded_names]

    def restored(self, table: Any) -> Any:
        """Return a flat table in the form that the estimator takes.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_samples, n_columns)
        """
        if self.kind == "table":
            return table
        if self.kind == "array":
            return table.reshape(len(table), *self.row_shape)
        ends = np.cumsum([part.n_encoded for part in self.parts])[:-1]
        return {
            part.name: _in_dtype(columns, part.dtype).reshape(len(table), *part.row_shape)
            for part, columns in zip(self.parts, np.split(table, ends, axis=1), strict=True)
        }


def flat_table(X: Any, name: str) -> tuple[Any, InputLayout]:
    """Return rows as a flat table, with its layout.

    Parameters
    ----------
    X : DataFrame, array-like of shape (n_samples, ...), or dict of array-like
        As the estimator takes it.
    name : str
        What it is called in messages.

    Returns
    -------
    table : DataFrame or ndarray of shape (n_samples, n_columns)
        Of an array of more axes all elements of a row; of a dict those of one input after the
        other, in double precision.
    layout : InputLayout

    Raises
    ------
    ValueError
        If it is not two-dimensional or more, is sparse, has no rows or columns, has a column name
        twice, or is a dict of arrays of different lengths.
    """
    if isinstance(X, Mapping) and not isinstance(X, pd.DataFrame):
        return _flat_inputs(X, name)
    if not isinstance(X, pd.DataFrame) and not issparse(X) and not hasattr(X, "columns"):
        array = np.asarray(X)
        if array.ndim > 2:
            part = InputPart("x", array.shape[1:], array.dtype)
            return check_table(array.reshape(len(array), part.n_encoded), name), InputLayout(
                "array", (part,)
            )
    table = check_table(X, name)
    if isinstance(table, pd.DataFrame):
        return table, InputLayout("table")
    return table, InputLayout("table", (InputPart("x", table.shape[1:], table.dtype),))


def _in_dtype(columns: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return numbers in a dtype, as they are if it is of integers and they are not."""
    with np.errstate(invalid="ignore"):  # of missing values
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
        columns.append(array.reshape(len(array), parts[-1].n_encoded).astype(np.float64))
    lengths = {part.name: len(array) for part, array in zip(parts, columns, strict=True)}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f"{name} must be a dict of arrays with the same number of rows. Got {lengths} instead."
        )
    return check_table(np.concatenate(columns, axis=1), name), InputLayout("inputs", tuple(parts))
