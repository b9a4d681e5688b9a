import numpy as np
import pytest

from nnkit.layers import PeriodicEmbedding


def embedded(x, frequency, phase, kernel, bias):
    """Return the formula, computed in loops over rows, columns and units."""
    n_rows, n_columns = x.shape
    learnt = np.zeros((n_rows, n_columns, bias.shape[1]))
    for i in range(n_rows):
        for j in range(n_columns):
            cosines = np.cos(2 * np.pi * x[i, j] * frequency[j] + phase[j])
            learnt[i, j] = cosines @ kernel[j] + bias[j]
    return learnt


@pytest.fixture
def case():
    layer = PeriodicEmbedding(n_frequencies=5, n_units=3, sigma=1.0)
    X = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    layer(X)
    return layer, X


def test_output_of_one_cosine_equals_the_value_by_hand():
    layer = PeriodicEmbedding(n_frequencies=1, n_units=1)
    layer.build((None, 1))

    layer.set_weights([np.array(w) for w in ([[0.5]], [[0.0]], [[[3.0]]], [[1.0]])])

    # 3 cos(2 pi 1 0.5) + 1 = -2, and 3 cos(0) + 1 = 4
    np.testing.assert_allclose(layer(np.array([[1.0], [0.0]])), [[-2, 1], [4, 0]], atol=1e-6)


def test_embedded_values_precede_the_columns(case):
    layer, X = case

    outputs = layer(X).numpy()

    expected = embedded(X, *layer.get_weights()).reshape(7, 4 * 3)
    np.testing.assert_allclose(outputs[:, :12], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(outputs[:, 12:], X)


def test_output_without_keeps_input_has_only_embedded_values(case):
    layer, X = case
    alone = PeriodicEmbedding(5, 3, keeps_input=False)
    alone.build(X.shape)
    alone.set_weights(layer.get_weights())

    outputs = alone(X)

    np.testing.assert_array_equal(outputs, layer(X).numpy()[:, :12])


def test_initial_weights_have_the_distributions_of_the_paper():
    layer = PeriodicEmbedding(n_frequencies=16, n_units=3, sigma=0.1)
    layer.build((None, 500))

    frequency, phase, kernel, bias = layer.get_weights()

    assert [v.name for v in layer.weights] == ["frequency", "phase", "kernel", "bias"]
    np.testing.assert_allclose([frequency.mean(), frequency.std()], [0, 0.1], atol=0.01)
    for drawn, limit in ((phase, np.pi), (kernel, 0.25), (bias, 0.25)):
        assert 0.9 * limit < np.abs(drawn).max() <= limit
        np.testing.assert_allclose(drawn.std(), limit / np.sqrt(3), rtol=0.1)


def test_sigma_sets_the_standard_deviation_of_frequencies():
    deviations = []
    for sigma in (0.01, 2.0):
        layer = PeriodicEmbedding(sigma=sigma)
        layer.build((None, 200))
        deviations.append(layer.frequency.numpy().std())

    np.testing.assert_allclose(deviations, [0.01, 2.0], rtol=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_frequencies": 0}, "n_frequencies must be an integer of at least 1. Got 0"),
        ({"n_units": 1.5}, "n_units must be an integer of at least 1. Got 1.5"),
        ({"sigma": 0}, "sigma must be a number in .0, inf.. Got 0 instead"),
        ({"sigma": "wide"}, "sigma must be a number in .0, inf.. Got 'wide' instead"),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        PeriodicEmbedding(**arguments)


def test_input_of_images_raises():
    with pytest.raises(ValueError, match=r"must have the shape.*Got \(None, 8, 8\) instead"):
        PeriodicEmbedding().build((None, 8, 8))
