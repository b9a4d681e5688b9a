"""Checkpoints of a training, from which it goes on after its process was killed."""

from __future__ import annotations

import contextlib
import os
import pickle
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cloudpickle
import keras
import tensorflow as tf

from nnkit.training.loop.state import TrainingState

__all__ = [
    "CheckpointFile",
    "CheckpointWriter",
    "finished_training",
    "read_pickle",
    "write_pickle",
]

# Attributes of callbacks that belong to the present training.
_OF_TRAINING = ("_model", "model", "params")


def write_pickle(path: Path, content: Any) -> None:
    """Write a file at once: after a crash, it has its old content or the new one.

    Parameters
    ----------
    path : Path
    content : object
    """
    unfinished = path.with_name(f"{path.name}.part")
    with open(unfinished, "wb") as file:
        cloudpickle.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def read_pickle(path: Path) -> Any | None:
    """Return the content of a file of `write_pickle`; None if there is none.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        If the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return pickle.load(file)
    except FileNotFoundError:
        return None
    except Exception as error:
        raise ValueError(
            f"The checkpoint {str(path)!r} cannot be read ({type(error).__name__}: {error}). "
            "Delete the folder, and fit anew."
        ) from error


class CheckpointFile:
    """File with the checkpoint of one network.

    Parameters
    ----------
    path : Path
    seconds : float
        Smallest time between two checkpoints.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self.seconds = seconds

    def read(self) -> dict[str, Any] | None:
        """Return the stored training; None if there is none."""
        return read_pickle(self.path)

    def write(self, state: TrainingState, **content: Any) -> None:
        """Store a training.

        Parameters
        ----------
        state : TrainingState
        **content : object
        """
        parts = [[keras.ops.convert_to_numpy(part) for part in group] for group in state]
        write_pickle(self.path, {"state": parts, **content})


def _state_of(stored: Mapping[str, Any]) -> TrainingState:
    return TrainingState(*([tf.constant(part) for part in group] for group in stored["state"]))


class CheckpointWriter(keras.callbacks.Callback):
    """Restores a stored training before its first epoch, and stores it between epochs.

    It is the last callback of a training, so that the others have seen the epoch.

    Parameters
    ----------
    file : CheckpointFile
    stored : mapping or None
        The stored training.
    session : object
        With the attributes ``current``, the state, and ``is_stopped``, and the method ``update``.
    callbacks : sequence of keras.callbacks.Callback
        Callbacks whose attributes are stored. Attributes that cannot be pickled, such as open
        files, are left as they are.
    history : keras.callbacks.History
        Record of the training.
    """

    def __init__(
        self,
        file: CheckpointFile,
        stored: Mapping[str, Any] | None,
        session: Any,
        callbacks: Sequence[Any],
        history: Any,
    ) -> None:
        super().__init__()
        self._file = file
        self._stored = stored
        self._session = session
        self._callbacks = callbacks
        self._history = history
        self._written_at = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Restore the stored training, once."""
        del epoch, logs
        stored, self._stored = self._stored, None
        if stored is None:
            return
        self._session.update(_state_of(stored))
        self._history.epoch[:] = stored["epochs"]
        self._history.history.update(stored["history"])
        for callback, attributes in zip(self._callbacks, stored["callbacks"], strict=True):
            vars(callback).update(pickle.loads(attributes))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Store the training, if the last time is long enough ago."""
        del logs
        if time.monotonic() - self._written_at < self._file.seconds or self._session.is_stopped:
            return
        self._file.write(
            self._session.current,
            next_epoch=epoch + 1,
            epochs=self._history.epoch,
            history=self._history.history,
            callbacks=[_attributes_of(callback) for callback in self._callbacks],
        )
        self._written_at = time.monotonic()


def _attributes_of(callback: Any) -> bytes:
    """Return the attributes of a callback that can be pickled, pickled."""
    kept = {}
    for name, value in vars(callback).items():
        if name in _OF_TRAINING:
            continue
        with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError, ValueError):
            cloudpickle.dumps(value)
            kept[name] = value
    content: bytes = cloudpickle.dumps(kept)
    return content


def finished_training(stored: Mapping[str, Any]) -> tuple[TrainingState, Any] | None:
    """Return the last state and the record of a stored training that was finished, else None.

    Parameters
    ----------
    stored : mapping
        The stored training.
    """
    record = stored.get("record")
    return None if record is None else (_state_of(stored), record)
