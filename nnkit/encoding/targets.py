"""Codecs of targets: class labels to codes, continuous values to standardized ones, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nnkit._messages import shown

__all__ = ["ClassLabels", "ClassTarget", "ContinuousTarget"]


@dataclass(frozen=True)
class ClassLabels:
    """Sorted labels of a classification target. The code of a label is its position.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The labels.
    """

    classes: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray) -> ClassLabels:
        """Return the labels that occur in a target of shape (n_samples,)."""
        try:
            return cls(np.unique(y))
        except TypeError as error:
            types = sorted({type(label).__name__ for label in y.tolist()})
            raise ValueError(
                f"The labels of y must have one type, so that they can be sorted. Got {types}. "
                "Convert them all to strings."
            ) from error

    def check(self, y: np.ndarray) -> None:
        """Raise a ValueError with the first unknown label of ``y``, if there is one."""
        is_unknown = ~np.isin(y, self.classes)
        if is_unknown.any():
            raise ValueError(
                f"y holds the label {y[is_unknown].tolist()[0]!r}, but the known labels are "
                f"{self.classes.tolist()}. Pass all labels as classes= in the first call of "
                "partial_fit, or include rows of every class in the training data."
            )

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the codes of labels, in int32 and of the shape of ``y``."""
        return np.searchsorted(self.classes, y).astype(np.int32)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the labels of codes, in the dtype of the labels."""
        return self.classes[codes]


@dataclass(frozen=True)
class ContinuousTarget:
    """Codec of a continuous target: a location, a scale and limits.

    Parameters
    ----------
    location : float or ndarray of the shape of one row, default=0.0
        Location, which is subtracted, in units of the target.
    scale : float or ndarray of the shape of one row, default=1.0
        Scale, by which the difference is divided, in units of the target, above 0.
    limits : tuple of two float or ndarray of the shape of one row, or None, default=None
        Smallest and largest decoded value. None for no limits.
    """

    location: Any = 0.0
    scale: Any = 1.0
    limits: tuple[Any, Any] | None = None

    @classmethod
    def standard(
        cls, y: np.ndarray, sample_weight: np.ndarray | None, *, is_clipped: bool = False
    ) -> ContinuousTarget:
        """Create the codec that standardizes each column of a target.

        Parameters
        ----------
        y : ndarray with n_samples rows
            The target. Constant columns are centred and not scaled.
        sample_weight : ndarray of shape (n_samples,) or None
            Weights of the rows.
        is_clipped : bool, default=False
            Whether decoded values are clipped to the range of ``y``.
        """
        # Squares of values below 1e-162 or above 1e154 are out of the range of float64. Scaling by
        # a power of two is exact.
        exponent = _exponent(np.abs(y).max(axis=0, initial=0.0))
        scaled = np.ldexp(y, -exponent)
        mean = np.average(scaled, axis=0, weights=sample_weight)
        deviation = np.sqrt(np.average(np.square(scaled - mean), axis=0, weights=sample_weight))
        # The deviation of a constant column is not 0, but at the level of rounding errors.
        noise = 10 * np.finfo(np.float64).eps * np.maximum(np.abs(mean), 1e-300)
        limits = (y.min(axis=0), y.max(axis=0)) if is_clipped else None
        deviation = np.where(deviation <= noise, np.ldexp(1.0, -exponent), deviation)
        # Division by a subnormal number could overflow.
        scale = np.maximum(np.ldexp(deviation, exponent), np.finfo(np.float64).tiny)
        return cls(np.ldexp(mean, exponent), scale, limits)

    def widened(self, y: np.ndarray) -> ContinuousTarget:
        """Return a copy whose limits include the values of another target."""
        if self.limits is None:
            return self
        low, high = self.limits
        limits = np.minimum(low, y.min(axis=0)), np.maximum(high, y.max(axis=0))
        return replace(self, limits=limits)

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return standardized values, in float64 and of the same shape."""
        # Scaled by a power of two, because the difference of large values could overflow.
        exponent = _exponent(np.maximum(np.abs(self.location), self.scale))
        y, location, scale = (
            np.ldexp(np.asarray(part, dtype=np.float64), -exponent)
            for part in (y, self.location, self.scale)
        )
        return np.asarray((y - location) / scale)

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Return values in units of the target, in float64 and of the same shape."""
        # Computed as sixteenths, which is exact, so that no term of a value near 1e308 overflows.
        scale, location = np.multiply(self.scale, 1 / 16), np.multiply(self.location, 1 / 16)
        decoded = (np.asarray(values, dtype=np.float64) * scale + location) * 16
        return decoded if self.limits is None else np.clip(decoded, *self.limits)


@dataclass(frozen=True)
class ClassTarget:
    """Codec of a target of classes, by column.

    Parameters
    ----------
    kind : {"binary", "multiclass", "multilabel-indicator", "multiclass-multioutput"}
        Type of the target, as from ``sklearn.utils.multiclass.type_of_target``. A multilabel
        indicator may have any number of axes after the first.
    columns : tuple of ClassLabels
        Labels of each column. A multilabel indicator has one entry with the labels 0 and 1, a
        target with more than two axes one entry with the labels of all its positions.
    row_shape : tuple of int
        Shape of one row: () for (n_samples,), (n_columns,) for a table.
    dtype : dtype
        Dtype of the labels.
    """

    kind: str
    columns: tuple[ClassLabels, ...]
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, y: np.ndarray, kind: str, classes: Sequence[Any] | None = None) -> ClassTarget:
        """Create the codec of a target.

        Parameters
        ----------
        y : ndarray of shape (n_samples, ...)
            The target.
        kind : str
            Type of the target.
        classes : sequence or None
            All labels, or a sequence of them for each column of several. None uses the labels that
            occur in ``y``.

        Raises
        ------
        ValueError
            If a column has only one class, or a label is not in ``classes``.
        """
        if kind == "multilabel-indicator":
            return cls(kind, (ClassLabels(np.array([0, 1])),), y.shape[1:], y.dtype)
        # The positions of a target with more axes, such as pixels, have the same classes.
        table = y.reshape(-1, 1) if y.ndim > 2 else y.reshape(len(y), -1)
        by_column: Sequence[Any] = [None] * table.shape[1]
        if classes is not None:
            _check_classes(classes)
            by_column = [classes] if table.shape[1] == 1 and np.ndim(classes[0]) == 0 else classes
        columns = []
        for position, known in enumerate(by_column):
            column = table[:, position]
            labels = ClassLabels.of(column if known is None else np.asarray(known))
            if known is not None:
                labels.check(column)
            if len(labels.classes) < 2:
                where = "" if table.shape[1] == 1 else f" in column {position}"
                raise ValueError(
                    f"y must have at least 2 classes{where}. "
                    f"Got 1 class, {labels.classes.tolist()[0]!r}, instead."
                )
            columns.append(labels)
        if len(columns) == 1 and y.ndim < 3:
            kind = "binary" if len(columns[0].classes) == 2 else "multiclass"
        return cls(kind, tuple(columns), y.shape[1:], y.dtype)

    @property
    def is_indicator(self) -> bool:
        """Whether the target is a multilabel indicator."""
        return self.kind == "multilabel-indicator"

    @property
    def has_shared_classes(self) -> bool:
        """Whether each position of a row, such as a pixel, has one of the same classes."""
        return not self.is_indicator and len(self.row_shape) > 1

    @property
    def has_comparable_columns(self) -> bool:
        """Whether the labels of all columns have one type, so that they can be sorted."""
        return len({type(labels.classes.tolist()[0]) for labels in self.columns}) == 1

    @property
    def classes_of_steps(self) -> np.ndarray:
        """Sorted labels of all columns: the classes of each time step of a sequence."""
        return np.unique(np.concatenate([labels.classes for labels in self.columns]))

    def codes_of_steps(self, codes: np.ndarray) -> np.ndarray:
        """Convert codes of each column's labels to codes among the labels of all columns."""
        known = self.classes_of_steps
        return np.column_stack(
            [
                np.searchsorted(known, labels.classes)[column].astype(np.int32)
                for labels, column in zip(self.columns, codes.T, strict=True)
            ]
        )

    def by_step(self, probabilities: np.ndarray) -> list[np.ndarray]:
        """Convert probabilities of the labels of all columns to those of each column's labels.

        Parameters
        ----------
        probabilities : ndarray of shape (n_samples, n_steps, n_classes)
            Probabilities of `classes_of_steps`.

        Returns
        -------
        probabilities : list of ndarray of shape (n_samples, n_classes)
            For each column, normalised to the sum 1.
        """
        known = self.classes_of_steps
        by_column = []
        for step, labels in enumerate(self.columns):
            proba = probabilities[:, step, np.searchsorted(known, labels.classes)]
            total = proba.sum(axis=-1, keepdims=True)
            uniform = np.full_like(proba, 1.0 / proba.shape[-1])
            by_column.append(np.divide(proba, total, out=uniform, where=total > 0))
        return by_column

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return codes (n_samples, n_columns) of labels, or an indicator in float32.

        Codes of a target with shared classes have its shape.

        Raises
        ------
        ValueError
            If rows have another shape than in the first fit, or a label is unknown.
        """
        if y.shape[1:] != self.row_shape:
            raise ValueError(
                f"y must have rows of shape {self.row_shape}, as in the first fit. "
                f"Got {y.shape[1:]} instead."
            )
        if self.is_indicator:
            return y.astype(np.float32)
        if self.has_shared_classes:
            self.columns[0].check(y)
            return self.columns[0].encode(y)
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
            For each column. For a multilabel indicator, one array of shape (n_samples, ...), for
            shared classes one of shape (n_samples, ..., n_classes).
        """
        if self.is_indicator:
            return (probabilities[0] > 0.5).astype(self.dtype)
        columns = [
            labels.decode(proba.argmax(axis=-1))
            for labels, proba in zip(self.columns, probabilities, strict=True)
        ]
        if not self.row_shape or self.has_shared_classes:
            return columns[0]
        return np.column_stack(columns).reshape(-1, *self.row_shape)


def _check_classes(classes: Any) -> None:
    """Raise a ValueError if ``classes`` is not an array, or has missing values."""
    if isinstance(classes, (str, bytes, Mapping)) or not hasattr(classes, "__len__"):
        raise ValueError(
            "classes must be an array of all labels, or a list of them for several columns of y. "
            f"Got {shown(classes)} instead."
        )
    for labels in classes:
        if np.any(pd.isna(labels)):
            raise ValueError("classes must not have missing values. Leave them out.")


def _exponent(largest: Any) -> Any:
    """Return e such that values up to the largest, times 2^-e, are below 1/4.

    The exponent is bounded, so that 2^e can be represented in float64.
    """
    return np.clip(np.frexp(largest)[1] + 2, -1020, 1023)
