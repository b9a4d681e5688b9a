"""The training of the networks of an ensemble, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.datasets.batch_source import BatchSource
from nnkit.datasets.block_table import BlockTable
from nnkit.datasets.encoded_rows import is_on_disk
from nnkit.encoding.weights import product_of_weights
from nnkit.estimators.fitting.checkpoint_folder import CheckpointFolder
from nnkit.estimators.fitting.row_preparation import Division, check_rows, encode_checked
from nnkit.estimators.parameters.fit_settings import FitSettings
from nnkit.estimators.parameters.parameter_names import routed_parameters
from nnkit.estimators.parameters.routing import routed_to
from nnkit.estimators.rows.tables import with_names
from nnkit.estimators.rows.training_rows import FoldIndices, MemberData, Rows

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator
    from nnkit.training.loop.plan import TrainingData, TrainingPlan, TrainingRecord

__all__ = ["member_data_of", "train_members"]


def member_data_of(
    draft: KerasEstimator, division: Division, X_encoded: Any, settings: FitSettings
) -> list[MemberData]:
    """Return the data of each network; a single entry if all networks share it.

    Parameters
    ----------
    draft : estimator
        With encoder, target and networks.
    division : Division
    X_encoded : ndarray, csr_array, EncodedRows, or dict or list of them
        Encoded columns of all rows if there are several folds, or the table is in blocks; else of
        the training rows.
    settings : FitSettings
        Only scorers read the columns of held-out rows.
    """
    shared, held_out, folds = division.shared, division.held_out, division.folds
    if isinstance(division.rows.X, BlockTable):
        return _members_of_blocks(draft, division, X_encoded, settings)
    if len(folds) == 1:
        validation = None
        if held_out is not None:
            validation = _training_data(draft, held_out, encode_checked(draft, held_out.X))
        data = _training_data(draft, shared, X_encoded)
        if shared.source is not None:
            data = replace(data, renewed=partial(_rows_of_next_pass, draft, shared.source))
        return [MemberData(replace(data, validation=validation), held_out, len(shared.y))]
    from nnkit.training.loop.batches import with_shared_memory

    # The networks share the encoded rows, also on the device.
    data = _training_data(draft, shared.without_table(), X_encoded)
    data = replace(data, X=with_shared_memory(data.X))
    rows = shared.without_table() if _is_loss(settings.scoring) else shared
    return [_member_of_fold(data, rows, fold) for fold in folds]


def _members_of_blocks(
    draft: KerasEstimator, division: Division, X_encoded: Any, settings: FitSettings
) -> list[MemberData]:
    """Return the data of each network, as positions in all rows, which are encoded once."""
    rows, held_out = division.rows, division.held_out
    data = _training_data(draft, rows.without_table(), X_encoded)
    folds = division.folds
    if is_on_disk(data.X):
        folds = [fold.in_order() for fold in folds]  # in the order of the file
    if held_out is not None and folds[0].validation is None:
        # Rows that were given to validate on.
        encoded = encode_checked(draft, held_out.X, n_readers=settings.n_estimators)
        data = replace(data, validation=_training_data(draft, held_out, encoded))
        return [MemberData(data, held_out, len(rows.y))]
    if _is_loss(settings.scoring):
        rows = rows.without_table()
    return [_member_of_fold(data, rows, fold) for fold in folds]


def _member_of_fold(data: TrainingData, rows: Rows, fold: FoldIndices) -> MemberData:
    """Return the data of a network that holds out some of the rows, or none."""
    n_training = fold.n_training(len(rows.y))
    if fold.validation is None:
        return MemberData(replace(data, rows=fold.training), None, n_training)
    validation = replace(data, rows=fold.validation)
    own = replace(data, rows=fold.training, validation=validation)
    return MemberData(own, rows.at(fold.validation), n_training)


def _training_data(draft: KerasEstimator, rows: Rows, X_encoded: Any) -> TrainingData:
    from nnkit.training.loop.loss_axes import axes_of_losses
    from nnkit.training.loop.plan import TrainingData
    from nnkit.training.loop.user_functions import check_own_losses

    network, target = draft._network, draft._target
    target.decoder(network.output_spec).check_targets(rows.encoded)
    targets = target.network_targets(rows.encoded, len(network.output_spec.tasks))
    inputs, compared = network.inputs(X_encoded), network.targets(targets)
    weight = rows.sample_weight
    check_own_losses(network, inputs, compared, is_weighted=weight is not None)
    if weight is not None and len(weight):
        by_target = partial(target.weights_of_steps, rows.encoded)
        weight = _expanded_weight(rows, axes_of_losses(network, inputs, compared), by_target)
    return TrainingData(
        inputs,
        compared,
        None if weight is None else weight.astype(network.target_dtype),
        units=target.units(),
    )


def _rows_of_next_pass(draft: KerasEstimator, source: BatchSource) -> TrainingData:
    """Return the training rows of a new pass over a dataset."""
    read = source.read()
    rows = check_rows(draft, read.X, read.y, read.sample_weight, None).with_nonzero_weight()
    return _training_data(draft, rows, encode_checked(draft, rows.X))


def _expanded_weight(
    rows: Rows,
    axes: tuple[int, ...],
    weights_of_steps: Callable[[tuple[int, ...]], np.ndarray | None],
) -> np.ndarray:
    """Return the weights of rows, or of their steps if each step has a loss of its own."""
    assert rows.sample_weight is not None
    given = np.ones(len(rows.y)) if rows.given_weight is None else rows.given_weight
    if given.ndim > 1 and given.shape[1:] != axes:
        raise ValueError(
            f"sample_weight has the shape {given.shape}, but the loss of the network has the axes "
            f"{axes} for each row. Give one weight for each row, or a network with an output for "
            "each step."
        )
    shape = (len(rows.sample_weight), *axes)
    by_target = weights_of_steps(axes)
    given = given.reshape(given.shape + (1,) * (len(shape) - given.ndim))
    factors = [given] if by_target is None else [given, by_target]
    return np.broadcast_to(product_of_weights(*factors), shape)


def train_members(
    draft: KerasEstimator,
    rows: Rows,
    member_data: list[MemberData],
    settings: FitSettings,
    n_epochs: int,
    *,
    resumes: bool,
    checkpoint: CheckpointFolder | None = None,
) -> tuple[list[MemberData], KeyboardInterrupt | None]:
    """Train the networks of a draft, and store the records of their training.

    Parameters
    ----------
    draft : estimator
    rows : Rows
        All training rows, for scikit-learn's callbacks.
    member_data : list of MemberData
    settings : FitSettings
    n_epochs : int
        0 does not train.
    resumes : bool
        Whether the networks were trained before.
    checkpoint : CheckpointFolder or None, default=None
        Folder of a fit that goes on after its process was killed.

    Returns
    -------
    member_data : list of MemberData
        The data of the networks that are kept.
    interrupt : KeyboardInterrupt or None
        The interrupt that ended the training early.
    """
    from nnkit.training.copying.callback_copies import with_own_paths
    from nnkit.training.loop.callbacks import make_callbacks

    routed = {**routed_parameters(draft), "callbacks": settings.callbacks}
    arguments = routed_to("callbacks", routed) | routed_to("fit__callbacks", routed)
    callbacks = [
        with_own_paths(make_callbacks(settings.callbacks, arguments), position)
        for position in range(len(draft._members))
    ]
    draft.callbacks_ = callbacks[0]
    draft.histories_ = [{} for _ in draft._members]
    draft.best_epoch_, draft.n_iter_, draft.engine_ = 0, 0, "graph"
    draft._is_stopped_early = False
    interrupt = None
    if n_epochs:
        # Callbacks of scikit-learn refer to the estimator, and are not part of callbacks_.
        of_first = [*callbacks[0], *_epoch_tasks(draft, n_epochs, rows)]
        records, interrupt = _train(
            draft, member_data, settings, n_epochs, [of_first, *callbacks[1:]], checkpoint
        )
        kept = list(range(len(records)))
        if not resumes:
            # After an interrupt, networks without a finished epoch are left out.
            kept = [i for i, record in enumerate(records) if record is not None]
            draft._members = [draft._members[i] for i in kept]
            draft._network, draft.callbacks_ = draft._members[0], callbacks[kept[0]]
        member_data = member_data if len(member_data) == 1 else [member_data[i] for i in kept]
        _store_records(draft, [records[i] for i in kept], n_epochs, interrupt)
    draft.history_ = draft.histories_[0]
    return member_data, interrupt


def _store_records(
    draft: KerasEstimator,
    records: list[TrainingRecord | None],
    n_epochs: int,
    interrupt: KeyboardInterrupt | None,
) -> None:
    """Store the record of each network; None stands for a network without a finished epoch."""
    first = next(record for record in records if record is not None)
    draft.histories_ = [{} if record is None else record.history for record in records]
    draft.best_epoch_, draft.engine_ = first.best_epoch, first.engine
    draft.n_iter_ = len(draft.histories_[0].get("loss", []))
    draft._n_epochs_trained += draft.n_iter_ + first.n_restored
    draft._is_stopped_early = first.is_stopped_early
    if interrupt is not None:
        interrupt.add_note(
            f"The training was interrupted after {len(first.history.get('loss', []))} of "
            f"{n_epochs} epochs. The estimator is fitted, with the weights that it had reached."
        )


def _train(
    draft: KerasEstimator,
    member_data: list[MemberData],
    settings: FitSettings,
    n_epochs: int,
    callbacks: list[list[Any]],
    checkpoint: CheckpointFolder | None,
) -> tuple[list[TrainingRecord | None], KeyboardInterrupt | None]:
    """Train the networks side by side, and return a record of each.

    Returns
    -------
    records : list of TrainingRecord or None
        None for a network that was interrupted before the end of its first epoch.
    interrupt : KeyboardInterrupt or None
    """
    from nnkit.training.loop.callbacks import ProgressBar
    from nnkit.training.loop.engine import train
    from nnkit.training.parallel.batched_training import run_together
    from nnkit.training.parallel.scheduler import current_scheduler

    trainings, verbose = [], settings.verbosity
    bar = None
    if verbose:
        first_epoch = _first_epoch(draft, settings)
        bar = ProgressBar(n_epochs, verbose, len(draft._members), first_epoch=first_epoch)
    for position, member in enumerate(draft._members):
        own_data = member_data[position % len(member_data)]
        plan = replace(
            _plan(draft, settings, n_epochs, own_data),
            callbacks=callbacks[position],
            seed=draft._seeds.of_member(position).shuffle,
            position=position,
            bar=bar,
            checkpoint=None if checkpoint is None else checkpoint.file_of_network(position),
        )
        trainings.append(partial(train, member, own_data.data, plan))
    scheduler = current_scheduler()
    if len(trainings) == 1:
        record = trainings[0](scheduler)
        return [record], record.interrupt
    records, interrupt = run_together(
        trainings, scheduler, are_at_once=settings.time_limit is not None
    )
    if interrupt is not None and not any(records):
        raise interrupt
    return records, interrupt


def _plan(
    draft: KerasEstimator, settings: FitSettings, n_epochs: int, own_data: MemberData
) -> TrainingPlan:
    from nnkit.training.loop.plan import TrainingPlan

    return TrainingPlan(
        epochs=n_epochs,
        batch_size=settings.rows_per_step(own_data.n_samples),
        shuffle=bool(settings.shuffle),
        stops_early=settings.early_stopping,
        n_iter_no_change=settings.n_iter_no_change,
        tol=settings.tol,
        score=_score(draft, settings.scoring, own_data.held_out),
        engine=settings.engine,
        verbose=settings.verbosity,
        first_epoch=_first_epoch(draft, settings),
        ends_at=settings.ends_at,
        n_estimators=len(draft._members),
    )


def _first_epoch(draft: KerasEstimator, settings: FitSettings) -> int:
    return int(settings.initial_epoch) or draft._n_epochs_trained


def _epoch_tasks(draft: KerasEstimator, n_epochs: int, rows: Rows) -> list[Any]:
    """Return the callback that reports epochs to scikit-learn's callbacks, if there are any."""
    if not getattr(draft, "_skl_callbacks", None):
        return []
    from nnkit.estimators.fitting.epoch_scoring import EpochTasks

    original = vars(draft).get("_drafted_from", draft)
    context = original._init_callback_context(max_subtasks=n_epochs)
    return [EpochTasks(original, draft, context, with_names(draft, rows.X), rows.y)]


def _score(
    draft: KerasEstimator, scoring: Any, held_out: Rows | None
) -> tuple[str, Callable[[list[np.ndarray]], float]] | None:
    """Return the name of a score, and the function from outputs on held-out rows to its value."""
    if held_out is None or _is_loss(scoring):
        return None
    from nnkit.estimators.fitting.epoch_scoring import scorer_of_outputs, scoring_name

    decoder = draft._target.decoder(draft._network.output_spec)
    score = scorer_of_outputs(
        scoring,
        held_out.X,
        held_out.y,
        held_out.sample_weight,
        decoder.decide,
        **decoder.score_arguments(),
    )
    return scoring_name(scoring), score


def _is_loss(scoring: Any) -> bool:
    return isinstance(scoring, str) and scoring == "loss"
