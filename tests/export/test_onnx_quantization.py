"""ONNX models with weights of 8 bits."""

import keras
import numpy as np
import onnx
import pytest
from onnx_models import SETTINGS, run
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from nnkit import (
    KerasRegressor,
    TabularClassifier,
)
from nnkit.export import to_onnx


@pytest.mark.parametrize("data", [load_iris, load_breast_cancer, load_wine])
def test_quantized_weights_on_real_tables(data):
    X, y = data(return_X_y=True, as_frame=True)
    clf = TabularClassifier("fast", epochs=20, random_state=0).fit(X, y)

    whole, quantized = to_onnx(clf, X), to_onnx(clf, X, quantize="int8")

    found = run(quantized, X)
    assert quantized.ByteSize() < 0.5 * whole.ByteSize()
    np.testing.assert_allclose(found["probabilities"], clf.predict_proba(X), atol=0.02)
    assert np.mean(found["label"] == clf.predict(X)) >= 0.99
    np.testing.assert_allclose(run(whole, X)["probabilities"], clf.predict_proba(X), atol=1e-5)


def test_quantized_kernels_have_the_rounding_error_of_8_bits():
    X = np.random.default_rng(0).normal(size=(30, 6, 6, 16)).astype(np.float32)

    def network(meta):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.Conv2D(16, 3, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(16),
                keras.layers.Dense(1),
            ]
        )

    reg = KerasRegressor(network, **SETTINGS).fit(X, X.mean(axis=(1, 2, 3)))
    whole, quantized = to_onnx(reg, X), to_onnx(reg, X, quantize="int8")

    kernels = [t for t in quantized.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    assert sorted(tuple(kernel.dims) for kernel in kernels) == [(16, 16, 3, 3), (256, 16)]
    found, expected = (run(model, X)["variable"] for model in (quantized, whole))
    assert 0 < np.abs(found - expected).max() < 0.02 * expected.std()
