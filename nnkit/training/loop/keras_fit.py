"""Training by ``keras.Model.fit``, with the batch orders of a training plan."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from nnkit.datasets.encoded_rows import is_on_disk, order_on_disk
from nnkit.encoding.rows import n_encoded_rows
from nnkit.training.loop.batches import take_on_host
from nnkit.training.parallel.scheduler import Scheduler

if TYPE_CHECKING:
    from nnkit.training.loop.plan import TrainingData, TrainingPlan

__all__ = ["row_order", "run_keras_fit"]


def row_order(data: TrainingData, plan: TrainingPlan, epoch: int) -> np.ndarray:
    """Return the positions of the rows in the order of an epoch, (n_samples,).

    Parameters
    ----------
    data : TrainingData
    plan : TrainingPlan
        Its seed and the epoch determine the order.
    epoch : int
    """
    rng = np.random.default_rng([plan.seed, epoch])
    if plan.shuffle and is_on_disk(data.X):
        return order_on_disk(data.X, data.rows, rng)
    rows = np.arange(data.n_samples, dtype=np.int32)
    return rng.permutation(rows) if plan.shuffle else rows


def run_keras_fit(
    model: Any,
    data: TrainingData,
    plan: TrainingPlan,
    callback_list: Any,
    next_epoch: int | None = None,
) -> None:
    """Train a compiled model with ``keras.Model.fit``.

    Parameters
    ----------
    model : keras.Model
    data : TrainingData
    plan : TrainingPlan
    callback_list : keras.callbacks.CallbackList
    next_epoch : int or None, default=None
        Number of the epoch to train first, if a training goes on. None is the plan's first.
    """
    batches = _OrderedBatches(data.own, plan)
    # Keras also calls the dataset's own epoch hooks while it infers shapes, so that a callback
    # sets the order instead.
    callback_list.callbacks.append(
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, _: batches.begin_epoch(epoch),
            on_train_batch_begin=lambda batch, logs=None: Scheduler.check(),  # noqa: ARG005
        )
    )
    model.fit(
        batches,
        initial_epoch=plan.first_epoch if next_epoch is None else next_epoch,
        epochs=plan.last_epoch,
        callbacks=callback_list,
        shuffle=False,
        verbose=0,
    )


class _OrderedBatches(keras.utils.PyDataset):
    """Batches in the row orders of the plan, independent of Keras' global random state."""

    def __init__(self, data: TrainingData, plan: TrainingPlan) -> None:
        super().__init__()
        self._data = data
        self._plan = plan
        self.begin_epoch(plan.first_epoch)

    def begin_epoch(self, epoch: int) -> None:
        if self._data.renewed is not None and epoch > self._plan.first_epoch:
            self._data = self._data.of_next_epoch()
        self._rows_in_order = row_order(self._data, self._plan, epoch)

    def __len__(self) -> int:
        return math.ceil(n_encoded_rows(self._data.X) / self._plan.batch_size)

    def __getitem__(self, position: int) -> tuple[Any, ...]:
        start = position * self._plan.batch_size
        rows = self._rows_in_order[start : start + self._plan.batch_size]
        batch: tuple[Any, ...] = (
            _as_tuple(take_on_host(self._data.X, rows)),
            _as_tuple(take_on_host(self._data.y, rows)),
        )
        if self._data.sample_weight is not None:
            batch += (self._data.sample_weight[rows],)
        return batch


def _as_tuple(batch: Any) -> Any:
    # TensorFlow converts a list to one tensor.
    return tuple(batch) if isinstance(batch, list) else batch
