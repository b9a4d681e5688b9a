"""Callbacks of a training that Keras does not have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras

from nnkit._messages import shown

__all__ = ["OptunaPruning"]


class _ReportedEpochs:
    """The epochs that were reported to a trial, shared by all copies of a callback."""

    def __init__(self) -> None:
        self._seen: dict[int, None] = {}

    def is_first(self, epoch: int) -> bool:
        """Return whether an epoch is reported for the first time, and remember it."""
        n_before = len(self._seen)
        self._seen.setdefault(epoch, None)
        return len(self._seen) > n_before


class OptunaPruning(keras.callbacks.Callback):
    """Callback that ends unpromising trials of an Optuna study during the training.

    After each epoch it reports the monitored value to the trial, and raises
    ``optuna.TrialPruned`` if the pruner of the study decides so. An estimator whose ``fit`` is
    pruned remains as it was.

    Parameters
    ----------
    trial : optuna.Trial
        The trial whose parameters are trained.
    monitor : str, default="val_loss"
        Name in ``history_`` of the value to report.

    Notes
    -----
    If the study maximises, a monitored loss is reported with the opposite sign. Of several trainings
    in one trial, such as the networks of an ensemble and the folds of a cross-validation, the first
    one that reaches an epoch reports it. ``cross_val_score`` needs ``error_score="raise"``, or it
    takes a pruned fit for a failed one.

    Examples
    --------
    >>> import optuna
    >>> from sklearn.datasets import load_iris
    >>> from nnkit import KerasClassifier
    >>> from nnkit.callbacks import OptunaPruning
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> X, y = load_iris(return_X_y=True)
    >>> def objective(trial):
    ...     clf = KerasClassifier(
    ...         "mlp", epochs=3, validation_split=0.2, callbacks=[OptunaPruning(trial)],
    ...         optimizer__learning_rate=trial.suggest_float("rate", 1e-4, 1e-1, log=True),
    ...     )
    ...     return clf.fit(X, y).history_["val_loss"][-1]
    >>> study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=1))
    >>> study.optimize(objective, n_trials=2)
    >>> len(study.trials)
    2
    """

    def __init__(self, trial: Any, monitor: str = "val_loss") -> None:
        super().__init__()
        if not (hasattr(trial, "report") and hasattr(trial, "should_prune")):
            raise ValueError(f"trial must be a trial of Optuna. Got {shown(trial)} instead.")
        self.trial = trial
        self.monitor = monitor
        self._reported = _ReportedEpochs()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report the monitored value of an epoch, and raise if the trial is to be pruned."""
        import optuna

        known = logs or {}
        if self.monitor not in known:
            raise ValueError(
                f"monitor={self.monitor!r} is not recorded; there are {sorted(known)}. For values "
                "that begin with 'val_', set validation_split=0.2 or early_stopping=True."
            )
        value = float(known[self.monitor])
        # Optuna takes NaN for a missing value, and the training ends by an error of its own.
        if math.isnan(value) or not self._reported.is_first(epoch):
            return
        maximizes = self.trial.study.direction == optuna.study.StudyDirection.MAXIMIZE
        self.trial.report(-value if maximizes and self.monitor.endswith("loss") else value, epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"Pruned after epoch {epoch} with {self.monitor}={value:.4g}.")
