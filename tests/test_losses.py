import keras
import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from nnkit.losses import QuantileLoss


def test_loss_by_hand():
    """|y - q| times the level above the prediction, and times 1 - level below it."""
    loss = QuantileLoss((0.5, 0.9), reduction="none")

    rows = loss(np.array([[1.0], [0.0]]), np.array([[0.0, 0.0], [2.0, 1.0]]))

    np.testing.assert_allclose(rows, [(0.5 + 0.9) / 2, (1.0 + 0.1) / 2], rtol=1e-6)


def test_loss_equals_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, predicted = rng.normal(size=(50, 2)), rng.normal(size=(50, 2, 3))
    levels = (0.1, 0.4, 0.8)

    found = float(QuantileLoss(levels)(y, predicted.reshape(50, 6)))

    expected = [mean_pinball_loss(y, predicted[..., i], alpha=a) for i, a in enumerate(levels)]
    assert found == pytest.approx(np.mean(expected), rel=1e-5)


def test_rows_without_a_column_axis():
    loss = QuantileLoss((0.2, 0.7))
    y, predicted = np.arange(4.0), np.ones((4, 2))

    assert float(loss(y, predicted)) == pytest.approx(float(loss(y[:, None], predicted)))


def test_smallest_loss_is_at_the_quantiles_of_the_data():
    y = np.random.default_rng(0).exponential(size=(2001, 1))
    levels = (0.1, 0.5, 0.9)
    at_quantiles = np.tile(np.quantile(y, levels), (2001, 1))
    loss = QuantileLoss(levels)

    least = float(loss(y, at_quantiles))

    for change in np.eye(3) * 0.1:
        assert float(loss(y, at_quantiles + change)) > least
        assert float(loss(y, at_quantiles - change)) > least


def test_configuration_round_trip():
    loss = keras.losses.deserialize(keras.losses.serialize(QuantileLoss((0.3, 0.6), name="q")))

    assert (loss.quantiles, loss.name) == ((0.3, 0.6), "q")


@pytest.mark.parametrize(
    "quantiles", [(), 0.5, "0.5", (0.0, 0.5), (0.5, 1.0), (True,), ("a",)], ids=repr
)
def test_levels_out_of_range_raise(quantiles):
    with pytest.raises(ValueError, match=r"quantiles must be a sequence of numbers in \(0, 1\)"):
        QuantileLoss(quantiles)


@pytest.mark.parametrize("quantiles", [(0.9, 0.1), (0.5, 0.5)], ids=repr)
def test_levels_out_of_order_raise(quantiles):
    with pytest.raises(ValueError, match=r"quantiles must be in ascending order.*Got \(0"):
        QuantileLoss(quantiles)
