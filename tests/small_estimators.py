"""Estimators with small networks, shared by tests of scikit-learn's tools."""

import keras

from nnkit import KerasClassifier, KerasRegressor


def classifier(model="mlp", **params):
    usual = {"epochs": 15, "batch_size": 32, "optimizer__learning_rate": 0.01, "random_state": 0}
    return KerasClassifier(model, **{**usual, **params})


def regressor(model="mlp", **params):
    usual = {"epochs": 30, "batch_size": 64, "optimizer__learning_rate": 0.003, "random_state": 0}
    return KerasRegressor(model, **{**usual, **params})


def two_inputs(meta):
    inputs = {name: keras.Input(shape[1:], name=name) for name, shape in meta.X_shape_.items()}
    hidden = [keras.layers.Dense(8, activation="relu")(x) for x in inputs.values()]
    x = keras.layers.Concatenate()(hidden)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


def sepals_and_petals(frame):
    return {"sepal": frame.filter(like="sepal"), "petal": frame.filter(like="petal")}
