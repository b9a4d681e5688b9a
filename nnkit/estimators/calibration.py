"""How sure the networks may be, learnt from rows that they did not train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnkit.encoding import fit_temperature
from nnkit.estimators.parts import MemberData

if TYPE_CHECKING:
    from nnkit.training import Network

__all__ = ["temperature_of_held_out"]


def temperature_of_held_out(
    member_data: Sequence[MemberData],
    members: Sequence[Network],
    by_column: Callable[[list[np.ndarray]], list[np.ndarray]],
    *,
    is_indicator: bool,
    is_one_of_many: bool,
) -> float | None:
    """Return the most probable temperature, given the rows held out.

    Parameters
    ----------
    member_data : sequence of MemberData
        What the networks trained and validated on; one for all, or in turn.
    members : sequence of Network
    by_column : callable
        From the outputs of a network to probabilities for each column of the target.
    is_indicator : bool
        Whether the target is an indicator of labels.
    is_one_of_many : bool
        Whether the probabilities of a row sum to 1 in each column.

    Returns
    -------
    temperature : float or None
        None if no rows were held out.
    """
    predictions, targets, weights = [], [], []
    for position, own_data in enumerate(member_data):
        if own_data.held_out is None or own_data.data.validation is None:
            return None
        X = own_data.data.validation.X
        found = [by_column(member.outputs(X)) for member in members[position :: len(member_data)]]
        encoded = own_data.held_out.encoded
        for column, of_members in enumerate(zip(*found, strict=True)):
            if not is_indicator:
                target = encoded[:, column]
            else:
                target = encoded.argmax(axis=-1) if is_one_of_many else encoded
            predictions.append(of_members)
            targets.append(target)
            weights.append(own_data.held_out.sample_weight)
    return fit_temperature(
        predictions,
        targets,
        weights,
        is_one_of_many=is_one_of_many,
        n_averaged=len(members),
    )
