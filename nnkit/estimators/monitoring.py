"""scikit-learn scorers on the outputs of one validation pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import check_scoring

__all__ = ["scorer_of_outputs", "scoring_name"]


class _Replay(BaseEstimator):
    """Answers a scorer with the predictions of one validation pass.

    Parameters
    ----------
    X : array-like
        The validation rows, the only ones it can answer for.
    decide : callable
        From the model's outputs to predictions.
    """

    def __init__(self, X: Any, decide: Callable[[np.ndarray], np.ndarray]) -> None:
        self.X = X
        self.decide = decide

    def fit(self, outputs: np.ndarray) -> _Replay:
        self.outputs_ = outputs
        return self

    def predict(self, X: Any) -> np.ndarray:
        return self.decide(self._outputs_of(X))

    def _outputs_of(self, X: Any) -> np.ndarray:
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
        decide: Callable[[np.ndarray], np.ndarray],
        probabilities: Callable[[np.ndarray], np.ndarray],
        classes: np.ndarray,
    ) -> None:
        super().__init__(X, decide)
        self.probabilities = probabilities
        self.classes = classes
        self.classes_ = classes

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.probabilities(self._outputs_of(X))


def scoring_name(scoring: Any) -> str:
    """Return the name under which a score stands in the history, behind "val_"."""
    return scoring if isinstance(scoring, str) else "score"


def scorer_of_outputs(
    scoring: Any,
    X: Any,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    decide: Callable[[np.ndarray], np.ndarray],
    probabilities: Callable[[np.ndarray], np.ndarray] | None = None,
    classes: np.ndarray | None = None,
) -> Callable[[np.ndarray], float]:
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

    Returns
    -------
    score : callable
        Greater is better.
    """
    replay: _Replay
    if probabilities is None or classes is None:
        replay = _ReplayRegressor(X, decide)
    else:
        replay = _ReplayClassifier(X, decide, probabilities, classes)
    scorer = check_scoring(replay, scoring=scoring)
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    return lambda outputs: float(scorer(replay.fit(outputs), X, y, **weights))
