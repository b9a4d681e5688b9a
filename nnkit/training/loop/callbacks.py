"""Validation, early stopping, the guard against NaN, and progress."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from tqdm.auto import tqdm

from nnkit._messages import shown
from nnkit.exceptions import NonFiniteLossError
from nnkit.training.copying.callback_copies import copy_of_callbacks
from nnkit.training.specification.instantiation import check_arguments, instantiate_all
from nnkit.training.specification.keras_names import hint_of_class

__all__ = [
    "LIKELY_CAUSES",
    "EpochProgress",
    "FrozenLayersGuard",
    "LossGuard",
    "MonitorGuard",
    "ProgressBar",
    "TimeLimit",
    "Validation",
    "early_stopping",
    "end_after_error",
    "guarded",
    "make_callbacks",
    "needs_batches",
]


LIKELY_CAUSES = (
    "Likely causes: a learning rate that is too high (lower optimizer__learning_rate), columns "
    "that are not scaled (put a StandardScaler before the network), or a loss that takes the "
    "logarithm of 0 or of a negative number."
)


class LossGuard(keras.callbacks.Callback):
    """Stops the training with an error when the loss is not a finite number.

    Raises
    ------
    NonFiniteLossError
        Naming the epoch and the likely causes.
    """

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Check the losses of an epoch."""
        for name in ("loss", "val_loss"):
            value = (logs or {}).get(name)
            if value is None or np.isfinite(value):
                continue
            kind = "training" if name == "loss" else "validation"
            raise NonFiniteLossError(
                f"The {kind} loss became {float(value)} in epoch {epoch + 1}. {LIKELY_CAUSES}"
            )


class FrozenLayersGuard(keras.callbacks.Callback):
    """Raises if another callback freezes layers, or makes them trainable, in mid training.

    Parameters
    ----------
    live : keras.Model
        That the callbacks see.
    layout : StateLayout
        Of the weights that are trained.

    Raises
    ------
    ValueError
        Keras, too, trains what was trainable at the beginning of a fit.
    """

    def __init__(self, live: Any, layout: Any) -> None:
        super().__init__()
        self._live = live
        self._layout = layout

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Compare what is trainable with what is trained."""
        if not self._layout.has_trainable(self._live):
            raise ValueError(
                f"A callback changed which layers are trainable before epoch {epoch + 1}, which "
                "has no effect on a training under way. Fit twice, with warm_start=True, and set "
                "trainable on the layers of model_ in between."
            )


class Validation(keras.callbacks.Callback):
    """Adds the loss, the metrics and a score on held-out rows to the logs of an epoch.

    Parameters
    ----------
    validate : callable
        Returns the loss and the metrics by name, and the list of outputs (n_samples, ...).
    score : tuple of str and callable, or None
        A name and a function from the list of outputs to a float.
    """

    def __init__(
        self,
        validate: Callable[[], tuple[dict[str, float], list[np.ndarray]]],
        score: tuple[str, Callable[[list[np.ndarray]], float]] | None,
    ) -> None:
        super().__init__()
        self._validate = validate
        self._score = score

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Validate, and add what was found to ``logs``."""
        found, outputs = self._validate()
        if self._score is not None and np.isfinite(found["loss"]):
            name, score = self._score
            found[name] = float(score(outputs))
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in found.items()})


class TimeLimit(keras.callbacks.Callback):
    """Stops the training after the epoch in which its time is up.

    Parameters
    ----------
    ends_at : float
        The time of ``time.monotonic()`` after which no further epoch begins.
    """

    def __init__(self, ends_at: float) -> None:
        super().__init__()
        self._ends_at = ends_at

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Look at the clock."""
        if time.monotonic() >= self._ends_at:
            self.model.stop_training = True


def early_stopping(
    monitor: str, *, greater_is_better: bool, n_iter_no_change: int, tol: float
) -> keras.callbacks.EarlyStopping:
    """Return Keras' early stopping, which puts the best weights back at the end."""
    return keras.callbacks.EarlyStopping(
        monitor=monitor,
        mode="max" if greater_is_better else "min",
        patience=n_iter_no_change,
        min_delta=tol,
        restore_best_weights=True,
    )


_MONITORING = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ReduceLROnPlateau,
)


def _runs_own_code(callback: Any) -> bool:
    """Return whether a callback is not Keras' alone, so that it may add values to the logs."""
    is_of_keras = type(callback).__module__.startswith("keras.")
    return not is_of_keras or isinstance(callback, keras.callbacks.LambdaCallback)


def _monitored(callback: Any) -> str | None:
    """Return the name of the value that a callback of Keras looks at, if it looks at one."""
    if isinstance(callback, keras.callbacks.ModelCheckpoint) and not callback.save_best_only:
        return None
    is_known = isinstance(callback, _MONITORING) and not _runs_own_code(callback)
    return str(callback.monitor) if is_known else None


def guarded(callbacks: Sequence[Any], *, has_validation: bool) -> list[Any]:
    """Return callbacks, with a `MonitorGuard` before each that monitors a value.

    Parameters
    ----------
    callbacks : sequence of keras.callbacks.Callback
        The user's.
    has_validation : bool
        Whether the fit has rows to validate on.

    Raises
    ------
    ValueError
        If a callback monitors validation rows and there are none.
    """
    found: list[Any] = []
    may_add_values = False
    for callback in callbacks:
        monitor = _monitored(callback)
        if monitor is not None:
            guard = MonitorGuard(callback, monitor, has_validation=has_validation)
            if not may_add_values:
                guard.check_validation()
            found.append(guard)
        found.append(callback)
        may_add_values = may_add_values or _runs_own_code(callback)
    return found


class MonitorGuard(keras.callbacks.Callback):
    """Stops the training with an error if a callback monitors what no epoch records.

    It comes right before the callback, and sees what that sees.

    Parameters
    ----------
    callback : keras.callbacks.Callback
        Which is looked after.
    monitor : str
        The name of the value that it looks at.
    has_validation : bool
        Whether the fit has rows to validate on.

    Raises
    ------
    ValueError
        Naming the callback, and the nearest value that is recorded.
    """

    def __init__(self, callback: Any, monitor: str, *, has_validation: bool) -> None:
        super().__init__()
        self._name = f"callbacks: {type(callback).__name__} monitors {monitor!r}"
        self._monitor = monitor
        self._has_validation = has_validation
        self._is_checked = False

    def check_validation(self) -> None:
        """Raise if the value is one of validation rows and there are none."""
        if self._monitor.startswith("val_") and not self._has_validation:
            raise ValueError(
                f"{self._name}, but the fit has no rows to validate on. Set validation_split=0.2 "
                "or early_stopping=True, give X_val and y_val to fit, or monitor 'loss'."
            )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Compare with the logs of the first epoch."""
        recorded = list(logs or {})
        if self._is_checked or self._monitor in recorded:
            self._is_checked = True
            return
        self.check_validation()
        nearest = difflib.get_close_matches(self._monitor, recorded, n=1)
        hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
        raise ValueError(
            f"{self._name}, which no epoch records. {hint}Recorded are {recorded}; metrics= and "
            "scoring= add to them."
        )


class ProgressBar:
    """How far all networks of a fit have got, on one bar or line by line.

    Parameters
    ----------
    epochs : int
        How many epochs each network trains at most.
    verbose : {0, 1, 2}
        0 shows nothing; 1 a bar on fits that take longer than half a second; 2 a line an epoch.
    n_networks : int, default=1
        Which train side by side, in threads.
    """

    def __init__(self, epochs: int, verbose: int, n_networks: int = 1) -> None:
        self._epochs = epochs
        self._verbose = verbose
        self._n_networks = n_networks
        self._n_open = n_networks
        self._bar: Any = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Open the bar, with the first network that trains."""
        with self._lock:
            if self._bar is None:
                self._bar = tqdm(
                    total=self._epochs * self._n_networks,
                    unit="epoch",
                    delay=0.5,
                    disable=self._verbose != 1,
                )

    def update(self, position: int, epoch: int, logs: Mapping[str, Any]) -> None:
        """Show what an epoch of one network brought."""
        shown = {name: f"{value:.4g}" for name, value in logs.items()}
        with self._lock:
            if self._verbose == 2:
                of = "" if self._n_networks == 1 else f"network {position + 1}/{self._n_networks}, "
                values = ", ".join(f"{name}={value}" for name, value in shown.items())
                tqdm.write(f"{of}epoch {epoch + 1}/{self._epochs}: {values}")
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update()

    def end(self, n_left: int) -> None:
        """Take the epochs that a network did not need off the total; the last closes the bar."""
        with self._lock:
            self._n_open -= 1
            if self._bar is None:
                return
            if not self._bar.disable:
                self._bar.total -= n_left
                self._bar.refresh()
            if not self._n_open:
                self._bar.close()


class EpochProgress(keras.callbacks.Callback):
    """Shows epochs done, time left and the last losses of one network.

    Parameters
    ----------
    epochs : int
        How many there will be at most.
    bar : ProgressBar
        That of the fit.
    position : int
        Of the network in its ensemble, from 0.
    """

    def __init__(self, epochs: int, bar: ProgressBar, position: int = 0) -> None:
        super().__init__()
        self._n_left = epochs
        self._bar = bar
        self._position = position

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the bar."""
        self._bar.begin()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Show what an epoch brought."""
        self._n_left -= 1
        self._bar.update(self._position, epoch, logs or {})

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Close the bar, if this network is the last."""
        self._bar.end(self._n_left)


def end_after_error(callback_list: Any) -> None:
    """End the callbacks of a training that an error or an interrupt has ended.

    Bars and log files are closed. The first error is the one to show. At the end of a training
    ``BackupAndRestore`` deletes the backup, which is needed now.
    """
    for callback in callback_list.callbacks:
        if not isinstance(callback, keras.callbacks.BackupAndRestore):
            with contextlib.suppress(Exception):
                callback.on_train_end()
    callback_list.callbacks = []
    with contextlib.suppress(Exception):
        callback_list.on_train_end()  # ends its threads


def make_callbacks(callbacks: Any, routed: Mapping[str, Any]) -> list[Any]:
    """Return fresh Keras callbacks from classes, instances, lists or dicts of them.

    Parameters
    ----------
    callbacks : None, a callback class or instance, or a list or dict of them
        Instances are copied, so that a fit leaves the user's own alone; what they hold beside
        plain data is shared.
    routed : mapping
        Constructor arguments: for all, or by position or key for one.

    Raises
    ------
    ValueError
        If an entry is no Keras callback, or does not take an argument.
    """

    def make(callback: Any, arguments: Mapping[str, Any], parameter: str) -> Any:
        cls = callback if inspect.isclass(callback) else type(callback)
        if not issubclass(cls, keras.callbacks.Callback):
            raise ValueError(
                f"{parameter} must be a keras.callbacks.Callback, as class or instance. "
                f"Got {shown(callback)} instead.{hint_of_class(keras.callbacks, callback)}"
            )
        check_arguments(cls, arguments, parameter=parameter)
        if inspect.isclass(callback):
            return callback(**arguments)
        copied = copy_of_callbacks(callback)
        if not arguments:
            return copied
        # Built anew, since a constructor may derive further attributes from its arguments.
        names = [
            parameter.name
            for parameter in inspect.signature(cls).parameters.values()
            if parameter.name not in arguments
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        if all(hasattr(copied, name) for name in names):
            return cls(**{name: getattr(copied, name) for name in names}, **arguments)
        raise ValueError(
            f"{parameter}__{next(iter(arguments))} cannot change an instance of {cls.__name__}, "
            "which does not keep its arguments. Give the class instead of the instance."
        )

    return instantiate_all(callbacks, routed, parameter="callbacks", make=make)


_BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
)


def needs_batches(callback: Any) -> bool:
    """Return whether a callback wants to be called around every batch."""
    if isinstance(callback, keras.callbacks.TensorBoard):
        return callback.update_freq != "epoch"
    if isinstance(callback, (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)):
        return callback.save_freq != "epoch"
    for name in _BATCH_HOOKS:
        hook = getattr(callback, name)
        if getattr(hook, "__func__", hook) is not getattr(keras.callbacks.Callback, name):
            return True
    return False
