"""Which columns play together, and what is displayed of them."""

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

# Columns of a group whose values are displayed.
_MAX_LISTED = 8


@dataclass(frozen=True)
class FeatureGroups:
    """The feature groups of the game: each column belongs to one of them.

    Parameters
    ----------
    names : list of str
        One name per feature group.
    of_column : ndarray of int, shape (n_columns,)
        The feature group that each column of the flat table belongs to.
    row_shape : tuple of int or None, default=None
        Shape in which values are given, those of a feature group divided evenly among its entries;
        None gives one value for each feature group.
    is_averaged : bool, default=False
        Whether the mean of a feature group's columns is displayed, rather than all of them.
    """

    names: list[str]
    of_column: np.ndarray
    row_shape: tuple[int, ...] | None = None
    is_averaged: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def columns(self, feature_group: int) -> np.ndarray:
        """Return the positions of a feature group's columns.

        Parameters
        ----------
        feature_group : int
            The feature group.

        Returns
        -------
        columns : ndarray of int
            In ascending order.
        """
        return np.flatnonzero(self.of_column == feature_group)

    def in_shape(self, values: np.ndarray) -> np.ndarray:
        """Return values as they are given to the user.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_groups, n_outputs)
            One value for each feature group; or those of pairs, (n_samples, n_groups, n_groups,
            n_outputs), which stay as they are.

        Returns
        -------
        values : ndarray of shape (n_samples, n_groups, n_outputs) or (n_samples, ..., n_outputs)
            In the shape of a row if the feature groups are regions of it.
        """
        if self.row_shape is None or values.ndim > 3:
            return values
        sizes = np.bincount(self.of_column)
        shared = values / sizes[:, np.newaxis]
        return shared[:, self.of_column].reshape(len(values), *self.row_shape, -1)


def choose_feature_groups(feature_groups: Any, X: Any, layout: InputLayout) -> FeatureGroups:
    """Return the feature groups: named groups of columns, then each column left over.

    Parameters
    ----------
    feature_groups : "input" or dict of str to list
        As in :func:`nnkit.explain`.
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The flat table.
    layout : InputLayout
        Of the table.

    Returns
    -------
    chosen : FeatureGroups
        The groups in their own order, then the other columns in theirs. Of several inputs those
        with more axes than a table are one feature group each.

    Raises
    ------
    ValueError
        If a group is empty, or a column is unknown or named twice, or two feature groups would have
        the same name.
    """
    names, of_column, positions = _columns(X, layout)
    if isinstance(feature_groups, str) and feature_groups == "input":
        return FeatureGroups(names, of_column)
    if not isinstance(feature_groups, Mapping) or not feature_groups:
        raise ValueError(
            "feature_groups must be 'input', 'transformed' or a dict of group names to lists of columns. "
            f"Got {feature_groups!r} instead."
        )
    group_of = np.full(len(names), -1)
    for feature_group, (group, columns) in enumerate(feature_groups.items()):
        is_one = isinstance(columns, str) or not isinstance(columns, Iterable)
        members = [columns] if is_one else list(columns)
        if not members:
            raise ValueError(f"feature_groups has no columns in the group {group!r}. Name some.")
        for column in members:
            if not isinstance(column, Hashable) or column not in positions:
                raise ValueError(
                    f"feature_groups names the column {column!r} in the group {group!r}, "
                    "but X has no such column."
                )
            for position in positions[column]:
                if group_of[position] >= 0:
                    raise ValueError(
                        f"feature_groups names the column {column!r} twice. A column belongs to one group."
                    )
                group_of[position] = feature_group
    left_over = np.flatnonzero(group_of < 0)
    group_of[left_over] = len(feature_groups) + np.arange(len(left_over))
    group_names = [*map(str, feature_groups), *(names[j] for j in left_over)]
    repeated = sorted(name for name, count in Counter(group_names).items() if count > 1)
    if repeated:
        raise ValueError(
            f"feature_groups would give the name {repeated[0]!r} to two feature groups. Rename the group."
        )
    return FeatureGroups(group_names, group_of[of_column])


def _columns(X: Any, layout: InputLayout) -> tuple[list[str], np.ndarray, dict[Any, list[int]]]:
    """Return the names of what may play, whose each column is, and which go by a user's name."""
    if isinstance(X, pd.DataFrame):
        names = [str(column) for column in X.columns]
        by_name = {column: [j] for j, column in enumerate(X.columns)}
        return names, np.arange(len(names)), by_name
    names = []
    of_column = []
    positions: dict[Any, list[int]] = {}
    for part in layout.parts:
        is_whole = layout.kind == "inputs" and len(part.row_shape) > 1
        of_part = [part.name] if is_whole else part.encoded_names
        numbers = np.zeros(part.n_encoded, int) if is_whole else np.arange(part.n_encoded)
        of_column.append(len(names) + numbers)
        mine = len(names) + np.arange(len(of_part))
        positions |= {name: [int(j)] for name, j in zip(of_part, mine, strict=True)}
        if layout.kind == "inputs":
            positions[part.name] = mine.tolist()
        names += of_part
    if layout.kind == "table":
        positions |= {j: [j] for j in range(len(names))}
    return names, np.concatenate(of_column), positions


def displayed_data(X: Any, feature_groups: FeatureGroups, names: list[str]) -> np.ndarray:
    """Return the values to display beside each feature group.

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
        The values of X, in floating point if all are numbers, else as objects; of a group of
        several columns a text such as ``"age=51, sex=f"``. Since the plots of shap format
        numbers and strings only, other values such as dates become strings, and missing ones
        NaN, or "nan" in a column with strings.
    """
    if feature_groups.row_shape is not None:
        return np.asarray(X).reshape(len(X), *feature_groups.row_shape)
    if feature_groups.is_averaged:
        sums = np.zeros((len(X), len(feature_groups)))
        np.add.at(sums.T, feature_groups.of_column, np.asarray(X, dtype=np.float64).T)
        return sums / np.bincount(feature_groups.of_column)
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
    is_column = len(feature_groups) == frame.shape[1]
    is_numeric = all(is_numeric_dtype(dtype) for dtype in frame.dtypes)
    if is_column and is_numeric:
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
    """Return a column's values as numbers and strings."""
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
            shown.append(str(value).removesuffix(" 00:00:00"))  # midnight: a date
    return shown


def _short(value: Any) -> str:
    """Return a value as text, a floating-point number with six digits."""
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
