import numpy as np
import pytest

from nnkit.encoding.quantiles import (
    as_quantiles,
    interpolation_weights,
    levels_between,
    median_weights,
)


def test_levels_are_returned_as_plain_numbers():
    assert as_quantiles(np.array([0.25, 0.75], dtype=np.float32)) == (0.25, 0.75)


def test_interpolation_equals_that_of_numpy():
    known, values = (0.1, 0.4, 0.9), np.array([1.0, 5.0, 6.0])
    levels = [0.1, 0.2, 0.4, 0.5, 0.9]

    weights = interpolation_weights(known, levels)

    np.testing.assert_allclose(values @ weights, np.interp(levels, known, values))


def test_levels_outside_take_the_nearest_known_one():
    np.testing.assert_array_equal(interpolation_weights((0.2, 0.8), [0.1, 0.9]), np.eye(2))


@pytest.mark.parametrize(
    ("known", "weights"),
    [((0.9,), [1]), ((0.05, 0.5, 0.95), [0, 1, 0]), ((0.1, 0.4, 0.6, 0.9), [0, 0.5, 0.5, 0])],
)
def test_weights_of_the_level_nearest_to_the_median(known, weights):
    np.testing.assert_array_equal(median_weights(known), weights)


def test_levels_to_predict():
    assert levels_between(0.5, (0.1, 0.9)).tolist() == [0.5]
    assert levels_between([0.9, 0.1], (0.1, 0.9)).tolist() == [0.9, 0.1]
    assert levels_between((1 - 0.8) / 2, (0.1, 0.9)) == pytest.approx([0.1])


@pytest.mark.parametrize("quantiles", [0.95, [0.5, 0.05], [], "0.5", [True]], ids=repr)
def test_levels_that_were_not_learnt_raise(quantiles):
    with pytest.raises(
        ValueError, match=r"quantiles must be one or several numbers in \[0.1, 0.9\]"
    ):
        levels_between(quantiles, (0.1, 0.9))


def test_levels_of_a_fit_without_quantiles_raise():
    with pytest.raises(ValueError, match=r"fit with loss='quantile' only"):
        levels_between(0.5, ())
