"""Transfer learning: copies, frozen layers, preprocessing, and estimators."""

import functools

import keras
import numpy as np
import pytest
from keras.applications import imagenet_utils

from nnkit import KerasClassifier, KerasRegressor
from nnkit.builders import Meta, transfer
from nnkit.builders.transfer import _pixels_of
from nnkit.encoding.samples.image_encoder import ImageEncoder

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
LABELS = np.where(IMAGES.mean(axis=(1, 2, 3)) > IMAGES.mean(), "bright", "dark")
META = Meta(X_shape_=(24, 8, 8, 3), target_type_="multiclass", n_output_units_=4)


def small_base(name="small", shape=(8, 8, 3)):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape)
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.Conv2D(6, 3, padding="same", name="second")(x)
    x = keras.layers.BatchNormalization(name="norm_2")(x)
    model = keras.Model(inputs, x, name=name)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.linspace(-0.1, 0.2, layer.moving_mean.shape[0]))
    return model


def trainable_names(model):
    return [layer.name for layer in model.get_layer("base").layers if layer.trainable_variables]


@pytest.mark.parametrize(
    ("n_unfrozen", "trainable"), [(0, []), (1, ["second"]), (2, ["first", "second"])]
)
def test_last_layers_are_trained_without_batch_normalisation(n_unfrozen, trainable):
    model = transfer(META, small_base(), n_unfrozen=n_unfrozen)

    assert trainable_names(model) == trainable


def test_base_is_copied_and_keeps_its_state():
    base = small_base()
    base.trainable = False
    before = base.get_weights()

    model = transfer(META, base, n_unfrozen=2)
    model.get_layer("base").set_weights([weight + 1 for weight in before])

    for weight, kept in zip(base.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
    assert base.name == "small"
    assert not base.trainable_variables


@pytest.mark.parametrize("n_unfrozen", [1, 2])
def test_weights_have_the_same_order_with_other_layers_unfrozen(n_unfrozen):
    frozen = transfer(META, small_base(), head_units=5)
    images = np.random.default_rng(0).random((3, 8, 8, 3)).astype(np.float32)

    thawed = transfer(META, small_base(), head_units=5, n_unfrozen=n_unfrozen)
    thawed.set_weights(frozen.get_weights())

    np.testing.assert_allclose(thawed(images), frozen(images), atol=1e-6)


def test_batch_normalisation_of_the_base_stays_in_inference_mode():
    base = small_base()
    model = transfer(META, base, dropout_rate=0, n_unfrozen=2, preprocess=None)
    images = np.random.default_rng(0).random((3, 8, 8, 3)).astype(np.float32)
    model.compile("sgd", "sparse_categorical_crossentropy")

    np.testing.assert_allclose(model(images, training=True), model(images), atol=1e-6)
    model.fit(images, np.zeros(3), verbose=0)

    norm = model.get_layer("base").get_layer("norm")
    np.testing.assert_array_equal(norm.moving_mean, base.get_layer("norm").moving_mean)


def test_output_of_the_base_is_averaged_over_the_image():
    base = small_base()
    model = transfer(META, base, preprocess=None)
    images = np.random.default_rng(0).random((3, 8, 8, 3)).astype(np.float32)

    head = model.layers[-1]
    expected = head(base(images, training=False).numpy().mean(axis=(1, 2)))

    np.testing.assert_allclose(model(images), expected, atol=1e-5)


def test_base_with_vectors_as_output_is_not_averaged():
    base = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(7)])

    model = transfer(META, base)

    assert model.layers[-1].input.shape == (None, 7)


def test_nested_layers_of_a_base_are_counted_from_the_end():
    inner = keras.Sequential([keras.layers.Dense(3, name="a"), keras.layers.Dense(2, name="b")])
    base = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="c"), inner])

    model = transfer(META, base, n_unfrozen=1)

    shapes = [tuple(weight.shape) for weight in model.get_layer("base").trainable_variables]
    assert shapes == [(3, 2), (2,)]


@pytest.mark.parametrize(
    ("changed", "of_what"),
    [
        ({"head_units": 5}, "layers"),
        ({"dropout_rate": 0.0}, "layers"),
        ({"augment": "light"}, "layers"),
        ({"learning_rate": 0.1}, "optimizer"),
        ({"weight_decay": 0.1}, "optimizer"),
        ({"n_steps": 10}, "optimizer"),
    ],
)
def test_every_argument_changes_the_network(changed, of_what):
    def found(model):
        return {
            "layers": [type(layer).__name__ for layer in model.layers],
            "optimizer": keras.saving.serialize_keras_object(model.optimizer)["config"],
        }[of_what]

    assert found(transfer(META, small_base(), **changed)) != found(transfer(META, small_base()))


def test_preprocess_is_applied_to_the_images():
    images = np.random.default_rng(0).random((3, 8, 8, 3)).astype(np.float32)
    plain = transfer(META, small_base(), preprocess=None)
    centred = transfer(META, small_base(), preprocess=lambda x: 2 * x - 1)
    centred.set_weights(plain.get_weights())

    np.testing.assert_allclose(centred(images), plain(2 * images - 1), atol=1e-5)
    assert np.any(np.abs(centred(images) - plain(images)) > 1e-3)


@pytest.mark.parametrize("kind", ["tf", "torch", "caffe"])
@pytest.mark.parametrize("top", [1.0, 255.0])
def test_preprocessing_equals_that_of_keras(kind, top):
    pixels = keras.Input((8, 8, 3))
    model = keras.Model(pixels, _pixels_of(kind, pixels, top))

    found = model(IMAGES.astype(np.float32) * top / 255).numpy()

    expected = imagenet_utils.preprocess_input(IMAGES.astype(np.float32), mode=kind)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_networks_of_applications_get_their_own_pixels():
    base = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3), alpha=0.35, include_top=False, weights=None
    )
    meta = Meta(X_shape_=(9, 32, 32, 3), target_type_="binary", n_output_units_=1)

    model = transfer(meta, base)

    layer = model.get_layer("preprocess")
    assert (layer.scale, layer.offset) == (2.0, -1.0)
    assert model.output_shape == (None, 1)


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("resnet50v2", 2.0),
        ("resnet50", 255.0),
        ("vgg16", 255.0),
        ("mobilenet_1.00_32", 2.0),
        ("mobilenetv2_0.35_32", 2.0),
        ("MobileNetV3Small", 255.0),
        ("efficientnetb0", 255.0),
        ("efficientnetv2-b0", 255.0),
        ("inception_resnet_v2", 2.0),
        ("convnext_tiny", 255.0),
    ],
)
def test_names_of_applications_choose_the_preprocessing(name, scale):
    base = small_base(name)

    layer = transfer(META, base).get_layer("preprocess")

    assert np.max(layer.scale) == scale


def test_pixels_that_were_standardised_raise_for_applications():
    meta = Meta(**{**META, "image_scaling_": "standard"})

    with pytest.raises(ValueError, match=r"scaling='standard'. Use ImageEncoder\(scaling='range'"):
        transfer(meta, small_base("vgg16"))


class Unregistered(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("base", "changed", "message"),
    [
        ("mobilenet", {}, "base must be a keras.Model.* Got 'mobilenet' instead"),
        (Unregistered(), {}, "base must be built"),
        (small_base(shape=(9, 9, 3)), {}, r"takes images of shape \(9, 9, 3\).*size=\(9, 9\)"),
        (small_base(shape=(8, 8, 1)), {}, "color_mode='grayscale'"),
        (small_base(), {"n_unfrozen": 3}, "n_unfrozen must be at most 2.* Got 3 instead"),
        (small_base(), {"n_unfrozen": -1}, "n_unfrozen must be an integer of at least 0"),
        (small_base(), {"preprocess": "tf"}, "preprocess must be 'auto', a function or None"),
        (small_base(), {"dropout_rate": 1}, r"dropout_rate must be a fraction in \[0, 1\)"),
        (small_base(), {"head_units": 0}, "must be an integer of at least 1. Got 0 instead"),
    ],
)
def test_wrong_arguments_raise(base, changed, message):
    with pytest.raises(ValueError, match=message):
        transfer(META, base, **changed)


def test_base_with_several_inputs_raises():
    inputs = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    base = keras.Model(inputs, keras.layers.Add()(inputs))

    with pytest.raises(ValueError, match=r"one input and one output. Got 2 input\(s\) and 1"):
        transfer(META, base)


@pytest.mark.parametrize("cls", [KerasClassifier, KerasRegressor])
def test_estimators_train_the_head_only(cls):
    base = small_base()
    before = base.get_weights()
    y = LABELS if cls is KerasClassifier else IMAGES.mean(axis=(1, 2, 3))

    estimator = cls(
        functools.partial(transfer, base=base),
        encoder=ImageEncoder(),
        epochs=3,
        random_state=0,
        model__head_units=4,
    ).fit(IMAGES, y)

    after = estimator.model_.get_layer("base").get_weights()
    for weight, kept, own in zip(after, before, base.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, kept)
        np.testing.assert_array_equal(own, kept)
    assert estimator.predict(IMAGES).shape == (24,)


def test_images_of_another_size_raise_in_fit():
    clf = KerasClassifier(
        functools.partial(transfer, base=small_base()), encoder=ImageEncoder(color_mode="grayscale")
    )

    with pytest.raises(ValueError, match=r"shape \(8, 8, 1\). Use encoder=ImageEncoder\(color_mo"):
        clf.fit(IMAGES, LABELS)
