"""Targets to numbers and back: what the network learns, and what the user gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nnkit._messages import shown
from nnkit.encoding.labels import ClassLabels

__all__ = ["ClassTarget", "ContinuousTarget"]


@dataclass(frozen=True)
class ContinuousTarget:
    """The units of a continuous target.

    Parameters
    ----------
    location : float or ndarray of the shape of one row, default=0.0
        What is subtracted, in units of the target.
    scale : float or ndarray of the shape of one row, default=1.0
        What it is then divided by, in units of the target, above 0.
    limits : tuple of two float or ndarray of the shape of one row, or None, default=None
        The smallest and the largest value that is decoded to; None is no limit.
    """

    location: Any = 0.0
    scale: Any = 1.0
    limits: tuple[Any, Any] | None = None

    @classmethod
    def standard(
        cls, y: np.ndarray, sample_weight: np.ndarray | None, *, is_clipped: bool = False
    ) -> ContinuousTarget:
        """Return the units in which each column of ``y`` has mean 0 and deviation 1.

        A constant column is only centred. If clipped, values are decoded to the range of ``y``.
        """
        # Squares of what is below 1e-162 or above 1e154 leave float64; powers of two are exact.
        exponent = _exponent(np.abs(y).max(axis=0, initial=0.0))
        scaled = np.ldexp(y, -exponent)
        mean = np.average(scaled, axis=0, weights=sample_weight)
        deviation = np.sqrt(np.average(np.square(scaled - mean), axis=0, weights=sample_weight))
        # Below rounding of the mean, the deviation of a constant column is noise.
        noise = 10 * np.finfo(np.float64).eps * np.maximum(np.abs(mean), 1e-300)
        limits = (y.min(axis=0), y.max(axis=0)) if is_clipped else None
        deviation = np.where(deviation <= noise, np.ldexp(1.0, -exponent), deviation)
        # Deviations below the smallest normal number would vanish.
        scale = np.maximum(np.ldexp(deviation, exponent), np.finfo(np.float64).tiny)
        return cls(np.ldexp(mean, exponent), scale, limits)

    def widened(self, y: np.ndarray) -> ContinuousTarget:
        """Return the same units with limits that hold further values too."""
        if self.limits is None:
            return self
        low, high = self.limits
        limits = np.minimum(low, y.min(axis=0)), np.maximum(high, y.max(axis=0))
        return replace(self, limits=limits)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the target in these units, float64 of the same shape."""
        # A difference of large values may be beyond float64.
        exponent = _exponent(np.maximum(np.abs(self.location), self.scale))
        y, location, scale = (
            np.ldexp(np.asarray(part, dtype=np.float64), -exponent)
            for part in (y, self.location, self.scale)
        )
        return np.asarray((y - location) / scale)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Return values in the target's own units, float64 of the same shape."""
        # In sixteenths, which change no digit, neither term of a value near 1e308 overflows.
        scale, location = np.multiply(self.scale, 1 / 16), np.multiply(self.location, 1 / 16)
        decoded = (np.asarray(values, dtype=np.float64) * scale + location) * 16
        return decoded if self.limits is None else np.clip(decoded, *self.limits)


def _check_announced(classes: Any) -> None:
    """Raise if announced labels are no array of labels without gaps."""
    if isinstance(classes, (str, bytes, Mapping)) or not hasattr(classes, "__len__"):
        raise ValueError(
            "classes must be an array of all labels, or a list of them for several columns of y. "
            f"Got {shown(classes)} instead."
        )
    for labels in classes:
        if np.any(pd.isna(labels)):
            raise ValueError("classes has a missing value. Leave it out.")


def _exponent(largest: Any) -> Any:
    """Return e such that values up to the largest, times 2^-e, are below 1/4.

    It is bounded, so that 2^e itself is a number of float64.
    """
    return np.clip(np.frexp(largest)[1] + 2, -1020, 1023)


@dataclass(frozen=True)
class ClassTarget:
    """The classes of a target, column by column.

    Parameters
    ----------
    kind : {"binary", "multiclass", "multilabel-indicator", "multiclass-multioutput"}
        As ``sklearn.utils.multiclass.type_of_target`` names it. An indicator has a 1 where a
        row has a label, in any number of axes behind the first.
    columns : tuple of ClassLabels
        The labels of each column; those of an indicator are 0 and 1.
    row_shape : tuple of int
        Shape of one row: () for (n_samples,), (n_columns,) for a table.
    dtype : dtype
        Of the labels.
    """

    kind: str
    columns: tuple[ClassLabels, ...]
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, y: np.ndarray, kind: str, classes: Sequence[Any] | None = None) -> ClassTarget:
        """Return the classes that occur in a target, or that were announced.

        Parameters
        ----------
        y : ndarray of shape (n_samples, ...)
        kind : str
            The kind of target.
        classes : sequence or None
            All labels, for each column if there are several; None takes those in ``y``.

        Raises
        ------
        ValueError
            If a column has one class only, or a label was not announced.
        """
        if kind == "multilabel-indicator":
            return cls(kind, (ClassLabels(np.array([0, 1])),), y.shape[1:], y.dtype)
        table = y.reshape(len(y), -1)
        announced: Sequence[Any] = [None] * table.shape[1]
        if classes is not None:
            _check_announced(classes)
            announced = [classes] if table.shape[1] == 1 and np.ndim(classes[0]) == 0 else classes
        columns = []
        for position, known in enumerate(announced):
            labels = ClassLabels.of(table[:, position] if known is None else np.asarray(known))
            labels.check(table[:, position])
            if len(labels.classes) < 2:
                where = "" if table.shape[1] == 1 else f" in column {position}"
                raise ValueError(
                    f"y must have at least 2 classes{where}. "
                    f"Got 1 class, {labels.classes.tolist()[0]!r}, instead."
                )
            columns.append(labels)
        if len(columns) == 1:
            kind = "binary" if len(columns[0].classes) == 2 else "multiclass"
        return cls(kind, tuple(columns), y.shape[1:], y.dtype)

    @property
    def is_indicator(self) -> bool:
        """Whether rows have any number of labels."""
        return self.kind == "multilabel-indicator"

    @property
    def has_comparable_columns(self) -> bool:
        """Whether the labels of all columns can be sorted together, unlike 1 and "a"."""
        return len({type(labels.classes.tolist()[0]) for labels in self.columns}) == 1

    @property
    def classes_of_steps(self) -> np.ndarray:
        """The labels of all columns, sorted: the classes of each step of a sequence."""
        return np.unique(np.concatenate([labels.classes for labels in self.columns]))

    def codes_of_steps(self, codes: np.ndarray) -> np.ndarray:
        """Return codes by column as codes among the labels of all columns."""
        known = self.classes_of_steps
        return np.column_stack(
            [
                np.searchsorted(known, labels.classes)[column].astype(np.int32)
                for labels, column in zip(self.columns, codes.T, strict=True)
            ]
        )

    def by_step(self, probabilities: np.ndarray) -> list[np.ndarray]:
        """Return probabilities (n_samples, n_steps, n_classes) as those of each column's labels."""
        known = self.classes_of_steps
        found = []
        for step, labels in enumerate(self.columns):
            proba = probabilities[:, step, np.searchsorted(known, labels.classes)]
            total = proba.sum(axis=-1, keepdims=True)
            uniform = np.full_like(proba, 1.0 / proba.shape[-1])
            found.append(np.divide(proba, total, out=uniform, where=total > 0))
        return found

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return codes (n_samples, n_columns) of labels, or the indicator as it is.

        Raises
        ------
        ValueError
            If ``y`` has another shape, or a label that is not known.
        """
        if y.shape[1:] != self.row_shape:
            raise ValueError(
                f"y must have rows of shape {self.row_shape}, as in the first fit. "
                f"Got {y.shape[1:]} instead."
            )
        if self.is_indicator:
            return y.astype(np.float32)
        table = y.reshape(len(y), -1)
        for labels, column in zip(self.columns, table.T, strict=True):
            labels.check(column)
        return np.column_stack(
            [labels.encode(column) for labels, column in zip(self.columns, table.T, strict=True)]
        )

    def decode(self, probabilities: Sequence[np.ndarray]) -> np.ndarray:
        """Return the most probable labels, in the shape and dtype of the target.

        Parameters
        ----------
        probabilities : sequence of ndarray of shape (n_samples, n_classes)
            For each column; of an indicator the one array (n_samples, ...).
        """
        if self.is_indicator:
            return (probabilities[0] > 0.5).astype(self.dtype)
        columns = [
            labels.decode(proba.argmax(axis=1))
            for labels, proba in zip(self.columns, probabilities, strict=True)
        ]
        if not self.row_shape:
            return columns[0]
        return np.column_stack(columns).reshape(-1, *self.row_shape)
