"""The data, the settings and the record of one training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from nnkit.datasets.encoded_rows import is_on_disk, kept_on_disk
from nnkit.encoding.rows import n_encoded_rows, rows_at
from nnkit.training.loop.backends import Backend
from nnkit.training.loop.batches import take_on_host
from nnkit.training.loop.callbacks import ProgressBar
from nnkit.training.loop.checkpoint import CheckpointFile

__all__ = ["TrainingData", "TrainingPlan", "TrainingRecord"]


@dataclass(frozen=True)
class TrainingData:
    """Encoded training rows and validation rows.

    The networks of an ensemble that hold out different rows share the arrays.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...), csr_array, EncodedRows, or dict or list of arrays
        Features in the dtypes of the model's inputs.
    y : ndarray of shape (n_samples, ...), or a structure of them like the model's outputs
        Targets in the form that the losses compare.
    sample_weight : ndarray of shape (n_samples,) or of the shape of the losses, or None
        Weights of the rows.
    validation : TrainingData or None
        Rows to validate on.
    units : tuple of array-like or None
        Scale, location, smallest and largest value of the target, for metrics in its own units.
        None if the network learns the target unscaled.
    rows : ndarray of int or None
        Positions in the arrays of the rows to use; None for all rows.
    renewed : callable or None
        Function that returns the data of the next epoch, for a dataset that can yield other rows
        in each pass. None trains on the same rows in all epochs.
    """

    X: Any
    y: Any
    sample_weight: np.ndarray | None = None
    validation: TrainingData | None = None
    units: tuple[Any, ...] | None = None
    rows: np.ndarray | None = None
    renewed: Callable[[], TrainingData] | None = None

    @property
    def n_samples(self) -> int:
        """Number of rows to use."""
        return n_encoded_rows(self.X) if self.rows is None else len(self.rows)

    def of_next_epoch(self) -> TrainingData:
        """Return the rows of the next epoch; the same ones if ``renewed`` is None."""
        if self.renewed is None:
            return self
        return replace(self.renewed(), validation=self.validation, renewed=self.renewed)

    def positions(self, at: Any) -> Any:
        """Return the positions in the arrays of rows to use, which are numbered from 0."""
        return at if self.rows is None else self.rows[at].astype(np.int32, copy=False)

    @cached_property
    def own_y(self) -> Any:
        """Targets of the rows to use."""
        return self.y if self.rows is None else take_on_host(self.y, self.rows)

    @cached_property
    def own_sample_weight(self) -> np.ndarray | None:
        """Weights of the rows to use."""
        weight = self.sample_weight
        return weight if weight is None or self.rows is None else weight[self.rows]

    @property
    def own(self) -> TrainingData:
        """The same rows, with arrays of their own."""
        if self.rows is None:
            return self
        X = kept_on_disk(self.X, self.rows) if is_on_disk(self.X) else rows_at(self.X, self.rows)
        return replace(self, X=X, y=self.own_y, sample_weight=self.own_sample_weight, rows=None)


@dataclass(frozen=True)
class TrainingPlan:
    """Settings of one training.

    Parameters
    ----------
    epochs : int
        Number of passes over the rows, at least 1.
    batch_size : int
        Rows per step, at least 1.
    shuffle : bool
        Whether each epoch takes the rows in a new random order.
    seed : int
        Seed of the row orders.
    callbacks : sequence of keras.callbacks.Callback
        Fresh copies of the user's callbacks.
    stops_early : bool
        Whether to stop when the validation does not improve, and to restore the best weights.
    n_iter_no_change : int
        Epochs without improvement before training stops.
    tol : float
        Smallest change that counts as an improvement, in units of the monitored value.
    score : tuple of str and callable, or None
        Name of a score and a function from the outputs on the validation rows to its value.
        Greater is better. None monitors the loss.
    engine : {"auto", "graph", "xla", "keras"}
        Backend to use; see `nnkit.training.loop.backends`.
    verbose : {0, 1, 2}
        0 shows nothing, 1 a progress bar, 2 one line per epoch.
    first_epoch : int
        Number of the first epoch. It is above 0 when an earlier training is continued.
    ends_at : float or None
        Time limit on the clock of ``time.monotonic()``. No epoch starts after it.
    n_estimators : int
        Number of networks in the ensemble, at least 1.
    position : int
        Position of this network in the ensemble, from 0.
    bar : ProgressBar or None
        Progress bar shared by all networks of the ensemble. None creates one for this network.
    checkpoint : CheckpointFile or None
        File from which the training goes on, and to which it is stored.
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
    checkpoint: CheckpointFile | None = None

    @property
    def last_epoch(self) -> int:
        """One more than the number of the last epoch."""
        return self.first_epoch + self.epochs


@dataclass(frozen=True)
class TrainingRecord:
    """Result of one training, apart from the weights.

    Parameters
    ----------
    history : dict of str to list of float
        Losses and metrics of each epoch, for training and validation, under Keras' names.
    best_epoch : int
        Position in ``history`` of the epoch whose weights the network has.
    engine : {"graph", "xla", "keras"}
        Backend used for training.
    n_restored : int
        Number of epochs that a restored backup replaced.
    interrupt : KeyboardInterrupt or None
        The keyboard interrupt that ended the training early. The caller raises it after it has
        stored the results of the fit.
    is_stopped_early : bool
        Whether early stopping ended the training.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    engine: Backend = "graph"
    n_restored: int = 0
    interrupt: KeyboardInterrupt | None = None
    is_stopped_early: bool = False
