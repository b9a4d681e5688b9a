"""What is learnt from held-out rows: the temperature of probabilities, and errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

from nnkit.encoding.temperature import fit_temperature
from nnkit.estimators.conformal_prediction import (
    kept_differences,
    kept_errors,
    more_probable_mass,
)
from nnkit.estimators.rows.training_rows import MemberData, Rows
from nnkit.estimators.targets.classification import ClassDecoder
from nnkit.estimators.targets.regression import ValueDecoder

if TYPE_CHECKING:
    from nnkit.estimators.parameters.fit_settings import FitSettings
    from nnkit.training.network import Network

__all__ = [
    "class_errors_of_held_out",
    "errors_of_held_out",
    "held_out_outputs",
    "temperature_of_held_out",
]

HeldOut: TypeAlias = "tuple[Rows, list[list[np.ndarray]]]"


def held_out_outputs(
    member_data: Sequence[MemberData], members: Sequence[Network], settings: FitSettings
) -> Iterator[HeldOut]:
    """Yield held-out rows, and the outputs of the networks that hold them out.

    Parameters
    ----------
    member_data : sequence of MemberData
        The data of the networks; a single entry if they share it. Either all entries have
        held-out rows, or there is one without them.
    members : sequence of Network
    settings : FitSettings
        Of a sparse matrix, the rows of a step of the training are dense at once.

    Yields
    ------
    held_out : Rows
    outputs : list
        For each network a list with one array per output.
    """
    for position, own_data in enumerate(member_data):
        if own_data.held_out is None or own_data.data.validation is None:
            return
        X = own_data.data.validation.own.X
        chunk_rows = settings.rows_per_step(X.shape[0]) if sparse.issparse(X) else None
        own_members = members[position :: len(member_data)]
        yield own_data.held_out, [member.outputs(X, chunk_rows) for member in own_members]


def errors_of_held_out(predicted: Iterable[HeldOut], decoder: ValueDecoder) -> np.ndarray | None:
    """Return the errors of held-out rows for prediction intervals, in units of the target.

    Parameters
    ----------
    predicted : iterable of (Rows, list)
        Held-out rows and their outputs, of `held_out_outputs`.
    decoder : ValueDecoder
        From the outputs of a network to values.

    Returns
    -------
    errors : ndarray of shape (n_errors, ...) or None
        Absolute errors in ascending order; of quantiles, differences y - q of shape (n_errors,
        ..., n_quantiles). None if no rows were held out, or the target has more than two axes.
    """
    if len(decoder.target.row_shape) > 1:
        return None
    if decoder.target.quantiles:
        differences = [
            held_out.y[..., np.newaxis] - decoder.predicted_quantiles(outputs)
            for held_out, outputs in predicted
        ]
        return kept_differences(differences) if differences else None
    errors = [np.abs(held_out.y - decoder.predicted(outputs)) for held_out, outputs in predicted]
    return kept_errors(errors) if errors else None


def class_errors_of_held_out(
    predicted: Iterable[HeldOut], decoder: ClassDecoder
) -> np.ndarray | None:
    """Return the errors of held-out rows for sets of classes; see `more_probable_mass`.

    Parameters
    ----------
    predicted : iterable of (Rows, list)
        Held-out rows and their outputs, of `held_out_outputs`.
    decoder : ClassDecoder
        From the outputs of a network to calibrated probabilities.

    Returns
    -------
    errors : ndarray of shape (n_errors,) or None
        In ascending order. None if no rows were held out, or the target is not one column of
        classes.
    """
    if decoder.classes.is_indicator or decoder.classes.row_shape not in ((), (1,)):
        return None
    errors = []
    for held_out, outputs in predicted:
        mass = more_probable_mass(decoder.predicted(outputs))
        codes = held_out.encoded.reshape(len(mass), 1)
        errors.append(np.take_along_axis(mass, codes, axis=1)[:, 0])
    return kept_errors(errors) if errors else None


def temperature_of_held_out(
    predicted: Iterable[HeldOut], decoder: ClassDecoder, n_averaged: int
) -> float | None:
    """Return the most probable temperature, given the held-out rows.

    Parameters
    ----------
    predicted : iterable of (Rows, list)
        Held-out rows and their outputs, of `held_out_outputs`.
    decoder : ClassDecoder
        From the outputs of a network to probabilities.
    n_averaged : int
        Number of networks whose probabilities a prediction averages.

    Returns
    -------
    temperature : float or None
        None if no rows were held out.
    """
    predictions, targets, weights = [], [], []
    is_indicator = decoder.classes.is_indicator
    for held_out, outputs in predicted:
        found = [decoder.by_column(of_member) for of_member in outputs]
        encoded = held_out.encoded
        for column, of_members in enumerate(zip(*found, strict=True)):
            if decoder.classes.has_shared_classes:
                target = encoded
            elif not is_indicator:
                target = encoded[:, column]
            else:
                target = encoded.argmax(axis=-1) if decoder.is_one_of_many else encoded
            predictions.append(of_members)
            targets.append(target)
            weights.append(held_out.sample_weight)
    if not predictions:
        return None
    return fit_temperature(
        predictions,
        targets,
        weights,
        is_one_of_many=decoder.is_one_of_many,
        n_averaged=n_averaged,
    )
