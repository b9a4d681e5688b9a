"""ONNX models of ImageEncoder, SequenceEncoder and MultiInputEncoder beside Python."""

import numpy as np
import pandas as pd
import pytest
from onnx_models import assert_classifies_alike, assert_predicts_alike, run
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, KerasRegressor
from nnkit.encoding import ImageEncoder, InputDict, SequenceEncoder, TextEncoder
from nnkit.export import to_onnx

GREY = np.random.default_rng(0).integers(0, 256, (12, 6, 5), dtype=np.uint8)
RGBA = np.random.default_rng(1).integers(0, 256, (12, 6, 5, 4), dtype=np.uint8)
FLOATS = np.random.default_rng(2).normal(size=(12, 6, 5, 3))
LABELS = np.arange(12) % 3


def sequences(n_channels=2, n_steps=9, n_samples=40):
    """Sequences with gaps in all places, constants, zeros, and unequal lengths."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n_samples, n_steps, n_channels)) * 3 + 1
    X[rng.random(X.shape) < 0.3] = np.nan
    X[:, 0, 0] = 1.0  # each sequence has a value
    X[3, 1:, -1] = np.nan
    X[6, :, 1:] = np.nan
    X[4, 1:] = np.nan
    X[5] = 2.5
    X[7, 4:] = np.nan
    return X


def assert_encodes_alike(encoder, X, X_new=None):
    X_new = X if X_new is None else X_new

    found = run(to_onnx(encoder, X), X_new)["variable"]

    expected = encoder.transform(X_new)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("images", [GREY, RGBA, FLOATS, FLOATS.astype(np.float32), GREY > 99])
@pytest.mark.parametrize("scaling", ["range", "standard", None])
def test_images_of_each_dtype(images, scaling):
    assert_encodes_alike(ImageEncoder(scaling=scaling).fit(images), images)


@pytest.mark.parametrize("color_mode", ["grayscale", "rgb"])
@pytest.mark.parametrize("images", [GREY, RGBA, FLOATS, RGBA[..., :2]])
def test_images_of_converted_colours(color_mode, images):
    assert_encodes_alike(ImageEncoder(color_mode=color_mode).fit(images), images)


@pytest.mark.parametrize("size", [3, (6, 9), (13, 5)])
def test_resized_images(size):
    encoder = ImageEncoder(size=size).fit(RGBA)

    found = run(to_onnx(encoder, RGBA), RGBA)["variable"]

    # Pillow rounds between both axes of the filter.
    np.testing.assert_allclose(found, encoder.transform(RGBA), atol=1e-6)


def test_columns_of_pixels():
    X = pd.DataFrame(GREY.reshape(12, -1)).add_prefix("pixel").assign(other=1.0)

    encoder = ImageEncoder(shape=(6, -1), columns=list(X)[:-1]).fit(X)

    assert_encodes_alike(encoder, X)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"missing": "previous"},
        {"scaling": "series"},
        {"scaling": None},
        {"missing_indicator": False},
        {"max_length": 5},
        {"masking": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_sequences_with_gaps_and_unequal_lengths(parameters, n_channels):
    X = sequences(n_channels)

    assert_encodes_alike(SequenceEncoder(**parameters).fit(X), X)


def test_sequences_that_are_shorter_and_longer_than_in_fit():
    encoder = SequenceEncoder(max_length=9).fit(sequences())

    assert_encodes_alike(encoder, sequences(n_steps=6))
    assert_encodes_alike(encoder, sequences(n_steps=14))


def test_sequences_with_the_channels_first():
    X = sequences().transpose(0, 2, 1)

    assert_encodes_alike(SequenceEncoder(layout="channels_first").fit(X), X)


def test_a_step_of_zeros_is_not_padding():
    X = np.zeros((4, 5))
    X[1, 3:] = np.nan

    assert_encodes_alike(SequenceEncoder(scaling=None).fit(X), X)


def test_table_of_one_step_a_column():
    X = pd.DataFrame(sequences(n_channels=1)[:, :, 0]).add_prefix("day ")

    assert_encodes_alike(SequenceEncoder().fit(X), X)


def test_classifier_of_images():
    clf = KerasClassifier("cnn2d", encoder__scaling="standard", epochs=1, random_state=0)

    assert_classifies_alike(clf.fit(GREY, LABELS), GREY)


@pytest.mark.parametrize("model", ["fcn", "gru"])
def test_classifier_of_sequences_of_unequal_length(model):
    X = sequences()

    clf = KerasClassifier(model, epochs=1, random_state=0).fit(X, np.arange(40) % 2)

    assert_classifies_alike(clf, X, atol=1e-4)


def test_regressor_of_columns_of_several_kinds():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.normal(size=40),
            "size": rng.integers(0, 9, 40),
            "city": rng.choice(["Oslo", "Rome", "Pisa"], 40),
        }
    )
    X.loc[3, "city"] = None
    encoder = {"numbers": (StandardScaler(), ["size", "age"]), "a place": ["city", "age"]}
    reg = KerasRegressor("multimodal", encoder=encoder, epochs=1, random_state=0)

    assert_predicts_alike(reg.fit(X, rng.normal(size=40)), X)


def test_classifier_of_a_dict_of_images_and_sequences():
    X = InputDict({"photo": GREY, "curve": sequences(n_samples=12), "numbers": FLOATS[:, 0, :, 0]})
    encoder = {
        "photo": ImageEncoder(),
        "curve": SequenceEncoder(),
        "numbers": StandardScaler(),
    }
    clf = KerasClassifier("multimodal", encoder=encoder, epochs=1, random_state=0)

    assert_classifies_alike(clf.fit(X, LABELS), X)


def test_raises_on_a_list_of_sequences_of_unequal_length():
    X = [[1.0, 2.0], [3.0, 4.0, 5.0]]
    encoder = SequenceEncoder().fit(X)

    with pytest.raises(ValueError, match="Give X as one array, shorter sequences with NaN"):
        to_onnx(encoder, X)


def test_raises_on_nested_columns():
    X = pd.DataFrame({"curve": [[1.0, 2.0], [3.0, 4.0]]})
    encoder = SequenceEncoder().fit(X)

    with pytest.raises(ValueError, match="'curve'"):
        to_onnx(encoder, X)


def test_raises_on_texts():
    X = ["a text", "another text"]

    with pytest.raises(ValueError, match=r"TextEncoder.* do this step before the pipeline"):
        to_onnx(TextEncoder().fit(X), X)
