"""Weights of the classes of a target, and of rows and steps by their classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit._messages import shown
from nnkit.encoding.targets import ClassTarget
from nnkit.encoding.weights import class_weights

__all__ = ["ClassWeights"]


@dataclass(frozen=True)
class ClassWeights:
    """The weights of the classes of each column of a target.

    Parameters
    ----------
    class_weight : dict, "balanced", list of these, or None
        The parameter.
    by_column : list of ndarray of shape (n_classes,), or None
        The weight of each class; None for equal weights. One entry if columns share the classes.
    """

    class_weight: Any = None
    by_column: list[np.ndarray] | None = None

    @classmethod
    def learn(
        cls,
        class_weight: Any,
        target: ClassTarget,
        encoded: np.ndarray,
        sample_weight: np.ndarray | None,
    ) -> ClassWeights:
        """Return the weights of classes, from their frequencies where "balanced" is asked.

        Parameters
        ----------
        class_weight : dict, "balanced", list of these, or None
        target : ClassTarget
        encoded : ndarray of shape (n_samples, ...)
            Codes of classes.
        sample_weight : ndarray of shape (n_samples,) or None

        Raises
        ------
        ValueError
            If it does not have one entry for each column, or names an unknown label.
        """
        if class_weight is None:
            return cls()
        table = encoded.reshape(len(encoded), -1).astype(int)
        if target.has_shared_classes and sample_weight is not None:
            sample_weight = np.repeat(sample_weight, table.shape[1])
        if target.has_shared_classes:
            table = table.reshape(-1, 1)
        labels = target.columns * table.shape[1] if target.is_indicator else target.columns
        is_list = isinstance(class_weight, list)
        per_column = class_weight if is_list else [class_weight] * len(labels)
        if is_list and len(labels) == 1 and not target.is_indicator:
            known = labels[0].classes.tolist()
            by_label = dict(zip(known, class_weight, strict=False))
            fix = f" Name the labels: {by_label}." if len(known) == len(class_weight) else ""
            raise ValueError(
                "class_weight must be 'balanced', a dict of label to weight, or None. "
                f"Got {shown(class_weight)} instead.{fix}"
            )
        if len(per_column) != len(labels):
            raise ValueError(
                f"class_weight must be one, or a list with one for each of the {len(labels)} "
                f"columns of y. Got {len(per_column)} instead."
            )
        by_column = [
            class_weights(weight, known, codes, sample_weight)
            for weight, known, codes in zip(per_column, labels, table.T, strict=True)
        ]
        return cls(class_weight, by_column)

    def of_rows(self, encoded: np.ndarray) -> np.ndarray | None:
        """Return the weight of each row (n_samples,), the product over its labels."""
        by_label = self._by_label(encoded)
        if by_label is None:
            return None
        weight = by_label.prod(axis=1)
        # A step of weight 0 does not remove its row, whose other steps can have weights.
        return weight if weight.all() else np.where(weight, weight, by_label.mean(axis=1))

    def of_steps(self, encoded: np.ndarray, axes: tuple[int, ...]) -> np.ndarray | None:
        """Return the weight of each step (n_samples, *axes), the product over its labels."""
        by_label = self._by_label(encoded)
        if by_label is None:
            return None
        # (n_samples, n_labels) -> (n_samples, *axes, labels of a step)
        return by_label.reshape(len(encoded), *axes, -1).prod(axis=-1)

    def _by_label(self, encoded: np.ndarray) -> np.ndarray | None:
        """Return the weight of the class of each label (n_samples, n_labels)."""
        if self.by_column is None:
            return None
        table = encoded.reshape(len(encoded), -1).astype(int)
        if len(self.by_column) == 1:
            return self.by_column[0][table]
        weights = [by_class[codes] for by_class, codes in zip(self.by_column, table.T, strict=True)]
        return np.stack(weights, axis=1)
