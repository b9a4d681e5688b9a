"""The fit loop: epochs, callbacks, and what is left of a training that ends early."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

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
from nnkit.training.loop.batches import n_rows, take_on_host
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
from nnkit.training.loop.runs import TrainingRun, ValidationRun
from nnkit.training.loop.state import TrainingState
from nnkit.training.loop.step import ForeignStateError
from nnkit.training.loop.user_functions import named_codes, named_errors
from nnkit.training.network import Network
from nnkit.training.parallel.batched_group import SideBySide, in_batched_group
from nnkit.training.parallel.scheduler import Scheduler, current_scheduler
from nnkit.training.placement import on_device
from nnkit.training.specification.metrics import assign_units

__all__ = ["TrainingData", "TrainingPlan", "TrainingRecord", "train"]


@dataclass(frozen=True)
class TrainingData:
    """The rows to train and to validate on, encoded.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...), csr_array, or dict or list of ndarray
        In the dtypes of the model's inputs.
    y : ndarray of shape (n_samples, ...), or a structure of them like the model's outputs
    sample_weight : ndarray of shape (n_samples,) or of that of the losses, or None
    validation : TrainingData or None
        Rows to validate on.
    units : tuple of array-like or None
        Scale, location, smallest and largest value of the target, for metrics in its own units;
        None if it is learnt as it is.
    """

    X: Any
    y: Any
    sample_weight: np.ndarray | None = None
    validation: TrainingData | None = None
    units: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Parameters
    ----------
    epochs : int
        Passes over the rows, at least 1.
    batch_size : int
        Rows per step, at least 1.
    shuffle : bool
        Whether each epoch takes the rows in another order.
    seed : int
        Seeds the orders.
    callbacks : sequence of keras.callbacks.Callback
        The user's, fresh.
    stops_early : bool
        Whether to stop when the validation gets no better, and to keep the best weights.
    n_iter_no_change : int
        Epochs without improvement after which to stop.
    tol : float
        What counts as an improvement, in units of the monitored value.
    score : tuple of str and callable, or None
        Name and function of the outputs on the validation rows, greater is better; None
        monitors the loss.
    engine : {"auto", "graph", "xla", "keras"}
        What trains; see `nnkit.training.loop.backends`.
    verbose : {0, 1, 2}
        Silent, a bar, or a line an epoch.
    first_epoch : int
        Number of the first epoch, above 0 where training goes on.
    ends_at : float or None
        The time of ``time.monotonic()`` after which no further epoch begins.
    n_estimators : int
        Networks of the ensemble that this one is a member of, at least 1.
    position : int
        Of this network in the ensemble, from 0.
    bar : ProgressBar or None
        Where all networks of the ensemble show their progress; None is one for this alone.
    """

    epochs: int
    batch_size: int
    shuffle: bool = True
    seed: int = 0
    callbacks: Sequence[Any] = ()
    stops_early: bool = False
    n_iter_no_change: int = 10
    tol: float = 0.0
    score: tuple[str, Callable[[list[np.ndarray]], float]] | None = None
    engine: Literal["auto", "graph", "xla", "keras"] = "auto"
    verbose: int = 0
    first_epoch: int = 0
    ends_at: float | None = None
    n_estimators: int = 1
    position: int = 0
    bar: ProgressBar | None = None

    @property
    def last_epoch(self) -> int:
        """The number behind that of the last epoch."""
        return self.first_epoch + self.epochs


@dataclass(frozen=True)
class TrainingRecord:
    """What happened in training.

    Parameters
    ----------
    history : dict of str to list of float
        Loss, metrics and validation of each epoch, under Keras' names.
    best_epoch : int
        The position in ``history`` of the epoch whose weights the model has.
    engine : {"graph", "xla", "keras"}
        What trained.
    n_restored : int
        Epochs that were not trained because a backup was restored.
    interrupt : KeyboardInterrupt or None
        What ended the training early. It is to be raised once the fit is put in order.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    engine: Backend = "graph"
    n_restored: int = 0
    interrupt: KeyboardInterrupt | None = None


class _Session:
    """A training under way, which callbacks see in place of a model if none was asked for.

    Attributes
    ----------
    state : TrainingState
        Where the training has got to.
    live : keras.Model or None
        The model that the user's callbacks look at and may change.
    stop_training : bool
        What callbacks set to end the training.
    history : keras.callbacks.History
        Of the epochs so far.
    """

    history: Any

    def __init__(self, network: Network, *, has_live_model: bool) -> None:
        self.live = network.model if has_live_model else None
        self._layout = network.compiled_model.layout
        self._network = network
        self.state = network.state
        self.stop_training = False
        if self.live is not None:
            # Of an earlier fit of the same model.
            forget_resumed_epoch(self.live)

    def get_weights(self) -> TrainingState:
        """Return what early stopping keeps as the best weights."""
        return self.state

    def set_weights(self, best: TrainingState) -> None:
        """Go back to the best weights."""
        self.state = self.state._replace(weights=best.weights, others=best.others)

    @property
    def seen(self) -> Any:
        """What callbacks know as their model."""
        return self if self.live is None else self.live

    @property
    def is_stopped(self) -> bool:
        """Whether a callback has asked to stop."""
        return bool(self.seen.stop_training)

    @property
    def current(self) -> TrainingState:
        """The state as it is, also in the middle of what only a live model tells."""
        return self.state if self.live is None else self._network.state

    def sync_from_model(self) -> None:
        """Take up what callbacks have changed in the live model."""
        if self.live is not None:
            self.state = self._layout.state_of_model(self.live)

    def update(self, state: TrainingState) -> None:
        """Go on to a new state, which the live model shows."""
        self.state = state
        if self.live is None:
            return
        try:
            self._layout.assign(state, self.live)
        except KeyboardInterrupt:
            # Some variables are old: half an update is worse than a late interrupt.
            self._layout.assign(state, self.live)
            raise

    def finalize(self) -> None:
        """Take averaged weights, if the optimizer keeps them."""
        self.sync_from_model()
        state = self._layout.finalized(self.state)
        if state is not self.state:
            self.update(state)

    def first_epoch(self, plan: TrainingPlan) -> int:
        """Return the epoch at which the training begins: behind a backup that was restored."""
        resumed = None if self.live is None else resumed_epoch(self.live)
        return resumed or plan.first_epoch

    def store_weights(self) -> None:
        """Leave the weights with the network."""
        if self.live is None:
            self._network.state = self.state


def train(network: Network, data: TrainingData, plan: TrainingPlan) -> TrainingRecord:
    """Train a network, and say what happened.

    Parameters
    ----------
    network : Network
        It has the new weights at the end, or the old ones after an error.
    data : TrainingData
    plan : TrainingPlan

    Returns
    -------
    record : TrainingRecord

    Raises
    ------
    NonFiniteLossError
        If the loss becomes NaN or infinite.
    ValueError
        If the engine that is asked for cannot carry the model, the data or a callback.
    KeyboardInterrupt
        If the training was interrupted from the keyboard before it finished an epoch. Later, the
        network has the weights of the best epoch so far with ``stops_early``, else those of
        the last one, and the record holds the interrupt.
    """
    with on_device(network.device):
        network.follow_frozen_layers()
        before = network.state
        try:
            with named_codes(), named_errors(network, data.X, data.y):
                return _train(network, data, plan)
        except BaseException:
            network.state = before
            raise


def _train(network: Network, data: TrainingData, plan: TrainingPlan) -> TrainingRecord:
    scheduler = current_scheduler()
    backend, run = _prepared(network, data, plan)
    # Only the user's callbacks look at a model.
    session = _Session(network, has_live_model=backend == "keras" or bool(plan.callbacks))
    callbacks, stopping = _callbacks(network, data, plan, session, scheduler)
    callback_list = keras.callbacks.CallbackList(
        callbacks,
        add_history=True,
        model=session.seen,
        epochs=plan.last_epoch,
        steps=math.ceil(n_rows(data.X) / plan.batch_size),
        verbose=0,
    )
    interrupt = None
    try:
        with _scheduled(scheduler, run, data, plan, backend) as runner:
            if run is None:
                assign_units(session.live, data.units)
                _run_keras(session.live, data, plan, callback_list)
            else:
                _run_compiled(runner, data, plan, callback_list, session)
    except KeyboardInterrupt as error:
        if not session.seen.history.epoch:
            end_after_error(callback_list)
            raise
        session.finalize()
        # Early stopping puts the best weights back.
        end_after_error(callback_list)
        interrupt = error
    except BaseException:
        end_after_error(callback_list)
        raise
    seen, first_epoch = session.seen.history, session.first_epoch(plan)
    session.store_weights()
    _check_weights(network, len(seen.epoch))
    history = {name: [float(v) for v in values] for name, values in seen.history.items()}
    last = max(0, len(seen.epoch) - 1)
    if stopping is None:
        stopping = next((c for c in plan.callbacks if _restores_best(c)), None)
    best = last if stopping is None else max(0, stopping.best_epoch - first_epoch)
    return TrainingRecord(history, int(best), backend, first_epoch - plan.first_epoch, interrupt)


def _callbacks(
    network: Network,
    data: TrainingData,
    plan: TrainingPlan,
    session: _Session,
    scheduler: Scheduler | None,
) -> tuple[list[Any], Any | None]:
    """Return all callbacks of a training, and the one among them that stops it early."""
    stopping = None
    callbacks: list[Any] = [LossGuard()]
    if data.validation is not None:
        validate = ValidationRun(network.compiled_model, data.validation, session.state)
        # Losses and scores come first, so that the user's callbacks can monitor them.
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
        bar = plan.bar or ProgressBar(plan.epochs, plan.verbose)
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
    """Return the backend of a training, and its rows and program if it has one."""
    compiled_model = network.compiled_model
    backend = choose_backend(compiled_model, data, plan)
    if backend == "keras":
        return backend, None
    if backend == "xla" and compiled_model.looks_up_codes:
        # XLA takes the nearest code for one that is not in the table; TensorFlow refuses it.
        network.outputs(data.X)
        if data.validation is not None:
            network.outputs(data.validation.X)
    batch_size = min(plan.batch_size, n_rows(data.X))
    run = TrainingRun(compiled_model, backend, data, batch_size, network.state)
    try:
        run.prepare()
    except ForeignStateError:
        reason = "a layer, loss or metric with a variable that Keras does not know as its own"
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
    """Yield what takes the place of a run while other fits train in threads beside it."""
    if scheduler is not None:
        # Keras' own fit takes long in any case.
        scheduler.note_training(plan.epochs * (1.0 if run is None else run.seconds_per_epoch))
    if scheduler is None or run is None:
        yield run
    elif suits_stack(run.compiled_model, data, plan, backend, scheduler.vectorize):
        with in_batched_group(scheduler, run) as member:
            yield member
    else:
        beside = SideBySide(scheduler, run, is_heavy=is_heavy(run.compiled_model, data, plan))
        yield beside
        scheduler.note_trained(beside.seconds)


def _restores_best(callback: Any) -> bool:
    """Return whether a user's callback has put the best weights back."""
    return (
        isinstance(callback, keras.callbacks.EarlyStopping)
        and callback.restore_best_weights
        and callback.best_weights is not None
    )


def _check_weights(network: Network, n_epochs: int) -> None:
    """Raise if the last step, after which no loss was looked at, broke the weights."""
    state = network.state
    if all(np.isfinite(np.asarray(part)).all() for part in state.weights):
        return
    raise NonFiniteLossError(
        f"The weights became NaN or infinite in epoch {n_epochs}. {LIKELY_CAUSES}"
    )


def _order(n_samples: int, plan: TrainingPlan, epoch: int) -> np.ndarray:
    """Return the positions of rows in the order in which an epoch takes them."""
    rows = np.arange(n_samples, dtype=np.int32)
    if not plan.shuffle:
        return rows
    return np.random.default_rng([plan.seed, epoch]).permutation(rows)


def _run_compiled(
    run: TrainingRun,
    data: TrainingData,
    plan: TrainingPlan,
    callback_list: Any,
    session: _Session,
) -> None:
    # Epochs that nobody watches are one call.
    is_watched = bool(plan.callbacks or plan.stops_early or plan.verbose) or (
        data.validation is not None or plan.ends_at is not None
    )
    n_samples = n_rows(data.X)
    n_at_once = 1 if is_watched else run.epochs_per_call(plan.epochs)
    callback_list.on_train_begin()
    logs: dict[str, float] = {}
    for first in range(session.first_epoch(plan), plan.last_epoch, n_at_once):
        epochs = range(first, min(first + n_at_once, plan.last_epoch))
        callback_list.on_epoch_begin(first)
        session.sync_from_model()
        orders = [_order(n_samples, plan, epoch) for epoch in epochs]
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


class _OrderedBatches(keras.utils.PyDataset):
    """Batches in the orders of the plan, so that Keras draws from no global random state."""

    def __init__(self, data: TrainingData, plan: TrainingPlan) -> None:
        super().__init__()
        self._data = data
        self._plan = plan
        self.begin_epoch(plan.first_epoch)

    def begin_epoch(self, epoch: int) -> None:
        self._order = _order(n_rows(self._data.X), self._plan, epoch)

    def __len__(self) -> int:
        return math.ceil(n_rows(self._data.X) / self._plan.batch_size)

    def __getitem__(self, position: int) -> tuple[Any, ...]:
        start = position * self._plan.batch_size
        rows = self._order[start : start + self._plan.batch_size]
        batch: tuple[Any, ...] = (
            _as_tuple(take_on_host(self._data.X, rows)),
            _as_tuple(take_on_host(self._data.y, rows)),
        )
        if self._data.sample_weight is not None:
            batch += (self._data.sample_weight[rows],)
        return batch


def _as_tuple(batch: Any) -> Any:
    # TensorFlow takes a list for one tensor.
    return tuple(batch) if isinstance(batch, list) else batch


def _run_keras(model: Any, data: TrainingData, plan: TrainingPlan, callback_list: Any) -> None:
    batches = _OrderedBatches(data, plan)
    # A dataset's own hooks are also called while Keras looks for the shapes.
    callback_list.callbacks.append(
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, _: batches.begin_epoch(epoch),
            on_train_batch_begin=lambda batch, logs=None: Scheduler.check(),  # noqa: ARG005
        )
    )
    model.fit(
        batches,
        initial_epoch=plan.first_epoch,
        epochs=plan.last_epoch,
        callbacks=callback_list,
        shuffle=False,
        verbose=0,
    )
