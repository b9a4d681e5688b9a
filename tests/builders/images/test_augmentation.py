"""The argument ``augment`` of the builders for images."""

import keras
import pytest

from nnkit.builders.images.augmentation import augmented


def layers_of(augment, shape=(28, 28, 1)):
    """Return the configurations of the layers by the name of their class."""
    inputs = keras.Input(shape)
    model = keras.Model(inputs, augmented(inputs, augment))
    return {type(layer).__name__: layer.get_config() for layer in model.layers[1:]}


def test_none_and_an_empty_mapping_add_no_layer():
    assert layers_of(None) == layers_of({}) == layers_of({"shift": 0, "flip": None}) == {}


@pytest.mark.parametrize(("side", "shift"), [(28, 2), (14, 1), (8, 0)])
def test_light_shifts_rotates_and_zooms_without_flips(side, shift):
    found = layers_of("light", (side, 40, 1))["RandomAffine"]

    assert found["shift"] == shift
    assert (found["rotation"], found["zoom"], found["flip"]) == (10.0, 0.1, None)


def test_photos_are_shifted_and_flipped():
    found = layers_of("photos", (32, 32, 3))["RandomAffine"]

    assert (found["shift"], found["flip"]) == (4, "horizontal")
    assert (found["rotation"], found["zoom"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("n_channels", "flip"), [(1, None), (2, None), (3, "horizontal"), (4, "horizontal")]
)
def test_auto_flips_images_in_colour_only(n_channels, flip):
    assert layers_of("auto", (28, 28, n_channels))["RandomAffine"]["flip"] == flip


def test_mapping_sets_each_change():
    augment = {"shift": 3, "rotation": 5, "zoom": 0.2, "flip": "both", "cutout": 6}

    found = layers_of(augment)

    expected = {"shift": 3, "rotation": 5.0, "zoom": 0.2, "flip": "both"}
    assert {name: found["RandomAffine"][name] for name in expected} == expected
    assert found["RandomCutout"]["size"] == 6
    assert augment["cutout"] == 6


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ("digits", "augment must be 'auto', 'light' or 'photos'. Got 'digits' instead"),
        (3, "augment must be one of .* a mapping such as .* Got 3 instead"),
        ({"shfit": 2}, "augment has the unknown change 'shfit'.* Did you mean 'shift'?"),
        ({"shift": 1.5}, r"augment\['shift'\] must be an integer of at least 0. Got 1.5 instead"),
        ({"shift": 28}, r"'shift'\] must be smaller than the images, which have 28 x 28 pixels"),
        ({"cutout": 28}, r"augment\['cutout'\] must be smaller than the images"),
        ({"rotation": 181}, r"augment\['rotation'\] must be a number in \[0, 180\]. Got 181"),
        ({"zoom": 1}, r"augment\['zoom'\] must be a number in \[0, 1\). Got 1 instead"),
        ({"flip": True}, r"augment\['flip'\] must be 'horizontal', 'vertical', 'both' or None"),
    ],
)
def test_wrong_changes_raise(augment, message):
    with pytest.raises(ValueError, match=message):
        layers_of(augment)
