import numpy as np
import pytest

from nnkit.encoding.targets import ClassTarget
from nnkit.estimators.targets.class_weighting import ClassWeights

LABELS = np.array(["a", "a", "a", "b"])
TARGET = ClassTarget.of(LABELS, "binary")
CODES = TARGET.encode(LABELS)


def test_balanced_weights_are_inverse_frequencies():
    weights = ClassWeights.learn("balanced", TARGET, CODES, None)

    # n_samples / (n_classes * count) = 4 / (2 * 3) and 4 / (2 * 1)
    np.testing.assert_allclose(weights.of_rows(CODES), [2 / 3, 2 / 3, 2 / 3, 2])


def test_balanced_weights_count_sample_weights():
    weights = ClassWeights.learn("balanced", TARGET, CODES, np.array([1.0, 1.0, 1.0, 3.0]))

    np.testing.assert_allclose(weights.of_rows(CODES), [1, 1, 1, 1])


def test_labels_that_a_dict_omits_have_weight_one():
    weights = ClassWeights.learn({"b": 5.0}, TARGET, CODES, None)

    np.testing.assert_array_equal(weights.of_rows(CODES), [1, 1, 1, 5])


def test_without_class_weight_rows_and_steps_have_no_weights():
    weights = ClassWeights.learn(None, TARGET, CODES, None)

    assert weights.of_rows(CODES) is None
    assert weights.of_steps(CODES, ()) is None


def test_weights_of_columns_are_multiplied_for_rows_and_kept_apart_for_steps():
    y = np.array([["a", "x"], ["b", "x"], ["a", "y"]])
    target = ClassTarget.of(y, "multiclass-multioutput")
    codes = target.encode(y)

    weights = ClassWeights.learn([{"b": 2.0}, {"y": 3.0}], target, codes, None)

    np.testing.assert_array_equal(weights.of_rows(codes), [1, 2, 3])
    np.testing.assert_array_equal(weights.of_steps(codes, (2,)), [[1, 1], [2, 1], [1, 3]])


def test_step_of_weight_zero_does_not_remove_its_row():
    y = np.array([["a", "a"], ["a", "b"]])
    target = ClassTarget.of(y, "multiclass-multioutput", [["a", "b"], ["a", "b"]])
    codes = target.encode(y)

    weights = ClassWeights.learn([{"a": 2.0}, {"a": 0.0}], target, codes, None)

    # The product is 0 in the first row, so that the mean of its weights counts.
    np.testing.assert_array_equal(weights.of_rows(codes), [1, 2])


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ([1.0, 2.0], r"class_weight must be 'balanced', a dict.* Name the labels: \{'a': 1.0"),
        ({"c": 1.0}, "c"),
    ],
)
def test_learn_raises_on_lists_for_one_column_and_unknown_labels(class_weight, message):
    with pytest.raises(ValueError, match=message):
        ClassWeights.learn(class_weight, TARGET, CODES, None)


def test_balanced_weights_of_pixels_count_the_pixels_of_all_images():
    y = np.array([[["a", "a"], ["a", "b"]], [["a", "a"], ["a", "b"]]])
    target = ClassTarget.of(y, "multiclass-multioutput")
    codes = target.encode(y)

    weights = ClassWeights.learn("balanced", target, codes, None)

    # n_pixels / (n_classes * count) = 8 / (2 * 6) and 8 / (2 * 2)
    expected = [[2 / 3, 2 / 3], [2 / 3, 2]]
    np.testing.assert_allclose(weights.of_steps(codes, (2, 2)), [expected, expected])
    heavy_image = ClassWeights.learn("balanced", target, codes, np.array([1.0, 0.0]))
    np.testing.assert_allclose(heavy_image.of_steps(codes, (2, 2)), [expected, expected])
