"""The fit loop, and the choice between the compiled program and Keras' own fit."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse

from nnkit._compat import compile_arguments
from nnkit.exceptions import NonFiniteLossError
from nnkit.training.callbacks import (
    LIKELY_CAUSES,
    LossGuard,
    Progress,
    TimeLimit,
    Validation,
    early_stopping,
    needs_batches,
)
from nnkit.training.program import epoch_program
from nnkit.training.rows import n_rows, take_on_host, taker, to_device

__all__ = ["TrainingData", "TrainingPlan", "TrainingRecord", "train"]


@dataclass(frozen=True)
class TrainingData:
    """The rows to train and to validate on, encoded.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...), csr_array, or dict or list of ndarray
        In the dtypes of the model's inputs.
    y : ndarray of shape (n_samples, ...), or a structure of them like the model's outputs
    sample_weight : ndarray of shape (n_samples,) or None
    validation : TrainingData or None
        Rows to validate on.
    """

    X: Any
    y: Any
    sample_weight: np.ndarray | None = None
    validation: TrainingData | None = None


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
    engine : {"auto", "compiled", "keras"}
        What trains.
    verbose : {0, 1, 2}
        Silent, a bar, or a line an epoch.
    first_epoch : int
        Number of the first epoch, above 0 where training goes on.
    time_limit : float or None
        Seconds after which no further epoch begins.
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
    engine: Literal["auto", "compiled", "keras"] = "auto"
    verbose: int = 0
    first_epoch: int = 0
    time_limit: float | None = None

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
    engine : {"compiled", "keras"}
        What trained.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    engine: Literal["compiled", "keras"] = "compiled"


def train(
    model: Any,
    data: TrainingData,
    plan: TrainingPlan,
    programs: dict[Any, Any] | None = None,
) -> TrainingRecord:
    """Train a compiled model in place, and say what happened.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    data : TrainingData
    plan : TrainingPlan
    programs : dict or None, default=None
        Compiled programs of earlier trainings of this model, which is added to.

    Returns
    -------
    record : TrainingRecord

    Raises
    ------
    NonFiniteLossError
        If the loss becomes NaN or infinite.
    ValueError
        If ``engine="compiled"`` cannot carry the model or a callback.

    Warns
    -----
    UserWarning
        If the training was interrupted from the keyboard: the model then has the weights of
        the best epoch so far with ``stops_early``, else those of the last one.
    """
    engine = _choose_engine(model, plan)
    stopping = None
    callbacks: list[Any] = [LossGuard()]
    if data.validation is not None:
        # Losses and scores come first, so that the user's callbacks can monitor them.
        callbacks.insert(0, Validation(data.validation, plan.score))
    callbacks += plan.callbacks
    if plan.stops_early:
        stopping = early_stopping(
            "val_loss" if plan.score is None else f"val_{plan.score[0]}",
            greater_is_better=plan.score is not None,
            n_iter_no_change=plan.n_iter_no_change,
            tol=plan.tol,
        )
        callbacks.append(stopping)
    if plan.time_limit is not None:
        callbacks.append(TimeLimit(plan.time_limit))
    if plan.verbose:
        callbacks.append(Progress(plan.epochs, plan.verbose))
    callback_list = keras.callbacks.CallbackList(
        callbacks,
        add_history=True,
        model=model,
        epochs=plan.last_epoch,
        steps=math.ceil(n_rows(data.X) / plan.batch_size),
        verbose=0,
    )
    try:
        if engine == "compiled":
            _run_compiled(model, data, plan, callback_list, {} if programs is None else programs)
        else:
            _run_keras(model, data, plan, callback_list)
    except KeyboardInterrupt:
        callback_list.on_train_end()
        epochs_done = len(model.history.epoch)
        kept = "best weights so far" if plan.stops_early else "weights that it has reached"
        warnings.warn(
            f"The training was interrupted after {epochs_done} of {plan.epochs} epochs; "
            f"the model keeps the {kept}.",
            UserWarning,
            stacklevel=2,
        )
    except Exception:
        # Bars and log files are closed; the first error is the one to show.
        with contextlib.suppress(Exception):
            callback_list.on_train_end()
        raise
    _check_weights(model)
    history = {name: [float(v) for v in values] for name, values in model.history.history.items()}
    if stopping is None:
        stopping = next((c for c in plan.callbacks if _restores_best(c)), None)
    last = max(0, len(model.history.epoch) - 1)
    best = last if stopping is None else stopping.best_epoch - plan.first_epoch
    return TrainingRecord(history, int(best), engine)


def _restores_best(callback: Any) -> bool:
    """Return whether a user's callback has put the best weights back."""
    return (
        isinstance(callback, keras.callbacks.EarlyStopping)
        and callback.restore_best_weights
        and callback.best_weights is not None
    )


def _check_weights(model: Any) -> None:
    """Raise if the last step, after which no loss was looked at, broke the weights."""
    if all(np.isfinite(weights).all() for weights in model.get_weights()):
        return
    raise NonFiniteLossError(
        f"The weights became NaN or infinite in epoch {len(model.history.epoch)}. {LIKELY_CAUSES}"
    )


def _choose_engine(model: Any, plan: TrainingPlan) -> Literal["compiled", "keras"]:
    """Return what trains: the compiled program, unless something needs Keras' own fit."""
    if plan.engine == "keras":
        return "keras"
    reason = _reason_for_keras(model, plan.callbacks)
    if reason is None:
        return "compiled"
    if plan.engine == "compiled":
        raise ValueError(f"engine='compiled' cannot carry {reason}. Use engine='auto'.")
    return "keras"


def _reason_for_keras(model: Any, callbacks: Sequence[Any]) -> str | None:
    for name in ("train_step", "fit", "make_train_function"):
        # A replaced method shows on the instance or in a class that is not Keras' own.
        if name in vars(model) and name != "train_function":
            return f"a model with its own {name}"
        owner = next(cls for cls in type(model).__mro__ if name in vars(cls))
        if not owner.__module__.startswith("keras."):
            return f"a model with its own {name}"
    if model.run_eagerly:
        return "a model compiled with run_eagerly"
    if model.steps_per_execution not in (None, 1):
        return "a model compiled with steps_per_execution"
    if compile_arguments(model).get("jit_compile") is True:
        return "a model compiled with jit_compile"
    if tf.distribute.has_strategy():
        return "a tf.distribute strategy"
    for callback in callbacks:
        if needs_batches(callback):
            return f"{type(callback).__name__}, which wants to be called at every batch"
    return None


def _order(n_samples: int, plan: TrainingPlan, epoch: int) -> np.ndarray:
    """Return the positions of rows in the order in which an epoch takes them."""
    rows = np.arange(n_samples, dtype=np.int32)
    if not plan.shuffle:
        return rows
    return np.random.default_rng([plan.seed, epoch]).permutation(rows)


def _run_compiled(
    model: Any,
    data: TrainingData,
    plan: TrainingPlan,
    callback_list: Any,
    programs: dict[Any, Any],
) -> None:
    is_weighted = data.sample_weight is not None
    # Variables that are made in a graph would have it traced twice.
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    key = ("epoch", plan.batch_size, is_weighted, sparse.issparse(data.X))
    if key not in programs:
        programs[key] = epoch_program(
            model, taker(data.X), plan.batch_size, is_weighted=is_weighted
        )
    run_epoch = programs[key]
    X, y = to_device(data.X), to_device(data.y)
    sample_weight = tf.convert_to_tensor(data.sample_weight if is_weighted else np.ones(1))
    model.stop_training = False
    callback_list.on_train_begin()
    logs: dict[str, float] = {}
    for epoch in range(plan.first_epoch, plan.last_epoch):
        callback_list.on_epoch_begin(epoch)
        model.reset_metrics()
        order = tf.convert_to_tensor(_order(n_rows(data.X), plan, epoch))
        means = run_epoch(X, y, sample_weight, order)
        logs = {name: float(mean) for name, mean in means.items()}
        callback_list.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
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
            take_on_host(self._data.X, rows),
            take_on_host(self._data.y, rows),
        )
        if self._data.sample_weight is not None:
            batch += (self._data.sample_weight[rows],)
        return batch


def _run_keras(model: Any, data: TrainingData, plan: TrainingPlan, callback_list: Any) -> None:
    batches = _OrderedBatches(data, plan)
    # A dataset's own hooks are also called while Keras looks for the shapes.
    callback_list.callbacks.append(
        keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _: batches.begin_epoch(epoch))
    )
    model.fit(
        batches,
        initial_epoch=plan.first_epoch,
        epochs=plan.last_epoch,
        callbacks=callback_list,
        shuffle=False,
        verbose=0,
    )
