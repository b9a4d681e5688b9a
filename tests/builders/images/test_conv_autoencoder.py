"""The convolutional autoencoder: shapes, reconstruction, noise and other targets."""

import keras
import numpy as np
import pytest
from sklearn.decomposition import PCA

from nnkit import KerasTransformer
from nnkit.builders import conv_autoencoder
from nnkit.encoding.samples.image_encoder import ImageEncoder


def meta_of(facts, shape):
    return facts(shape, "continuous-multioutput", shape[-1], y_ndim_=4)


@pytest.mark.parametrize(
    "shape", [(28, 28, 1), (32, 32, 3), (8, 8, 1), (5, 5, 1), (7, 13, 2), (1, 1, 1)]
)
def test_reconstruction_has_the_shape_of_the_images(facts, shape):
    model = conv_autoencoder(meta_of(facts, shape), n_components=6)

    assert model.output_shape == (None, *shape)
    assert model.get_layer("representation").output.shape == (None, 6)


def test_other_targets_follow_the_representation(facts):
    model = conv_autoencoder(facts((8, 8, 1), n_units=5), n_components=3)

    assert model.output_shape == (None, 5)
    assert model.layers[-1].input.shape == (None, 3)


def test_reconstruction_is_better_than_few_principal_components(digits):
    X, _ = digits
    transformer = KerasTransformer(
        "conv_autoencoder",
        encoder=ImageEncoder(),
        epochs=60,
        random_state=0,
        model__n_components=16,
    ).fit(X)

    restored = transformer.inverse_transform(transformer.transform(X))

    assert restored.shape == X.shape
    assert restored.dtype == np.uint8
    pca = PCA(4).fit(X.reshape(200, -1))
    by_pca = pca.inverse_transform(pca.transform(X.reshape(200, -1))).reshape(X.shape)
    assert np.square(restored - X.astype(float)).mean() < np.square(by_pca - X).mean()


def test_noise_is_added_in_training_only(facts):
    model = conv_autoencoder(meta_of(facts, (8, 8, 1)), noise=0.3)
    (layer,) = (layer for layer in model.layers if isinstance(layer, keras.layers.GaussianNoise))
    images = np.zeros((50, 8, 8, 1), np.float32)

    noisy = layer(images, training=True).numpy()

    assert noisy.std() == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(layer(images, training=False), images)


@pytest.mark.parametrize(
    ("changed", "of_what"),
    [
        ({"n_components": 3}, "weights"),
        ({"filters": (8,)}, "weights"),
        ({"noise": 0.1}, "layers"),
        ({"learning_rate": 0.1}, "optimizer"),
        ({"weight_decay": 0.1}, "optimizer"),
        ({"n_steps": 10}, "optimizer"),
    ],
)
def test_every_argument_changes_the_network(facts, changed, of_what):
    def found(model):
        return {
            "weights": [tuple(weight.shape) for weight in model.weights],
            "layers": [type(layer).__name__ for layer in model.layers],
            "optimizer": keras.saving.serialize_keras_object(model.optimizer)["config"],
        }[of_what]

    meta = meta_of(facts, (8, 8, 1))
    assert found(conv_autoencoder(meta, **changed)) != found(conv_autoencoder(meta))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_components": 0}, "n_components must be an integer of at least 1. Got 0 instead"),
        ({"noise": -0.1}, r"noise must be a number in \[0, inf\). Got -0.1 instead"),
        ({"filters": ()}, "filters must have at least one entry"),
    ],
)
def test_wrong_arguments_raise(facts, changed, message):
    with pytest.raises(ValueError, match=message):
        conv_autoencoder(meta_of(facts, (8, 8, 1)), **changed)
