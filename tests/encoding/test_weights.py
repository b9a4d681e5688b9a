"""Weights of classes, and products of weights."""

import numpy as np
import pytest

from nnkit.encoding.targets import ClassLabels
from nnkit.encoding.weights import class_weights, product_of_weights


def test_labels_without_class_weight_have_the_weight_one():
    labels = ClassLabels.of(np.array(["a", "b", "c"]))
    weights = class_weights({"b": 5.0}, labels, np.array([0, 1, 2, 1]), None)

    assert weights.tolist() == [1.0, 5.0, 1.0]


def test_balanced_weights_equal_the_values_by_hand():
    """n / (n_classes * count): 4 / (2 * 3) and 4 / (2 * 1)."""
    labels = ClassLabels.of(np.array(["a", "b"]))

    weights = class_weights("balanced", labels, np.array([0, 0, 0, 1]), None)

    np.testing.assert_allclose(weights, [2 / 3, 2.0])


def test_balanced_weights_treat_a_weight_of_two_as_two_rows():
    labels = ClassLabels.of(np.array(["a", "b"]))

    weighted = class_weights("balanced", labels, np.array([0, 0, 1]), np.array([1.0, 2.0, 1.0]))
    repeated = class_weights("balanced", labels, np.array([0, 0, 0, 1]), None)

    np.testing.assert_allclose(weighted, repeated)


def test_balanced_weights_are_finite_for_a_class_of_zero_weight():
    labels = ClassLabels.of(np.array(["a", "b", "c"]))

    weights = class_weights("balanced", labels, np.array([0, 1, 2]), np.array([1.0, 1.0, 0.0]))

    np.testing.assert_allclose(weights, 1.0)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"d": 1.0}, r"class_weight names the label 'd', but y has the labels \['a', 'b'\]"),
        ({"a": -1.0}, r"at least 0. Got -1.0 for the label 'a'"),
        ({"a": np.nan}, r"must be finite"),
        ("balance", r"must be 'balanced', a dict of label to weight, or None; .* Got 'balance'"),
    ],
)
def test_class_weights_raises_on_invalid_values(class_weight, message):
    labels = ClassLabels.of(np.array(["a", "b"]))

    with pytest.raises(ValueError, match=message):
        class_weights(class_weight, labels, np.array([0, 1]), None)


def test_product_of_moderate_weights_is_exact():
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
