"""Predictions along permutations through the first linear layer."""

import keras
import numpy as np
import pandas as pd
import pytest

from nnkit import KerasClassifier, KerasRegressor, explain
from nnkit.explanation.attribution import walks

M = 140


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, M)).astype(np.float32)
    return X, X[:, 0] * X[:, 1] + X[:, 2]


def own(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = keras.layers.Rescaling(0.5)(inputs)
    hidden = keras.layers.Dense(8, activation="tanh", use_bias=False)(hidden)
    hidden = keras.layers.BatchNormalization()(hidden)
    return keras.Model(inputs, keras.layers.Dense(meta.n_output_units_)(hidden))


def with_skip(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = keras.layers.Dense(8, activation="relu")(inputs)
    both = keras.layers.Concatenate()([inputs, hidden])
    return keras.Model(inputs, keras.layers.Dense(meta.n_output_units_)(both))


def with_mixing(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = keras.layers.LayerNormalization()(inputs)
    return keras.Model(inputs, keras.layers.Dense(meta.n_output_units_)(hidden))


def with_and_without_walks(monkeypatch, estimator, X, **arguments):
    """Return explanations by walks and by masked samples, and the number of walks."""
    found = []
    original = walks.Walks.__call__

    def counted(self, *arguments):
        found.append(1)
        return original(self, *arguments)

    monkeypatch.setattr(walks.Walks, "__call__", counted)
    monkeypatch.setattr(walks, "MIN_WALK_FEATURES", 1)
    arguments = {"method": "permutation", "max_background": 4, "n_permutations": 1} | arguments
    walked = explain(estimator, X, **arguments)
    monkeypatch.setattr("nnkit.explanation.masking.masked_samples.MIN_WALK_GROUPS", 10**9)
    return walked, explain(estimator, X, **arguments), len(found)


@pytest.mark.parametrize(
    ("model", "is_walked"),
    [("mlp", True), (own, True), ("realmlp", True), (with_skip, False), (with_mixing, False)],
)
def test_walks_equal_masked_samples(monkeypatch, table, model, is_walked):
    X, y = table
    model = KerasRegressor(model, epochs=2, n_estimators=1, random_state=0).fit(X, y)

    walked, masked, n_walks = with_and_without_walks(monkeypatch, model, X[:2])

    assert bool(n_walks) is is_walked
    scale = np.abs(masked.values).max()
    np.testing.assert_allclose(walked.values, masked.values, rtol=1e-3, atol=1e-5 * scale)
    total = walked.values.sum(axis=1) + walked.base_values
    np.testing.assert_allclose(total, model.predict(X[:2]), rtol=1e-4, atol=1e-5)


def test_walks_with_strings_groups_and_ensemble_equal_masked_samples(monkeypatch, table):
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.choice(list("abcd"), size=(80, M)), columns=[f"s{j}" for j in range(M)])
    X["number"], X["other"] = rng.normal(size=80), rng.normal(size=80)
    X.loc[3, "s3"] = "rare"
    y = np.where(X["s0"] == "a", "yes", "no")
    clf = KerasClassifier("mlp", n_estimators=2, epochs=2, random_state=0).fit(X, y)

    walked, masked, n_walks = with_and_without_walks(
        monkeypatch, clf, X.iloc[2:4], feature_groups={"first": ["s0", "number", "s5"]}
    )

    assert n_walks
    np.testing.assert_allclose(walked.values, masked.values, rtol=1e-3, atol=1e-6)


def test_2000_columns_use_permutation_and_raise_for_exact():
    X = np.random.default_rng(0).normal(size=(20, 2000)).astype(np.float32)
    regressor = KerasRegressor("mlp", units=8, epochs=1, random_state=0).fit(X, X[:, 0])

    explanation = explain(regressor, X[:1], max_background=2, n_permutations=1)

    assert explanation.method == "permutation"
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, regressor.predict(X[:1]), rtol=1e-4, atol=1e-5)
    for arguments in ({"method": "exact"}, {"interactions": True}):
        with pytest.raises(ValueError, match="Got 2000 feature groups"):
            explain(regressor, X[:1], **arguments)
