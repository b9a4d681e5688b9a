"""What is read from the outputs of a network, as functions of tensors that have gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from nnkit.training.specification.heads import Head

__all__ = ["Readout"]

_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Readout:
    """What is read from the outputs of a network, but for the numbers that a fit learns.

    Parameters
    ----------
    kind : {"raw", "proba", "values"}
        The outputs as they come, class probabilities, or values in units of the target.
    is_tempered : bool, default=False
        Whether probabilities go through `nnkit.encoding.tempered`, whose temperature is the
        first of the learnt numbers.
    is_one_of_many : bool, default=True
        As for `nnkit.encoding.tempered`.
    takes_second : bool, default=False
        Whether only the probability of the second class is read, of each step.
    """

    kind: Literal["raw", "proba", "values"]
    is_tempered: bool = False
    is_one_of_many: bool = True
    takes_second: bool = False

    def __call__(self, heads: Sequence[Head], outputs: Sequence[Any], learnt: Sequence[Any]) -> Any:
        """Return what is read, a tensor (n_rows, n_outputs) of dtype float64.

        Parameters
        ----------
        heads : sequence of Head
            What each output means.
        outputs : sequence of tensors of shape (n_rows, ...)
        learnt : sequence of tensors of shape (n_columns,) or (1,)
            The temperature; or scale, location, and smallest and largest value of each column,
            as ``nnkit.encoding.ContinuousTarget`` decodes by.
        """
        in_double = [tf.cast(output, tf.float64) for output in outputs]
        if self.kind == "proba":
            proba = _probabilities(heads[0], in_double[0])
            if self.is_tempered:
                proba = _temperature_scaled(proba, learnt[0], is_one_of_many=self.is_one_of_many)
            return _flat(proba[..., 1] if self.takes_second else proba)
        values = tf.concat([_flat(output) for output in in_double], axis=1)
        if self.kind == "raw":
            return values
        scale, location, smallest, largest = learnt
        return tf.clip_by_value(values * scale + location, smallest, largest)


def _flat(tensor: Any) -> Any:
    return tf.reshape(tensor, (tf.shape(tensor)[0], -1))


def _probabilities(head: Head, outputs: Any) -> Any:
    """Return what ``Head.probabilities`` does, as tensors."""
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
    # The inner choice keeps the gradient of the other branch from dividing by 0.
    divided = outputs / tf.where(totals > 0, totals, 1.0)
    return tf.where(totals > 0, divided, 1.0 / head.n_units)


def _temperature_scaled(proba: Any, temperature: Any, *, is_one_of_many: bool) -> Any:
    """Return what ``nnkit.encoding.tempered`` does, as tensors."""
    if not is_one_of_many:
        both = tf.stack([1.0 - proba, proba], axis=-1)
        return _temperature_scaled(both, temperature, is_one_of_many=True)[..., 1]
    return tf.nn.softmax(tf.math.log(tf.maximum(proba, _TINY)) / temperature)
