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

from nnkit.explanation.layout import Layout

__all__ = ["Players", "choose_players", "displayed_data"]

# Columns of a group whose values are displayed.
_MAX_LISTED = 8


@dataclass(frozen=True)
class Players:
    """The players of the game: each column belongs to one of them.

    Parameters
    ----------
    names : list of str
        One name per player.
    of_column : ndarray of int, shape (n_columns,)
        The player that each column of the flat table belongs to.
    row_shape : tuple of int or None, default=None
        Shape in which values are given, those of a player shared out evenly among its cells;
        None gives one value for each player.
    is_averaged : bool, default=False
        Whether the mean of a player's columns is displayed, rather than all of them.
    """

    names: list[str]
    of_column: np.ndarray
    row_shape: tuple[int, ...] | None = None
    is_averaged: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def columns(self, player: int) -> np.ndarray:
        """Return the positions of a player's columns.

        Parameters
        ----------
        player : int
            The player.

        Returns
        -------
        columns : ndarray of int
            In ascending order.
        """
        return np.flatnonzero(self.of_column == player)

    def in_shape(self, values: np.ndarray) -> np.ndarray:
        """Return values as they are given to the user.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_players, n_outputs)
            One value for each player; or those of pairs, (n_samples, n_players, n_players,
            n_outputs), which stay as they are.

        Returns
        -------
        values : ndarray of shape (n_samples, n_players, n_outputs) or (n_samples, ..., n_outputs)
            In the shape of a row if the players are regions of it.
        """
        if self.row_shape is None or values.ndim > 3:
            return values
        sizes = np.bincount(self.of_column)
        shared = values / sizes[:, np.newaxis]
        return shared[:, self.of_column].reshape(len(values), *self.row_shape, -1)


def choose_players(players: Any, X: Any, layout: Layout) -> Players:
    """Return the players: named groups of columns, then each column left over.

    Parameters
    ----------
    players : "input" or dict of str to list
        As in :func:`nnkit.explain`.
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The flat table.
    layout : Layout
        Of the table.

    Returns
    -------
    chosen : Players
        The groups in their own order, then the other columns in theirs. Of several inputs those
        with more axes than a table are one player each.

    Raises
    ------
    ValueError
        If a group is empty, or a column is unknown or named twice, or two players would have the
        same name.
    """
    names, of_column, positions = _columns(X, layout)
    if isinstance(players, str) and players == "input":
        return Players(names, of_column)
    if not isinstance(players, Mapping) or not players:
        raise ValueError(
            "players must be 'input', 'transformed' or a dict of group names to lists of columns. "
            f"Got {players!r} instead."
        )
    group_of = np.full(len(names), -1)
    for player, (group, columns) in enumerate(players.items()):
        is_one = isinstance(columns, str) or not isinstance(columns, Iterable)
        members = [columns] if is_one else list(columns)
        if not members:
            raise ValueError(f"players has no columns in the group {group!r}. Name some.")
        for column in members:
            if not isinstance(column, Hashable) or column not in positions:
                raise ValueError(
                    f"players names the column {column!r} in the group {group!r}, "
                    "but X has no such column."
                )
            for position in positions[column]:
                if group_of[position] >= 0:
                    raise ValueError(
                        f"players names the column {column!r} twice. A column belongs to one group."
                    )
                group_of[position] = player
    left_over = np.flatnonzero(group_of < 0)
    group_of[left_over] = len(players) + np.arange(len(left_over))
    player_names = [*map(str, players), *(names[j] for j in left_over)]
    repeated = sorted(name for name, count in Counter(player_names).items() if count > 1)
    if repeated:
        raise ValueError(
            f"players would give the name {repeated[0]!r} to two players. Rename the group."
        )
    return Players(player_names, group_of[of_column])


def _columns(X: Any, layout: Layout) -> tuple[list[str], np.ndarray, dict[Any, list[int]]]:
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
        of_part = [part.name] if is_whole else part.cell_names
        numbers = np.zeros(part.n_cells, int) if is_whole else np.arange(part.n_cells)
        of_column.append(len(names) + numbers)
        mine = len(names) + np.arange(len(of_part))
        positions |= {name: [int(j)] for name, j in zip(of_part, mine, strict=True)}
        if layout.kind == "inputs":
            positions[part.name] = mine.tolist()
        names += of_part
    if layout.kind == "table":
        positions |= {j: [j] for j in range(len(names))}
    return names, np.concatenate(of_column), positions


def displayed_data(X: Any, players: Players, names: list[str]) -> np.ndarray:
    """Return the values to display beside each player.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The checked table.
    players : Players
        The players.
    names : list of str
        The names of the columns.

    Returns
    -------
    data : ndarray of shape (n_samples, n_players), or (n_samples, ...) of regions
        The values of X, in floating point if all are numbers, else as objects; of a group of
        several columns a text such as ``"age=51, sex=f"``. Since the plots of shap format
        numbers and strings only, other values such as dates become strings, and missing ones
        NaN, or "nan" in a column with strings.
    """
    if players.row_shape is not None:
        return np.asarray(X).reshape(len(X), *players.row_shape)
    if players.is_averaged:
        sums = np.zeros((len(X), len(players)))
        np.add.at(sums.T, players.of_column, np.asarray(X, dtype=np.float64).T)
        return sums / np.bincount(players.of_column)
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
    is_column = len(players) == frame.shape[1]
    is_numeric = all(is_numeric_dtype(dtype) for dtype in frame.dtypes)
    if is_column and is_numeric:
        order = np.argsort(players.of_column)
        return frame.iloc[:, order].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    data = np.empty((len(frame), len(players)), dtype=object)
    by_player = np.argsort(players.of_column, kind="stable")
    ends = np.cumsum(np.bincount(players.of_column, minlength=len(players)))[:-1]
    for player, columns in enumerate(np.split(by_player, ends)):
        values = [_displayed_column(frame.iloc[:, j]) for j in columns]
        if len(columns) == 1:
            data[:, player] = values[0]
            continue
        data[:, player] = [
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
