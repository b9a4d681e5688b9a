"""Probabilities that are made less, or more, extreme by one number: the temperature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar

__all__ = ["fit_temperature", "tempered"]

# A temperature of 1/8 makes odds of 2 to odds of 256; beyond lies overfitting of few rows.
_LOG_RANGE = (-np.log(8.0), np.log(8.0))
_TINY = np.finfo(np.float64).tiny


def tempered(proba: np.ndarray, temperature: float, *, is_one_of_many: bool = True) -> np.ndarray:
    r"""Return probabilities whose logits are divided by a temperature.

    Parameters
    ----------
    proba : ndarray of shape (n_samples, ..., n_classes)
        Probabilities in [0, 1].
    temperature : float
        Above 0; above 1 moves them towards equal ones, below 1 away from them.
    is_one_of_many : bool, default=True
        Whether the last axis sums to 1; if not, each entry is a probability of its own.

    Returns
    -------
    proba : ndarray of the same shape, float64

    Notes
    -----
    :math:`p_k^{1/T} / \sum_j p_j^{1/T}`, which is the softmax of logits divided by T, since
    logits are logarithms of probabilities up to a constant.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.encoding.temperature import tempered
    >>> tempered(np.array([[0.9, 0.1]]), 2.0).round(2)
    array([[0.75, 0.25]])
    """
    if not is_one_of_many:
        both = np.stack([1.0 - proba, proba], axis=-1)
        return tempered(both, temperature)[..., 1]
    log_proba = np.log(np.maximum(proba, _TINY, dtype=np.float64)) / temperature
    powers = np.exp(log_proba - log_proba.max(axis=-1, keepdims=True))  # p^(1/T), the largest 1
    return powers / powers.sum(axis=-1, keepdims=True)


def fit_temperature(
    by_part: Sequence[Sequence[np.ndarray]],
    targets: Sequence[np.ndarray],
    sample_weights: Sequence[np.ndarray | None],
    *,
    is_one_of_many: bool = True,
) -> float:
    r"""Return the temperature with the smallest log-loss on rows that were not trained on.

    Parameters
    ----------
    by_part : sequence of sequences of ndarray of shape (n_rows, ..., n_classes)
        For each part of the rows the probabilities of the networks that did not see it, whose
        tempered mean is judged.
    targets : sequence of ndarray
        For each part codes of classes (n_rows, ...), or an indicator if ``is_one_of_many`` is
        False.
    sample_weights : sequence of ndarray of shape (n_rows,) or None
        For each part the weights of its rows.
    is_one_of_many : bool, default=True
        As for `tempered`.

    Returns
    -------
    temperature : float
        In [1/8, 8].

    Notes
    -----
    The truth is not taken for certain, but for :math:`(n + 1) / (n + K)` likely with n rows and
    K classes, and the other classes for :math:`1 / (n + K)`. Otherwise rows that are all told
    apart would ask for probabilities of 0 and 1, which the next row may prove wrong.

    References
    ----------
    J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999, section 2.2 (targets of
    a calibration), for two classes.
    """
    n_rows = sum(len(target) for target in targets)

    def log_loss(log_temperature: float) -> float:
        temperature = float(np.exp(log_temperature))
        total = weight_sum = 0.0
        for members, target, weight in zip(by_part, targets, sample_weights, strict=True):
            mean = np.mean(
                [tempered(part, temperature, is_one_of_many=is_one_of_many) for part in members],
                axis=0,
            )
            by_row = (
                _losses(mean, target, n_rows, is_one_of_many).reshape(len(mean), -1).mean(axis=1)
            )
            total += float(by_row.sum() if weight is None else by_row @ weight)
            weight_sum += float(len(by_row) if weight is None else weight.sum())
        return total / weight_sum

    found = minimize_scalar(log_loss, bounds=_LOG_RANGE, method="bounded")
    # No temperature is one too: a flat or ragged loss must not make things worse.
    return float(np.exp(found.x)) if found.fun < log_loss(0.0) else 1.0


def _losses(proba: np.ndarray, target: np.ndarray, n_rows: int, is_one_of_many: bool) -> np.ndarray:
    """Return the cross-entropy of each row, or entry, with targets that are nearly certain."""
    if not is_one_of_many:
        proba = np.stack([1.0 - proba, proba], axis=-1)
        target = target > 0.5
    log_proba = np.log(np.maximum(proba, _TINY))
    codes = target.astype(np.intp)[..., np.newaxis]
    of_truth = np.take_along_axis(log_proba, codes, axis=-1)[..., 0]
    # [(n + 1) / (n + K) for the truth and 1 / (n + K) for each class, the truth among them]
    losses: np.ndarray = -(n_rows * of_truth + log_proba.sum(axis=-1)) / (n_rows + proba.shape[-1])
    return losses
