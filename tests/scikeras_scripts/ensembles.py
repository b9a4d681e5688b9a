"""Networks in ensembles of scikit-learn."""

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.datasets import make_moons
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, BaggingRegressor

X, y = make_moons(200, noise=0.25, random_state=0)
X = X.astype("float32")


def build(meta, hidden=10):
    n_units, activation = (1, "sigmoid") if "n_classes_" in meta else (1, "linear")
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(hidden, activation="relu"),
            keras.layers.Dense(n_units, activation=activation),
        ]
    )


clf = KerasClassifier(
    build,
    loss="binary_crossentropy",
    optimizer="adam",
    optimizer__learning_rate=0.05,
    epochs=5,
    batch_size=20,
    verbose=0,
    random_state=0,
)
reg = KerasRegressor(
    build,
    loss="mse",
    optimizer="adam",
    optimizer__learning_rate=0.05,
    epochs=5,
    batch_size=20,
    verbose=0,
    random_state=0,
)

boosted = AdaBoostClassifier(clf, n_estimators=2, random_state=0).fit(X, y)
bagged = BaggingClassifier(clf, n_estimators=2, random_state=0).fit(X, y)
bagged_reg = BaggingRegressor(reg, n_estimators=2, random_state=0).fit(X, X[:, 0] * 2)

for ensemble in (boosted, bagged):
    assert ensemble.score(X, y) > 0.8
    assert ensemble.predict_proba(X).shape == (200, 2)
assert bagged_reg.score(X, X[:, 0] * 2) > 0.7
members = [member.predict_proba(X) for member in bagged.estimators_]
assert not np.allclose(*members)

results = {"members": [len(e.estimators_) for e in (boosted, bagged, bagged_reg)]}
