"""Regression of one value, one column and several columns."""

import keras
import numpy as np
from scikeras.wrappers import KerasRegressor
from sklearn.base import is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler, scale

X, y = load_diabetes(return_X_y=True)
X = scale(X)
y = scale(y)


def build(meta, hidden_units, activation):
    inputs = keras.Input((meta["n_features_in_"],))
    x = keras.layers.Dense(hidden_units, activation=activation)(inputs)
    return keras.Model(inputs, keras.layers.Dense(meta["n_outputs_"])(x))


reg = KerasRegressor(
    model=build,
    model__hidden_units=16,
    activation="relu",
    loss="mse",
    optimizer=keras.optimizers.Adam,
    optimizer__learning_rate=0.01,
    metrics=["mean_absolute_error"],
    batch_size=32,
    epochs=15,
    verbose=0,
    random_state=0,
)
reg.fit(X, y)
y_pred = reg.predict(X)

assert y_pred.shape == (442,)
assert reg.score(X, y) > 0.45
assert np.isclose(reg.score(X, y), r2_score(y, y_pred))
assert abs(reg.history_["mean_absolute_error"][-1] - np.abs(y_pred - y).mean()) < 0.1

column = reg.set_params(epochs=6).fit(X, y.reshape(-1, 1)).predict(X)
assert r2_score(y, column[:, 0]) > 0.3

two = np.column_stack([y, X[:, 2]])
reg.fit(X, two)
assert reg.predict(X).shape == (442, 2)
assert reg.score(X, two) > 0.3

far = TransformedTargetRegressor(reg, transformer=StandardScaler())
assert far.fit(X, 1000 + 77 * y).score(X, 1000 + 77 * y) > 0.3

results = {
    "y_pred.dtype": str(y_pred.dtype),
    "column": column.shape,
    "one row": reg.predict(X[:1]).shape,
    "one row of one value": far.predict(X[:1]).shape,
    "target_type_": reg.target_type_,
    "n_outputs_": reg.n_outputs_,
    "history": sorted(reg.history_),
    "mse in history": sorted(reg.set_params(metrics=["mse"], epochs=1).fit(X, y).history_),
    "is_regressor": is_regressor(reg),
}
