"""Validation, early stopping, the guard against NaN, and progress."""

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from tqdm.auto import tqdm

from nnkit._messages import shown
from nnkit.exceptions import NonFiniteLossError
from nnkit.training.instantiation import check_arguments, instantiate_all
from nnkit.training.keras_names import hint_of_class

__all__ = [
    "LIKELY_CAUSES",
    "FrozenLayersGuard",
    "LossGuard",
    "Progress",
    "TimeLimit",
    "Validation",
    "early_stopping",
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
    layout : Layout
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


class Progress(keras.callbacks.Callback):
    """Shows epochs done, time left and the last losses.

    Parameters
    ----------
    epochs : int
        How many there will be at most.
    verbose : {1, 2}
        1 shows a bar on fits that take longer than half a second; 2 prints a line an epoch.
    """

    def __init__(self, epochs: int, verbose: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._verbose = verbose
        self._bar: Any = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Open the bar."""
        self._bar = tqdm(
            total=self._epochs,
            unit="epoch",
            delay=0.5,
            disable=self._verbose != 1,
        )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Show what an epoch brought."""
        shown = {name: f"{value:.4g}" for name, value in (logs or {}).items()}
        if self._verbose == 2:
            values = ", ".join(f"{name}={value}" for name, value in shown.items())
            tqdm.write(f"epoch {epoch + 1}/{self._epochs}: {values}")
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Close the bar."""
        self._bar.close()


def make_callbacks(callbacks: Any, routed: Mapping[str, Any]) -> list[Any]:
    """Return fresh Keras callbacks from classes, instances, lists or dicts of them.

    Parameters
    ----------
    callbacks : None, a callback class or instance, or a list or dict of them
        Instances are copied, so that a fit leaves the user's own alone.
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
        copied = copy.deepcopy(callback)
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
