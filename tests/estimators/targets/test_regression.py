from types import SimpleNamespace

import numpy as np
import pytest

from nnkit.estimators.rows.training_rows import Rows
from nnkit.estimators.targets.regression import RegressionTarget

Y = np.array([1.0, 3.0, 5.0])


def rows(y):
    return Rows(np.zeros((len(y), 1)), y, y, None)


def learnt(y=Y, *, is_standardized=True, is_clipped=False):
    target = RegressionTarget.learn(y, None, is_standardized=is_standardized)
    return target.in_units_of(rows(y), is_clipped=is_clipped)


def decoder_of(target, n_outputs=1):
    return target.decoder(SimpleNamespace(heads=[None] * n_outputs))


def test_standardised_target_has_mean_zero_and_deviation_one():
    (values,) = learnt().network_targets(Y, 1)

    np.testing.assert_allclose(values, np.array([-1, 0, 1]) * np.sqrt(1.5))
    np.testing.assert_allclose(decoder_of(learnt()).decide([values[:, np.newaxis]]), Y)


def test_own_network_learns_the_target_unchanged():
    target = learnt(is_standardized=False)

    np.testing.assert_array_equal(target.network_targets(Y, 1)[0], Y)
    assert target.units() is None


def test_each_output_learns_one_column():
    y = np.column_stack([Y, 10 * Y])

    first, second = learnt(y).network_targets(y, 2)

    np.testing.assert_allclose(first, second)
    decoded = decoder_of(learnt(y), 2).decide([first[:, np.newaxis], second[:, np.newaxis]])
    np.testing.assert_allclose(decoded, y)


def test_clipped_predictions_stay_in_the_range_of_all_training_rows():
    target = learnt(is_clipped=True)
    far = [np.array([[-100.0], [100.0]])]

    np.testing.assert_array_equal(decoder_of(target).decide(far), [1, 5])
    wider = target.widened(rows(np.array([0.0, 9.0])))
    np.testing.assert_array_equal(decoder_of(wider).decide(far), [0, 9])


def test_ensemble_predicts_mean_and_spread_of_its_members():
    decoder = decoder_of(learnt(is_standardized=False))
    outputs = [[np.array([[1.0], [2.0]])], [np.array([[3.0], [2.0]])]]

    np.testing.assert_array_equal(decoder.predicted(outputs), [2, 2])
    np.testing.assert_array_equal(decoder.spread(outputs), [1, 0])


def test_encode_raises_on_rows_of_another_shape():
    with pytest.raises(ValueError, match=r"y must have rows of shape \(\), as in the first fit"):
        learnt().encode(np.zeros((3, 2)))


def test_targets_are_not_changed_by_learning():
    target = RegressionTarget.learn(Y, None, is_standardized=True)

    target.in_units_of(rows(Y), is_clipped=True)

    assert target.scaling.location == 0.0
