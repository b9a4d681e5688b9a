"""Choice of the explained output: probabilities, log-odds, decisions or values, with names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from nnkit.encoding.rows import n_samples_of
from nnkit.estimators.keras_estimator import KerasEstimator
from nnkit.explanation.pipelines.steps import DecomposedPipeline

__all__ = [
    "MAX_CLASSES",
    "PROBA_MARGIN",
    "Output",
    "choose_output",
    "log_odds",
]

OUTPUTS = ("auto", "proba", "logit", "raw")

# With more classes, classes=None explains only the class predicted for each row.
MAX_CLASSES = 10

# Probabilities are clipped to [eps, 1 - eps], so that log-odds stay within about ±15.9.
PROBA_MARGIN = float(np.finfo(np.float32).eps)

_MEANINGS = {
    "predict_proba": "probability",
    "decision_function": "decision function",
    "predict": "predicted value",
    "network": "network output",
}


@dataclass(frozen=True)
class Output:
    """The explained output: a prediction method, the selected columns and their transform.

    Parameters
    ----------
    predicts : {"predict_proba", "decision_function", "predict", "network"} or callable
        The method of the estimator that is called, "network" for the raw outputs of its
        network, or a function of the table given by the user.
    labels : ndarray of shape (n_columns,) or None, default=None
        The class label of each column of the predictions; None for a regressor or a callable.
    columns : list of int or None, default=None
        The columns that are explained; None means all.
    is_logit : bool, default=False
        Whether probabilities are converted to log-odds.
    is_of_predicted : bool, default=False
        Whether each row is explained for its predicted class only.
    """

    predicts: str | Callable[[Any], Any]
    labels: np.ndarray | None = None
    columns: list[int] | None = None
    is_logit: bool = False
    is_of_predicted: bool = False

    @property
    def meaning(self) -> str:
        """Description of the explained output, such as "probability"."""
        if callable(self.predicts):
            return getattr(self.predicts, "__name__", type(self.predicts).__name__)
        meaning = "log-odds" if self.is_logit else _MEANINGS[self.predicts]
        if not self.is_of_predicted or self.labels is None:
            return meaning
        return f"{meaning} of the class predicted for each row, of {len(self.labels)} classes"

    def predicted_columns(self, pipeline: DecomposedPipeline, X: Any) -> np.ndarray | None:
        """Return the column of the predicted class of each row.

        Parameters
        ----------
        pipeline : DecomposedPipeline
            The explained estimator, or its last step.
        X : DataFrame, array or dict with n_samples rows
            The input of the estimator.

        Returns
        -------
        columns : ndarray of int, shape (n_samples,), or None
            Positions among the explained outputs; None if all rows have the same outputs.

        Raises
        ------
        ValueError
            If the estimator predicts a label that is not in ``classes_``.
        """
        if not self.is_of_predicted or self.labels is None:
            return None
        predicted = np.asarray(pipeline.estimator.predict(X))
        is_label = predicted.reshape(len(predicted), -1)[:, :1] == self.labels
        if predicted.size != len(predicted) or not is_label.any(axis=1).all():
            raise ValueError(
                "classes='predicted' needs predicted labels that are in classes_, but predict "
                "returned others. List the classes to explain in classes."
            )
        return is_label.argmax(axis=1)

    def predictions(self, pipeline: DecomposedPipeline, X: Any) -> np.ndarray:
        """Return the explained outputs (n_samples, n_outputs) of an estimator for rows.

        Parameters
        ----------
        pipeline : DecomposedPipeline
            The explained estimator, or its last step.
        X : DataFrame, array or dict with n_samples rows
            The input of the estimator.
        """
        if callable(self.predicts):
            predicted = self.predicts(X)
        elif self.predicts == "network":
            predicted = _network_outputs(pipeline, X)
        else:
            predicted = getattr(pipeline.estimator, self.predicts)(X)
        return self.read(predicted, n_rows=n_samples_of(X))

    def read(self, predicted: Any, n_rows: int | None = None) -> np.ndarray:
        """Return the explained outputs of given predictions.

        Parameters
        ----------
        predicted : array-like of shape (n_rows,) or (n_rows, n_columns)
            The predictions.
        n_rows : int or None, default=None
            The expected number of rows; None takes the length of ``predicted``.

        Returns
        -------
        outputs : ndarray of shape (n_rows, n_outputs)
            In float64.

        Raises
        ------
        ValueError
            If the predictions are not numeric, or not one row for each predicted row.
        """
        try:
            outputs = np.asarray(predicted, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The explained output must be numbers, one row for each row of X. {error}. "
                "Give output= a callable that returns an array of them."
            ) from error
        n_rows = len(outputs) if n_rows is None and outputs.ndim else n_rows
        if outputs.ndim not in (1, 2) or len(outputs) != n_rows:
            raise ValueError(
                f"The explained output must have shape ({n_rows},) or "
                f"({n_rows}, n_outputs) for {n_rows} row(s). Got shape {outputs.shape} instead."
            )
        outputs = outputs.reshape(n_rows, -1)
        if self.labels is not None:
            outputs = self._by_class(outputs)
        if self.is_logit:
            outputs = log_odds(outputs)
        return outputs if self.columns is None else outputs[:, self.columns]

    def _by_class(self, outputs: np.ndarray) -> np.ndarray:
        labels = np.asarray(self.labels)
        if outputs.shape[1] == 1 and len(labels) == 2:
            # Binary decision scores with the boundary at 0: (n_rows, 1) -> (n_rows, 2).
            return np.column_stack([-outputs, outputs])
        if outputs.shape[1] != len(labels):
            raise ValueError(
                f"The explained output has {outputs.shape[1]} column(s), but the estimator has "
                f"{len(labels)} classes. Give output= a callable that returns what you want "
                "explained."
            )
        return outputs

    def names(self, n_outputs: int) -> list[str] | None:
        """Return the names of the explained outputs.

        Parameters
        ----------
        n_outputs : int
            The number of explained outputs.

        Returns
        -------
        names : list of str or None
            The class labels, else numbered names; None for a single output without a label,
            and for the predicted class, which differs between rows.
        """
        if self.is_of_predicted and n_outputs == 1:
            return None
        if self.labels is not None and self.columns is not None:
            return [str(self.labels[column]) for column in self.columns]
        if n_outputs == 1:
            return None
        return [f"output {i}" for i in range(n_outputs)]


def log_odds(proba: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)) of probabilities clipped to [eps, 1 - eps].

    Parameters
    ----------
    proba : ndarray
        Probabilities in [0, 1]. The eps is that of float32.
    """
    inside = np.clip(proba, PROBA_MARGIN, 1.0 - PROBA_MARGIN)
    return np.log(inside) - np.log1p(-inside)


def choose_output(pipeline: DecomposedPipeline, output: Any, classes: Any) -> Output:
    """Return the output of a fitted estimator to explain.

    Parameters
    ----------
    pipeline : DecomposedPipeline
        A fitted classifier, regressor or pipeline.
    output : {"auto", "proba", "logit", "raw"} or callable
        As in :func:`nnkit.explain`.
    classes : label, list of labels, "predicted" or None
        As in :func:`nnkit.explain`.

    Returns
    -------
    chosen : Output
        The prediction method with the labels of its columns.

    Raises
    ------
    ValueError
        If the estimator does not have the output or the class.
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
    kind = type(pipeline.estimator).__name__
    if is_classifier(pipeline.estimator):
        return _classifier_output(pipeline, kind, output, classes)
    if not is_regressor(pipeline.estimator):
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
    return Output("predict")


def _classifier_output(
    pipeline: DecomposedPipeline, kind: str, output: str, classes: Any
) -> Output:
    """Return the output of a classifier, one column per class."""
    labels = pipeline.estimator.classes_
    if isinstance(labels, list):
        raise ValueError(
            f"{kind} predicts {len(labels)} targets at once. Give output= a callable that "
            "returns the output of one of them."
        )
    known = np.asarray(labels)
    is_multilabel = _is_multilabel(pipeline.final)
    is_binary = len(known) == 2 and not is_multilabel
    is_of_predicted = not is_multilabel and _is_predicted_class_requested(known, classes)
    requested = None if is_of_predicted else classes
    columns = _class_columns(known, requested, is_binary=is_binary and not is_of_predicted)
    chosen = _output_of_classes(pipeline, kind, output, known, columns)
    return replace(chosen, is_of_predicted=is_of_predicted)


def _is_predicted_class_requested(labels: np.ndarray, classes: Any) -> bool:
    """Return whether each row is explained for its predicted class, rather than fixed classes."""
    if classes is None:
        return len(labels) > MAX_CLASSES
    return isinstance(classes, str) and classes == "predicted" and classes not in labels.tolist()


def _output_of_classes(
    pipeline: DecomposedPipeline, kind: str, output: str, known: np.ndarray, columns: list[int]
) -> Output:
    """Return the output of a classifier for the classes at some columns."""
    has_proba = hasattr(pipeline.estimator, "predict_proba")
    has_decision = hasattr(pipeline.estimator, "decision_function")
    if output in ("proba", "logit"):
        if not has_proba:
            raise ValueError(
                f"output={output!r} needs predict_proba, which {kind} does not have. "
                "Use output='raw' or a callable."
            )
        return Output("predict_proba", known, columns, is_logit=output == "logit")
    if output == "auto" and has_proba:
        return Output("predict_proba", known, columns)
    if has_decision:
        _check_decisions(pipeline.final, known)
        return Output("decision_function", known, columns)
    if output == "raw":
        if isinstance(pipeline.final, KerasEstimator):
            return _network_output(pipeline, known, columns)
        raise ValueError(
            f"output='raw' needs decision_function, which {kind} does not have. "
            "Use output='proba', 'logit' or a callable."
        )
    raise ValueError(
        f"{kind} has neither predict_proba nor decision_function. Give output= a callable."
    )


def _is_multilabel(estimator: Any) -> bool:
    """Return whether a classifier is multilabel, so that a row may have several labels."""
    if isinstance(estimator, KerasEstimator):
        return bool(getattr(estimator, "target_type_", "") == "multilabel-indicator")
    if getattr(estimator, "multilabel_", False):
        return True  # OneVsRestClassifier: one binary classifier per label
    # MLPClassifier has one output per label, and one output for two classes. With two or more
    # outputs, out_activation_ is "logistic" for labels and "softmax" for classes.
    return getattr(estimator, "out_activation_", "") == "logistic" and (
        getattr(estimator, "n_outputs_", 1) >= 2
    )


def _check_decisions(estimator: Any, labels: np.ndarray) -> None:
    """Raise if the decision function has a column per pair of classes."""
    if len(labels) > 2 and getattr(estimator, "decision_function_shape", "ovr") == "ovo":
        raise ValueError(
            f"estimator must have one decision per class, but {type(estimator).__name__} has one "
            "per pair of classes. Fit it with decision_function_shape='ovr', or use "
            "output='proba'."
        )


def _network_output(pipeline: DecomposedPipeline, labels: np.ndarray, columns: list[int]) -> Output:
    """Return the output of the last layer of a classifier's network."""
    if pipeline.network.n_units == len(labels):
        return Output("network", labels, columns)
    # A single unit belongs to the second of two classes.
    if columns != [1]:
        raise ValueError(
            "output='raw' is the output of the network, which has one unit for the second class. "
            "Leave out classes, or use output='proba'."
        )
    return Output("network", labels[1:], [0])


def _network_outputs(pipeline: DecomposedPipeline, X: Any) -> np.ndarray:
    return pipeline.network(pipeline.network.encode(pipeline.transformed(X)))


def _class_columns(labels: np.ndarray, classes: Any, *, is_binary: bool) -> list[int]:
    """Return the positions of the requested classes among the labels."""
    if classes is None:
        return [1] if is_binary else list(range(len(labels)))
    requested = [classes] if np.ndim(classes) == 0 else list(classes)
    known = ", ".join(map(repr, labels if labels.dtype.kind == "M" else labels.tolist()))
    if not requested:
        raise ValueError(f"classes must name at least one class. The classes are {known}.")
    columns: list[int] = []
    for label in requested:
        at = np.flatnonzero(labels == label) if np.ndim(label) == 0 else np.array([])
        if len(at) != 1:
            raise ValueError(f"classes holds {label!r}, but the estimator's classes are {known}.")
        if at[0] in columns:
            raise ValueError(f"classes names {label!r} twice. Name each class once.")
        columns.append(int(at[0]))
    return columns
