"""What is explained: an estimator's rows, taken apart into players, with their background."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from nnkit.explanation.arguments import Arguments
from nnkit.explanation.background import Background, choose_background
from nnkit.explanation.encoded import EncodedRows, Front, encoded_rows
from nnkit.explanation.hybrids import HybridRows, TableHybrids
from nnkit.explanation.layout import Layout, flat_table
from nnkit.explanation.outputs import Output
from nnkit.explanation.players import Players, choose_players, displayed_data
from nnkit.explanation.regions import REGIONS, label_map_players, region_players
from nnkit.explanation.steps import steps_of

__all__ = ["Subject", "check_columns", "make_subject"]

# Rows whose predictions are made both ways before the fast one is trusted.
_N_COMPARED = 8


@dataclass(frozen=True)
class Subject:
    """Rows, players and background of one call of :func:`nnkit.explain`.

    Parameters
    ----------
    players : Players
        Who shares the output.
    data : ndarray or None
        What is displayed of them.
    background : Background
        The background rows, and where they come from.
    hybrids : HybridRows
        The rows and what is predicted for their hybrids.
    encoded : EncodedRows or None
        The rows as the network sees them, if the preprocessing is column-wise.
    of_column : ndarray of int
        The player that each column belongs to, of the encoded rows if there are any, else of X.
    playing : ndarray of int
        The players with columns, whose hybrids there are; the others, whose columns the
        transformers drop, get 0.
    is_of_network : bool
        Whether the last step is one of nnkit's.
    predicted : ndarray of int, shape (n_samples,), or None, default=None
        The output that is explained of each row; None if they are those of all rows.
    """

    players: Players
    data: np.ndarray | None
    background: Background
    hybrids: HybridRows
    encoded: EncodedRows | None
    of_column: np.ndarray
    playing: np.ndarray
    is_of_network: bool
    predicted: np.ndarray | None = None


def make_subject(
    estimator: Any, X: Any, background: Any, output: Output, arguments: Arguments
) -> Subject:
    """Return what is explained.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X, background : DataFrame, array or dict
        As in :func:`nnkit.explain`.
    output : Output
        What is explained.
    arguments : Arguments
        What else was asked for.

    Raises
    ------
    ValueError
        If X or the background is not what the estimator takes, or there are no such players.
    """
    has_cells = _is_transformed(arguments.players)
    final, rows, names = estimator, X, None
    if has_cells and steps_of(estimator)[0]:
        has_cells = False
        final, rows, background, names = _behind_transformers(estimator, X, background)
    table, layout = flat_table(rows, "X")
    check_columns(final, table)
    subject = _put_together(
        final, table, layout, background, output, arguments, names, has_cells=has_cells
    )
    predicted = output.predicted_columns(final, layout.restored(table.copy()))
    return replace(subject, predicted=predicted)


def _put_together(
    final: Any,
    table: Any,
    layout: Layout,
    background: Any,
    output: Output,
    arguments: Arguments,
    names: list[str] | None,
    *,
    has_cells: bool,
) -> Subject:
    """Return what is explained, of an estimator that takes the rows of a flat table."""
    front = Front.of(final, is_raw=output.predicts == "network")
    given = partial(
        choose_background,
        final,
        table,
        layout,
        background,
        arguments.max_background,
        arguments.seed,
    )
    is_own = callable(output.predicts)
    chosen, encoded = given(may_be_kept=not is_own), None
    if not is_own:
        encoded = encoded_rows(front, table, layout, chosen, arguments.seed, has_cells=has_cells)
    predictions = partial(output.predictions, final)
    if has_cells and encoded is not None and front.all_transformers:
        # The columns that the network sees.
        players = Players(_names_of_cells(front), np.arange(len(encoded.sources)))
        subject = _of_encoded(output, players, encoded, players.of_column, chosen, encoded.X)
        if _predicts_the_same(subject.hybrids, predictions, table, layout):
            return subject
        encoded = None
    players = _players(arguments, table, layout)
    if names is not None and len(names) == len(players):
        players = replace(players, names=names)
    data = displayed_data(table, players, layout.column_names(table))
    if encoded is not None:
        of_column = players.of_column[encoded.sources]
        subject = _of_encoded(output, players, encoded, of_column, chosen, data)
        if _predicts_the_same(subject.hybrids, predictions, table, layout):
            return subject
    chosen = chosen if chosen.raw is not None else given(may_be_kept=False)
    is_of_network = front.function is not None
    return _of_whole_rows(predictions, table, layout, players, chosen, data, is_of_network)


def _behind_transformers(
    estimator: Any, X: Any, background: Any
) -> tuple[Any, Any, Any, list[str] | None]:
    """Return the last step of an estimator, with rows as it takes them and their names."""
    front = Front.of(estimator)
    background_rows = None if background is None else front.transformed(background)
    names = _names_out(front.transformers, X)
    return front.final, front.transformed(X), background_rows, names


def _predicts_the_same(
    hybrids: HybridRows, predictions: Callable[[Any], np.ndarray], X: Any, layout: Layout
) -> bool:
    """Return whether encoded rows are predicted as the estimator predicts the first rows of X."""
    first = slice(0, _N_COMPARED)
    found = hybrids.of_rows(first)
    expected = predictions(layout.restored(X[first].copy()))
    return found.shape == expected.shape and np.allclose(
        found, expected, rtol=1e-3, atol=1e-4, equal_nan=True
    )


def _of_whole_rows(
    predictions: Callable[[Any], np.ndarray],
    X: Any,
    layout: Layout,
    players: Players,
    background: Background,
    data: np.ndarray,
    is_of_network: bool,
) -> Subject:
    hybrids = TableHybrids(
        lambda rows: predictions(layout.restored(rows)),
        X,
        background.raw,
        players.of_column,
        len(players),
    )
    everybody = np.arange(len(players))
    return Subject(
        players, data, background, hybrids, None, players.of_column, everybody, is_of_network
    )


def _of_encoded(
    output: Output,
    players: Players,
    encoded: EncodedRows,
    of_column: np.ndarray,
    background: Background,
    data: np.ndarray,
) -> Subject:
    playing, numbers = np.unique(of_column, return_inverse=True)
    hybrids = encoded.front.hybrids(output, encoded.X, encoded.background, numbers, len(playing))
    is_of_network = encoded.front.function is not None
    return Subject(players, data, background, hybrids, encoded, of_column, playing, is_of_network)


def _players(arguments: Arguments, table: Any, layout: Layout) -> Players:
    """Return the players that were asked for."""
    players = arguments.players
    is_name = isinstance(players, str)
    if layout.kind == "array":
        if is_name and players in ("input", "transformed", *REGIONS):
            region = "input" if players == "transformed" else players
            if region == "input" and arguments.is_gradient:
                region = "cells"
            return region_players(region, arguments.patch, layout)
        if isinstance(players, np.ndarray):
            return label_map_players(players, layout)
        raise ValueError(
            "players of an array of more than two axes must be 'input', "
            f"{', '.join(map(repr, REGIONS))} or a map of regions. Got {players!r} instead."
        )
    has_patch = arguments.patch is not None
    if (is_name and players in REGIONS) or isinstance(players, np.ndarray) or has_patch:
        shown = "a map of regions" if not is_name else "'patches'" if has_patch else repr(players)
        raise ValueError(
            f"players={shown} needs an array of more than two axes. X is {layout.description}; "
            "use 'input', or a dict of groups."
        )
    return choose_players("input" if _is_transformed(players) else players, table, layout)


def _is_transformed(players: Any) -> bool:
    return isinstance(players, str) and players == "transformed"


def check_columns(estimator: Any, X: Any) -> None:
    """Raise if a data frame does not have the columns that an estimator was fitted with.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : DataFrame or ndarray
        The flat table to explain.

    Raises
    ------
    ValueError
        If columns are missing; or unknown, or in another order, and the estimator minds.
    """
    try:
        fitted = getattr(estimator, "feature_names_in_", None)
    except (AttributeError, NotImplementedError):
        return  # a pipeline asks its first step
    if fitted is None or not hasattr(X, "columns"):
        return
    known, columns = list(fitted), list(X.columns)
    if columns == known:
        return
    given = set(columns)
    missing = [name for name in known if name not in given]
    if missing:
        raise ValueError(
            f"X lacks the column(s) {missing} that the estimator was fitted with. Give X as in fit."
        )
    try:
        estimator.predict(X[:1])
    except ValueError as error:
        fitted_names = set(known)
        extra = [name for name in columns if name not in fitted_names]
        what = "the columns of fit in another order"
        if extra:
            what = f"the column(s) {extra}, which the estimator does not know"
        raise ValueError(f"X has {what}. Use X[list(estimator.feature_names_in_)].") from error


def _names_out(transformers: list[Any], X: Any) -> list[str] | None:
    """Return the names of the columns that come out of transformers."""
    names = [str(name) for name in X.columns] if hasattr(X, "columns") else None
    try:
        for step in transformers:
            names = [str(name) for name in step.get_feature_names_out(names)]
    except (AttributeError, TypeError, ValueError):
        return None  # a step without names
    return names


def _names_of_cells(front: Front) -> list[str]:
    """Return the names of the columns that a network sees."""
    n_cells = 0 if front.function is None else front.function.n_cells
    try:
        names = [str(name) for name in front.final.encoder_.get_feature_names_out()]
    except (AttributeError, ValueError):
        names = []
    return names if len(names) == n_cells else [f"x{j}" for j in range(n_cells)]
