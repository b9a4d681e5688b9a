"""Explanations of images and sequences with an encoder in front of the network."""

import keras
import numpy as np
import pandas as pd
import pytest

from nnkit import KerasClassifier, KerasRegressor, explain
from nnkit.encoding import ImageEncoder, SequenceEncoder
from nnkit.explanation.masking.sample_arrays import array_of_samples

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 6, 6), dtype=np.uint8)
LENGTHS = RNG.integers(4, 8, 24)
SEQUENCES = [RNG.normal(size=(length, 2)) for length in LENGTHS]
Y = np.arange(24) % 2


def flat(meta):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Flatten(),
            keras.layers.Dense(meta.n_output_units_),
        ]
    )


def classifier(encoder):
    return KerasClassifier(flat, encoder=encoder, epochs=2, random_state=0)


def check_sums(explanation, estimator, X):
    total = explanation.base_values + explanation.values.reshape(len(X), -1).sum(axis=1)
    np.testing.assert_allclose(total, estimator.predict_proba(X)[:, 1], atol=1e-5)


def test_sequences_of_a_list_become_an_array_padded_with_nan():
    encoder = SequenceEncoder().fit(SEQUENCES)

    found = array_of_samples(encoder, SEQUENCES[:3])

    assert found.shape == (3, encoder.n_steps_, 2)
    for row, sequence in zip(found, SEQUENCES, strict=False):
        np.testing.assert_array_equal(row[: len(sequence)], sequence)
        assert np.isnan(row[len(sequence) :]).all()
    np.testing.assert_array_equal(encoder.transform(found), encoder.transform(SEQUENCES[:3]))


def test_channels_first_is_kept():
    transposed = [sequence.T for sequence in SEQUENCES]
    encoder = SequenceEncoder(layout="channels_first").fit(transposed)

    found = array_of_samples(encoder, transposed[:3])

    assert found.shape == (3, 2, encoder.n_steps_)
    np.testing.assert_array_equal(encoder.transform(found), encoder.transform(transposed[:3]))


def test_images_of_a_list_become_an_array_of_pixels():
    encoder = ImageEncoder().fit(IMAGES)

    found = array_of_samples(encoder, list(IMAGES[:3]))

    np.testing.assert_array_equal(found, IMAGES[:3, :, :, np.newaxis])


@pytest.mark.parametrize("X", [None, pd.DataFrame({"x": [1.0]}), np.zeros((2, 3))])
def test_tables_are_unchanged(X):
    assert array_of_samples(SequenceEncoder(), X) is X


def test_images_of_unequal_shapes_raise():
    encoder = ImageEncoder(size=(6, 6)).fit(IMAGES)

    with pytest.raises(ValueError, match="X must hold images of one shape to be explained"):
        array_of_samples(encoder, [IMAGES[0], IMAGES[0][:4]])


@pytest.mark.parametrize("container", [lambda X: X, list], ids=["array", "list"])
def test_patches_of_images_are_explained(container):
    clf = classifier(ImageEncoder()).fit(container(IMAGES), Y)
    X = container(IMAGES[:2])

    explanation = explain(clf, X, feature_groups="patches", patch=(3, 3), progress=False)

    assert explanation.values.shape == (2, 6, 6, 1)
    assert len(np.unique(explanation.values[0])) <= 4
    check_sums(explanation, clf, X)


def test_gradients_of_a_linear_network_are_exact_in_pixels():
    reg = KerasRegressor(flat, encoder=ImageEncoder(), epochs=1, random_state=0).fit(IMAGES, Y)

    explanation = explain(reg, IMAGES[:2], method="integrated_gradients", progress=False)

    exact = explain(
        reg, IMAGES[:2], feature_groups="elements", method="permutation", progress=False
    )
    assert explanation.values.shape == (2, 6, 6, 1)
    np.testing.assert_allclose(explanation.values, exact.values, atol=1e-5)


def test_timesteps_of_unequal_sequences_are_explained():
    clf = classifier(SequenceEncoder()).fit(SEQUENCES, Y)

    explanation = explain(clf, SEQUENCES[:2], feature_groups="timesteps", progress=False)

    assert explanation.values.shape == (2, clf.encoder_.n_steps_)
    check_sums(explanation, clf, SEQUENCES[:2])


def test_channels_and_saliency_of_equal_sequences_are_explained():
    X = np.stack([sequence[:4] for sequence in SEQUENCES])
    clf = classifier(SequenceEncoder()).fit(X, Y)

    channels = explain(clf, X[:2], feature_groups="features", progress=False)
    saliency = explain(clf, X[:2], method="saliency", progress=False)

    assert channels.values.shape == (2, 2)
    check_sums(channels, clf, X[:2])
    assert saliency.values.shape == (2, 4, 2)


def test_shorter_array_is_explained_with_the_padding_of_fit():
    clf = classifier(SequenceEncoder()).fit(SEQUENCES, Y)
    X = np.stack([sequence[:4] for sequence in SEQUENCES[:2]])

    explanation = explain(clf, X, progress=False)

    check_sums(explanation, clf, X)
