"""class_weight by label, and sample_weight."""

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier, KerasRegressor
from sklearn.datasets import make_classification
from sklearn.metrics import accuracy_score, recall_score

X, codes = make_classification(
    600, weights=[0.93], n_features=6, class_sep=0.7, flip_y=0.02, random_state=3
)
X = X.astype("float32")
y = np.array(["common", "rare"])[codes]


def build(meta):
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def new(**params):
    return KerasClassifier(
        build,
        loss="binary_crossentropy",
        optimizer="adam",
        optimizer__learning_rate=0.02,
        epochs=6,
        batch_size=50,
        verbose=0,
        random_state=0,
        **params,
    )


def recall(clf):
    return recall_score(y, clf.predict(X), pos_label="rare")


plain = new().fit(X, y)
by_label = new(class_weight={"common": 1, "rare": 20}).fit(X, y)
balanced = new(class_weight="balanced").fit(X, y)
assert recall(by_label) > recall(plain) + 0.2
assert recall(balanced) > recall(plain) + 0.2

weight = np.where(y == "rare", 20.0, 1.0)
by_row = new().fit(X, y, sample_weight=weight)
assert recall(by_row) > recall(plain) + 0.2
assert np.isclose(
    by_row.score(X, y, sample_weight=weight),
    accuracy_score(y, by_row.predict(X), sample_weight=weight),
)

# Rows of weight 0 do not take part.
part = np.where(np.arange(600) < 300, 1.0, 0.0)
zero = new(shuffle=False).fit(X, y, sample_weight=part)
half = new(shuffle=False).fit(X[:300], y[:300])
assert np.allclose(zero.predict_proba(X), half.predict_proba(X), atol=1e-4)
try:
    new().fit(X, y, sample_weight=np.zeros(600))
except ValueError:
    refused = True
else:
    refused = False
assert refused


def linear(meta):
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])


reg = KerasRegressor(
    linear,
    loss="mse",
    optimizer="adam",
    optimizer__learning_rate=0.1,
    epochs=8,
    batch_size=32,
    verbose=0,
    random_state=0,
)
target = np.where(codes == 1, 5.0, 0.0)
heavy = reg.fit(X, target, sample_weight=weight).predict(X).mean()
assert heavy > reg.fit(X, target).predict(X).mean() + 0.3

caller = np.ones(600, dtype="float32")
new(class_weight={"rare": 20}).fit(X, y, sample_weight=caller)

results = {
    "labels": plain.classes_.tolist(),
    "weights of the caller are left alone": bool((caller == 1).all()),
}
