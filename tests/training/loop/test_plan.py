"""Training data of which some rows are used."""

import numpy as np
import pytest

from nnkit.training.loop.plan import TrainingData

X = np.arange(12.0).reshape(6, 2)
Y = np.arange(6)
WEIGHT = np.linspace(1, 2, 6)
ROWS = np.array([4, 1, 3])


def test_data_without_rows_use_all_of_them():
    data = TrainingData(X, Y, WEIGHT)

    assert data.n_samples == 6
    assert data.own is data
    np.testing.assert_array_equal(data.positions(np.array([5, 0])), [5, 0])


def test_data_with_rows_use_these():
    data = TrainingData(X, Y, WEIGHT, rows=ROWS)

    assert data.n_samples == 3
    positions = data.positions(np.array([[2, 0], [1, 1]]))
    np.testing.assert_array_equal(positions, [[3, 4], [1, 1]])
    assert positions.dtype == np.int32
    np.testing.assert_array_equal(data.own_y, Y[ROWS])
    np.testing.assert_array_equal(data.own_sample_weight, WEIGHT[ROWS])
    np.testing.assert_array_equal(data.own.X, X[ROWS])
    assert data.own.rows is None


@pytest.mark.parametrize("structure", [dict, list, tuple])
def test_own_targets_keep_their_structure(structure):
    y = {"a": Y, "b": X} if structure is dict else structure([Y, X])

    own = TrainingData(X, y, rows=ROWS).own_y

    assert type(own) is structure
    first, second = own.values() if structure is dict else own
    np.testing.assert_array_equal(first, Y[ROWS])
    np.testing.assert_array_equal(second, X[ROWS])
    assert TrainingData(X, y, rows=ROWS).own_sample_weight is None
