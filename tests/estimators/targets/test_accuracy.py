import numpy as np
import pytest

from nnkit.estimators.targets.accuracy import accuracy


def test_accuracy_of_one_column_is_the_weighted_fraction_of_correct_labels():
    y_true, y_pred = np.array(["a", "b", "a"]), np.array(["a", "a", "a"])

    assert accuracy(y_true, y_pred) == pytest.approx(2 / 3)
    assert accuracy(y_true, y_pred, [1, 2, 1]) == 0.5


def test_all_columns_of_a_row_must_be_correct_unless_they_are_steps():
    y_true, y_pred = np.array([[0, 1], [2, 1]]), np.array([[0, 1], [0, 1]])

    assert accuracy(y_true, y_pred) == 0.5
    assert accuracy(y_true, y_pred, is_of_steps=True) == 0.75


def test_accuracy_raises_on_labels_of_another_shape():
    with pytest.raises(ValueError, match=r"y must have the shape of the predictions, \(2, 2\)"):
        accuracy(np.zeros((2, 3)), np.zeros((2, 2)))


def test_pixels_count_one_by_one_with_all_their_labels():
    y_true = np.eye(3)[[[0, 1], [2, 2]]]  # (n_samples, n_pixels, n_labels)
    y_pred = np.eye(3)[[[0, 2], [2, 2]]]

    assert accuracy(y_true, y_pred, is_of_steps=True, n_label_axes=1) == 0.75
