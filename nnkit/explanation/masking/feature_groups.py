"""Feature groups of the columns of a table, and the data displayed with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from nnkit.explanation.masking.input_layout import InputLayout

__all__ = ["FeatureGroups", "choose_feature_groups", "displayed_data"]


@dataclass(frozen=True)
class FeatureGroups:
    """A partition of the columns of a flat table into named feature groups.

    Parameters
    ----------
    names : list of str
        One name per feature group.
    of_column : ndarray of int, shape (n_columns,)
        The feature group of each column of the flat table.
    row_shape : tuple of int or None, default=None
        The shape of the returned values of a row, in which the value of a feature group is
        distributed evenly over its columns. None returns one value for each feature group.
    is_averaged : bool, default=False
        Whether the mean of the columns of a feature group is displayed, rather than all of them.
    """

    names: list[str]
    of_column: np.ndarray
    row_shape: tuple[int, ...] | None = None
    is_averaged: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def columns(self, feature_group: int) -> np.ndarray:
        """Return the positions of the columns of a feature group.

        Parameters
        ----------
        feature_group : int
            The number of the feature group.

        Returns
        -------
        columns : ndarray of int
            In ascending order.
        """
        return np.flatnonzero(self.of_column == feature_group)

    def in_shape(self, values: np.ndarray) -> np.ndarray:
        """Return the values of regions in the shape of a row of X, other values unchanged.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_groups, n_outputs)
            One value for each feature group; or interactions, (n_samples, n_groups, n_groups,
            n_outputs), which are returned unchanged.

        Returns
        -------
        values : ndarray of shape (n_samples, n_groups, n_outputs) or (n_samples, ..., n_outputs)
            In the shape of a row if the feature groups are regions.
        """
        if self.row_shape is None or values.ndim > 3:
            return values
        sizes = np.bincount(self.of_column)
        per_column = values / sizes[:, np.newaxis]
        # (n_samples, n_groups, n_outputs) -> (n_samples, *row_shape, n_outputs)
        return per_column[:, self.of_column].reshape(len(values), *self.row_shape, -1)


def choose_feature_groups(feature_groups: Any, X: Any, layout: InputLayout) -> FeatureGroups:
    """Return named groups of columns, followed by the other columns as groups of one.

    Parameters
    ----------
    feature_groups : "input" or dict of str to list
        As in :func:`nnkit.explain`.
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The flat table.
    layout : InputLayout
        The layout of the table.

    Returns
    -------
    chosen : FeatureGroups
        The named groups in the order of the dict, then the other columns in the order of X. Of
        several inputs, each with more than two axes is one feature group.

    Raises
    ------
    ValueError
        If a group is empty, a column is unknown or named twice, or two feature groups would have
        the same name.
    """
    names, of_column, positions = _columns(X, layout)
    if isinstance(feature_groups, str) and feature_groups == "input":
        return FeatureGroups(names, of_column)
    if not isinstance(feature_groups, Mapping) or not feature_groups:
        raise ValueError(
            "feature_groups must be 'input', 'transformed' or a dict of group names to lists of "
            f"columns. Got {feature_groups!r} instead."
        )
    group_of = np.full(len(names), -1)
    for feature_group, (group, columns) in enumerate(feature_groups.items()):
        is_one = isinstance(columns, str) or not isinstance(columns, Iterable)
        members = [columns] if is_one else list(columns)
        if not members:
            raise ValueError(
                f"feature_groups must have at least one column in the group {group!r}. Got none."
            )
        for column in members:
            if not isinstance(column, Hashable) or column not in positions:
                raise ValueError(
                    f"feature_groups names the column {column!r} in the group {group!r}, "
                    "but X has no such column."
                )
            for position in positions[column]:
                if group_of[position] >= 0:
                    raise ValueError(
                        f"feature_groups names the column {column!r} twice. "
                        "A column belongs to one group."
                    )
                group_of[position] = feature_group
    left_over = np.flatnonzero(group_of < 0)
    group_of[left_over] = len(feature_groups) + np.arange(len(left_over))
    group_names = [*map(str, feature_groups), *(names[j] for j in left_over)]
    repeated = sorted(name for name, count in Counter(group_names).items() if count > 1)
    if repeated:
        raise ValueError(
            f"feature_groups would give the name {repeated[0]!r} to two feature groups. "
            "Rename the group."
        )
    return FeatureGroups(group_names, group_of[of_column])


def _columns(X: Any, layout: InputLayout) -> tuple[list[str], np.ndarray, dict[Any, list[int]]]:
    """Return the units that can be grouped, as names, units of columns and positions by name.

    A unit is a column, or an input with more than two axes as a whole. The second array has the
    unit of each column of the flat table. The dict has the units that a name or position in
    ``feature_groups`` refers to.
    """
    if isinstance(X, pd.DataFrame):
        names = [str(column) for column in X.columns]
        by_name = {column: [j] for j, column in enumerate(X.columns)}
        return names, np.arange(len(names)), by_name
    names = []
    of_column = []
    positions: dict[Any, list[int]] = {}
    for part in layout.parts:
        is_whole = layout.kind == "inputs" and len(part.row_shape) > 1
        of_part = [part.name] if is_whole else part.column_names
        numbers = np.zeros(part.n_columns, int) if is_whole else np.arange(part.n_columns)
        of_column.append(len(names) + numbers)
        units = len(names) + np.arange(len(of_part))
        positions |= {name: [int(j)] for name, j in zip(of_part, units, strict=True)}
        if layout.kind == "inputs":
            positions[part.name] = units.tolist()
        names += of_part
    if layout.kind == "table":
        positions |= {j: [j] for j in range(len(names))}
    return names, np.concatenate(of_column), positions


def displayed_data(X: Any, feature_groups: FeatureGroups, names: list[str]) -> np.ndarray:
    """Return the values of X displayed with each feature group.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The checked table.
    feature_groups : FeatureGroups
        The feature groups.
    names : list of str
        The names of the columns.

    Returns
    -------
    data : ndarray of shape (n_samples, n_groups), or (n_samples, ...) of regions
        The values of X, as float64 if all are numbers, else as objects. A group of several
        columns is displayed as a text such as ``"age=51, sex=f"``. The plots of shap format
        numbers and strings only, so other values such as dates become strings. Missing values
        become NaN, or "nan" in a column with strings.
    """
    if feature_groups.row_shape is not None:
        return np.asarray(X).reshape(len(X), *feature_groups.row_shape)
    if feature_groups.is_averaged:
        sums = np.zeros((len(X), len(feature_groups)))
        np.add.at(sums.T, feature_groups.of_column, np.asarray(X, dtype=np.float64).T)
        return sums / np.bincount(feature_groups.of_column)
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
    has_single_columns = len(feature_groups) == frame.shape[1]
    is_numeric = all(is_numeric_dtype(dtype) for dtype in frame.dtypes)
    if has_single_columns and is_numeric:
        order = np.argsort(feature_groups.of_column)
        return frame.iloc[:, order].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    data = np.empty((len(frame), len(feature_groups)), dtype=object)
    by_group = np.argsort(feature_groups.of_column, kind="stable")
    ends = np.cumsum(np.bincount(feature_groups.of_column, minlength=len(feature_groups)))[:-1]
    for feature_group, columns in enumerate(np.split(by_group, ends)):
        values = [_displayed_column(frame.iloc[:, j]) for j in columns]
        if len(columns) == 1:
            data[:, feature_group] = values[0]
            continue
        data[:, feature_group] = [
            ", ".join(f"{names[j]}={_short(value)}" for j, value in zip(columns, row, strict=True))
            for row in zip(*values, strict=True)
        ]
    return data


def _displayed_column(column: pd.Series) -> list[Any]:
    """Return the values of a column as numbers and strings."""
    values = column.astype(object).tolist()
    is_missing = column.isna().tolist()
    has_text = any(
        not absent and not isinstance(value, Real)
        for value, absent in zip(values, is_missing, strict=True)
    )
    shown: list[Any] = []
    for value, absent in zip(values, is_missing, strict=True):
        if absent:
            shown.append("nan" if has_text else np.nan)
        elif isinstance(value, str | Real):
            shown.append(value)
        else:
            shown.append(str(value).removesuffix(" 00:00:00"))  # a date without time of day
    return shown


def _short(value: Any) -> str:
    """Return a value as text, floating-point numbers with six significant digits."""
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
