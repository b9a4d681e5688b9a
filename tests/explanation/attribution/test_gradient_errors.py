"""Networks and arguments for which gradient_values raises."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from nnkit import KerasClassifier, KerasRegressor
from nnkit.estimators.network_function import NetworkFunction
from nnkit.explanation.attribution.gradient import gradient_values

N_ENCODED = 4


def _activation(meta):
    return "sigmoid" if meta.n_output_units_ == 1 else "softmax"


def smooth(meta, last=None):
    """A smooth network."""
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = keras.layers.Flatten()(inputs) if len(meta.X_shape_) > 2 else inputs
    hidden = keras.layers.Dense(8, activation="tanh")(hidden)
    if last is None:
        last = "linear" if meta.target_type_.startswith("continuous") else _activation(meta)
    units = 1 if last in ("sigmoid", "logit") else meta.n_output_units_
    outputs = keras.layers.Dense(units, activation="linear" if last == "logit" else last)(hidden)
    return keras.Model(inputs, outputs)


def table(n_rows, n_encoded=N_ENCODED, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n_encoded)).astype(np.float32)


def regression(builder, X=None, y=None, **params):
    X = table(40) if X is None else X
    y = X.reshape(len(X), -1)[:, 0] if y is None else y
    return KerasRegressor(builder, **{"epochs": 1, "random_state": 0, **params}).fit(X, y)


def classification(n_classes=2, X=None, **params):
    X = table(60) if X is None else X
    y = np.arange(len(X)) % n_classes
    params = {"model": smooth, "epochs": 2, "random_state": 0, **params}
    return KerasClassifier(**params).fit(X, y)


def function_and_encoded(estimator, X):
    function = NetworkFunction(estimator)
    return function, function.encode(X)


def text(meta):
    inputs = keras.Input(meta.X_shape_[1:], dtype="int32")
    hidden = keras.layers.Embedding(10, 3, name="words")(inputs)
    hidden = keras.layers.GlobalAveragePooling1D()(hidden)
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(hidden)
    outputs = keras.layers.Dense(meta.n_output_units_, activation=_activation(meta))(hidden)
    return keras.Model(inputs, outputs)


def text_classifier(**params):
    X = np.random.default_rng(0).integers(0, 10, size=(40, 6))
    return classification(2, X, model=text, **params), X


# Refusals


def test_embedded_codes_raise_with_remedy():
    clf, X = text_classifier()
    function, X_encoded = function_and_encoded(clf, X)

    with pytest.raises(
        ValueError,
        match=r"The gradient does not reach the input of layer 'words' \(Embedding\), which is "
        r"looked up. Use method='permutation', or layer='words' to attribute at its output.",
    ):
        gradient_values(function, X_encoded, X_encoded)


@pytest.mark.parametrize("n_levels", [5, 20])
def test_category_embedding_of_realmlp_raises(n_levels):
    import pandas as pd

    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"number": rng.normal(size=200), "kind": rng.integers(n_levels, size=200).astype(str)}
    )
    clf = KerasClassifier("realmlp", epochs=1, n_estimators=1, random_state=0).fit(
        X, np.arange(200) % 2
    )
    function, X_encoded = function_and_encoded(clf, X[:20])

    if n_levels == 5:
        few, many = (
            gradient_values(function, X_encoded, X_encoded, n_fractions=n, columns=[1])
            for n in (16, 256)
        )

        assert len(clf.encoder_.cardinalities_) == 0
        assert np.abs(many.residual).max() < 2e-3 < np.abs(few.residual).max()
        return
    assert len(clf.encoder_.cardinalities_) == 1
    with pytest.raises(ValueError, match=r"\(Category.*is looked up. Use method='permutation'\.$"):
        gradient_values(function, X_encoded, X_encoded)


def skipping(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = keras.layers.Dense(3, name="hidden")(inputs)
    both = keras.layers.Concatenate()([inputs, hidden])
    return keras.Model(inputs, keras.layers.Dense(1)(both))


def rounding(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    codes = keras.ops.cast(keras.ops.cast(inputs, "int32"), "float32")
    return keras.Model(inputs, keras.layers.Dense(1)(codes))


class Subclassed(keras.Model):
    def __init__(self, n_units):
        super().__init__()
        self.dense = keras.layers.Dense(n_units)

    def call(self, x):
        return self.dense(x)


def subclassed(meta):
    return Subclassed(meta.n_output_units_)


@pytest.mark.parametrize(
    ("builder", "options", "message"),
    [
        (skipping, {"layer": "hidden"}, "do not follow from layer 'hidden' alone"),
        (skipping, {"layer": "absent"}, "layer='absent' is no layer of the network, which has"),
        (subclassed, {"layer": "dense"}, "needs a functional or sequential network"),
        (rounding, {}, "does not reach its inputs. Use method='permutation'."),
        (smooth, {"output": "proba"}, "output must be one of 'predict', 'raw'"),
        (smooth, {"method": "magic"}, "method must be one of 'gradient'"),
        (smooth, {"n_fractions": 3}, "n_fractions must be an even number"),
    ],
)
def test_invalid_arguments_of_gradient_values_raise(builder, options, message):
    function, X_encoded = function_and_encoded(regression(builder), table(4))

    with pytest.raises(ValueError, match=message):
        gradient_values(function, X_encoded, X_encoded, **{"output": "predict", **options})


def test_integer_inputs_raise():
    def one_hot(meta):
        inputs = keras.Input(meta.X_shape_[1:], dtype="int32")
        hidden = keras.layers.Flatten()(keras.ops.one_hot(inputs, 5))
        return keras.Model(inputs, keras.layers.Dense(1)(hidden))

    X = np.random.default_rng(0).integers(0, 5, size=(20, 3))
    function, X_encoded = function_and_encoded(regression(one_hot, X, X[:, 0].astype(float)), X)

    with pytest.raises(ValueError, match="inputs are of dtype int32, and only floats have"):
        gradient_values(function, X_encoded, X_encoded, output="predict")


def test_several_targets_raise_unless_output_is_raw():
    y = np.column_stack([np.arange(60) % 2, np.arange(60) % 3])

    def two(meta):
        inputs = keras.Input(meta.X_shape_[1:])
        outputs = [keras.layers.Dense(n, activation="softmax")(inputs) for n in (2, 3)]
        return keras.Model(inputs, outputs)

    clf = KerasClassifier(two, epochs=1, random_state=0).fit(table(60), y)
    function, X_encoded = function_and_encoded(clf, table(5))

    with pytest.raises(ValueError, match="has 2 targets, but gradients need one"):
        gradient_values(function, X_encoded, X_encoded)
    raw = gradient_values(function, X_encoded, X_encoded, output="raw")
    assert raw.values.shape == (5, N_ENCODED, 2 + 3)
