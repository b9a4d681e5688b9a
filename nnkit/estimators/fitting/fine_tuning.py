"""A second phase of training with other parameters, such as a base network that is thawed.

The parameters ``fine_tune__NAME`` are values of the parameter NAME in the second phase. It goes on
with the weights, the encoder, the labels and the held-out rows of the first phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nnkit.estimators.fitting import stages
from nnkit.estimators.parameters.fit_settings import GivenSettings, given_settings
from nnkit.estimators.parameters.parameter_names import routed_parameters
from nnkit.estimators.parameters.routing import routed_to
from nnkit.estimators.rows.batches import read_once

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator

__all__ = ["fit_in_phases"]


def fit_in_phases(
    draft: KerasEstimator,
    rows: tuple[Any, Any, Any, Any],
    given: GivenSettings,
    validation: tuple[Any, Any, Any] | None,
    fit_arguments: Mapping[str, Any],
) -> stages.FitResult:
    """Fit a draft, and train it further with the parameters ``fine_tune__*`` if there are any.

    Parameters
    ----------
    draft : estimator
    rows : tuple
        The arguments X, y, sample_weight and groups of ``fit``.
    given : GivenSettings
        Settings of the first phase.
    validation : tuple of X_val, y_val and sample_weight_val, or None
    fit_arguments : mapping
        The other keyword arguments of ``fit``. In the second phase, parameters of that phase
        override them.

    Returns
    -------
    result : FitResult
        Of the last phase.
    """
    changes = routed_to("fine_tune", routed_parameters(draft))
    if changes and given.checkpoint is not None:
        raise ValueError(
            "checkpoint= stores one training, but fine_tune__ parameters are a second one. Fit "
            "twice with warm_start=True, or use keras.callbacks.BackupAndRestore."
        )
    if changes:
        # An iterator has one pass, and both phases need its rows.
        X, y, sample_weight, groups = rows
        rows = (*read_once(X, y, sample_weight), groups)
        validation = None if validation is None else read_once(*validation)
    result = stages.fit(draft, *rows, given, validation)
    if not changes or result.interrupt is not None:
        return result
    first = draft.histories_
    built_with = draft._built_with
    # Epochs that were given to fit are those of the first phase, if the second has its own.
    arguments = {name: value for name, value in fit_arguments.items() if name not in changes}
    arguments.pop("initial_epoch", None)
    with _parameters_of_second_phase(draft, changes):
        again = given_settings(draft, arguments)
        again = replace(again, has_validation_rows=validation is not None)
        result = stages.fit(draft, *rows, again, validation)
    # Another fit with warm_start begins with the first phase.
    draft._built_with = built_with
    _join_histories(draft, first)
    return result


@contextmanager
def _parameters_of_second_phase(
    draft: KerasEstimator, changes: Mapping[str, Any]
) -> Iterator[None]:
    """Set parameters of a draft in the context, with ``warm_start=True``."""
    missing = object()
    changed = {**changes, "warm_start": True}
    before = {name: vars(draft).get(name, missing) for name in changed}
    names = draft._routed_names
    try:
        draft.set_params(**changed)
        yield
    finally:
        draft._routed_names = names
        for name, value in before.items():
            if value is missing:
                delattr(draft, name)
            else:
                setattr(draft, name, value)


def _join_histories(draft: KerasEstimator, first: list[dict[str, list[float]]]) -> None:
    """Put the epochs of the first phase before those of the second phase."""
    n_first = len(first[0].get("loss", []))
    draft.histories_ = stages.joined_histories(first, draft.histories_)
    draft.history_ = draft.histories_[0]
    draft.n_iter_ += n_first
    draft.best_epoch_ += n_first
