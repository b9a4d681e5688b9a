"""The readouts of TensorFlow agree with those of NumPy, which `predict_proba` uses."""

import numpy as np
import pytest
import tensorflow as tf

from nnkit.encoding.targets import ContinuousTarget
from nnkit.encoding.temperature import temperature_scaled
from nnkit.training.prediction.readout import Readout
from nnkit.training.specification.heads import Head

LOGITS = np.random.default_rng(0).normal(scale=3.0, size=(50, 3)).astype(np.float32)
PROBA = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
HEADS = {
    "logits": (Head(3, "logits", "linear"), LOGITS),
    "softmax": (Head(3, "probabilities", "softmax"), PROBA),
    "unnormalised": (Head(3, "probabilities", "softplus"), np.abs(LOGITS)),
    "one logit": (Head(1, "logits", "linear"), LOGITS[:, :1]),
    "one sigmoid": (Head(1, "probabilities", "sigmoid"), PROBA[:, :1]),
    "labels": (Head(3, "probabilities", "sigmoid", is_multilabel=True), PROBA),
    "logits of labels": (Head(3, "logits", "linear", is_multilabel=True), LOGITS),
}


@pytest.mark.parametrize("temperature", [1.0, 0.4, 3.0])
@pytest.mark.parametrize("name", HEADS)
def test_probabilities_agree_with_numpy(name, temperature):
    head, outputs = HEADS[name]
    is_one_of_many = not head.is_multilabel
    readout = Readout(
        "proba", is_temperature_scaled=temperature != 1.0, is_one_of_many=is_one_of_many
    )

    found = readout([head], [tf.constant(outputs)], [tf.constant([temperature], tf.float64)])

    expected = head.probabilities(outputs)
    if temperature != 1.0:
        expected = temperature_scaled(expected, temperature, is_one_of_many=is_one_of_many)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-12)


def test_values_agree_with_numpy_and_are_clipped():
    target = ContinuousTarget(location=2.0, scale=3.0, limits=(-1.0, 5.0))
    learnt = [tf.constant([part], tf.float64) for part in (3.0, 2.0, -1.0, 5.0)]

    found = Readout("values")([Head(1, "values", "linear")], [tf.constant(LOGITS[:, :1])], learnt)

    np.testing.assert_allclose(found, target.decode(LOGITS[:, :1]))


def test_raw_outputs_are_concatenated():
    heads = [Head(1, "values", "linear"), Head(2, "values", "linear")]

    found = Readout("raw")(heads, [tf.constant(LOGITS[:, :1]), tf.constant(LOGITS[:, 1:])], [])

    np.testing.assert_array_equal(found, LOGITS.astype(np.float64))
