"""Class labels to codes and back, and the weights of classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from nnkit._messages import shown

__all__ = ["ClassLabels", "class_weights"]


@dataclass(frozen=True)
class ClassLabels:
    """The distinct labels of a classification target, sorted.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The labels; the position of a label is its code.
    """

    classes: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray) -> ClassLabels:
        """Return the labels that occur in a target of shape (n_samples,)."""
        try:
            return cls(np.unique(y))
        except TypeError as error:
            kinds = sorted({type(label).__name__ for label in y.tolist()})
            raise ValueError(
                f"The labels of y must be of one kind, so that they can be sorted. Got {kinds}. "
                "Make them all strings."
            ) from error

    def check(self, y: np.ndarray) -> None:
        """Raise a ValueError that names the first value of ``y`` that is no known label."""
        is_unknown = ~np.isin(y, self.classes)
        if is_unknown.any():
            raise ValueError(
                f"y holds the label {y[is_unknown].tolist()[0]!r}, but the known labels are "
                f"{self.classes.tolist()}. Announce all labels: classes= in the first call of "
                "partial_fit, or rows of every class in the training data."
            )

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the codes of labels, as int32 of the shape of ``y``."""
        return np.searchsorted(self.classes, y).astype(np.int32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the labels of codes, in the dtype of the labels."""
        return self.classes[codes]


def class_weights(
    class_weight: Mapping[Any, float] | str | None,
    labels: ClassLabels,
    codes: np.ndarray,
    sample_weight: np.ndarray | None,
) -> np.ndarray:
    r"""Return the weight of each class.

    Parameters
    ----------
    class_weight : mapping of label to weight, "balanced" or None
        A label that is not named weighs 1; with None all do.
    labels : ClassLabels
        The labels of the target.
    codes : ndarray of shape (n_samples,)
        The encoded target.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows, which count in "balanced".

    Returns
    -------
    weights : ndarray of shape (n_classes,)
        Weights, at least 0.

    Raises
    ------
    ValueError
        If a label is unknown or a weight is negative or not finite.

    Notes
    -----
    "balanced" gives class :math:`c` the weight
    :math:`\sum_i w_i / (n_{classes} \sum_{i: y_i = c} w_i)`, as in scikit-learn.
    """
    weights = np.ones(len(labels.classes))
    if class_weight is None:
        return weights
    if isinstance(class_weight, str) and class_weight == "balanced":
        # A class whose rows all weigh nothing has no rows to weigh.
        present = np.unique(codes if sample_weight is None else codes[sample_weight > 0])
        rows = np.isin(codes, present)
        weights[present] = compute_class_weight(
            "balanced",
            classes=present,
            y=codes[rows],
            sample_weight=None if sample_weight is None else sample_weight[rows],
        )
        return weights
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            "class_weight must be 'balanced', a dict of label to weight, or None; for several "
            f"outputs also a list of these. Got {shown(class_weight)} instead."
        )
    known = {label: code for code, label in enumerate(labels.classes.tolist())}
    for label, weight in class_weight.items():
        if label not in known:
            raise ValueError(
                f"class_weight names the label {label!r}, but y has the labels "
                f"{list(known)}. Use the labels as they stand in y."
            )
        is_number = isinstance(weight, (Real, np.bool_))
        if not is_number or not np.isfinite(weight) or weight < 0:
            raise ValueError(
                "class_weight must be finite numbers of at least 0. "
                f"Got {shown(weight)} for the label {label!r} instead."
            )
        weights[known[label]] = weight
    return weights
