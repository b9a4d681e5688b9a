"""Weights of any size in a range that float32 can hold."""

import numpy as np
import pytest

from nnkit.encoding.weights import product_of_weights


def test_moderate_weights_are_not_changed():
    weight = np.array([0.1, 0.0, 3e3, 3.3])

    np.testing.assert_array_equal(product_of_weights(weight), weight)
    np.testing.assert_array_equal(product_of_weights(weight, weight / 3), weight * (weight / 3))


@pytest.mark.parametrize("factor", [5e-324, 1e-300, 1e-40, 1e36, 1e300])
def test_extreme_weights_keep_their_ratios(factor):
    weight = product_of_weights(np.array([1.0, 2.0, 0.0, 4.0]) * factor)

    np.testing.assert_allclose(weight, [0.25 * weight[3], 0.5 * weight[3], 0.0, weight[3]])
    assert 1 <= weight.max() < 2


def test_product_of_weights_does_not_overflow_or_underflow():
    huge, small = np.array([1e300, 2e300]), np.array([1e-300, 3e-300])

    np.testing.assert_allclose(product_of_weights(huge, small), [1.0, 6.0])
    for factor, ratio in ((huge, 4.0), (small, 9.0)):
        light, heavy = product_of_weights(factor, factor)
        assert heavy / light == pytest.approx(ratio)
        assert 1 <= heavy < 2
