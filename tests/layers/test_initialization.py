import keras
import numpy as np
import pytest

from nnkit.layers.initialization import find_initializer, reseeded


def test_standard_normal_has_a_deviation_of_one():
    drawn = find_initializer("standard_normal")((500, 100))

    np.testing.assert_allclose(np.std(drawn), 1, atol=0.02)


def test_other_names_are_those_of_keras():
    assert isinstance(find_initializer("he_normal"), keras.initializers.HeNormal)
    with pytest.raises(ValueError, match="nonsense"):
        find_initializer("nonsense")


@pytest.mark.parametrize("seed", [None, 3])
def test_a_second_weight_gets_other_numbers_of_the_same_kind(seed):
    initializer = keras.initializers.RandomUniform(2.0, 3.0, seed=seed)

    other = reseeded(initializer, 1)

    assert reseeded(initializer, 0) is initializer
    assert np.all((other((50,)) >= 2) & (other((50,)) <= 3))
    assert np.all(np.asarray(other((50,))) != np.asarray(initializer((50,))))


def test_an_initializer_without_draws_stays_as_it_is():
    function = lambda shape, dtype=None: keras.ops.ones(shape, dtype)  # noqa: E731

    assert reseeded(function, 1) is function
    assert reseeded(keras.initializers.Constant(4.0), 1)((2,)).numpy().tolist() == [4.0, 4.0]
