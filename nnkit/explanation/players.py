"""Which columns play together, and what is displayed of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

__all__ = ["Players", "choose_players", "displayed_data"]


@dataclass(frozen=True)
class Players:
    """The players of the game: each column belongs to one of them.

    Parameters
    ----------
    names : list of str
        One name per player.
    of_column : ndarray of int, shape (n_features,)
        The player that each column belongs to.
    """

    names: list[str]
    of_column: np.ndarray

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


def choose_players(players: Any, X: Any) -> Players:
    """Return the players: named groups of columns, then each column left over.

    Parameters
    ----------
    players : "input" or dict of str to list
        As in :func:`nnkit.explain`.
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The checked table.

    Returns
    -------
    chosen : Players
        The groups in their own order, then the other columns in theirs.

    Raises
    ------
    ValueError
        If a group is empty, or a column is unknown or named twice, or two players would have the
        same name.
    """
    if isinstance(X, pd.DataFrame):
        names = [str(column) for column in X.columns]
        positions: dict[Any, int] = {column: j for j, column in enumerate(X.columns)}
    else:
        names = [f"x{j}" for j in range(X.shape[1])]
        positions = {name: j for j, name in enumerate(names)} | {j: j for j in range(len(names))}
    if isinstance(players, str) and players == "input":
        return Players(names, np.arange(len(names)))
    if not isinstance(players, Mapping) or not players:
        raise ValueError(
            "players must be 'input' or a dict of group names to lists of columns. "
            f"Got {players!r} instead."
        )
    of_column = np.full(len(names), -1)
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
            position = positions[column]
            if of_column[position] >= 0:
                raise ValueError(
                    f"players names the column {column!r} twice. A column belongs to one group."
                )
            of_column[position] = player
    left_over = np.flatnonzero(of_column < 0)
    of_column[left_over] = len(players) + np.arange(len(left_over))
    player_names = [*map(str, players), *(names[j] for j in left_over)]
    repeated = sorted({name for name in player_names if player_names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"players would give the name {repeated[0]!r} to two players. Rename the group."
        )
    return Players(player_names, of_column)


def displayed_data(X: Any, players: Players) -> np.ndarray:
    """Return the values to display beside each player.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The checked table.
    players : Players
        The players.

    Returns
    -------
    data : ndarray of shape (n_samples, n_players)
        The values of X, in floating point if all are numbers, else as objects; of a group of
        several columns a text such as ``"age=51, sex=f"``. Since the plots of shap format
        numbers and strings only, other values such as dates become strings, and missing ones
        NaN, or "nan" in a column with strings.
    """
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X)
    is_column = len(players) == frame.shape[1]
    is_numeric = all(is_numeric_dtype(dtype) for dtype in frame.dtypes)
    if is_column and is_numeric:
        order = [int(players.columns(player)[0]) for player in range(len(players))]
        return frame.iloc[:, order].to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    column_names = [str(name) for name in frame.columns]
    if not isinstance(X, pd.DataFrame):
        column_names = [f"x{j}" for j in range(frame.shape[1])]
    data = np.empty((len(frame), len(players)), dtype=object)
    for player in range(len(players)):
        columns = players.columns(player)
        values = [_displayed_column(frame.iloc[:, j]) for j in columns]
        if len(columns) == 1:
            data[:, player] = values[0]
            continue
        data[:, player] = [
            ", ".join(
                f"{column_names[j]}={_short(value)}" for j, value in zip(columns, row, strict=True)
            )
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
