"""Temperature scaling: calibration of probabilities by one parameter, the temperature."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize_scalar

__all__ = ["fit_temperature", "temperature_scaled"]

# The temperature is in [1/8, 8]. 1/8 turns odds of 2 into odds of 256. Smaller temperatures are
# supported by a few rows only.
_LOG_RANGE = (-np.log(8.0), np.log(8.0))

# Standard deviation of the prior of log T: 95 % of the temperatures are in [0.55, 1.8]. It was
# chosen between 0.05 and 1 on the tables of docs/tables.rst, where 0.2 to 0.5 differ little.
_PRIOR_DEVIATION = 0.3
_TINY = np.finfo(np.float64).tiny


def temperature_scaled(
    proba: np.ndarray, temperature: float, *, is_one_of_many: bool = True
) -> np.ndarray:
    r"""Return probabilities whose logits are divided by a temperature.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, ..., n_classes)
        Probabilities in [0, 1].
    temperature : float
        Temperature, above 0. Above 1, probabilities become more equal; below 1, more extreme.
    is_one_of_many : bool, default=True
        Whether the classes exclude each other, so that the last axis sums to 1. If False, each
        entry is the probability of a label.

    Returns
    -------
    proba : ndarray of the same shape, float64

    Notes
    -----
    :math:`p_k^{1/T} / \sum_j p_j^{1/T}`. This is the softmax of logits divided by T, because
    logits are logarithms of probabilities up to a constant.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.encoding.temperature import temperature_scaled
    >>> temperature_scaled(np.array([[0.9, 0.1]]), 2.0).round(2)
    array([[0.75, 0.25]])
    """
    if not is_one_of_many:
        both = np.stack([1.0 - proba, proba], axis=-1)
        return temperature_scaled(both, temperature)[..., 1]
    log_proba = np.log(np.maximum(proba, _TINY, dtype=np.float64)) / temperature
    powers = np.exp(log_proba - log_proba.max(axis=-1, keepdims=True))  # p^(1/T), the largest 1
    return powers / powers.sum(axis=-1, keepdims=True)


def fit_temperature(
    by_part: Sequence[Sequence[np.ndarray]],
    targets: Sequence[np.ndarray],
    sample_weights: Sequence[np.ndarray | None],
    *,
    is_one_of_many: bool = True,
    n_averaged: int | None = None,
) -> float:
    r"""Return the maximum a posteriori temperature for held-out rows.

    Parameters
    ----------
    by_part : sequence of sequences of ndarray of shape (n_rows, ..., n_classes)
        Probabilities by part of the rows: for each network that was not trained on the part. The
        loss is that of the mean of the temperature-scaled probabilities.
    targets : sequence of ndarray
        Codes of classes (n_rows, ...) for each part, or a multilabel indicator if
        ``is_one_of_many`` is False.
    sample_weights : sequence of ndarray of shape (n_rows,) or None
        Weights of the rows for each part.
    is_one_of_many : bool, default=True
        As for `temperature_scaled`.
    n_averaged : int or None, default=None
        Number of networks whose mean is predicted. None is the number of networks per part.

    Returns
    -------
    temperature : float
        In [1/8, 8].

    Notes
    -----
    The temperature minimises :math:`n \bar l(T) + (\log T)^2 / (2 \sigma^2)`, with the mean
    log-loss :math:`\bar l` of n rows and :math:`\sigma = 0.3`. This is the maximum a posteriori
    estimate under a normal prior of :math:`\log T`, which is near 1 for few rows. For weighted
    rows, :math:`n = (\sum w)^2 / \sum w^2`.

    With a temperature below 1, the loss of a wrong prediction has no bound, and a few rows that
    are all predicted correctly cannot show this. If the estimate is below 1, a second one is
    computed with one further row, whose label is each class with the same probability: the term
    :math:`\frac{1}{K} \sum_k -\log p_k`, averaged over the rows, is added. The result is the
    second estimate, or 1 if that is above 1.

    A mean of networks is less extreme than each of them. If each part has the probabilities of
    fewer networks than are averaged, as with folds, and :math:`\log T` is above 0, it is halved.
    On the tables of docs/tables.rst, the best value was between 0 and half of the estimate.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.encoding.temperature import fit_temperature
    >>> proba = np.array([[0.99, 0.01]] * 100)  # 75 of these predictions are correct
    >>> fit_temperature([[proba]], [np.arange(100) % 4 == 0], [None]) > 2
    True
    """
    n_rows = _effective_size(targets, sample_weights)

    def objective(log_temperature: float, n_further: int) -> float:
        held_out, of_any_label = _log_losses(
            by_part, targets, sample_weights, float(np.exp(log_temperature)), is_one_of_many
        )
        prior = log_temperature**2 / (2 * _PRIOR_DEVIATION**2)
        return n_rows * held_out + n_further * of_any_label + prior

    log_temperature = _minimiser(lambda value: objective(value, 0))
    if log_temperature < 0:
        log_temperature = min(0.0, _minimiser(lambda value: objective(value, 1)))
    elif n_averaged is not None and n_averaged > len(by_part[0]):
        log_temperature /= 2
    return float(np.exp(log_temperature))


def _minimiser(function: Callable[[float], float]) -> float:
    """Return the log-temperature that minimises a function, or 0 if none is better than 0."""
    found = minimize_scalar(function, bounds=_LOG_RANGE, method="bounded")
    return float(found.x) if found.fun < function(0.0) else 0.0


def _effective_size(
    targets: Sequence[np.ndarray], sample_weights: Sequence[np.ndarray | None]
) -> float:
    """Return the effective sample size of weighted rows (Kish)."""
    weight = np.concatenate(_weights_by_part(targets, sample_weights))
    return float(weight.sum() ** 2 / np.square(weight).sum())


def _weights_by_part(
    targets: Sequence[np.ndarray], sample_weights: Sequence[np.ndarray | None]
) -> list[np.ndarray]:
    """Return the weights of rows by part, scaled so that the largest one is 1."""
    weights = [
        np.ones(len(target)) if weight is None else np.asarray(weight, dtype=np.float64)
        for target, weight in zip(targets, sample_weights, strict=True)
    ]
    largest = max(weight.max(initial=0.0) for weight in weights)
    return [weight / largest for weight in weights]


def _log_losses(
    by_part: Sequence[Sequence[np.ndarray]],
    targets: Sequence[np.ndarray],
    sample_weights: Sequence[np.ndarray | None],
    temperature: float,
    is_one_of_many: bool,
) -> tuple[float, float]:
    """Return the mean log-loss of rows, and its mean over all labels that they could have."""
    totals = np.zeros(2)
    weights = _weights_by_part(targets, sample_weights)
    for members, target, weight in zip(by_part, targets, weights, strict=True):
        mean = np.mean(
            [
                temperature_scaled(part, temperature, is_one_of_many=is_one_of_many)
                for part in members
            ],
            axis=0,
        )
        losses = [
            part.reshape(len(mean), -1).mean(axis=1)
            for part in _cross_entropies(mean, target, is_one_of_many)
        ]
        totals += np.stack(losses) @ weight
    held_out, of_any_label = totals / sum(weight.sum() for weight in weights)
    return float(held_out), float(of_any_label)


def _cross_entropies(
    proba: np.ndarray, target: np.ndarray, is_one_of_many: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cross-entropy of each row or entry, and its mean over all classes."""
    if not is_one_of_many:
        proba = np.stack([1.0 - proba, proba], axis=-1)
        target = target > 0.5
    log_proba = np.log(np.maximum(proba, _TINY))
    codes = target.astype(np.intp)[..., np.newaxis]
    of_truth = np.take_along_axis(log_proba, codes, axis=-1)[..., 0]
    return -of_truth, -log_proba.mean(axis=-1)
