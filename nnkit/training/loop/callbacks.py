"""Callbacks of a training: validation, early stopping, checks of the loss, and progress."""

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
        The message names the epoch and the likely causes.
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
    """Raises if another callback changes which layers are trainable during training.

    The change would have no effect: like Keras, a fit trains the weights that are trainable when
    it starts.

    Parameters
    ----------
    live : keras.Model
        Model of the callbacks.
    layout : StateLayout
        Layout of the weights that are trained.

    Raises
    ------
    ValueError
        If the trainable weights differ from those of the layout.
    """

    def __init__(self, live: Any, layout: Any) -> None:
        super().__init__()
        self._live = live
        self._layout = layout

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Compare the trainable weights with those of the layout."""
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
        Function that returns the loss and the metrics by name, and the list of outputs
        (n_samples, ...).
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
        """Validate, and add the results to ``logs``."""
        found, outputs = self._validate()
        if self._score is not None and np.isfinite(found["loss"]):
            name, score = self._score
            found[name] = float(score(outputs))
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in found.items()})


class TimeLimit(keras.callbacks.Callback):
    """Stops the training after the first epoch that ends beyond a time limit.

    Parameters
    ----------
    ends_at : float
        Time limit on the clock of ``time.monotonic()``.
    """

    def __init__(self, ends_at: float) -> None:
        super().__init__()
        self._ends_at = ends_at

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Compare the time with the limit."""
        if time.monotonic() >= self._ends_at:
            self.model.stop_training = True


def early_stopping(
    monitor: str, *, greater_is_better: bool, n_iter_no_change: int, tol: float
) -> keras.callbacks.EarlyStopping:
    """Return a ``keras.callbacks.EarlyStopping`` that restores the best weights."""
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
    """Return whether a callback has code outside of Keras, which may add values to the logs."""
    is_of_keras = type(callback).__module__.startswith("keras.")
    return not is_of_keras or isinstance(callback, keras.callbacks.LambdaCallback)


def _monitored(callback: Any) -> str | None:
    """Return the name of the value that a callback of Keras monitors; None if it does not."""
    if isinstance(callback, keras.callbacks.ModelCheckpoint) and not callback.save_best_only:
        return None
    is_known = isinstance(callback, _MONITORING) and not _runs_own_code(callback)
    return str(callback.monitor) if is_known else None


def guarded(callbacks: Sequence[Any], *, has_validation: bool) -> list[Any]:
    """Return callbacks, with a `MonitorGuard` before each that monitors a value.

    Parameters
    ----------
    callbacks : sequence of keras.callbacks.Callback
        The user's callbacks.
    has_validation : bool
        Whether the fit has validation rows.

    Raises
    ------
    ValueError
        If a callback monitors a validation value and there are no validation rows.
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
    """Stops the training with an error if a callback monitors a value that is not recorded.

    It runs immediately before the callback, so that both get the same logs.

    Parameters
    ----------
    callback : keras.callbacks.Callback
        The callback to check.
    monitor : str
        Name of the value that it monitors.
    has_validation : bool
        Whether the fit has validation rows.

    Raises
    ------
    ValueError
        The message names the callback and the most similar recorded value.
    """

    def __init__(self, callback: Any, monitor: str, *, has_validation: bool) -> None:
        super().__init__()
        self._name = f"callbacks: {type(callback).__name__} monitors {monitor!r}"
        self._monitor = monitor
        self._has_validation = has_validation
        self._is_checked = False

    def check_validation(self) -> None:
        """Raise if the value needs validation rows and there are none."""
        if self._monitor.startswith("val_") and not self._has_validation:
            raise ValueError(
                f"{self._name}, but the fit has no rows to validate on. Set validation_split=0.2 "
                "or early_stopping=True, give X_val and y_val to fit, or monitor 'loss'."
            )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Look up the monitored value in the logs of the first epoch."""
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
    """Progress of all networks of a fit, as one bar or as lines.

    Parameters
    ----------
    epochs : int
        Largest number of epochs of each network.
    verbose : {0, 1, 2}
        0 shows nothing; 1 a bar if the fit takes longer than half a second; 2 one line per epoch.
    n_networks : int, default=1
        Number of networks that train concurrently.
    first_epoch : int, default=0
        Number of the first epoch. It is above 0 when an earlier training is continued.
    """

    def __init__(
        self, epochs: int, verbose: int, n_networks: int = 1, *, first_epoch: int = 0
    ) -> None:
        self._epochs = epochs
        self._last_epoch = first_epoch + epochs
        self._verbose = verbose
        self._n_networks = n_networks
        self._n_open = n_networks
        self._bar: Any = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Open the bar if no other network has opened it."""
        with self._lock:
            if self._bar is None:
                self._bar = tqdm(
                    total=self._epochs * self._n_networks,
                    unit="epoch",
                    delay=0.5,
                    disable=self._verbose != 1,
                )

    def update(self, position: int, epoch: int, logs: Mapping[str, Any]) -> None:
        """Show the values of one epoch of one network."""
        shown = {name: f"{value:.4g}" for name, value in logs.items()}
        with self._lock:
            if self._verbose == 2:
                of = "" if self._n_networks == 1 else f"network {position + 1}/{self._n_networks}, "
                values = ", ".join(f"{name}={value}" for name, value in shown.items())
                tqdm.write(f"{of}epoch {epoch + 1}/{self._last_epoch}: {values}")
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update()

    def end(self, n_left: int) -> None:
        """Subtract the epochs that a network did not train; the last network closes the bar."""
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
    """Reports the epochs of one network to the progress bar of its fit.

    Parameters
    ----------
    epochs : int
        Largest number of epochs.
    bar : ProgressBar
        Progress bar of the fit.
    position : int
        Position of the network in its ensemble, from 0.
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
        """Show the values of the epoch."""
        self._n_left -= 1
        self._bar.update(self._position, epoch, logs or {})

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Close the bar if this network is the last one."""
        self._bar.end(self._n_left)


def end_after_error(callback_list: Any) -> None:
    """Call ``on_train_end`` of the callbacks after an error or an interrupt.

    Progress bars and log files are closed. Further errors are suppressed, so that the first one is
    shown. ``BackupAndRestore`` is skipped, since it would delete its backup.
    """
    for callback in callback_list.callbacks:
        if not isinstance(callback, keras.callbacks.BackupAndRestore):
            with contextlib.suppress(Exception):
                callback.on_train_end()
    callback_list.callbacks = []
    with contextlib.suppress(Exception):
        callback_list.on_train_end()  # ends the threads of the list


def make_callbacks(callbacks: Any, routed: Mapping[str, Any]) -> list[Any]:
    """Return fresh Keras callbacks from classes, instances, or lists or dicts of them.

    Parameters
    ----------
    callbacks : None, a callback class or instance, or a list or dict of them
        Instances are copied by `copy_of_callbacks`, so that a fit does not change the user's.
    routed : mapping
        Constructor arguments: for all callbacks, or by position or key for one.

    Raises
    ------
    ValueError
        If an entry is not a Keras callback, or does not take an argument.
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
        # The constructor is called again, since it may derive attributes from its arguments.
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
    """Return whether a callback is called at every batch."""
    if isinstance(callback, keras.callbacks.TensorBoard):
        return callback.update_freq != "epoch"
    if isinstance(callback, (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)):
        return callback.save_freq != "epoch"
    if type(callback).__module__ == "mlflow.keras.callback":
        # MLflow's callback has a hook for batches that does nothing unless this is set.
        return getattr(callback, "log_every_n_steps", None) is not None
    for name in _BATCH_HOOKS:
        hook = getattr(callback, name)
        if getattr(hook, "__func__", hook) is not getattr(keras.callbacks.Callback, name):
            return True
    return False
