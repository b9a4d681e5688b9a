import pickle

import keras
import numpy as np
import pytest
import skops.io
from sequence_networks import N_CHANNELS, N_STEPS, meta_of, padded, sequences

from nnkit import KerasTransformer
from nnkit.builders.sequences.lstm_autoencoder import lstm_autoencoder
from nnkit.export import TRUSTED_TYPES

REGRESSION = ("continuous", N_STEPS * N_CHANNELS)


@pytest.mark.parametrize("n_steps", [1, 2, 7])
def test_reconstruction_has_the_shape_of_the_input(n_steps):
    model = lstm_autoencoder(meta_of(*REGRESSION, n_steps=n_steps), units=4, noise=0.1)

    assert model(sequences(2, n_steps)).shape == (2, n_steps, N_CHANNELS)
    assert model.get_layer("representation").units == 8


def test_representation_and_reconstruction_do_not_depend_on_padding():
    meta = meta_of(*REGRESSION, n_steps=9, has_padding_=True)
    long, short = lstm_autoencoder(meta, units=5), lstm_autoencoder(meta_of(*REGRESSION), units=5)
    short.set_weights(long.get_weights())
    X = sequences(3)

    reconstructed = np.asarray(long(padded(X, 9)))

    np.testing.assert_allclose(reconstructed[:, :N_STEPS], short(X), rtol=1e-5, atol=1e-6)
    assert not reconstructed[:, N_STEPS:].any()


def test_noise_is_added_in_training_only():
    model, X = lstm_autoencoder(meta_of(*REGRESSION), units=4, noise=0.5), sequences(3)

    np.testing.assert_array_equal(model(X), model(X))
    assert np.any(model(X, training=True) != model(X, training=True))
    plain = lstm_autoencoder(meta_of(*REGRESSION))
    assert not any(isinstance(layer, keras.layers.GaussianNoise) for layer in plain.layers)


def test_representation_of_waves_is_learnt():
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, 80)
    X = np.sin(np.linspace(0, 6, 12) + phases[:, None])[:, :, None].astype(np.float32)

    transformer = KerasTransformer(
        "lstm_autoencoder", model__n_components=2, model__units=16, epochs=100,
        model__learning_rate=0.02, random_state=0,
    ).fit(X)  # fmt: skip

    codes = transformer.transform(X)
    assert codes.shape == (80, 2)
    restored = np.stack(transformer.inverse_transform(codes)).reshape(X.shape)
    assert np.mean((restored - X) ** 2) < 0.1 * X.var()
    data = skops.io.dumps(transformer)
    for copy in (
        pickle.loads(pickle.dumps(transformer)),
        skops.io.loads(data, trusted=TRUSTED_TYPES),
    ):
        np.testing.assert_allclose(copy.transform(X), codes, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_components": 2},
        {"units": 5},
        {"noise": 0.3},
        {"learning_rate": 0.01},
        {"weight_decay": 0.5},
    ],
    ids=str,
)
def test_every_argument_changes_the_fitted_network(arguments):
    X = sequences(12)
    default = {"n_components": 3, "units": 4}

    plain, changed = (
        KerasTransformer("lstm_autoencoder", epochs=2, random_state=0, **parameters).fit_transform(
            X
        )
        for parameters in (default, {**default, **arguments})
    )

    assert plain.shape != changed.shape or np.abs(plain - changed).max() > 1e-5


def test_the_number_of_steps_spans_the_schedule():
    model = lstm_autoencoder(meta_of(*REGRESSION), n_steps=40)

    schedule = model.optimizer.get_config()["learning_rate"]["config"]
    assert 40 in schedule.values()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_components": 0}, "n_components must be an integer of at least 1. Got 0"),
        ({"units": 0}, "units must be an integer of at least 1. Got 0"),
        ({"noise": -1}, "noise must be a number in .0, inf.. Got -1"),
        ({"learning_rate": 0}, "learning_rate must be a number in .0, inf.. Got 0"),
        ({"weight_decay": -1}, "weight_decay must be a number in .0, inf.. Got -1"),
    ],
)
def test_lstm_autoencoder_raises_on_invalid_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        lstm_autoencoder(meta_of(*REGRESSION), **arguments)
