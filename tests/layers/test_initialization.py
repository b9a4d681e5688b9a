import keras
import numpy as np
import pytest

from nnkit.layers.initialization import find_initializer, reseeded


def test_standard_normal_has_unit_standard_deviation():
    drawn = find_initializer("standard_normal")((500, 100))

    np.testing.assert_allclose(np.std(drawn), 1, atol=0.02)


def test_other_names_are_initializers_of_keras():
    assert isinstance(find_initializer("he_normal"), keras.initializers.HeNormal)
    with pytest.raises(ValueError, match="nonsense"):
        find_initializer("nonsense")


@pytest.mark.parametrize("seed", [None, 3])
def test_reseeded_initializer_draws_other_numbers(seed):
    initializer = keras.initializers.RandomUniform(2.0, 3.0, seed=seed)

    other = reseeded(initializer, 1)

    assert reseeded(initializer, 0) is initializer
    assert np.all((other((50,)) >= 2) & (other((50,)) <= 3))
    assert np.all(np.asarray(other((50,))) != np.asarray(initializer((50,))))


def test_reseeded_returns_initializers_without_seed_unchanged():
    function = lambda shape, dtype=None: keras.ops.ones(shape, dtype)  # noqa: E731

    assert reseeded(function, 1) is function
    assert reseeded(keras.initializers.Constant(4.0), 1)((2,)).numpy().tolist() == [4.0, 4.0]
