"""The values of a subject's players: by a game, or by derivatives of the network."""

from __future__ import annotations

from collections.abc import Callable

from nnkit.explanation.arguments import Arguments
from nnkit.explanation.game import Game
from nnkit.explanation.methods import Estimate, choose_method, estimate
from nnkit.explanation.outputs import Output
from nnkit.explanation.subject import Subject

__all__ = ["values_of_subject"]


def values_of_subject(
    subject: Subject,
    output: Output,
    arguments: Arguments,
    on_rows: Callable[[float], None],
) -> Estimate:
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

    Raises
    ------
    ValueError
        If there are too many players, or the network cannot have the method.
    """
    method = choose_method(arguments, len(subject.players))
    game = Game(subject.hybrids, arguments.batch_rows, on_rows)
    return estimate(game, method, arguments)
