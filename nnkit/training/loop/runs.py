"""Epochs of a training, and validations, through a compiled program."""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import sparse

from nnkit.datasets.encoded_rows import is_on_disk
from nnkit.encoding.rows import n_encoded_rows
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.loop.backends import Backend, is_padded
from nnkit.training.loop.batches import take_on_host, taker, to_device
from nnkit.training.loop.program import (
    epoch_training,
    padded_training,
    suits_one_thread,
    validation_program,
)
from nnkit.training.loop.state import TrainingState
from nnkit.training.loop.step import fresh_metrics, prepare_metrics
from nnkit.training.parallel.scheduler import Scheduler

__all__ = ["TrainingRun", "ValidationRun", "or_ones"]

# Data sets above this size stay on the host. The rows of each call are copied to the device.
_MAX_DEVICE_BYTES = 2**30

# Approximate duration of one call, in seconds. A keyboard interrupt takes effect after the call.
_CALL_SECONDS = 0.5

# Estimated duration of a step: the first number, plus its operations divided by the second.
_STEP_SECONDS, _OPERATIONS_PER_SECOND = 5e-5, 2e10

# Limits of the number of batches per call of an XLA program (powers of two), and their bytes.
_MIN_XLA_STEPS, _MAX_XLA_STEPS, _XLA_BYTES = 16, 256, 8 * 2**20


class TrainingRun:
    """Runs epochs of one training through the compiled program of its backend.

    Parameters
    ----------
    compiled_model : CompiledModel
    backend : {"graph", "xla"}
    data : TrainingData
    batch_size : int
        Rows per step, at most the number of rows.
    state : TrainingState
        Example of the states to train, for shapes and dtypes.

    Attributes
    ----------
    compiled_model, data, batch_size
        As given.
    example : TrainingState
        The example state.
    n_samples : int
    take : callable
        Function from tensors of rows and positions to a batch; see `taker`.
    steps_per_call : int
        Approximate largest number of steps per call of the program.
    seconds_per_epoch : float
        Estimated duration of an epoch.
    rows_key : str
        Shapes, dtypes and types of the rows and targets, as a key of programs.
    """

    def __init__(
        self,
        compiled_model: CompiledModel,
        backend: Backend,
        data: Any,
        batch_size: int,
        state: TrainingState,
    ) -> None:
        self.compiled_model = compiled_model
        self.batch_size = batch_size
        self._backend = backend
        self._is_padded = is_padded(compiled_model)
        self.use(data)
        if not self._is_padded:
            prepare_metrics(compiled_model, data.X, data.y)
        arithmetic = compiled_model.step_arithmetic * batch_size
        seconds = _STEP_SECONDS + arithmetic / _OPERATIONS_PER_SECOND
        self.steps_per_call = max(1, int(_CALL_SECONDS / seconds))
        self.seconds_per_epoch = self._steps_per_epoch * seconds
        self.example = state

    def use(self, data: Any) -> None:
        """Train on these rows from now on.

        Parameters
        ----------
        data : TrainingData
            With rows of the same shapes and dtypes, if there were others before.
        """
        self.data = data
        self.n_samples = data.n_samples
        self._steps_per_epoch = math.ceil(self.n_samples / self.batch_size)
        self.rows_key = _key_of(data)
        self.take = taker(data.X)
        if self._backend == "graph":
            self._device_rows = _DeviceRows(data)

    @property
    def stacking_key(self) -> Hashable:
        """Key that is equal for runs that one vectorised program can train."""
        is_weighted = self.data.sample_weight is not None
        return (
            id(self.compiled_model),
            self.n_samples,
            self.batch_size,
            is_weighted,
            self.rows_key,
        )

    @property
    def n_bytes(self) -> int:
        """Size of the rows in bytes."""
        return int(_row_bytes((self.data.X, self.data.y)) * self.n_samples)

    def epochs_per_call(self, n_epochs: int) -> int:
        """Return the number of epochs per call, where no callback runs between epochs."""
        if not self._is_padded or self.data.renewed is not None:
            return 1
        return max(1, min(self.steps_per_call // self._steps_per_epoch, n_epochs))

    def prepare(self) -> None:
        """Trace the program, unless a training of this compiled model has traced one.

        Raises
        ------
        ForeignStateError
            If a step changes a variable outside of the model, its metrics and its optimizer.
        """

        def trace() -> bool:
            first = np.zeros((1, self._padded_size), np.int32)
            if not self._is_padded:
                self._epoch_program(self._device_rows.at(first.ravel()[:1])[0])
            elif self._backend == "xla":
                self._xla_program(first)
            else:
                rows, _ = self._device_rows.at(first)
                self._graph_program(rows)
            return True

        self.compiled_model.fact("is traced", trace)

    def __call__(
        self, state: TrainingState, orders: Sequence[np.ndarray]
    ) -> tuple[TrainingState, list[dict[str, float]]]:
        """Train for some epochs.

        Parameters
        ----------
        state : TrainingState
        orders : sequence of ndarray of shape (n_samples,)
            Positions of the rows in the order of each epoch.

        Returns
        -------
        state : TrainingState
            The state after the last epoch.
        logs : list of dict
            For each epoch the loss and the metrics by name.
        """
        if self._is_padded:
            return self._padded(state, orders)
        found = []
        for order in orders:
            state, logs = self._epoch(state, order)
            found.append(logs)
        return state, found

    # Padded batches: all of one size, the last of an epoch filled with rows of zero weight

    def _padded(
        self, state: TrainingState, orders: Sequence[np.ndarray]
    ) -> tuple[TrainingState, list[dict[str, float]]]:
        size, n_steps = self._padded_size, self._steps_per_epoch
        # (n_epochs, n_samples) -> (n_epochs * n_steps, size)
        positions = np.zeros((len(orders), n_steps * self.batch_size), np.int32)
        positions[:, : self.n_samples] = orders
        batches = positions.reshape(-1, self.batch_size)
        if size > self.batch_size:
            batches = np.pad(batches, ((0, 0), (0, size - self.batch_size)))
        batches = self.data.positions(batches)
        # Number of rows that count in each batch.
        counts = np.full((len(orders), n_steps), self.batch_size, np.int32)
        counts[:, -1] = self.n_samples - self.batch_size * (n_steps - 1)
        run = self._through_xla if self._backend == "xla" else self._through_graph
        state, losses = run(state, batches, counts.ravel())
        means = (losses.reshape(counts.shape) * counts).sum(axis=1) / self.n_samples
        return state, [{"loss": float(mean)} for mean in means]

    @property
    def _padded_size(self) -> int:
        # If one batch holds all rows, round up, so that tables of similar length share a program.
        if self.batch_size < self.n_samples:
            return self.batch_size
        return 32 * math.ceil(self.batch_size / 32)

    def _through_graph(
        self, state: TrainingState, batches: np.ndarray, counts: np.ndarray
    ) -> tuple[TrainingState, np.ndarray]:
        losses = []
        for start in range(0, len(counts), self.steps_per_call):
            Scheduler.check()
            part = slice(start, start + self.steps_per_call)
            rows, positions = self._device_rows.at(batches[part])
            program = self._graph_program(rows)
            state, found = program(state, *rows, positions, counts[part], len(counts[part]))
            losses.append(found.numpy())
        return state, np.concatenate(losses).astype(np.float64)

    def _through_xla(
        self, state: TrainingState, batches: np.ndarray, counts: np.ndarray
    ) -> tuple[TrainingState, np.ndarray]:
        n_at_once = self._xla_steps
        losses = []
        for start in range(0, len(counts), n_at_once):
            Scheduler.check()
            part = slice(start, start + n_at_once)
            n_steps = len(counts[part])

            program, rows = self._xla_program(batches[part])
            positions = np.zeros((n_at_once, 0), np.int32)
            padded_counts = np.zeros(n_at_once, np.int32)
            padded_counts[:n_steps] = counts[part]
            state, found = program(state, *rows, positions, padded_counts, n_steps)
            losses.append(found.numpy()[:n_steps])
        return state, np.concatenate(losses).astype(np.float64)

    def _xla_program(self, batches: np.ndarray) -> tuple[Any, tuple[Any, Any, Any]]:
        """Return the XLA-compiled program and its rows, (n_steps, n_batch, ...) each."""
        size, n_at_once = self._padded_size, self._xla_steps

        def in_steps(values: np.ndarray) -> np.ndarray:
            steps = np.zeros((n_at_once, size, *values.shape[1:]), values.dtype)
            steps[: len(batches)] = values[batches]
            return steps

        weight = self.data.sample_weight
        is_weighted = weight is not None
        rows = (
            keras.tree.map_structure(in_steps, self.data.X),
            keras.tree.map_structure(in_steps, self.data.y),
            or_ones(weight if weight is None else in_steps(weight)),
        )
        key = ("train", "xla", size, n_at_once, is_weighted, self.rows_key)
        program = self.compiled_model.program(
            key,
            lambda: padded_training(
                self.compiled_model,
                None,
                self.example,
                rows,
                size,
                is_weighted=is_weighted,
                n_steps=n_at_once,
            ),
        )
        return program, rows

    @property
    def _xla_steps(self) -> int:
        """Batches per call: a power of two, so that tables of other lengths share a program."""
        row_bytes = _row_bytes(self.data.X) * self._padded_size
        n_steps = np.clip(_XLA_BYTES / max(1, row_bytes), _MIN_XLA_STEPS, _MAX_XLA_STEPS)
        return int(2 ** (np.log2(n_steps) // 1))

    def _graph_program(self, rows: tuple[Any, Any, Any]) -> Any:
        """Return the graph, which trains on any number of batches."""
        is_weighted = self.data.sample_weight is not None
        in_turn = suits_one_thread(self.compiled_model, self.batch_size)
        # Larger steps take no longer if the size of the batches is not part of the program.
        size = self._padded_size if in_turn else None
        return self.compiled_model.program(
            ("train", "graph", size, is_weighted, self.rows_key),
            lambda: padded_training(
                self.compiled_model,
                self.take,
                self.example,
                rows,
                size,
                is_weighted=is_weighted,
                in_turn=in_turn,
            ),
        )

    # Batches of any size

    def _epoch(
        self, state: TrainingState, order: np.ndarray
    ) -> tuple[TrainingState, dict[str, float]]:
        metrics, total = fresh_metrics(self.compiled_model, self.data.units), 0.0
        results: dict[str, Any] = {}
        order = self.data.positions(order)
        # Each call takes whole batches.
        size = self.batch_size * self.steps_per_call
        for start in range(0, len(order), size):
            Scheduler.check()
            rows, positions = self._device_rows.at(order[start : start + size])
            program = self._epoch_program(rows)
            state, metrics, loss, results = program(
                state, metrics, *rows, positions, self.batch_size
            )
            total += float(loss)
        logs = {"loss": total / self.n_samples}
        return state, logs | {name: float(value) for name, value in results.items()}

    def _epoch_program(self, rows: tuple[Any, Any, Any]) -> Any:
        is_weighted = self.data.sample_weight is not None
        in_turn = suits_one_thread(self.compiled_model, self.batch_size)
        return self.compiled_model.program(
            ("epoch", is_weighted, in_turn, self.rows_key),
            lambda: epoch_training(
                self.compiled_model,
                self.take,
                self.example,
                rows,
                is_weighted=is_weighted,
                in_turn=in_turn,
            ),
        )


class ValidationRun:
    """Runs the compiled validation on held-out rows.

    Parameters
    ----------
    compiled_model : CompiledModel
    data : TrainingData
    state : TrainingState
        Example of the states to validate, for shapes and dtypes.
    chunk_rows : int or None, default=None
        Rows per call. None limits the memory of a call.
    """

    def __init__(
        self,
        compiled_model: CompiledModel,
        data: Any,
        state: TrainingState,
        chunk_rows: int | None = None,
    ) -> None:
        self._compiled_model = compiled_model
        self._rows = _DeviceRows(data)
        self._n_samples = data.n_samples
        self._positions = data.positions
        self._weight = data.sample_weight
        self._units = data.units
        self._chunk_rows = chunk_rows or compiled_model.rows_per_chunk
        self._take = taker(data.X)
        self._key = ("validate", self._weight is not None, _key_of(data))
        prepare_metrics(compiled_model, data.X, data.y)
        self._example = state

    def __call__(self, state: TrainingState) -> tuple[dict[str, float], list[np.ndarray]]:
        """Return the loss and the metrics by name, and the list of outputs (n_samples, ...)."""
        metrics = fresh_metrics(self._compiled_model, self._units)
        losses, totals, chunks = [], [], []
        results: dict[str, Any] = {}
        for start in range(0, self._n_samples, self._chunk_rows):
            stop = min(start + self._chunk_rows, self._n_samples)
            rows = self._positions(np.arange(start, stop, dtype=np.int32))
            tensors, positions = self._rows.at(rows)
            program = self._compiled_model.program(
                self._key, functools.partial(self._made, tensors)
            )
            loss, metrics, results, outputs = program(
                state.weights, state.others, metrics, *tensors, positions
            )
            losses.append(float(loss))
            totals.append(len(rows) if self._weight is None else self._weight[rows].sum())
            chunks.append([keras.ops.convert_to_numpy(output) for output in outputs])
        # The loss of a chunk is a weighted mean over its rows: weight it by their total weight.
        found = {"loss": float(np.average(losses, weights=totals))}
        found |= {name: float(value) for name, value in results.items()}
        return found, [np.concatenate(parts) for parts in zip(*chunks, strict=True)]

    def _made(self, tensors: tuple[Any, Any, Any]) -> Any:
        return validation_program(
            self._compiled_model,
            self._take,
            self._example,
            tensors,
            is_weighted=self._weight is not None,
        )


class _DeviceRows:
    """Rows of a training or validation on the device.

    All rows are copied once. If they are too large, only the rows of each call are copied.

    Parameters
    ----------
    data : TrainingData
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self._held = None
        n_bytes = _row_bytes((data.X, data.y)) * n_encoded_rows(data.X)
        if n_bytes <= _MAX_DEVICE_BYTES and not is_on_disk(data.X):
            self._held = self._tensors(data.X, data.y, data.sample_weight)

    def _tensors(self, X: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
        return to_device(X), to_device(y), tf.convert_to_tensor(or_ones(weight))

    def at(self, positions: np.ndarray) -> tuple[tuple[Any, Any, Any], np.ndarray]:
        """Return the tensors of X, y and weights, and the positions of the rows in them."""
        if self._held is not None:
            return self._held, positions
        rows, data = positions.ravel(), self._data
        X = data.X[rows] if sparse.issparse(data.X) else take_on_host(data.X, rows)
        weight = None if data.sample_weight is None else data.sample_weight[rows]
        tensors = self._tensors(X, take_on_host(data.y, rows), weight)
        return tensors, np.arange(rows.size, dtype=np.int32).reshape(positions.shape)


def or_ones(weight: Any | None) -> Any:
    """Return weights; a placeholder for programs without weights if they are None."""
    return np.ones(1, np.float32) if weight is None else weight


def _row_bytes(rows: Any) -> float:
    """Return the size of one row in bytes."""
    return sum(
        part.data.nbytes / part.shape[0] if sparse.issparse(part) else part.nbytes / len(part)
        for part in keras.tree.flatten(rows)
    )


def _key_of(data: Any) -> str:
    """Return the shapes, dtypes and types of rows and targets as a string."""
    return str(
        keras.tree.map_structure(
            lambda part: f"{type(part).__name__} {part.shape[1:]} {part.dtype}", (data.X, data.y)
        )
    )
