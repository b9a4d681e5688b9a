import numpy as np
import pytest

from nnkit.layers import PiecewiseLinearEmbedding
from nnkit.layers.piecewise_linear import bin_edges


def encoded(x, edges):
    """Return the encoding of a number by equation 1 of the paper, with loops."""
    distinct = sorted(set(edges.tolist()))
    n_bins = len(distinct) - 1
    parts = np.zeros(len(edges) - 1)
    for t in range(n_bins):
        part = (x - distinct[t]) / (distinct[t + 1] - distinct[t])
        if t > 0:
            part = max(part, 0.0)
        if t < n_bins - 1:
            part = min(part, 1.0)
        parts[t] = part
    return parts


def embedding_of_parts(edges):
    """Return a layer whose output is the encoding itself."""
    n_bins = len(edges) - 1
    layer = PiecewiseLinearEmbedding(n_bins=n_bins, n_units=n_bins)
    layer.build((None, 1))
    zeros = np.zeros((1, n_bins))
    layer.set_weights([zeros, zeros, np.eye(n_bins)[np.newaxis], np.array([edges])])
    return layer


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (-2.0, [-2.0, 0.0, 0.0]),
        (0.5, [0.5, 0.0, 0.0]),
        (2.0, [1.0, 0.5, 0.0]),
        (3.0, [1.0, 1.0, 0.0]),
        (11.0, [1.0, 1.0, 2.0]),
    ],
)
def test_parts_by_hand(x, expected):
    layer = embedding_of_parts([0.0, 1.0, 3.0, 7.0])

    np.testing.assert_allclose(layer(np.array([[x]])), [expected])


@pytest.mark.parametrize(
    ("edges", "x", "expected"),
    [
        ([0.0, 2.0, 2.0, 2.0], 5.0, [2.5, 0.0, 0.0]),
        ([0.0, 2.0, 2.0, 2.0], -1.0, [-0.5, 0.0, 0.0]),
        ([0.0, 1.0, 2.0, 2.0], 4.0, [1.0, 3.0, 0.0]),
        ([3.0, 3.0, 3.0, 3.0], 8.0, [0.0, 0.0, 0.0]),
    ],
    ids=["a single bin above", "a single bin below", "two of three bins", "a constant column"],
)
def test_columns_with_fewer_bins(edges, x, expected):
    np.testing.assert_allclose(embedding_of_parts(edges)(np.array([[x]])), [expected])


def test_embedding_equals_the_formula():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3)).astype(np.float32)
    X[:, 1] = X[:, 1] > 0
    layer = PiecewiseLinearEmbedding(n_bins=6, n_units=4)
    layer.adapt(X)
    layer.kernel.assign(rng.normal(size=(3, 6, 4)))
    scale, bias, kernel, edges = (
        variable.numpy() for variable in (layer.scale, layer.bias, layer.kernel, layer.edges)
    )
    X_new = rng.normal(size=(20, 3)).astype(np.float32) * 3

    found = layer(X_new).numpy().reshape(20, 3, 4)

    for row in range(20):
        for column in range(3):
            x = X_new[row, column]
            expected = x * scale[column] + bias[column] + encoded(x, edges[column]) @ kernel[column]
            np.testing.assert_allclose(found[row, column], expected, rtol=1e-3, atol=1e-4)


def test_initial_embedding_is_linear():
    layer = PiecewiseLinearEmbedding(n_units=2)
    X = np.random.default_rng(0).normal(size=(30, 2))
    layer.adapt(X)

    scale, bias = layer.scale.numpy(), layer.bias.numpy()

    expected = X[:, :, np.newaxis] * scale + bias
    np.testing.assert_allclose(layer(X), expected.reshape(30, 4), rtol=1e-4, atol=1e-5)
    assert np.abs(scale).max() <= 1 / np.sqrt(2)
    assert not np.array_equal(scale, bias)


def test_output_is_continuous_at_the_edges():
    layer = embedding_of_parts([0.0, 1.0, 3.0, 7.0])
    edges = np.array([0.0, 1.0, 3.0, 7.0])

    below, above = (layer((edges + step)[:, np.newaxis]) for step in (-1e-5, 1e-5))

    np.testing.assert_allclose(below, above, atol=1e-4)


def test_edges_are_distinct_quantiles():
    X = np.array([[0.0, 5.0, 1.0]] * 60 + [[1.0, 5.0, 2.0]] * 20 + [[9.0, 5.0, 3.0]] * 20)

    edges = bin_edges(X, 4)

    np.testing.assert_array_equal(edges[0], [0.0, 1.0, 9.0, 9.0, 9.0])
    np.testing.assert_array_equal(edges[1], [5.0] * 5)
    assert edges.dtype == np.float32


def test_edges_before_adapt_divide_the_range_of_clipped_columns():
    layer = PiecewiseLinearEmbedding(n_bins=6, n_units=1)
    layer.build((None, 2))

    np.testing.assert_allclose(layer.edges, [np.arange(-3.0, 4.0)] * 2)


@pytest.mark.parametrize(
    "X", [np.zeros(3), np.zeros((0, 2)), [[np.nan, 1.0]], [[np.inf, 1.0]]], ids=str
)
def test_adapt_raises_on_invalid_rows(X):
    with pytest.raises(ValueError, match="X must be a table of finite numbers"):
        PiecewiseLinearEmbedding().adapt(X)


@pytest.mark.parametrize("argument", ["n_bins", "n_units"])
def test_raises_on_an_invalid_number(argument):
    with pytest.raises(ValueError, match=f"{argument} must be an integer of at least 1. Got 0"):
        PiecewiseLinearEmbedding(**{argument: 0})


def test_raises_on_an_input_of_three_axes():
    with pytest.raises(ValueError, match="Add a Flatten layer"):
        PiecewiseLinearEmbedding()(np.zeros((2, 3, 4)))
