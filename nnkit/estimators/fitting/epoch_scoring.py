"""scikit-learn's scorers and callbacks at the end of an epoch."""

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
    """An estimator for scorers that returns the predictions of one validation pass.

    Parameters
    ----------
    X : array-like
        The validation rows. Predictions exist for these rows only.
    decide : callable
        Returns predictions from the outputs of the model.
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
    """Return the name of a score in the history, without the prefix "val_"."""
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
    """Return the function that computes a score from outputs on validation rows.

    Parameters
    ----------
    scoring : str, callable or None
        Any scikit-learn scorer; None is accuracy for classes and R² for values.
    X, y, sample_weight : arrays with n_samples rows
        The validation rows, with labels or values as the user gave them.
    decide : callable
        Returns predictions from outputs.
    probabilities : callable or None
        Returns class probabilities from outputs; None for a regression.
    classes : ndarray or None
        The labels; None for a regression.
    accuracy : callable
        Score of labels, predictions and weights for ``scoring=None``.

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
    """Return the message for a scorer of scikit-learn that raises for the target."""
    hint = (
        "Give a scorer for such a target, scoring=None for the score of the estimator, or 'loss'."
    )
    if scoring == "roc_auc":
        hint = "With more than two classes, use 'roc_auc_ovr' or 'roc_auc_ovo'."
    elif scoring in ("precision", "recall", "f1", "jaccard"):
        hint = f"With more than two classes, use '{scoring}_macro' or '{scoring}_weighted'."
    return f"scoring={shown(scoring)} cannot score the rows held out: {error} {hint}"


class EpochTasks(keras.callbacks.Callback):
    """A Keras callback that reports epochs to scikit-learn's callbacks, as tasks of the fit.

    Parameters
    ----------
    estimator : estimator
        The estimator whose ``fit`` was called.
    draft : estimator
        Its copy that is fitted. It has all fitted attributes before the first epoch.
    context : sklearn.callback.CallbackContext
        Context of the fit.
    X, y : array-like with n_samples rows
        The training rows.
    """

    # A training that goes on from a checkpoint has tasks of its own.
    is_renewed = True

    def __init__(self, estimator: Any, draft: Any, context: Any, X: Any, y: np.ndarray) -> None:
        super().__init__()
        self._estimator = estimator
        self._draft = draft
        self._context = context
        self._data = {"X": X, "y": y}
        self._epoch_context: Any = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Report the start of the fit to scikit-learn's callbacks."""
        self._context.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report the start of an epoch to scikit-learn's callbacks."""
        self._epoch_context = self._context.subcontext(task_name="epoch")
        self._epoch_context.call_on_fit_task_begin(estimator=self._estimator, **self._data)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report the end of an epoch, and stop the training if a callback requests it."""
        stops = self._epoch_context.call_on_fit_task_end(
            estimator=self._estimator,
            **self._data,
            reconstruction_attributes=self._fitted_attributes,
        )
        if stops:
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Report the end of the fit to scikit-learn's callbacks."""
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
        # Only the first network of an ensemble is reported; the others are at other epochs.
        return {**attributes, "_members": [self._draft._network]}
