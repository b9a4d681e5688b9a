"""Many trainings as members of one vectorised program."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nnkit.training.loop.program import epoch_training, suits_one_thread
from nnkit.training.loop.runs import TrainingRun, or_ones
from nnkit.training.loop.state import TrainingState
from nnkit.training.loop.step import fresh_metrics

__all__ = ["Stack"]

# Run of a member, its state, and the row orders of its next epochs.
Request = tuple[TrainingRun, TrainingState, Sequence[np.ndarray]]
Result = tuple[TrainingState, list[dict[str, float]]]


class Stack:
    """Trainings with the same ``stacking_key`` as one program, with a shared pool of rows.

    Members with equal rows share one copy of them.

    Parameters
    ----------
    runs : list of TrainingRun
        At least one.
    """

    def __init__(self, runs: Sequence[TrainingRun]) -> None:
        self._runs = runs
        self._first_rows: dict[int, int] = {}
        distinct: dict[bytes, TrainingRun] = {}
        positions: dict[bytes, int] = {}
        for run in runs:
            key = _digest(run)
            distinct.setdefault(key, run)
            self._first_rows[id(run)] = positions.setdefault(key, len(positions)) * run.n_samples

        def pooled(*parts: np.ndarray) -> Any:
            return tf.convert_to_tensor(np.concatenate(parts))

        datas = [run.data.own for run in distinct.values()]
        X, y = keras.tree.map_structure(pooled, *[(data.X, data.y) for data in datas])
        self._is_weighted = datas[0].sample_weight is not None
        weight = pooled(*[data.sample_weight for data in datas]) if self._is_weighted else None
        self._rows = (X, y, tf.convert_to_tensor(or_ones(weight)))

    def train(self, requests: Sequence[Request]) -> list[Result]:
        """Return the new state and the logs of each member.

        Parameters
        ----------
        requests : sequence of tuple
            Requests of the members that still train.
        """
        results: dict[int, Result] = {}
        for n_epochs in {len(orders) for _, _, orders in requests}:
            alike = [request for request in requests if len(request[2]) == n_epochs]
            for request, result in zip(alike, self._trained(alike), strict=True):
                results[id(request[0])] = result
        return [results[id(run)] for run, _, _ in requests]

    def _trained(self, requests: Sequence[Request]) -> list[Result]:
        n_estimators, n_samples = len(requests), requests[0][0].n_samples
        states = [state for _, state, _ in requests]
        # n_estimators tensors of shape (...) -> (n_estimators, ...)
        state = keras.tree.map_structure(lambda *parts: tf.stack(parts), *states)
        # Position of a member's first row in the pool.
        first_rows = np.array([[self._first_rows[id(run)]] for run, _, _ in requests])
        logs: list[list[dict[str, float]]] = [[] for _ in requests]
        for orders in zip(*[orders for _, _, orders in requests], strict=True):
            positions = (np.stack(orders) + first_rows).astype(np.int32)
            state, totals, results = self._epoch([run for run, _, _ in requests], state, positions)
            for i in range(n_estimators):
                found = {"loss": totals[i] / n_samples}
                found |= {name: float(values[i]) for name, values in results.items()}
                logs[i].append(found)
        parts = [tf.unstack(part, num=n_estimators) for part in keras.tree.flatten(state)]
        states = [
            keras.tree.pack_sequence_as(requests[0][1], part) for part in zip(*parts, strict=True)
        ]
        return list(zip(states, logs, strict=True))

    def _epoch(
        self, runs: Sequence[TrainingRun], state: Any, positions: np.ndarray
    ) -> tuple[Any, np.ndarray, dict[str, Any]]:
        run = self._runs[0]
        n_estimators, n_samples = positions.shape
        fresh = [fresh_metrics(run.compiled_model, of_member.data.units) for of_member in runs]
        metrics = [tf.stack(parts) for parts in zip(*fresh, strict=True)]
        total = np.zeros(n_estimators)
        results: dict[str, Any] = {}
        # Each call takes whole batches.
        size = run.batch_size * max(1, run.steps_per_call // n_estimators)
        for start in range(0, n_samples, size):
            state, metrics, loss, results = self._program(
                state, metrics, *self._rows, positions[:, start : start + size], run.batch_size
            )
            total += loss.numpy()
        return state, total, {name: values.numpy() for name, values in results.items()}

    @property
    def _program(self) -> Any:
        run = self._runs[0]
        in_turn = suits_one_thread(run.compiled_model, run.batch_size)
        return run.compiled_model.program(
            ("stacked", self._is_weighted, in_turn, run.rows_key),
            lambda: epoch_training(
                run.compiled_model,
                run.take,
                run.example,
                self._rows,
                is_weighted=self._is_weighted,
                in_turn=in_turn,
                is_stacked=True,
            ),
        )


def _digest(run: TrainingRun) -> bytes:
    """Return a digest of the rows, targets and weights of a run."""
    digest = hashlib.blake2b()
    data = run.data.own
    for part in keras.tree.flatten((data.X, data.y, or_ones(data.sample_weight))):
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return digest.digest()
