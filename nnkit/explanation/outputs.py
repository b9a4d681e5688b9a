"""Which function of the estimator is explained, and the names of its outputs."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

__all__ = ["Output", "choose_output"]

OUTPUTS = ("auto", "proba", "logit", "raw")

# Probabilities of 0 and 1 have log-odds of about ±15.9 instead of ±inf.
PROBA_MARGIN = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Output:
    """The function of a table that is explained.

    Parameters
    ----------
    function : callable
        Takes a table of n rows and returns an ndarray of shape (n,) or (n, n_columns).
    labels : ndarray of shape (n_columns,) or None
        The class label of each column; None for a regressor or the user's own function.
    columns : list of int or None
        The columns that are explained; None means all.
    """

    function: Callable[[Any], Any]
    labels: np.ndarray | None = None
    columns: list[int] | None = None

    def __call__(self, table: Any) -> np.ndarray:
        """Return the explained outputs of a table.

        Parameters
        ----------
        table : DataFrame or ndarray of shape (n_rows, n_features)
            The rows.

        Returns
        -------
        outputs : ndarray of shape (n_rows, n_outputs)
            In double precision.

        Raises
        ------
        ValueError
            If the function does not return one row of numbers for each row of the table.
        """
        outputs = np.asarray(self.function(table), dtype=np.float64)
        if outputs.ndim not in (1, 2) or len(outputs) != len(table):
            raise ValueError(
                f"The explained output must have shape ({len(table)},) or "
                f"({len(table)}, n_outputs) for {len(table)} row(s). "
                f"Got shape {outputs.shape} instead."
            )
        outputs = outputs.reshape(len(table), -1)
        if self.labels is not None and outputs.shape[1] != len(self.labels):
            raise ValueError(
                f"The explained output has {outputs.shape[1]} column(s), but the estimator has "
                f"{len(self.labels)} classes. Give output= a callable that returns what you want "
                "explained."
            )
        return outputs if self.columns is None else outputs[:, self.columns]

    def names(self, n_outputs: int) -> list[str] | None:
        """Return the names of the explained outputs.

        Parameters
        ----------
        n_outputs : int
            How many outputs are explained.

        Returns
        -------
        names : list of str or None
            The class labels, else numbered names; None for the only output of a function that
            has no labels.
        """
        if self.labels is not None and self.columns is not None:
            return [str(self.labels[column]) for column in self.columns]
        if n_outputs == 1:
            return None
        return [f"output {i}" for i in range(n_outputs)]


def choose_output(estimator: Any, output: Any, classes: Any) -> Output:
    """Return the function of a fitted estimator that is to be explained.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier, regressor or pipeline.
    output : {"auto", "proba", "logit", "raw"} or callable
        As in :func:`nnkit.explain`.
    classes : label, list of labels or None
        As in :func:`nnkit.explain`.

    Returns
    -------
    chosen : Output
        The function with the labels of its columns.

    Raises
    ------
    ValueError
        If the estimator does not have the output, or does not know a class.
    """
    if callable(output):
        if classes is not None:
            raise ValueError(
                "classes must be None when output is a callable. "
                "Have the callable return the columns to explain."
            )
        return Output(output)
    if not isinstance(output, str) or output not in OUTPUTS:
        raise ValueError(
            f"output must be one of {', '.join(map(repr, OUTPUTS))} or a callable. "
            f"Got {output!r} instead."
        )
    kind = type(estimator).__name__
    if is_classifier(estimator):
        return _classifier_output(estimator, kind, output, classes)
    if not is_regressor(estimator):
        raise ValueError(
            f"estimator must be a classifier or a regressor. Got {kind} instead. "
            "Give output= a callable to explain another function of X."
        )
    if classes is not None:
        raise ValueError(f"classes must be None for a regressor. Got {classes!r} instead.")
    if output in ("proba", "logit"):
        raise ValueError(
            f"output={output!r} needs a classifier, but {kind} is a regressor. Use output='auto'."
        )
    return Output(estimator.predict)


def _classifier_output(estimator: Any, kind: str, output: str, classes: Any) -> Output:
    """Return the output of a classifier, with one column per class."""
    labels = estimator.classes_
    if isinstance(labels, list):
        raise ValueError(
            f"{kind} predicts {len(labels)} targets at once. Give output= a callable that "
            "returns the output of one of them."
        )
    has_proba = hasattr(estimator, "predict_proba")
    has_decision = hasattr(estimator, "decision_function")
    if output in ("proba", "logit") and not has_proba:
        raise ValueError(
            f"output={output!r} needs predict_proba, which {kind} does not have. "
            "Use output='raw' or a callable."
        )
    if output == "raw" and not has_decision:
        raise ValueError(
            f"output='raw' needs decision_function, which {kind} does not have. "
            "Use output='proba', 'logit' or a callable."
        )
    if not has_proba and not has_decision:
        raise ValueError(
            f"{kind} has neither predict_proba nor decision_function. Give output= a callable."
        )
    columns = _class_columns(np.asarray(labels), classes)
    if output == "raw" or not has_proba:
        return Output(_DecisionFunction(estimator), np.asarray(labels), columns)
    if output == "logit":
        return Output(_LogOdds(estimator), np.asarray(labels), columns)
    return Output(estimator.predict_proba, np.asarray(labels), columns)


def _class_columns(labels: np.ndarray, classes: Any) -> list[int]:
    """Return the positions of the wanted classes among the labels."""
    if classes is None:
        return [1] if len(labels) == 2 else list(range(len(labels)))
    wanted = [classes] if np.ndim(classes) == 0 else list(classes)
    known = ", ".join(repr(label) for label in labels.tolist())
    if not wanted:
        raise ValueError(f"classes must name at least one class. The classes are {known}.")
    positions = {label: position for position, label in enumerate(labels.tolist())}
    columns = []
    for label in wanted:
        if not isinstance(label, Hashable) or label not in positions:
            raise ValueError(f"classes holds {label!r}, but the estimator's classes are {known}.")
        if positions[label] in columns:
            raise ValueError(f"classes names {label!r} twice. Name each class once.")
        columns.append(positions[label])
    return columns


@dataclass(frozen=True)
class _LogOdds:
    """The log-odds log(p / (1 - p)) of each class' probability p."""

    estimator: Any

    def __call__(self, table: Any) -> np.ndarray:
        proba = np.asarray(self.estimator.predict_proba(table), dtype=np.float64)
        proba_inside = np.clip(proba, PROBA_MARGIN, 1 - PROBA_MARGIN)
        return np.log(proba_inside) - np.log1p(-proba_inside)


@dataclass(frozen=True)
class _DecisionFunction:
    """The decision function with one column per class, for two classes (-d, d)."""

    estimator: Any

    def __call__(self, table: Any) -> np.ndarray:
        decision = np.asarray(self.estimator.decision_function(table), dtype=np.float64)
        return np.column_stack([-decision, decision]) if decision.ndim == 1 else decision
