"""Every ready-made network for images, sequences and texts is explained in the units of X."""

import numpy as np
import pytest

from nnkit import KerasClassifier, explain
from nnkit.builders.images.specs import IMAGE_BUILDERS
from nnkit.builders.sequences.specs import SEQUENCE_BUILDERS
from nnkit.builders.texts.specs import TEXT_BUILDERS

RNG = np.random.default_rng(0)
Y = np.arange(16) % 2
IMAGES = RNG.integers(0, 256, (16, 6, 6), dtype=np.uint8)
SEQUENCES = [RNG.normal(size=(5 + row % 2, 2)) for row in range(16)]
TEXTS = [f"{'good' if label else 'bad'} film {row % 3}" for row, label in enumerate(Y)]
FAST = {"epochs": 1, "n_estimators": 1, "random_state": 0}
SMALL = {
    "cnn2d": {"filters": (2,), "units": (4,)},
    "resnet2d": {"filters": (2,), "n_blocks": 1},
    "fcn": {"filters": (2, 2, 2)},
    "resnet1d": {"filters": (2,)},
    "inception_time": {"n_modules": 3, "n_filters": 2},
    "lstm": {"units": 2},
    "gru": {"units": 2},
    "lstm_fcn": {"filters": (2, 2, 2), "units": 2},
    "transformer_encoder": {"n_units": 4, "n_blocks": 1},
    "text_bag": {"embedding_units": 2, "units": 2},
    "text_cnn": {"embedding_units": 2, "n_filters": 2},
    "text_lstm": {"embedding_units": 2, "units": 2},
    "text_transformer": {"embedding_units": 4, "n_blocks": 1},
}


def fitted(name, X):
    arguments = {f"model__{argument}": value for argument, value in SMALL[name].items()}
    return KerasClassifier(name, **FAST, **arguments).fit(X, Y)


def check_sums(explanation, estimator, X):
    """Values and base add up to the probability of the second class."""
    rows = [np.sum(explanation[row].values) for row in range(len(X))]
    total = np.asarray(rows) + explanation.base_values
    np.testing.assert_allclose(total, estimator.predict_proba(X)[:, 1], atol=1e-4)


@pytest.mark.parametrize("name", sorted(set(IMAGE_BUILDERS) - {"unet", "conv_autoencoder"}))
def test_patches_of_images_add_up(name):
    clf = fitted(name, IMAGES)

    explanation = explain(clf, IMAGES[:2], feature_groups="patches", patch=(3, 3), progress=False)

    assert explanation.values.shape == (2, 6, 6, 1)
    check_sums(explanation, clf, IMAGES[:2])


@pytest.mark.parametrize(
    "name", sorted(name for name, spec in SEQUENCE_BUILDERS.items() if not spec.is_autoencoder)
)
def test_timesteps_of_sequences_add_up(name):
    clf = fitted(name, SEQUENCES)

    explanation = explain(clf, SEQUENCES[:2], feature_groups="timesteps", progress=False)

    assert explanation.values.shape == (2, 6)
    check_sums(explanation, clf, SEQUENCES[:2])


@pytest.mark.parametrize("name", sorted(TEXT_BUILDERS))
def test_words_of_texts_add_up(name):
    clf = fitted(name, TEXTS)

    explanation = explain(clf, TEXTS[:2], progress=False)

    assert [word.strip() for word in explanation[0].data] == ["bad", "film", "0"]
    check_sums(explanation, clf, TEXTS[:2])
