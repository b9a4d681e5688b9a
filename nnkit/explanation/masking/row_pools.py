"""Validation of X and the background, and masked samples of their rows."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals
from scipy.sparse import issparse

__all__ = ["Pool", "align_background", "check_table", "make_pool"]


class Pool(Protocol):
    """Rows from which masked samples take their columns."""

    def take(self, sources: np.ndarray) -> Any:
        """Return the masked samples whose value (i, j) is column j of row ``sources[i, j]``.

        Parameters
        ----------
        sources : ndarray of int, shape (n_masked, n_features)
            The row from which each value comes.

        Returns
        -------
        masked_samples : DataFrame or ndarray of shape (n_masked, n_features)
            Of the same type as the pooled tables, each column with its own dtype.
        """
        ...


class ArrayPool:
    """The rows of an array.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def take(self, sources: np.ndarray) -> np.ndarray:
        """Return the masked samples as an array, see :meth:`Pool.take`."""
        return self.rows[sources, np.arange(self.rows.shape[1])]


class FramePool:
    """The rows of a data frame, stored by column so that each column keeps its dtype.

    Parameters
    ----------
    columns : list of array
        One pandas or numpy array per column.
    names : Index
        The column names.
    """

    def __init__(self, columns: list[Any], names: pd.Index) -> None:
        self.columns = columns
        self.names = names

    def take(self, sources: np.ndarray) -> pd.DataFrame:
        """Return the masked samples as a data frame, see :meth:`Pool.take`."""
        masked_samples = pd.DataFrame(
            {j: column.take(sources[:, j]) for j, column in enumerate(self.columns)}, copy=False
        )
        masked_samples.columns = self.names
        return masked_samples


class NumericFramePool:
    """The rows of a data frame whose columns share one numeric dtype.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        The rows.
    names : Index
        The column names.
    """

    def __init__(self, rows: np.ndarray, names: pd.Index) -> None:
        self.rows = ArrayPool(rows)
        self.names = names

    def take(self, sources: np.ndarray) -> pd.DataFrame:
        """Return the masked samples as a data frame, see :meth:`Pool.take`."""
        return pd.DataFrame(self.rows.take(sources), columns=self.names, copy=False)


def check_table(X: Any, name: str) -> Any:
    """Return a table as a data frame or a two-dimensional array.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_features)
        The table.
    name : str
        The name of the table in error messages.

    Returns
    -------
    X_checked : DataFrame or ndarray of shape (n_samples, n_features)
        The table itself if it is a DataFrame or an array. A polars table becomes a DataFrame.

    Raises
    ------
    ValueError
        If the table is not two-dimensional, is sparse, has no rows or columns, or has duplicate
        column names.
    """
    if type(X).__module__.partition(".")[0] == "polars" and hasattr(X, "columns"):
        # Column by column, since to_pandas of polars needs pyarrow.
        X = pd.DataFrame({column: X[column].to_numpy() for column in X.columns})
    if isinstance(X, pd.DataFrame):
        repeated = X.columns[X.columns.duplicated()].unique().tolist()
        if repeated:
            raise ValueError(
                f"{name} has the column name(s) {_listed(repeated)} more than once. Rename them."
            )
        X_checked: Any = X
    elif issparse(X):
        raise ValueError(
            f"{name} must be a pandas DataFrame or a dense array. Got a sparse matrix instead. "
            "Use its toarray()."
        )
    elif hasattr(X, "columns"):
        raise ValueError(
            f"{name} must be a pandas DataFrame or a two-dimensional array. "
            f"Got {type(X).__module__}.{type(X).__name__} instead. Use its to_pandas()."
        )
    else:
        X_checked = np.asarray(X)
        # NumPy would convert the numbers in a list of mixed rows to strings.
        if X_checked.dtype.kind in "US" and not isinstance(X, np.ndarray):
            X_checked = np.asarray(X, dtype=object)
    if X_checked.ndim != 2:
        raise ValueError(
            f"{name} must have two dimensions, rows and columns. "
            f"Got shape {X_checked.shape} instead."
            + (" Give one row as X.iloc[[0]] or X[:1]." if X_checked.ndim == 1 else "")
        )
    if X_checked.shape[0] == 0 or X_checked.shape[1] == 0:
        raise ValueError(
            f"{name} must have at least one row and one column. "
            f"Got shape {X_checked.shape} instead."
        )
    return X_checked


def align_background(background: Any, X: Any, name: str) -> Any:
    """Return the background with its columns in the order of X.

    Parameters
    ----------
    background : DataFrame or array-like of shape (background_size, n_features)
        The background.
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The checked table that is explained.
    name : str
        The name of the background in error messages.

    Returns
    -------
    background_aligned : DataFrame or ndarray of shape (background_size, n_features)
        Of the same type as X.

    Raises
    ------
    ValueError
        If the background is of another type than X, or has other columns.
    """
    background_checked = check_table(background, name)
    if isinstance(X, pd.DataFrame) != isinstance(background_checked, pd.DataFrame):
        raise ValueError(
            f"{name} must be of the same type as X. X is a {type(X).__name__}, "
            f"{name} is a {type(background).__name__}. Give both as in fit."
        )
    if isinstance(X, pd.DataFrame):
        missing = [column for column in X.columns if column not in background_checked.columns]
        if missing:
            raise ValueError(f"{name} lacks the column(s) {_listed(missing)} of X.")
        extra = [column for column in background_checked.columns if column not in X.columns]
        if extra:
            raise ValueError(f"{name} has the column(s) {_listed(extra)}, which X lacks.")
        return background_checked[X.columns.tolist()]
    if background_checked.shape[1] != X.shape[1]:
        raise ValueError(
            f"{name} must have the {X.shape[1]} column(s) of X. "
            f"Got {background_checked.shape[1]} instead."
        )
    if (X.dtype.kind in "US") != (background_checked.dtype.kind in "US") and "O" not in (
        X.dtype.kind,
        background_checked.dtype.kind,
    ):
        raise ValueError(
            f"{name} must hold values like those of X. X is of dtype {X.dtype}, "
            f"{name} of dtype {background_checked.dtype}."
        )
    return background_checked


def make_pool(X: Any, background: Any) -> Pool:
    """Return the rows of X, then those of the background, as one pool.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The checked table.
    background : DataFrame or ndarray of shape (background_size, n_features)
        The aligned background.

    Returns
    -------
    pool : Pool
        Makes masked samples of the type of X. A column keeps its dtype if it is the same in both
        tables. Categorical columns have the categories of both.
    """
    if not isinstance(X, pd.DataFrame):
        return ArrayPool(np.concatenate([X, background]))
    dtypes = {*X.dtypes, *background.dtypes}
    dtype = next(iter(dtypes))
    if len(dtypes) == 1 and isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return NumericFramePool(np.concatenate([X.to_numpy(), background.to_numpy()]), X.columns)
    columns = [_stack_column(X[column], background[column]) for column in X.columns]
    return FramePool(columns, X.columns)


def _stack_column(upper: pd.Series, lower: pd.Series) -> Any:
    """Return the values of a column of two tables as one array."""
    if (
        upper.dtype != lower.dtype
        and isinstance(upper.dtype, pd.CategoricalDtype)
        and isinstance(lower.dtype, pd.CategoricalDtype)
        and upper.cat.categories.dtype == lower.cat.categories.dtype
    ):
        return union_categoricals([upper, lower], ignore_order=True)
    return pd.concat([upper, lower], ignore_index=True).array


def _listed(columns: list[Any]) -> str:
    """Return at most ten names, quoted and separated by commas."""
    quoted = [repr(column) for column in columns[:10]]
    return ", ".join([*quoted, "…"] if len(columns) > 10 else quoted)
