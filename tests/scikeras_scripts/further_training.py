"""partial_fit, warm_start, and a pickle between two epochs."""

import pickle

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import scale

X, y = load_iris(return_X_y=True)
X = scale(X).astype("float32")


def build(meta):
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def new(**params):
    return KerasClassifier(
        build,
        loss="sparse_categorical_crossentropy",
        optimizer="adam",
        optimizer__learning_rate=0.02,
        batch_size=25,
        shuffle=False,
        verbose=0,
        random_state=0,
        **params,
    )


clf = new(epochs=50)
for epoch in range(5):
    clf.partial_fit(X, y)
    assert len(clf.history_["loss"]) == epoch + 1
assert clf.history_["loss"] == sorted(clf.history_["loss"], reverse=True)

# The optimizer goes into the pickle: both train on alike.
twin = pickle.loads(pickle.dumps(clf))
clf.partial_fit(X, y)
twin.partial_fit(X, y)
assert len(twin.history_["loss"]) == 6
assert np.allclose(clf.predict_proba(X), twin.predict_proba(X), atol=1e-5)
assert int(twin.model_.optimizer.iterations.numpy()) == 36

# Epochs one by one are epochs at once.
at_once = new(epochs=6).fit(X, y)
assert np.allclose(at_once.history_["loss"], clf.history_["loss"], rtol=1e-3)

# fit after partial_fit starts anew.
clf.set_params(epochs=2).fit(X, y)
assert len(clf.history_["loss"]) == 2
assert np.isclose(clf.history_["loss"][0], at_once.history_["loss"][0], rtol=1e-3)

# classes lists all labels, since the first rows do not contain them.
first = new().partial_fit(X[:60], y[:60], classes=[0, 1, 2])
first.partial_fit(X, y)
assert first.predict_proba(X).shape == (150, 3)

# warm_start keeps the model; the history restarts.
warm = new(epochs=4, warm_start=True).fit(X, y)
model, end = warm.model_, warm.history_["loss"][-1]
warm.fit(X, y)
assert warm.model_ is model
assert len(warm.history_["loss"]) == 4
assert warm.history_["loss"][0] < end * 1.05

try:
    clf.partial_fit(X, y, epochs=3)
except TypeError:
    refused = True
else:
    refused = False
assert refused


def linear(meta):
    return keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])


X_diabetes, y_diabetes = load_diabetes(return_X_y=True)
reg = KerasRegressor(linear, loss="mse", optimizer="adam", batch_size=64, verbose=0, random_state=0)
for _ in range(3):
    reg.partial_fit(scale(X_diabetes), scale(y_diabetes))
assert len(reg.history_["loss"]) == 3

late = new(epochs=5).fit(X, y, initial_epoch=3)

results = {
    "epochs from initial_epoch=3 with epochs=5": len(late.history_["loss"]),
    "steps": int(warm.model_.optimizer.iterations.numpy()),
    "labels": first.classes_.tolist(),
    "predicted": reg.predict(scale(X_diabetes)).shape,
}
