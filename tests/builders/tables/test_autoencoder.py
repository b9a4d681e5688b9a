"""The autoencoder for tables: noise in training."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_iris

from nnkit import KerasTransformer
from nnkit.builders import Meta, autoencoder

META = Meta(X_shape_=(100, 8), target_type_="continuous-multioutput", n_output_units_=8)


def test_noise_is_added_in_training_only():
    model = autoencoder(META, noise=0.5)
    (layer,) = (layer for layer in model.layers if isinstance(layer, keras.layers.GaussianNoise))
    rows = np.zeros((2000, 8), np.float32)

    noisy = layer(rows, training=True).numpy()

    assert noisy.std() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(layer(rows), rows)
    without = autoencoder(META).layers
    assert not any(isinstance(layer, keras.layers.GaussianNoise) for layer in without)


def test_negative_noise_raises():
    with pytest.raises(ValueError, match=r"noise must be a number in \[0, inf\). Got -1 instead"):
        autoencoder(META, noise=-1)


@pytest.mark.parametrize("engine", ["graph", "xla"])
def test_noise_changes_the_representation(engine):
    X = load_iris().data
    settings = {"epochs": 5, "random_state": 0, "engine": engine}

    plain = KerasTransformer("autoencoder", **settings).fit_transform(X)
    denoising = KerasTransformer("autoencoder", **settings, model__noise=0.5).fit_transform(X)

    assert np.any(plain != denoising)
    assert np.isfinite(denoising).all()
