"""The training loop: epochs, callbacks, and the state that remains after an early end."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from nnkit._compat import forget_resumed_epoch, resumed_epoch
from nnkit.exceptions import NonFiniteLossError
from nnkit.training.loop.backends import (
    REASON_FOR_KERAS,
    Backend,
    choose_backend,
    is_heavy,
    suits_stack,
)
from nnkit.training.loop.callbacks import (
    LIKELY_CAUSES,
    EpochProgress,
    FrozenLayersGuard,
    LossGuard,
    ProgressBar,
    TimeLimit,
    Validation,
    early_stopping,
    end_after_error,
    guarded,
)
from nnkit.training.loop.checkpoint import CheckpointWriter, finished_training
from nnkit.training.loop.keras_fit import row_order, run_keras_fit
from nnkit.training.loop.plan import TrainingData, TrainingPlan, TrainingRecord
from nnkit.training.loop.runs import TrainingRun, ValidationRun
from nnkit.training.loop.state import TrainingState
from nnkit.training.loop.step import ForeignStateError
from nnkit.training.loop.user_functions import named_codes, named_errors
from nnkit.training.network import Network
from nnkit.training.parallel.batched_group import ThreadedRun, in_batched_group
from nnkit.training.parallel.scheduler import Scheduler
from nnkit.training.placement import on_device
from nnkit.training.specification.metrics import assign_units

__all__ = ["train"]


class _Session:
    """State of one training, which is the model of callbacks if no live model is needed.

    Attributes
    ----------
    state : TrainingState
        Current weights and optimizer variables.
    live : keras.Model or None
        Model that the user's callbacks read and may change.
    stop_training : bool
        Flag that a callback sets to end the training.
    history : keras.callbacks.History
        Record of the epochs so far, set by Keras' ``CallbackList``.
    """

    history: Any

    def __init__(self, network: Network, *, has_live_model: bool) -> None:
        self.live = network.model if has_live_model else None
        self._layout = network.compiled_model.layout
        self._network = network
        self.state = network.state
        self.stop_training = False
        # Number of the epoch that follows a checkpoint; None without one.
        self.stored_epoch: int | None = None
        if self.live is not None:
            # An earlier fit of the same model may have left the epoch of a backup, and its stop.
            forget_resumed_epoch(self.live)
            self.live.stop_training = False

    def get_weights(self) -> TrainingState:
        """Return the state, which early stopping stores as the best weights."""
        return self.state

    def set_weights(self, best: TrainingState) -> None:
        """Restore the best weights."""
        self.state = self.state._replace(weights=best.weights, others=best.others)

    @property
    def callback_model(self) -> Any:
        """The object that callbacks get as their model."""
        return self if self.live is None else self.live

    @property
    def is_stopped(self) -> bool:
        """Whether a callback has asked to stop."""
        return bool(self.callback_model.stop_training)

    @property
    def current(self) -> TrainingState:
        """The current state, read from the live model if there is one."""
        return self.state if self.live is None else self._network.state

    def sync_from_model(self) -> None:
        """Copy the values of the live model to the state, since callbacks may change them."""
        if self.live is not None:
            self.state = self._layout.state_of_model(self.live)

    def update(self, state: TrainingState) -> None:
        """Set a new state, in the live model too."""
        self.state = state
        if self.live is None:
            return
        try:
            self._layout.assign(state, self.live)
        except KeyboardInterrupt:
            # Some variables still have their old values. Complete the update, then raise.
            self._layout.assign(state, self.live)
            raise

    def finalize(self) -> None:
        """Replace the weights by the moving averages of the optimizer, if it has any."""
        self.sync_from_model()
        state = self._layout.finalized(self.state)
        if state is not self.state:
            self.update(state)

    def first_epoch(self, plan: TrainingPlan) -> int:
        """Return the number of the first epoch: that of a restored backup, else the plan's."""
        resumed = None if self.live is None else resumed_epoch(self.live)
        return resumed or plan.first_epoch

    def next_epoch(self, plan: TrainingPlan) -> int:
        """Return the number of the epoch to train first, which follows that of a checkpoint."""
        return self.first_epoch(plan) if self.stored_epoch is None else self.stored_epoch

    def store_weights(self) -> None:
        """Store the weights in the network. A live model has them already."""
        if self.live is None:
            self._network.state = self.state


def train(
    network: Network,
    data: TrainingData,
    plan: TrainingPlan,
    scheduler: Scheduler | None = None,
) -> TrainingRecord:
    """Train a network and return the record of its training.

    Parameters
    ----------
    network : Network
        Its weights are updated in place. After an error it has its previous weights.
    data : TrainingData
    plan : TrainingPlan
    scheduler : Scheduler or None, default=None
        Scheduler, if this is one of several concurrent trainings.

    Returns
    -------
    record : TrainingRecord

    Raises
    ------
    NonFiniteLossError
        If the loss becomes NaN or infinite.
    ValueError
        If ``plan.engine`` does not support the model, the data or a callback.
    KeyboardInterrupt
        If the training is interrupted from the keyboard before the end of its first epoch. After
        a later interrupt, the network has the weights of the best epoch so far with
        ``stops_early``, else those of its last step, and the record holds the interrupt.
    """
    with on_device(network.device):
        network.live.follow_frozen_layers(network.compiled_model.layout)
        before = network.state
        stored = None if plan.checkpoint is None else plan.checkpoint.read()
        finished = None if stored is None else finished_training(stored)
        if finished is not None:
            network.state, record = finished
            return record
        try:
            with named_codes(), named_errors(network, data.X, data.y):
                return _train(network, data, plan, scheduler, stored)
        except BaseException:
            network.state = before
            raise


def _train(
    network: Network,
    data: TrainingData,
    plan: TrainingPlan,
    scheduler: Scheduler | None,
    stored: Mapping[str, Any] | None,
) -> TrainingRecord:
    backend, run = _prepared(network, data, plan)
    # Only Keras' fit and the user's callbacks need a live model.
    session = _Session(network, has_live_model=backend == "keras" or bool(plan.callbacks))
    callbacks, stopping = _callbacks(network, data, plan, session, scheduler)
    callback_list = keras.callbacks.CallbackList(
        callbacks,
        add_history=True,
        model=session.callback_model,
        epochs=plan.last_epoch,
        steps=math.ceil(data.n_samples / plan.batch_size),
        verbose=0,
    )
    if plan.checkpoint is not None:
        session.stored_epoch = None if stored is None else stored["next_epoch"]
        with_state = [stopping] if stopping is not None else []
        with_state += [c for c in plan.callbacks if not getattr(c, "is_renewed", False)]
        # Behind Keras' History, which is the last callback of the list.
        callback_list.callbacks.append(
            CheckpointWriter(
                plan.checkpoint, stored, session, with_state, session.callback_model.history
            )
        )
    interrupt = None
    try:
        with _scheduled(scheduler, run, data, plan, backend) as runner:
            if run is None:
                assign_units(session.live, data.units)
                run_keras_fit(session.live, data, plan, callback_list, session.stored_epoch)
            else:
                _run_compiled(runner, data, plan, callback_list, session)
    except KeyboardInterrupt as error:
        # Keras' History has epochs from the start of the training on.
        if not getattr(session.callback_model.history, "epoch", None):
            end_after_error(callback_list)
            raise
        session.finalize()
        # Early stopping restores the best weights here.
        end_after_error(callback_list)
        interrupt = error
    except BaseException:
        end_after_error(callback_list)
        raise
    recorded, first_epoch = session.callback_model.history, session.first_epoch(plan)
    session.store_weights()
    _check_weights(network, first_epoch + len(recorded.epoch))
    history = {name: [float(v) for v in values] for name, values in recorded.history.items()}
    last = max(0, len(recorded.epoch) - 1)
    is_stopped_early = stopping is not None and stopping.stopped_epoch > 0
    if stopping is None:
        # An early stopping among the user's callbacks may have restored its best weights.
        stopping = next((c for c in plan.callbacks if _restores_best(c)), None)
    best = last if stopping is None else max(0, stopping.best_epoch - first_epoch)
    n_restored = first_epoch - plan.first_epoch
    record = TrainingRecord(history, int(best), backend, n_restored, interrupt, is_stopped_early)
    if plan.checkpoint is not None and interrupt is None:
        plan.checkpoint.write(network.state, record=record)
    return record


def _callbacks(
    network: Network,
    data: TrainingData,
    plan: TrainingPlan,
    session: _Session,
    scheduler: Scheduler | None,
) -> tuple[list[Any], Any | None]:
    """Return all callbacks of a training, and the early stopping among them or None."""
    stopping = None
    callbacks: list[Any] = [LossGuard()]
    if data.validation is not None:
        validate = ValidationRun(network.compiled_model, data.validation, session.state)
        # Validation comes first, so that the other callbacks find its values in the logs.
        callbacks.insert(0, Validation(lambda: validate(session.current), plan.score))
    callbacks += guarded(plan.callbacks, has_validation=data.validation is not None)
    if plan.stops_early:
        stopping = early_stopping(
            "val_loss" if plan.score is None else f"val_{plan.score[0]}",
            greater_is_better=plan.score is not None,
            n_iter_no_change=plan.n_iter_no_change,
            tol=plan.tol,
        )
        callbacks.append(stopping)
    if plan.ends_at is not None:
        callbacks.append(TimeLimit(plan.ends_at))
    if plan.verbose:
        bar = plan.bar or ProgressBar(plan.epochs, plan.verbose, first_epoch=plan.first_epoch)
        callbacks.append(EpochProgress(plan.epochs, bar, plan.position))
    if session.live is not None and plan.callbacks:
        callbacks.append(FrozenLayersGuard(session.live, network.compiled_model.layout))
    if scheduler is not None:
        callbacks.append(
            keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: scheduler.check())
        )
    return callbacks, stopping


def _prepared(
    network: Network, data: TrainingData, plan: TrainingPlan
) -> tuple[Backend, TrainingRun | None]:
    """Return the backend of a training, and its `TrainingRun` unless Keras' fit trains."""
    compiled_model = network.compiled_model
    backend = choose_backend(compiled_model, data, plan)
    if backend == "keras":
        return backend, None
    if backend == "xla" and compiled_model.looks_up_codes:
        # XLA clamps codes that are out of range. A prediction by TensorFlow raises for them.
        network.outputs(data.X)
        if data.validation is not None:
            network.outputs(data.validation.X)
    batch_size = min(plan.batch_size, data.n_samples)
    run = TrainingRun(compiled_model, backend, data, batch_size, network.state)
    try:
        run.prepare()
    except ForeignStateError:
        reason = "a layer, loss or metric with a variable that Keras does not track"
        compiled_model.note(REASON_FOR_KERAS, reason)
        return choose_backend(compiled_model, data, plan), None
    return backend, run


@contextlib.contextmanager
def _scheduled(
    scheduler: Scheduler | None,
    run: TrainingRun | None,
    data: TrainingData,
    plan: TrainingPlan,
    backend: Backend,
) -> Iterator[Any]:
    """Yield the callable that runs the epochs of a training, alone or concurrently with others."""
    if scheduler is not None:
        # Keras' fit counts as one second per epoch, so that it is always long.
        scheduler.note_training(plan.epochs * (1.0 if run is None else run.seconds_per_epoch))
    if scheduler is None or run is None:
        yield run
    elif data.renewed is None and suits_stack(
        run.compiled_model, data, plan, backend, scheduler.vectorize
    ):
        with in_batched_group(scheduler, run) as member:
            yield member
    else:
        threaded = ThreadedRun(scheduler, run, is_heavy=is_heavy(run.compiled_model, data, plan))
        yield threaded
        scheduler.note_trained(threaded.seconds)


def _restores_best(callback: Any) -> bool:
    """Return whether a user's early stopping has restored the best weights."""
    return (
        isinstance(callback, keras.callbacks.EarlyStopping)
        and callback.restore_best_weights
        and callback.best_weights is not None
    )


def _check_weights(network: Network, epoch: int) -> None:
    """Raise if the weights are not finite, which no loss shows after the last step."""
    state = network.state
    if all(np.isfinite(np.asarray(part)).all() for part in state.weights):
        return
    raise NonFiniteLossError(
        f"The weights became NaN or infinite in epoch {epoch}. {LIKELY_CAUSES}"
    )


def _run_compiled(
    run: TrainingRun,
    data: TrainingData,
    plan: TrainingPlan,
    callback_list: Any,
    session: _Session,
) -> None:
    # Several epochs are one call if no callback has to run between them.
    is_watched = bool(plan.callbacks or plan.stops_early or plan.verbose) or (
        data.validation is not None or plan.ends_at is not None or plan.checkpoint is not None
    )
    n_at_once = 1 if is_watched else run.epochs_per_call(plan.epochs)
    callback_list.on_train_begin()
    logs: dict[str, float] = {}
    begin = session.next_epoch(plan)
    for first in range(begin, plan.last_epoch, n_at_once):
        epochs = range(first, min(first + n_at_once, plan.last_epoch))
        callback_list.on_epoch_begin(first)
        session.sync_from_model()
        if data.renewed is not None and first > begin:
            data = data.of_next_epoch()
            run.use(data)
        orders = [row_order(data, plan, epoch) for epoch in epochs]
        state, found = run(session.state, orders)
        session.update(state)
        for epoch, logs in zip(epochs, found, strict=True):
            if epoch > first:
                callback_list.on_epoch_begin(epoch)
            callback_list.on_epoch_end(epoch, logs)
        if session.is_stopped:
            break
    session.finalize()
    callback_list.on_train_end(logs)
