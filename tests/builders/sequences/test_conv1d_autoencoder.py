import keras
import numpy as np
import pytest
from sequence_networks import N_CHANNELS, N_STEPS, meta_of, padded, sequences

from nnkit import KerasTransformer
from nnkit.builders.sequences.conv1d_autoencoder import conv1d_autoencoder

REGRESSION = ("continuous", N_STEPS * N_CHANNELS)


@pytest.mark.parametrize("n_steps", [1, 2, 7, 8, 9])
def test_reconstruction_has_the_shape_of_the_input(n_steps):
    model = conv1d_autoencoder(meta_of(*REGRESSION, n_steps=n_steps), filters=(3, 4), noise=0.1)

    assert model(sequences(2, n_steps)).shape == (2, n_steps, N_CHANNELS)
    assert model.get_layer("representation").units == 8


def test_reconstruction_of_padding_is_zero():
    model = conv1d_autoencoder(meta_of(*REGRESSION, n_steps=9, has_padding_=True), noise=0.1)
    X = padded(sequences(3), 9)

    assert not np.any(model(X)[:, N_STEPS:])
    assert not np.any(model(X, training=True)[:, N_STEPS:])


def test_noise_is_added_in_training_only():
    model = conv1d_autoencoder(meta_of(*REGRESSION), noise=0.5)
    X = sequences(3)

    np.testing.assert_array_equal(model(X), model(X))
    assert np.any(model(X, training=True) != model(X, training=True))
    plain = conv1d_autoencoder(meta_of(*REGRESSION))
    assert not any(isinstance(layer, keras.layers.GaussianNoise) for layer in plain.layers)


def test_representation_of_waves_is_learnt():
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, 80)
    X = np.sin(np.linspace(0, 6, 20) + phases[:, None])[:, :, None].astype(np.float32)

    transformer = KerasTransformer(
        conv1d_autoencoder, model__n_components=2, model__filters=(8,), epochs=60,
        model__learning_rate=0.01, random_state=0,
    ).fit(X)  # fmt: skip

    assert transformer.transform(X).shape == (80, 2)
    restored = transformer.inverse_transform(transformer.transform(X))
    assert np.mean((restored.reshape(X.shape) - X) ** 2) < 0.1 * X.var()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_components": 0}, "n_components must be an integer of at least 1. Got 0"),
        ({"filters": ()}, "filters must have at least one entry. Got none"),
        ({"kernel_size": 0}, "kernel_size must be an integer of at least 1. Got 0"),
        ({"noise": -1}, "noise must be a number in .0, inf.. Got -1"),
    ],
)
def test_conv1d_autoencoder_raises_on_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv1d_autoencoder(meta_of(*REGRESSION), **arguments)
