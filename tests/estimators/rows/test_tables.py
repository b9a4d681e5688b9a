"""Dicts of inputs, sparse tables and images, and errors on tables that do not fit the network."""

from functools import cache

import keras
import numpy as np
import pandas as pd
import pytest
from networks import classifier_network
from scipy import sparse

from nnkit import KerasClassifier, KerasTransformer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
Y = np.arange(40) % 2
INPUTS = {"left": X[:, :1], "right": pd.DataFrame(X[:, 1:], columns=["a", "b", "c"])}


def build_two_inputs(meta):
    left = keras.Input(meta.X_shape_["left"][1:], name="left")
    right = keras.Input(meta.X_shape_["right"][1:], name="right")
    x = keras.layers.Concatenate()([left, right])
    return keras.Model([left, right], keras.layers.Dense(1, activation="sigmoid")(x))


@pytest.fixture(scope="module")
def two_inputs():
    """A fitted classifier with two inputs, not modified by tests."""
    return KerasClassifier(build_two_inputs, epochs=2, random_state=0).fit(INPUTS, Y)


def test_predict_accepts_a_dict_of_inputs(two_inputs):
    clf = two_inputs
    weights, bias = clf.model_.get_weights()

    y_proba = clf.predict_proba({"right": INPUTS["right"], "left": INPUTS["left"]})

    np.testing.assert_allclose(
        y_proba[:, 1], 1 / (1 + np.exp(-(X @ weights + bias)[:, 0])), rtol=1e-5
    )
    assert clf.n_features_in_ == 4
    assert set(clf.background_) == {"left", "right"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"right": None}, "X lacks the input 'right'. In fit it had"),
        (
            {"right": X[:, 1:3]},
            r"X\['right'\] must have rows of shape \(3,\), as in fit. Got \(2,\)",
        ),
        ({"left": X[:5, :1]}, "must have the same number of rows. Got {'left': 5, 'right': 40}"),
        ({"left": np.full((40, 1), np.nan)}, r"Input X\['left'\] contains NaN in column 0 .40 row"),
        (
            {"right": INPUTS["right"].assign(b=np.inf)},
            r"Input X\['right'\] contains inf in the column 'b'",
        ),
        ({"right": INPUTS["right"].assign(b="x")}, "The column 'b' of X holds .* such as 'x'"),
    ],
    ids=["missing", "width", "lengths", "NaN", "inf", "strings"],
)
def test_predict_raises_on_an_invalid_dict_of_inputs(two_inputs, change, message):
    changed = {name: table for name, table in {**INPUTS, **change}.items() if table is not None}

    with pytest.raises(ValueError, match=message):
        two_inputs.predict(changed)


def test_predict_raises_on_a_table_after_a_dict_and_on_a_dict_after_a_table(two_inputs):
    with pytest.raises(ValueError, match=r"X must be a dict with the inputs \['left', 'right'\]"):
        two_inputs.predict(X)
    with pytest.raises(ValueError, match="X is a dict, but in fit it was one table"):
        KerasClassifier("mlp", epochs=1).fit(X, Y).predict(INPUTS)
    with pytest.raises(ValueError, match="X is a dict without inputs"):
        KerasClassifier(build_two_inputs).fit({}, Y)


def test_fit_raises_on_a_missing_input_of_the_network():
    with pytest.raises(ValueError, match="has the input 'right', which X does not have"):
        KerasClassifier(
            lambda: build_two_inputs(type("M", (), {"X_shape_": {"left": (1, 1), "right": (1, 3)}}))
        ).fit({"left": X[:, :1], "wrong": X[:, 1:]}, Y)


def test_fit_raises_on_a_sparse_table_for_an_image_network():
    def build():
        return keras.Sequential(
            [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
        )

    with pytest.raises(ValueError, match=r"takes rows of shape \(2, 2, 1\), but the encoded rows"):
        KerasClassifier(build).fit(sparse.csr_array(X), Y)


def test_fit_raises_on_nan_in_a_sparse_table():
    bad = sparse.csr_array(np.where(np.abs(X) > 2, np.nan, np.where(X > 0.5, X, 0)))

    with pytest.raises(ValueError, match="Input X contains NaN in column"):
        KerasClassifier("mlp", epochs=1).fit(bad, Y)


def test_predict_raises_on_images_of_another_size():
    images = RNG.normal(size=(40, 4, 4))

    def build(meta):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.Flatten(),
                keras.layers.Dense(1, "sigmoid"),
            ]
        )

    clf = KerasClassifier(build, epochs=1).fit(images, Y)

    with pytest.raises(ValueError, match=r"X must have rows of shape \(4, 4\), as in fit"):
        clf.predict(images[:, :, :3])


@cache
def learnt_from(kind, engine):
    """Return the probabilities of a fit on a table with many zeros, dense if kind is None."""
    dense = np.where(np.abs(X) > 0.7, X, 0.0)
    table = dense if kind is None else getattr(sparse, f"{kind}_array")(dense)
    params = {"epochs": 2, "batch_size": 16, "random_state": 0, "engine": engine}
    clf = KerasClassifier(classifier_network, validation_split=0.3, **params)
    return clf.fit(table, Y).predict_proba(table)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_fit_on_a_sparse_table_equals_fit_on_a_dense_table(kind, engine):
    from_sparse = learnt_from(kind, engine)

    np.testing.assert_allclose(from_sparse, learnt_from(None, engine), atol=1e-6)


def test_transformer_raises_on_sparse_tables_and_dicts():
    with pytest.raises(TypeError, match="Sparse input is not supported by KerasTransformer"):
        KerasTransformer(epochs=1).fit(sparse.csr_array(X))
    with pytest.raises(ValueError, match="KerasTransformer takes one table. Got a dict"):
        KerasTransformer(epochs=1).fit(INPUTS)
