import keras
import numpy as np
import pytest

from nnkit.training.caching.initial_weights import InitialWeights
from nnkit.training.specification.compilation import Compilation
from nnkit.training.specification.model_spec import ModelSpec

L = keras.layers


def dense(**arguments):
    return keras.Sequential([keras.Input((6, 4)), L.Flatten(), L.Dense(3, **arguments)])


class Halved(keras.initializers.RandomNormal):
    """A custom initializer that computes with its seed."""

    def __call__(self, shape, dtype=None):
        return keras.random.normal(shape, seed=self.seed // 2 + 1, dtype=dtype)


NETWORKS = {
    "dense": dense,
    **{
        name: lambda name=name: dense(kernel_initializer=name)
        for name in ("he_normal", "lecun_uniform", "orthogonal", "truncated_normal", "zeros")
    },
    "fixed seed": lambda: dense(kernel_initializer=keras.initializers.HeNormal(seed=1)),
    "own": lambda: dense(kernel_initializer=Halved()),
    "random bias": lambda: dense(bias_initializer="random_normal"),
    "dropout": lambda: keras.Sequential([keras.Input((6, 4)), L.Dropout(0.5), L.Dense(3)]),
    "recurrent": lambda: keras.Sequential(
        [keras.Input((6, 4)), L.Bidirectional(L.LSTM(3, dropout=0.1)), L.Dense(2)]
    ),
    "convolution": lambda: keras.Sequential(
        [keras.Input((6, 4)), L.Conv1D(3, 2), L.BatchNormalization(), L.SeparableConv1D(2, 2)]
    ),
    "nested": lambda: keras.Sequential(
        [keras.Input((6, 4)), keras.Sequential([L.Dense(3), L.Dense(2)])]
    ),
    "embedding": lambda: keras.Sequential([keras.Input((6,)), L.Embedding(5, 3), L.Flatten()]),
    "twice": lambda: keras.Sequential(
        [keras.Input((6, 4)), *[L.Dense(4, kernel_initializer="he_normal") for _ in range(3)]]
    ),
}


def built(build, seed, rows):
    return ModelSpec(build, {}, Compilation(), seed=seed).build(rows)


@pytest.mark.parametrize("name", NETWORKS)
def test_drawn_initial_weights_equal_those_of_a_build(name):
    build = NETWORKS[name]
    rows = np.zeros((1, 6) if name == "embedding" else (1, 6, 4), np.float32)
    initial = InitialWeights(built(build, 1, rows), 1)

    assert initial.agree_with(built(build, 2, rows), 2)
    for seed in range(3, 12):  # by the later ones, in one compiled call
        for drawn, variable in zip(
            initial.of_seed(seed), built(build, seed, rows).variables, strict=True
        ):
            np.testing.assert_array_equal(drawn, variable.numpy())


def attention():
    """Return a network whose drawn weights Keras reshapes over attention heads."""
    inputs = keras.Input((6, 4))
    return keras.Model(inputs, L.MultiHeadAttention(2, 3)(inputs, inputs))


def own_draws():
    model = dense()
    model.layers[-1].kernel.assign(np.random.default_rng().normal(size=(24, 3)))
    return model


@pytest.mark.parametrize("build", [attention, own_draws])
def test_initial_weights_that_cannot_be_drawn_again_are_not_trusted(build):
    rows = np.zeros((1, 6, 4), np.float32)

    initial = InitialWeights(built(build, 1, rows), 1)

    assert not initial.agree_with(built(build, 2, rows), 2)
    assert not initial.is_trusted
