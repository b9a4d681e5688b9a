"""Data that are not tables: batches, lists of inputs, and rows of unequal length."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.datasets.batch_source import is_batches
from nnkit.encoding.containers import array_of_rows

__all__ = [
    "check_is_one_input",
    "check_is_table",
    "check_same_length",
    "rows_of_list",
]


def check_is_table(X: Any) -> None:
    """Raise a TypeError if X is an iterator or a dataset that yields batches."""
    if is_batches(X):
        raise TypeError(
            f"X must be a table, an array or a dict of arrays, and y the target beside it. Got "
            f"{type(X).__name__} instead. Collect the rows first: of batches, "
            "X = numpy.concatenate([rows for rows, labels in batches]), and y likewise."
        )


def check_is_one_input(X: Any) -> None:
    """Raise a ValueError if X is a list of tables instead of one table."""
    inputs = _inputs_of(X) if isinstance(X, (list, tuple)) else None
    if inputs is not None:
        raise ValueError(f"{inputs} Ready-made networks for tables have one input.")


def rows_of_list(X: Any) -> Any:
    """Return a list of rows as an array, and other data unchanged.

    Raises
    ------
    ValueError
        If the rows have unequal lengths, or the list holds several inputs.
    """
    if not isinstance(X, (list, tuple)):
        return X
    try:
        return array_of_rows(X)
    except ValueError as error:
        inputs = _inputs_of(X)
        if inputs is not None:
            raise ValueError(inputs) from error
        lengths = sorted({len(row) for row in X if hasattr(row, "__len__")})
        raise ValueError(
            f"The rows of X must have the same shape. Got rows of {_listed(lengths)} values. For "
            "sequences, use encoder=nnkit.encoding.SequenceEncoder(), or a network for them such as "
            "model='gru'."
        ) from error


def check_same_length(X: Any, n_samples: int, n_values: int) -> None:
    """Raise a ValueError if X and y have unequal numbers of rows.

    Parameters
    ----------
    X : array-like
        As it came.
    n_samples : int
        Its rows.
    n_values : int
        The rows of y.
    """
    if n_samples == n_values:
        return
    inputs = _inputs_of(X) if isinstance(X, (list, tuple)) else None
    if inputs is not None and len(X[0]) == n_values:
        raise ValueError(inputs)
    raise ValueError(
        f"y must have one value for each row of X. "
        f"Got {n_values} values and {n_samples} rows instead."
    )


def _inputs_of(X: Any) -> str | None:
    """Return the message for a list of inputs, None for a list of rows."""
    lengths = {np.shape(part)[0] if len(np.shape(part)) > 1 else -1 for part in _arrays(X)}
    if len(lengths) != 1 or -1 in lengths:
        return None
    return (
        f"X is a list of {len(X)} arrays of {lengths.pop()} rows each. Give several inputs as a "
        "dict by the names of the network's inputs, such as {'left': X_left, 'right': X_right}."
    )


def _arrays(X: Any) -> list[Any]:
    return list(X) if all(hasattr(part, "shape") for part in X) else [0]


def _listed(lengths: list[int]) -> str:
    if len(lengths) == 2:
        return f"{lengths[0]} and {lengths[1]}"
    return f"{lengths[0]} to {lengths[-1]}" if lengths else "unequal numbers of"
