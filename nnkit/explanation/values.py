"""The values of a subject's players: by a game, or by derivatives of the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from nnkit.estimators.network_function import NetworkFunction
from nnkit.explanation.arguments import Arguments
from nnkit.explanation.deep import deep_values
from nnkit.explanation.encoded import EncodedRows
from nnkit.explanation.game import Game
from nnkit.explanation.gradient import gradient_values
from nnkit.explanation.methods import Estimate, choose_method, estimate
from nnkit.explanation.outputs import Output
from nnkit.explanation.players import Players
from nnkit.explanation.subject import Subject

__all__ = ["of_predicted", "values_of_subject"]

_OUTPUTS = {"predict_proba": "proba", "predict": "predict", "network": "raw"}


def values_of_subject(
    subject: Subject,
    output: Output,
    arguments: Arguments,
    on_rows: Callable[[float], None],
) -> tuple[Subject, Estimate]:
    """Return the values of all players for all rows.

    Parameters
    ----------
    subject : Subject
        Rows, players and background.
    output : Output
        What is explained.
    arguments : Arguments
        What was asked for.
    on_rows : callable
        Is told how many rows are done; parts of rows add up.

    Returns
    -------
    subject : Subject
        With other players if they are those of a layer.
    estimate : Estimate
        The values.

    Raises
    ------
    ValueError
        If there are too many players, or the network cannot have the method.
    """
    if arguments.is_gradient:
        return _by_derivatives(subject, output, arguments, on_rows)
    hybrids = subject.hybrids
    arithmetic = hybrids.arithmetic * hybrids.n_background
    method = choose_method(arguments, len(subject.playing), arithmetic=arithmetic)
    game = Game(hybrids, arguments.batch_rows, on_rows)
    found = estimate(game, method, arguments, (len(subject.players), subject.playing))
    found = of_predicted(found, subject.predicted)
    return subject, replace(
        found, values=_of_all(found.values, subject), errors=_of_all(found.errors, subject)
    )


def of_predicted(found: Estimate, predicted: np.ndarray | None) -> Estimate:
    """Return the estimate of one output for each row, if rows have outputs of their own.

    Parameters
    ----------
    found : Estimate
        The values of all outputs.
    predicted : ndarray of int, shape (n_samples,), or None
        The output of each row; None leaves all of them.
    """
    if predicted is None:
        return found
    rows = np.arange(len(predicted))
    return replace(
        found,
        values=found.values[rows, ..., predicted][..., np.newaxis],
        errors=found.errors[rows, ..., predicted][..., np.newaxis],
        base=np.broadcast_to(found.base, (len(rows), found.base.shape[-1]))[rows, predicted][
            :, np.newaxis
        ],
    )


def _of_all(values: np.ndarray, subject: Subject) -> np.ndarray:
    """Return values (n_samples, n_players, ..., n_outputs) with 0 for those who do not play."""
    n_players, playing = len(subject.players), subject.playing
    if len(playing) == n_players:
        return values
    of_all = np.zeros((len(values), *[n_players] * (values.ndim - 2), values.shape[-1]))
    places: tuple[Any, ...] = np.ix_(*[playing] * (values.ndim - 2))
    of_all[(slice(None), *places)] = values
    return of_all


def _by_derivatives(
    subject: Subject,
    output: Output,
    arguments: Arguments,
    on_rows: Callable[[float], None],
) -> tuple[Subject, Estimate]:
    """Return the values that follow from derivatives by encoded cells, added up by player."""
    encoded, function = _network_of(subject, output, arguments.method)
    if arguments.layer is not None:
        explained, of_cell = _with_layer(subject, function, encoded, arguments.layer)
    else:
        explained, of_cell = subject, subject.of_column
    # The errors of a player's cells go together, at worst.
    add_up = partial(_added_up, of_cell=of_cell, n_players=len(explained.players))
    how: dict[str, Any] = {
        "output": "logit" if output.is_logit else _OUTPUTS[str(output.predicts)],
        "batch_rows": arguments.batch_rows,
        "on_rows": on_rows,
    }
    if arguments.method != "deep":
        how |= {"method": arguments.method, "layer": arguments.layer, "add_up": add_up}

    def estimate_of(rows: Any, columns: list[int] | None) -> Estimate:
        how_columns = how | {"columns": columns}
        if arguments.method == "deep":
            found = deep_values(function, rows, encoded.background, **how_columns)
            values, errors = add_up(found.values), add_up(found.errors)
        else:
            found = gradient_values(function, rows, encoded.background, **how_columns)
            values, errors = found.values, found.errors
        return Estimate(values, errors, found.base, arguments.method)

    if subject.predicted is None:
        return explained, estimate_of(encoded.X, output.columns)
    # Each output needs derivatives of its own: only those of the rows' own outputs are made.
    order = np.argsort(subject.predicted, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(subject.predicted[order])) + 1)
    found = [estimate_of(encoded.X[rows], [int(subject.predicted[rows[0]])]) for rows in groups]
    back = np.argsort(order)
    values = np.concatenate([part.values for part in found])[back]
    errors = np.concatenate([part.errors for part in found])[back]
    base = np.repeat([part.base for part in found], list(map(len, groups)), axis=0)[back]
    return explained, Estimate(values, errors, base, arguments.method)


def _network_of(
    subject: Subject, output: Output, method: str
) -> tuple[EncodedRows, NetworkFunction]:
    """Return the encoded rows and the network that takes them, or say why there is none."""
    if callable(output.predicts):
        raise ValueError(
            f"method={method!r} differentiates the network, but output is a function of its own. "
            "Leave out output, or use method='permutation'."
        )
    encoded = subject.encoded
    if encoded is not None and encoded.front.function is not None:
        return encoded, encoded.front.function
    if subject.is_of_network:
        raise ValueError(
            f"method={method!r} differentiates the network by its own columns, but the "
            "preprocessing mixes columns of X. Use players='transformed', or "
            "method='permutation'."
        )
    raise ValueError(
        f"method={method!r} needs a KerasClassifier or KerasRegressor as the last step. "
        "Use method='permutation'."
    )


def _added_up(cells: np.ndarray, of_cell: np.ndarray, n_players: int) -> np.ndarray:
    """Return the sums (n_samples, n_players, n_outputs) over the cells of each player."""
    sums = np.zeros((n_players, len(cells), cells.shape[2]))
    np.add.at(sums, of_cell, cells.swapaxes(0, 1))
    return sums.swapaxes(0, 1)


def _with_layer(
    subject: Subject, function: NetworkFunction, encoded: EncodedRows, layer: str
) -> tuple[Subject, np.ndarray]:
    """Return the positions, or units, of a layer as players, and whose each of its outputs is.

    A layer with as many positions as X has columns, such as the embedding of the words that they
    hold, has the columns as players.
    """
    shape = function.layer_shape(layer, encoded.X[:1])
    n_positions = int(np.prod(shape[:-1])) if len(shape) > 1 else shape[0]
    of_output = np.repeat(np.arange(n_positions), int(np.prod(shape)) // n_positions)
    players = subject.players
    if len(shape) == 1 or players.row_shape or len(players) != n_positions:
        names = [f"{layer}[{position}]" for position in range(n_positions)]
        players = Players(names, np.arange(n_positions))
        subject = replace(subject, players=players, data=None)
    return subject, of_output
