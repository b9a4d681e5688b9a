"""Losses of the best constant prediction, with which the loss of a network is compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_expit, log_softmax, xlogy

from nnkit._compat import constructor_arguments

if TYPE_CHECKING:
    from nnkit.training.specification.heads import Head

__all__ = ["Objective", "objectives_of"]

# Keras' epsilon, by which it clips probabilities.
_EPSILON = 1e-7


@dataclass(frozen=True)
class Objective(ABC):
    """A loss whose best constant prediction is known.

    Parameters
    ----------
    name : str
        Name of Keras' class.
    head : Head
        Interpretation of the output.
    smoothing : float, default=0.0
        ``label_smoothing`` of the loss.
    """

    name: str
    head: Head
    smoothing: float = 0.0

    @abstractmethod
    def loss_of_constant(self, y: np.ndarray, weight: np.ndarray | None) -> float:
        """Return the weighted loss of the best constant prediction of targets."""

    @abstractmethod
    def loss(self, y: np.ndarray, output: np.ndarray, weight: np.ndarray | None) -> float:
        """Return the weighted loss of outputs.

        Parameters
        ----------
        y : ndarray of shape (n_samples, ...)
            Targets in the form that the loss takes.
        output : ndarray of shape (n_samples, ...)
        weight : ndarray of shape (n_samples,) or None
        """


class _OfCodes(Objective):
    """Sparse categorical cross-entropy."""

    def loss_of_constant(self, y: np.ndarray, weight: np.ndarray | None) -> float:
        codes, row_weight = y.astype(np.int64).ravel(), _of_entries(weight, y)
        rates = np.bincount(codes, row_weight, minlength=2)
        return _entropy(rates / rates.sum())

    def loss(self, y: np.ndarray, output: np.ndarray, weight: np.ndarray | None) -> float:
        log_proba = _log_proba(output, self.head).reshape(-1, output.shape[-1])
        codes = y.astype(np.int64).ravel()
        return _mean(-log_proba[np.arange(len(codes)), codes], _of_entries(weight, y))


class _OfProportions(Objective):
    """Categorical cross-entropy."""

    def loss_of_constant(self, y: np.ndarray, weight: np.ndarray | None) -> float:
        proportions = self._smoothed(y)
        rates = np.average(proportions, axis=0, weights=_of_entries(weight, y[..., 0]))
        return _entropy(rates)

    def loss(self, y: np.ndarray, output: np.ndarray, weight: np.ndarray | None) -> float:
        log_proba = _log_proba(output, self.head).reshape(-1, output.shape[-1])
        losses = -(self._smoothed(y) * log_proba).sum(axis=1)
        return _mean(losses, _of_entries(weight, y[..., 0]))

    def _smoothed(self, y: np.ndarray) -> np.ndarray:
        proportions = y.reshape(-1, y.shape[-1]).astype(np.float64)
        return proportions * (1 - self.smoothing) + self.smoothing / y.shape[-1]


class _OfEach(Objective):
    """Binary cross-entropy of each unit."""

    def loss_of_constant(self, y: np.ndarray, weight: np.ndarray | None) -> float:
        rates = np.average(self._smoothed(y), axis=0, weights=weight)
        return float(-np.mean(xlogy(rates, rates) + xlogy(1 - rates, 1 - rates)))

    def loss(self, y: np.ndarray, output: np.ndarray, weight: np.ndarray | None) -> float:
        outputs = output.astype(np.float64).reshape(len(y), -1)
        if self.head.scale == "logits":
            log_yes, log_no = log_expit(outputs), log_expit(-outputs)
        else:
            proba = np.clip(outputs, _EPSILON, 1 - _EPSILON)
            log_yes, log_no = np.log(proba), np.log(1 - proba)
        rates = self._smoothed(y)
        return _mean(-(rates * log_yes + (1 - rates) * log_no).mean(axis=1), weight)

    def _smoothed(self, y: np.ndarray) -> np.ndarray:
        rates = y.reshape(len(y), -1).astype(np.float64)
        return rates * (1 - self.smoothing) + self.smoothing / 2


@dataclass(frozen=True)
class _OfValues(Objective):
    """A loss of each value by itself. The best constant is the better of mean and median.

    Parameters
    ----------
    elementwise : callable
        Returns the loss of each value from targets and predictions.
    """

    elementwise: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda y, output: y - output

    def loss_of_constant(self, y: np.ndarray, weight: np.ndarray | None) -> float:
        table = y.reshape(len(y), -1).astype(np.float64)
        mean = np.average(table, axis=0, weights=weight)
        constants = [mean]
        if self.name != "MeanSquaredError":
            constants.append(_medians(table, weight))
        losses = [_mean(self.elementwise(table, one).mean(axis=1), weight) for one in constants]
        return min(losses)

    def loss(self, y: np.ndarray, output: np.ndarray, weight: np.ndarray | None) -> float:
        table, values = (part.reshape(len(y), -1).astype(np.float64) for part in (y, output))
        return _mean(self.elementwise(table, values).mean(axis=1), weight)


def _of_entries(weight: np.ndarray | None, y: np.ndarray) -> np.ndarray | None:
    """Return the weight of each entry of targets, the weight of its row."""
    return None if weight is None else np.repeat(weight, y.size // len(y))


def _mean(losses: np.ndarray, weight: np.ndarray | None) -> float:
    return float(np.average(losses, weights=weight))


def _entropy(rates: np.ndarray) -> float:
    return float(-np.sum(xlogy(rates, rates)))


def _log_proba(output: np.ndarray, head: Head) -> np.ndarray:
    """Return the logarithms of class probabilities."""
    outputs = output.astype(np.float64)
    if head.scale == "logits":
        return log_softmax(outputs, axis=-1)
    totals = np.maximum(outputs.sum(axis=-1, keepdims=True), _EPSILON)
    return np.log(np.clip(outputs / totals, _EPSILON, 1.0))


def _medians(table: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    if weight is None:
        return np.median(table, axis=0)
    order = np.argsort(table, axis=0)
    totals = np.cumsum(weight[order], axis=0)
    middle = (totals >= totals[-1] / 2).argmax(axis=0)
    return np.take_along_axis(table, np.take_along_axis(order, middle[None], 0), 0)[0]


def _log_cosh(y: np.ndarray, output: np.ndarray) -> np.ndarray:
    distance = np.abs(output - y)
    return distance + np.log1p(np.exp(-2 * distance)) - np.log(2.0)


def _huber(delta: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def elementwise(y: np.ndarray, output: np.ndarray) -> np.ndarray:
        distance = np.abs(y - output)
        return np.where(distance <= delta, distance**2 / 2, delta * distance - delta**2 / 2)

    return elementwise


_ELEMENTWISE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "MeanSquaredError": lambda y, output: np.square(y - output),
    "MeanAbsoluteError": lambda y, output: np.abs(y - output),
    "LogCosh": _log_cosh,
}

_OF_CLASSES: dict[str, type[Objective]] = {
    "SparseCategoricalCrossentropy": _OfCodes,
    "CategoricalCrossentropy": _OfProportions,
    "BinaryCrossentropy": _OfEach,
}


def objectives_of(
    losses: Any, heads: Sequence[Head], as_codes: Sequence[bool]
) -> list[Objective] | None:
    """Return the objectives of a network's outputs; None if a best constant is not known.

    Parameters
    ----------
    losses : keras.losses.Loss, or list or dict of them
        The losses that the model was compiled with.
    heads : sequence of Head
        Interpretation of each output.
    as_codes : sequence of bool
        Whether each loss takes integer codes of classes.
    """
    if isinstance(losses, dict):
        losses = [losses[name] for name in sorted(losses)]
    flat = list(losses) if isinstance(losses, (list, tuple)) else [losses]
    if len(flat) != len(heads):
        return None
    found = [_objective(*one) for one in zip(flat, heads, as_codes, strict=True)]
    objectives = [one for one in found if one is not None]
    return objectives if len(objectives) == len(found) else None


def _objective(loss: Any, head: Head, as_codes: bool) -> Objective | None:
    cls = type(loss)
    is_mean = getattr(loss, "reduction", None) == "mean_with_sample_weight"
    if not cls.__module__.startswith("keras.") or not is_mean:
        return None
    name, arguments = cls.__name__, constructor_arguments(loss)
    if head.scale == "values":
        if name == "Huber":
            return _OfValues(name, head, elementwise=_huber(float(arguments["delta"])))
        elementwise = _ELEMENTWISE.get(name)
        return None if elementwise is None else _OfValues(name, head, elementwise=elementwise)
    if name not in _OF_CLASSES or as_codes != (name == "SparseCategoricalCrossentropy"):
        return None
    if arguments.get("ignore_class") is not None or arguments.get("axis", -1) != -1:
        return None
    return _OF_CLASSES[name](name, head, float(arguments.get("label_smoothing") or 0.0))
