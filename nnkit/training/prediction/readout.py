"""Differentiable readouts of a network: probabilities, or values in units of the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from nnkit.encoding.quantiles import median_weights
from nnkit.training.specification.heads import Head

__all__ = ["Readout"]

_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Readout:
    """A function from the outputs of a network to the predictions of an estimator.

    The parameters that a fit learns, such as the temperature, are arguments of the call.

    Parameters
    ----------
    kind : {"raw", "proba", "values"}
        The outputs of the network, class probabilities, or values in units of the target.
    is_temperature_scaled : bool, default=False
        Whether probabilities are temperature-scaled by `nnkit.encoding.temperature_scaled`. The
        temperature is the first of the learnt parameters.
    is_one_of_many : bool, default=True
        As in `nnkit.encoding.temperature_scaled`.
    takes_second : bool, default=False
        Whether to return only the probability of the second class, at each step.
    quantiles : tuple of float, default=()
        Levels of the quantiles of each column, of which values are the one nearest to the median.
    """

    kind: Literal["raw", "proba", "values"]
    is_temperature_scaled: bool = False
    is_one_of_many: bool = True
    takes_second: bool = False
    quantiles: tuple[float, ...] = ()

    def __call__(self, heads: Sequence[Head], outputs: Sequence[Any], learnt: Sequence[Any]) -> Any:
        """Return the readout, a tensor (n_rows, n_outputs) of dtype float64.

        Parameters
        ----------
        heads : sequence of Head
            Interpretation of each output.
        outputs : sequence of tensors of shape (n_rows, ...)
        learnt : sequence of tensors of shape (n_columns,) or (1,)
            The temperature; or scale, location, smallest and largest value of each column, as in
            ``nnkit.encoding.ContinuousTarget``.
        """
        in_double = [tf.cast(output, tf.float64) for output in outputs]
        if self.kind == "proba":
            proba = _probabilities(heads[0], in_double[0])
            if self.is_temperature_scaled:
                proba = _temperature_scaled(proba, learnt[0], is_one_of_many=self.is_one_of_many)
            return _flat(proba[..., 1] if self.takes_second else proba)
        values = tf.concat([_flat(output) for output in in_double], axis=1)
        if self.kind == "raw":
            return values
        if self.quantiles:
            # (n_rows, n_columns * n_quantiles) -> (n_rows, n_columns, n_quantiles)
            by_column = tf.reshape(values, (tf.shape(values)[0], -1, len(self.quantiles)))
            values = tf.reduce_sum(tf.sort(by_column) * median_weights(self.quantiles), axis=-1)
        scale, location, smallest, largest = learnt
        return tf.clip_by_value(values * scale + location, smallest, largest)


def _flat(tensor: Any) -> Any:
    return tf.reshape(tensor, (tf.shape(tensor)[0], -1))


def _probabilities(head: Head, outputs: Any) -> Any:
    """Return the result of `Head.probabilities` as a tensor."""
    if head.is_multilabel:
        return tf.sigmoid(outputs) if head.scale == "logits" else outputs
    if head.n_units == 1:
        second = tf.reshape(outputs, (-1, 1))
        if head.scale == "logits":
            return tf.concat([tf.sigmoid(-second), tf.sigmoid(second)], axis=1)
        return tf.concat([1.0 - second, second], axis=1)
    if head.scale == "logits":
        return tf.nn.softmax(outputs)
    totals = tf.reduce_sum(outputs, axis=-1, keepdims=True)
    # The inner tf.where avoids a division by 0 in the gradient of the unused branch.
    divided = outputs / tf.where(totals > 0, totals, 1.0)
    return tf.where(totals > 0, divided, 1.0 / head.n_units)


def _temperature_scaled(proba: Any, temperature: Any, *, is_one_of_many: bool) -> Any:
    """Return the result of `nnkit.encoding.temperature_scaled` as a tensor.

    p_k^(1/T) / sum_j p_j^(1/T) = softmax(log(p) / T)_k
    """
    if not is_one_of_many:
        both = tf.stack([1.0 - proba, proba], axis=-1)
        return _temperature_scaled(both, temperature, is_one_of_many=True)[..., 1]
    return tf.nn.softmax(tf.math.log(tf.maximum(proba, _TINY)) / temperature)
