"""scikit-learn's scorers and callbacks, at the end of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, check_scoring

from nnkit._messages import shown

__all__ = ["EpochTasks", "scorer_of_outputs", "scoring_name"]


class _Replay(BaseEstimator):
    """Answers a scorer with the predictions of one validation pass.

    Parameters
    ----------
    X : array-like
        The validation rows, the only ones it can answer for.
    decide : callable
        From the model's outputs to predictions.
    """

    def __init__(self, X: Any, decide: Callable[[list[np.ndarray]], np.ndarray]) -> None:
        self.X = X
        self.decide = decide

    def fit(self, outputs: list[np.ndarray]) -> _Replay:
        self.outputs_ = outputs
        return self

    def predict(self, X: Any) -> np.ndarray:
        return self.decide(self._outputs_of(X))

    def _outputs_of(self, X: Any) -> list[np.ndarray]:
        if X is not self.X:
            raise ValueError(
                "scoring must be a scorer that predicts the validation rows as they are; "
                "it asked for other rows."
            )
        return self.outputs_


class _ReplayRegressor(RegressorMixin, _Replay):
    pass


class _ReplayClassifier(ClassifierMixin, _Replay):
    def __init__(
        self,
        X: Any,
        decide: Callable[[list[np.ndarray]], np.ndarray],
        probabilities: Callable[[list[np.ndarray]], Any],
        classes: Any,
        accuracy: Callable[..., float],
    ) -> None:
        super().__init__(X, decide)
        self.probabilities = probabilities
        self.accuracy = accuracy
        self.classes = classes
        self.classes_ = classes

    def predict_proba(self, X: Any) -> Any:
        return self.probabilities(self._outputs_of(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        return self.accuracy(y, self.predict(X), sample_weight)


def scoring_name(scoring: Any) -> str:
    """Return the name under which a score stands in the history, behind "val_"."""
    return scoring if isinstance(scoring, str) else "score"


def scorer_of_outputs(
    scoring: Any,
    X: Any,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    decide: Callable[[list[np.ndarray]], np.ndarray],
    probabilities: Callable[[list[np.ndarray]], Any] | None = None,
    classes: Any = None,
    accuracy: Callable[..., float] = accuracy_score,
) -> Callable[[list[np.ndarray]], float]:
    """Return a function from the model's outputs on validation rows to a score.

    Parameters
    ----------
    scoring : str, callable or None
        Any scikit-learn scorer; None is accuracy for classes and R² for values.
    X, y, sample_weight : arrays with n_samples rows
        The validation rows, with labels or values as the user gave them.
    decide : callable
        From outputs to predictions.
    probabilities : callable or None
        From outputs to class probabilities; None for a regression.
    classes : ndarray or None
        The labels; None for a regression.
    accuracy : callable
        From labels, predictions and weights to the score of classes for None.

    Returns
    -------
    score : callable
        Greater is better.
    """
    replay: _Replay
    if probabilities is None or classes is None:
        replay = _ReplayRegressor(X, decide)
    else:
        replay = _ReplayClassifier(X, decide, probabilities, classes, accuracy)
    scorer = check_scoring(replay, scoring=scoring)
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}

    def score(outputs: list[np.ndarray]) -> float:
        try:
            return float(scorer(replay.fit(outputs), X, y, **weights))
        except ValueError as error:
            raise ValueError(_cannot_score(scoring, error)) from error

    return score


def _cannot_score(scoring: Any, error: ValueError) -> str:
    """Return what to do where a scorer of scikit-learn refuses the target."""
    hint = (
        "Give a scorer for such a target, scoring=None for the score of the estimator, or 'loss'."
    )
    if scoring == "roc_auc":
        hint = "With more than two classes, use 'roc_auc_ovr' or 'roc_auc_ovo'."
    elif scoring in ("precision", "recall", "f1", "jaccard"):
        hint = f"With more than two classes, use '{scoring}_macro' or '{scoring}_weighted'."
    return f"scoring={shown(scoring)} cannot score the rows held out: {error} {hint}"


class EpochTasks(keras.callbacks.Callback):
    """Tells scikit-learn's callbacks of the epochs, each a task of the fit.

    Parameters
    ----------
    estimator : estimator
        Whose fit it is.
    draft : estimator
        Its copy that is being fitted; by the first epoch it has all fitted attributes.
    context : sklearn.callback.CallbackContext
        Of the fit.
    X, y : array-like with n_samples rows
        The training rows.
    """

    def __init__(self, estimator: Any, draft: Any, context: Any, X: Any, y: np.ndarray) -> None:
        super().__init__()
        self._estimator = estimator
        self._draft = draft
        self._context = context
        self._data = {"X": X, "y": y}
        self._epoch_context: Any = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Report the begin of the fit to scikit-learn's callbacks."""
        self._context.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report the begin of an epoch to scikit-learn's callbacks."""
        self._epoch_context = self._context.subcontext(task_name="epoch")
        self._epoch_context.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End the task, and stop if a callback says so."""
        stops = self._epoch_context.call_on_fit_task_end(
            estimator=self._estimator,
            **self._data,
            reconstruction_attributes=self._fitted_attributes,
        )
        if stops:
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """End the fit."""
        self._context.call_on_fit_task_end(
            estimator=self._estimator,
            **self._data,
            reconstruction_attributes=self._fitted_attributes,
        )

    def _fitted_attributes(self) -> dict[str, Any]:
        before = vars(self._estimator)
        attributes = {
            name: value
            for name, value in vars(self._draft).items()
            if name != "_drafted_from" and before.get(name, self) is not value
        }
        # Of an ensemble, this tells of the first member; the others are at other epochs.
        return {**attributes, "_members": [self._draft._network]}
