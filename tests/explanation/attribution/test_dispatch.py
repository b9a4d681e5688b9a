"""Gradient attributions to encoded features, summed over feature groups."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from nnkit import KerasClassifier, KerasRegressor, explain

RNG = np.random.default_rng(0)
SEQUENCES = RNG.normal(size=(40, 5, 2)).astype("float32")


def smooth(meta):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )


@pytest.fixture(scope="module")
def regressor():
    target = SEQUENCES[:, 1, 0] * SEQUENCES[:, 2, 1]
    return KerasRegressor(smooth, epochs=2, random_state=0).fit(SEQUENCES, target)


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "saliency", "deep"])
@pytest.mark.parametrize(
    ("feature_groups", "axis"), [("timesteps", 2), ("features", 1)], ids=["timesteps", "features"]
)
def test_gradients_of_group_are_sum_over_encoded_features(regressor, method, feature_groups, axis):
    elements = explain(regressor, SEQUENCES[:3], method=method)
    together = explain(regressor, SEQUENCES[:3], method=method, feature_groups=feature_groups)

    assert elements.values.shape == (3, 5, 2)
    np.testing.assert_allclose(together.values, elements.values.sum(axis=axis), atol=1e-6)
    np.testing.assert_allclose(together.base_values, elements.base_values, atol=1e-6)


def test_layer_embedding_gives_one_value_per_token_column():
    def of_words(meta):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:], dtype="int32"),
                keras.layers.Embedding(6, 3, name="words"),
                keras.layers.Flatten(),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )

    words = RNG.integers(0, 6, (50, 4))
    classifier = KerasClassifier(of_words, epochs=2, random_state=0).fit(words, words[:, 0] > 2)

    explanation = explain(classifier, words[:5], method="gradient", layer="words")

    assert explanation.feature_names == ["x0", "x1", "x2", "x3"]
    np.testing.assert_array_equal(explanation.data, words[:5])
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, classifier.predict_proba(words[:5])[:, 1], atol=1e-3)
    with pytest.raises(ValueError, match="layer='words'|dtype int"):
        explain(classifier, words[:5], method="gradient")


def test_gradient_of_mixed_columns_needs_transformed_groups():
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    X = RNG.normal(size=(40, 4))
    pipeline = make_pipeline(
        PCA(3), KerasClassifier("mlp", model__units=(4,), epochs=1, n_estimators=1, random_state=0)
    ).fit(X, X[:, 0] > 0)

    with pytest.raises(ValueError, match="mixes columns of X. Use feature_groups='transformed'"):
        explain(pipeline, X[:3], X, method="gradient")
    assert explain(
        pipeline, X[:3], method="gradient", feature_groups="transformed"
    ).feature_names == [
        "pca0",
        "pca1",
        "pca2",
    ]
