"""What is learnt from held-out rows: the temperature of probabilities, and errors of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnkit.encoding.temperature import fit_temperature
from nnkit.estimators.prediction_intervals import kept_errors
from nnkit.estimators.rows.training_rows import MemberData
from nnkit.estimators.targets.classification import ClassDecoder
from nnkit.estimators.targets.regression import ValueDecoder

if TYPE_CHECKING:
    from nnkit.training.network import Network

__all__ = ["errors_of_held_out", "temperature_of_held_out"]


def errors_of_held_out(
    member_data: Sequence[MemberData], members: Sequence[Network], decoder: ValueDecoder
) -> np.ndarray | None:
    """Return the absolute errors of held-out rows for prediction intervals, in units of the target.

    Parameters
    ----------
    member_data : sequence of MemberData
        The data of the networks; a single entry if they share it.
    members : sequence of Network
    decoder : ValueDecoder
        From the outputs of a network to values.

    Returns
    -------
    errors : ndarray of shape (n_errors, ...) or None
        In ascending order. None if no rows were held out, or the target has more than two axes.
    """
    if len(decoder.target.row_shape) > 1:
        return None
    errors = []
    for position, own_data in enumerate(member_data):
        if own_data.held_out is None or own_data.data.validation is None:
            return None
        X = own_data.data.validation.own.X
        outputs = [member.outputs(X) for member in members[position :: len(member_data)]]
        errors.append(np.abs(own_data.held_out.y - decoder.predicted(outputs)))
    return kept_errors(errors)


def temperature_of_held_out(
    member_data: Sequence[MemberData], members: Sequence[Network], decoder: ClassDecoder
) -> float | None:
    """Return the most probable temperature, given the held-out rows.

    Parameters
    ----------
    member_data : sequence of MemberData
        The data of the networks; a single entry if they share it.
    members : sequence of Network
    decoder : ClassDecoder
        From the outputs of a network to probabilities.

    Returns
    -------
    temperature : float or None
        None if no rows were held out.
    """
    predictions, targets, weights = [], [], []
    is_indicator = decoder.classes.is_indicator
    for position, own_data in enumerate(member_data):
        if own_data.held_out is None or own_data.data.validation is None:
            return None
        X = own_data.data.validation.own.X
        found = [
            decoder.by_column(member.outputs(X)) for member in members[position :: len(member_data)]
        ]
        encoded = own_data.held_out.encoded
        for column, of_members in enumerate(zip(*found, strict=True)):
            if decoder.classes.has_shared_classes:
                target = encoded
            elif not is_indicator:
                target = encoded[:, column]
            else:
                target = encoded.argmax(axis=-1) if decoder.is_one_of_many else encoded
            predictions.append(of_members)
            targets.append(target)
            weights.append(own_data.held_out.sample_weight)
    return fit_temperature(
        predictions,
        targets,
        weights,
        is_one_of_many=decoder.is_one_of_many,
        n_averaged=len(members),
    )
