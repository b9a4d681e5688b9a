import keras
import numpy as np
import pytest

from nnkit.layers import ParametricActivation


def test_initial_output_is_that_of_the_activation():
    z = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)

    outputs = ParametricActivation("selu")(z)

    np.testing.assert_allclose(outputs, keras.activations.selu(z), rtol=1e-6, atol=1e-6)


def test_alpha_mixes_activation_and_identity_for_each_unit():
    layer = ParametricActivation("relu")
    layer.build((None, 3))

    layer.set_weights([np.array([1.0, 0.0, 0.25])])

    # relu; identity; a leaky relu of slope 1 - 0.25
    np.testing.assert_allclose(layer(np.array([[-4.0, -4.0, -4.0]])), [[0.0, -4.0, -3.0]])
    np.testing.assert_allclose(layer(np.array([[4.0, 4.0, 4.0]])), [[4.0, 4.0, 4.0]])


def test_unknown_activation_raises():
    with pytest.raises(ValueError, match="nonsense"):
        ParametricActivation("nonsense")
