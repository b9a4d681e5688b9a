import numpy as np
import pytest

from nnkit.layers import NTKDense


def test_output_is_divided_by_the_square_root_of_n_inputs():
    layer = NTKDense(2)
    layer.build((None, 4))

    layer.set_weights([np.array([[1, 0], [2, 0], [3, 0], [4, 1]]), np.array([0.5, -1.0])])

    # (1 + 2 + 3 + 4) / sqrt(4) + 0.5 and 1 / sqrt(4) - 1
    np.testing.assert_allclose(layer(np.ones((1, 4))), [[5.5, -0.5]])


def test_initial_kernel_is_standard_normal_and_bias_zero():
    layer = NTKDense(300)
    layer.build((None, 200))

    kernel, bias = layer.get_weights()

    assert [v.name for v in layer.weights] == ["kernel", "bias"]
    np.testing.assert_allclose([kernel.mean(), kernel.std()], [0, 1], atol=0.02)
    np.testing.assert_array_equal(bias, 0)


def test_outputs_of_normal_inputs_have_unit_variance_at_any_width():
    rng = np.random.default_rng(0)

    deviations = [
        NTKDense(200)(rng.normal(size=(200, n_inputs)).astype(np.float32)).numpy().std()
        for n_inputs in (20, 1000)
    ]

    np.testing.assert_allclose(deviations, 1, atol=0.15)


def test_initializers_and_use_bias_are_applied():
    drawn = NTKDense(500, kernel_initializer="zeros", bias_initializer="standard_normal")
    bare = NTKDense(3, use_bias=False)
    for layer in (drawn, bare):
        layer.build((None, 2))

    kernel, bias = drawn.get_weights()

    np.testing.assert_array_equal(kernel, 0)
    assert 0.8 < bias.std() < 1.2
    assert bare.bias is None
    assert len(bare.weights) == 1


@pytest.mark.parametrize("units", [0, -1, 2.5, "3", True])
def test_invalid_units_raise(units):
    with pytest.raises(ValueError, match=r"units must be an integer of at least 1\. Got"):
        NTKDense(units)
