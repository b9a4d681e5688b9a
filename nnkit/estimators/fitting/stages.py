"""The order of the stages of a fit: check, divide, encode, build, train, calibrate, warn.

Each stage changes a draft, a copy of the estimator. If the fit succeeds, the estimator gets the
attributes of the draft (see ``transaction``).
"""

from __future__ import annotations

import copy
import math
import numbers
import time
import warnings
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from nnkit._messages import shown
from nnkit.builders.builder_spec import TableFacts
from nnkit.datasets.block_table import BlockTable
from nnkit.encoding.features import columns_of, encode_first, warn_of_columns_without_effect
from nnkit.encoding.rows import background_rows, rows_of
from nnkit.estimators.fitting.building import Networks, build, rebuild
from nnkit.estimators.fitting.calibration import (
    class_errors_of_held_out,
    errors_of_held_out,
    held_out_outputs,
    temperature_of_held_out,
)
from nnkit.estimators.fitting.checkpoint_folder import CheckpointFolder, open_checkpoint
from nnkit.estimators.fitting.convergence import FitOutcome, warning_of_fit
from nnkit.estimators.fitting.member_training import member_data_of, train_members
from nnkit.estimators.fitting.row_preparation import (
    Division,
    check_rows,
    divide,
    encode_checked,
    encoder_of,
    validation_arguments,
)
from nnkit.estimators.fitting.transaction import completed, draft_of
from nnkit.estimators.parameters.continuation import (
    changed_parameters,
    check_changes,
    parameters_of_network,
)
from nnkit.estimators.parameters.fit_settings import (
    FitSettings,
    GivenSettings,
    given_settings,
    is_auto,
    resolve,
)
from nnkit.estimators.parameters.parameter_checks import (
    check_parameters,
    check_predict_arguments,
)
from nnkit.estimators.parameters.parameter_names import check_routed, routed_parameters
from nnkit.estimators.parameters.routing import builder_hyperparameters, routed_to
from nnkit.estimators.rows.block_rows import learn_encoder
from nnkit.estimators.rows.tables import to_picklable, with_names
from nnkit.estimators.rows.training_rows import FoldIndices, MemberData, Rows, Seeds
from nnkit.estimators.targets.classification import ClassDecoder
from nnkit.estimators.targets.regression import ValueDecoder

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator

__all__ = ["FitResult", "fit", "fit_warning", "initialize", "joined_histories", "partial_fit"]


_SCIKERAS_HOOKS = {
    "_keras_build_fn": "Give the builder as model=.",
    "feature_encoder": "Give the transformer as encoder=.",
    "target_encoder": "Targets are encoded by nnkit; transform others before, for example with "
    "TransformedTargetRegressor.",
    "scorer": "Override score, or give a scorer to the search.",
}
"""Hooks of subclasses of SciKeras' estimators, which nnkit does not call, and what to use."""


@dataclass(frozen=True)
class FitResult:
    """The result of a fit besides the fitted attributes.

    Parameters
    ----------
    settings : FitSettings
    member_data : list of MemberData
        Data of the networks; a single entry if they share it.
    interrupt : KeyboardInterrupt or None, default=None
        The interrupt that ended the training early. The estimator is fitted nevertheless.
    """

    settings: FitSettings
    member_data: list[MemberData] = field(default_factory=list)
    interrupt: KeyboardInterrupt | None = None


def fit(
    draft: KerasEstimator,
    X: Any,
    y: Any,
    sample_weight: Any | None,
    groups: Any | None,
    given: GivenSettings,
    validation: tuple[Any, Any, Any] | None,
) -> FitResult:
    """Fit a draft from scratch, or resume its training with ``warm_start``.

    Parameters
    ----------
    draft : estimator
    X, y, sample_weight, groups : object
        The arguments of ``fit``.
    given : GivenSettings
    validation : tuple of X_val, y_val and sample_weight_val, or None
    """
    _check_settings(draft, given)
    resumes = bool(given.warm_start) and draft.__sklearn_is_fitted__()
    if not resumes:
        _begin(draft, given)
    rows = check_rows(draft, X, y, sample_weight, groups, given, learns=not resumes)
    checkpoint = open_checkpoint(draft, given, rows, validation)
    if checkpoint is not None:
        draft._seeds = checkpoint.seeds
    settings, changed = _resolve_settings(draft, given, rows, resumes=resumes)
    _warn_of_unused_scoring(settings)
    result = _fit_rows(
        draft,
        rows,
        settings,
        validation=validation,
        changed=changed if resumes else None,
        n_epochs=settings.n_epochs,
        keeps_optimizer=bool(settings.warm_start),
        checkpoint=checkpoint,
    )
    if not settings.n_epochs:
        return result
    _, late_interrupt = completed(lambda: _calibrate(draft, result))
    if checkpoint is not None and result.interrupt is None:
        checkpoint.remove()
    return replace(result, interrupt=result.interrupt or late_interrupt)


def _fit_one_epoch(
    draft: KerasEstimator,
    X: Any,
    y: Any,
    classes: Any | None,
    sample_weight: Any | None,
    given: GivenSettings,
) -> FitResult:
    """Train a draft for one more epoch."""
    validation = validation_arguments(given, None, None, None)
    # Any number of calls can follow, so that there is no early stopping, fold or calibration.
    given = replace(
        given,
        early_stopping=False,
        cv=None,
        calibration=None,
        warm_start=True,
        has_validation_rows=validation is not None,
    )
    _check_settings(draft, given)
    resumes = draft.__sklearn_is_fitted__()
    if resumes:
        draft._target.check_announced(classes)
    else:
        if given.n_estimators == "auto":
            given = replace(given, n_estimators=1)
        _begin(draft, given)
    rows = check_rows(draft, X, y, sample_weight, None, given, learns=not resumes, classes=classes)
    settings, changed = _resolve_settings(draft, given, rows, resumes=resumes, is_one_epoch=True)
    earlier = draft.histories_ if resumes else None
    result = _fit_rows(
        draft,
        rows,
        settings,
        validation=validation,
        changed=changed if resumes else None,
        n_epochs=1,
        keeps_optimizer=True,
    )
    if earlier is not None:
        draft.histories_ = joined_histories(earlier, draft.histories_)
    draft._held_out_errors = None  # those of other weights
    draft.history_ = draft.histories_[0]
    draft.n_iter_ = len(draft.history_.get("loss", []))
    draft.best_epoch_ = max(0, draft.n_iter_ - 1)
    return result


def partial_fit(
    estimator: KerasEstimator,
    X: Any,
    y: Any,
    classes: Any | None,
    sample_weight: Any | None,
    fit_arguments: dict[str, Any],
) -> None:
    """Train an estimator for one more epoch.

    Parameters
    ----------
    estimator : estimator
    X, y, classes, sample_weight : object
        The arguments of ``partial_fit``.
    fit_arguments : dict
        Its other keyword arguments.

    Raises
    ------
    TypeError
        If the number of epochs is given.
    """
    given = given_settings(estimator, fit_arguments)
    if {"epochs", "initial_epoch"} & set(fit_arguments):
        raise TypeError(
            "partial_fit trains for one epoch; it takes neither epochs nor initial_epoch. "
            "Call it repeatedly, or use fit with warm_start=True."
        )
    with draft_of(estimator) as draft:
        result = _fit_one_epoch(draft, X, y, classes, sample_weight, given)
    if result.interrupt is not None:
        raise result.interrupt


def initialize(draft: KerasEstimator, X: Any, y: Any, given: GivenSettings) -> None:
    """Build the networks of a draft without training.

    Parameters
    ----------
    draft : estimator
    X, y : object
        The arguments of ``initialize``.
    given : GivenSettings
    """
    given = replace(given, early_stopping=False, validation_split=0, cv=None, calibration=None)
    _check_settings(draft, given)
    _begin(draft, given)
    rows = check_rows(draft, X, y, None, None, given, learns=True)
    settings, _ = _resolve_settings(draft, given, rows, resumes=False)
    _fit_rows(
        draft, rows, settings, validation=None, changed=None, n_epochs=0, keeps_optimizer=True
    )


def _check_settings(draft: KerasEstimator, given: GivenSettings) -> None:
    check_parameters(given)
    check_routed(draft)
    check_predict_arguments(routed_to("predict", routed_parameters(draft)))
    for hook, fix in _SCIKERAS_HOOKS.items():
        if hasattr(type(draft), hook):
            raise TypeError(f"{type(draft).__name__}.{hook} is a hook of SciKeras. {fix}")


def _begin(draft: KerasEstimator, given: GivenSettings) -> None:
    """Draw the seeds of a training that begins anew."""
    draft._seeds = Seeds.of(given.random_state)
    draft._n_epochs_trained = 0
    draft._held_out_errors = None


# Settings


def _resolve_settings(
    draft: KerasEstimator,
    given: GivenSettings,
    rows: Rows,
    *,
    resumes: bool,
    is_one_epoch: bool = False,
) -> tuple[FitSettings, list[str]]:
    """Return the settings of the fit, and the parameters that changed since the last fit."""
    changed: list[str] = []
    if resumes:
        changed = changed_parameters(draft._built_with, _parameters_of_network(draft))
        if given.n_estimators == "auto":
            given = replace(given, n_estimators=len(draft._members))
        _check_resumes(draft, given, changed)
    if rows.source is not None and (given.batch_size is None or is_auto(given.batch_size)):
        given = replace(given, batch_size=rows.source.batch_size)
    table = TableFacts(int(rows.has_weight.sum()), draft.n_features_in_)
    routed = builder_hyperparameters(routed_parameters(draft))
    settings = resolve(draft, given, table, routed)
    # After fit, partial_fit keeps the values that fit reported.
    if not (resumes and is_one_epoch):
        draft.resolved_params_ = {
            **settings.chosen(set(draft._get_param_names())),
            "validation_split": settings.validation_split,
            **settings.builder_arguments,
            **{f"model__{name}": value for name, value in routed.items()},
        }
    return settings, changed


def _check_resumes(draft: KerasEstimator, given: GivenSettings, changed: list[str]) -> None:
    """Raise if a training cannot be resumed."""
    if given.n_estimators != len(draft._members):
        raise ValueError(
            f"n_estimators={given.n_estimators}, but {len(draft._members)} network(s) are to be "
            "trained further. Set n_estimators back, or fit anew with warm_start=False. (An "
            "interrupted fit keeps the networks that have finished an epoch.)"
        )
    check_changes(changed)
    has_other_optimizer = any(name.startswith("optimizer") for name in changed)
    if draft._schedule_owner == "optimizer" and not has_other_optimizer:
        raise ValueError(
            "The training cannot be resumed: its learning rate schedule ended with the last fit. "
            "Give the schedule the n_steps of all fits and fit anew, or give an optimizer without "
            "a schedule."
        )


def _parameters_of_network(draft: KerasEstimator) -> dict[str, Any]:
    return parameters_of_network(draft.get_params(deep=False), routed_parameters(draft))


def _warn_of_unused_scoring(settings: FitSettings) -> None:
    """Warn if a score is asked for and no rows are held out to compute it on."""
    is_loss = isinstance(settings.scoring, str) and settings.scoring == "loss"
    split = settings.validation_split
    holds_out = settings.cv is not None or not (isinstance(split, numbers.Real) and split == 0)
    if is_loss or settings.scoring is None or holds_out:
        return
    warnings.warn(
        f"scoring={shown(settings.scoring)} has no effect without rows to validate on. Set "
        "validation_split=0.1 or early_stopping=True, or give X_val and y_val to fit.",
        UserWarning,
        stacklevel=5,
    )


# Rows, encoder, networks


def _fit_rows(
    draft: KerasEstimator,
    rows: Rows,
    settings: FitSettings,
    *,
    validation: tuple[Any, Any, Any] | None,
    changed: list[str] | None,
    n_epochs: int,
    keeps_optimizer: bool,
    checkpoint: CheckpointFolder | None = None,
) -> FitResult:
    """Encode, build or resume, train, and store what was learnt in the draft.

    Parameters
    ----------
    draft : estimator
    rows : Rows
    settings : FitSettings
    validation : tuple of X_val, y_val and sample_weight_val, or None
    changed : list of str or None
        Names of the parameters that changed since the last fit, if the training is resumed. None
        for a new training.
    n_epochs : int
        0 builds the networks only.
    keeps_optimizer : bool
        Whether the state of the optimizer is kept for a further training.
    checkpoint : CheckpointFolder or None, default=None
        Folder of a fit that goes on after its process was killed.
    """
    from nnkit.training.placement import on_device

    division = divide(draft, rows, settings, validation)
    if changed is None:
        X_encoded = _build_first(draft, division, settings, n_epochs)
    else:
        X_encoded = _resume(draft, division, settings, changed)
    draft._built_with = _parameters_of_network(draft)
    for member in draft._members:
        member.keeps_optimizer |= keeps_optimizer
    with on_device(draft._network.device):
        member_data = member_data_of(draft, division, X_encoded, settings)
        member_data, interrupt = train_members(
            draft,
            division.rows,
            member_data,
            settings,
            n_epochs,
            resumes=changed is not None,
            checkpoint=checkpoint,
        )
    return FitResult(settings, member_data, interrupt)


def _build_first(
    draft: KerasEstimator, division: Division, settings: FitSettings, n_epochs: int
) -> Any:
    """Learn the encoder and build the networks; return the encoded rows."""
    shared = division.shared
    draft._target = draft._target.in_units_of(shared, is_clipped=settings.is_clipped)
    draft.encoder_ = encoder_of(draft, is_sparse=sparse.issparse(shared.X))
    background = _background(draft, shared)
    if isinstance(shared.X, BlockTable):
        in_order = division.in_order
        seed = draft._seeds.background
        summary = learn_encoder(draft.encoder_, in_order.X, in_order.y, seed, background)
        X_encoded = encode_checked(draft, division.rows.X, n_readers=settings.n_estimators)
        _keep_background(draft, summary.at(background))
    else:
        X_encoded = encode_first(draft.encoder_, shared.X, shared.y)
        _keep_background(draft, rows_of(shared.X, background) if len(background) else None)
    n_steps = _n_steps(settings, division.folds, n_epochs, len(shared.y))
    _store_networks(draft, build(draft, X_encoded, shared, settings, n_steps))
    decoder = draft._target.decoder(draft._network.output_spec)
    decoder.check_loss(draft._network, shared.encoded, settings)
    return X_encoded


def _resume(
    draft: KerasEstimator, division: Division, settings: FitSettings, changed: list[str]
) -> Any:
    """Prepare the networks of the last fit for further training; return the encoded rows."""
    shared = division.shared
    draft._target = draft._target.widened(shared)
    X, sample = shared.X, shared.X
    if isinstance(shared.X, BlockTable):
        # All rows are encoded once; a network reads its own rows by position.
        X, sample = division.rows.X, shared.X.head
    warn_of_columns_without_effect(draft.encoder_, sample)
    X_encoded = encode_checked(draft, X, n_readers=settings.n_estimators)
    # Other threads may predict with the previous networks, and an error restores them, so that
    # their successors are trained.
    draft._members = [member.successor() for member in draft._members]
    draft._network = draft._members[0]
    if draft._schedule_owner is not None or changed:
        _store_networks(draft, rebuild(draft, X_encoded, shared, settings, changed))
    return X_encoded


def _store_networks(draft: KerasEstimator, networks: Networks) -> None:
    draft._members = networks.members
    draft._network = networks.members[0]
    draft._schedule_owner = networks.schedule_owner
    for name, fact in networks.facts.items():
        if name not in ("feature_names_in_", "n_features_in_"):
            setattr(draft, name, fact)


def _n_steps(
    settings: FitSettings, folds: list[FoldIndices], n_epochs: int, n_samples: int
) -> int | None:
    """Return the number of optimizer steps; None if it is not known in advance."""
    if settings.warm_start or not n_epochs:
        return None
    most = max(fold.n_training(n_samples) for fold in folds)
    return n_epochs * math.ceil(most / settings.rows_per_step(most))


def _background(draft: KerasEstimator, shared: Rows) -> np.ndarray:
    """Return the positions of the training rows that are kept for explanations."""
    if not draft.background_size or sparse.issparse(shared.X):
        return np.empty(0, dtype=np.intp)
    return background_rows(len(shared.y), draft.background_size, draft._seeds.background)


def _keep_background(draft: KerasEstimator, rows: Any) -> None:
    """Keep training rows for explanations; None keeps none."""
    draft.background_ = None
    if rows is not None and len(rows):
        draft.background_ = copy.deepcopy(to_picklable(with_names(draft, rows)))


# After the training


def _calibrate(draft: KerasEstimator, result: FitResult) -> None:
    """Learn the temperature of probabilities, and the errors of held-out rows."""
    decoder = draft._target.decoder(draft._network.output_spec)
    predicted = held_out_outputs(result.member_data, draft._members, result.settings)
    if isinstance(decoder, ValueDecoder):
        draft._held_out_errors = errors_of_held_out(predicted, decoder)
        return
    assert isinstance(decoder, ClassDecoder)
    read_twice = list(predicted)
    if hasattr(draft, "calibration"):
        draft.temperature_ = 1.0
        if result.settings.calibration is not None:
            found = temperature_of_held_out(read_twice, decoder, len(draft._members))
            draft.temperature_ = 1.0 if found is None else found
            decoder = replace(decoder, temperature=draft.temperature_)
    draft._held_out_errors = class_errors_of_held_out(read_twice, decoder)


def fit_warning(estimator: KerasEstimator, result: FitResult, owner: Any = None) -> str | None:
    """Return a warning about a fit that learnt nothing or ended after one epoch, else None.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    result : FitResult
    owner : estimator or None, default=None
        The transformer that encodes the columns of ``estimator``, if there is one.
    """
    settings, owner = result.settings, estimator if owner is None else owner
    is_encoded = owner.encoder_ is not None
    n_planned = settings.n_epochs
    is_first = estimator._n_epochs_trained == estimator.n_iter_ == 1 < n_planned
    if is_first and settings.ends_at is not None and time.monotonic() >= settings.ends_at:
        return (
            f"time_limit={settings.time_limit:g} was up after the first of {n_planned} epochs, "
            "so that the network has hardly learnt. Raise time_limit."
        )
    outcome = FitOutcome(
        estimator._network,
        result.member_data[0].data,
        estimator.history_.get("loss", []),
        estimator.best_epoch_,
        settings.rows_per_step(result.member_data[0].n_samples),
        is_stopped=estimator._is_stopped_early,
        is_encoded=is_encoded,
        column_names=None if is_encoded else getattr(owner, "feature_names_in_", None),
        n_numeric=columns_of(estimator.encoder_, estimator.X_shape_).get("n_numeric_"),
    )
    return warning_of_fit(outcome)


def joined_histories(
    earlier: list[dict[str, list[float]]], now: list[dict[str, list[float]]]
) -> list[dict[str, list[float]]]:
    """Return the histories of networks, each after its earlier one; see `_joined_history`.

    Parameters
    ----------
    earlier, now : list of dict
        An entry for each network.
    """
    return [_joined_history(*histories) for histories in zip(earlier, now, strict=True)]


def _joined_history(
    earlier: dict[str, list[float]], now: dict[str, list[float]]
) -> dict[str, list[float]]:
    """Return one history after the other, with NaN for what an epoch did not record.

    Parameters
    ----------
    earlier, now : dict of str to list of float
        Losses and metrics by epoch.
    """
    n_before, n_now = (len(part.get("loss", [])) for part in (earlier, now))
    return {
        name: [
            *earlier.get(name, [float("nan")] * n_before),
            *now.get(name, [float("nan")] * n_now),
        ]
        for name in {**earlier, **now}
    }
