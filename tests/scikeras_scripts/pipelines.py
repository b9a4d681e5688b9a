"""A scaler before the network, and arguments at the time of fitting and predicting."""

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.datasets import load_wine
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_wine(return_X_y=True, as_frame=True)


def build(meta, hidden):
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(hidden, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


clf = KerasClassifier(
    build,
    hidden=16,
    loss="sparse_categorical_crossentropy",
    optimizer="adam",
    optimizer__learning_rate=0.01,
    epochs=10,
    batch_size=20,
    verbose=0,
    random_state=0,
)
pipe = Pipeline([("scale", StandardScaler()), ("clf", clf)])

pipe.fit(X, y)
assert pipe.score(X, y) > 0.95
assert len(pipe["clf"].history_["loss"]) == 10

pipe.fit(X, y, clf__epochs=2, clf__verbose=0)
assert len(pipe["clf"].history_["loss"]) == 2
assert pipe["clf"].epochs == 10

weight = np.where(y == 0, 1.0, 0.0)
pipe.fit(X, y, clf__sample_weight=weight, clf__epochs=20)
assert (pipe.predict(X) == 0).mean() > 0.6

pipe.set_params(clf__hidden=5, clf__epochs=3).fit(X, y)
assert pipe["clf"].model_.layers[0].units == 5

# The same without a pipeline; what is given to fit wins.
X_scaled = StandardScaler().fit_transform(X)
clf.set_params(epochs=5)
assert len(clf.fit(X_scaled, y, epochs=1, batch_size=50).history_["loss"]) == 1
assert len(clf.fit(X_scaled, y).history_["loss"]) == 5

routed = KerasClassifier(
    build,
    hidden=4,
    loss="sparse_categorical_crossentropy",
    optimizer="adam",
    epochs=7,
    fit__epochs=2,
    fit__batch_size=16,
    predict__batch_size=100,
    verbose=0,
    random_state=0,
).fit(X_scaled, y)
assert len(routed.history_["loss"]) == 2
assert np.allclose(routed.predict_proba(X_scaled, batch_size=7), routed.predict_proba(X_scaled))
assert len(routed.set_params(fit__epochs=3).fit(X_scaled, y).history_["loss"]) == 3

# One step an epoch.
steps = KerasClassifier(
    build,
    hidden=4,
    loss="sparse_categorical_crossentropy",
    optimizer="adam",
    epochs=3,
    batch_size=-1,
    verbose=0,
    random_state=0,
).fit(X_scaled, y)
assert int(steps.model_.optimizer.iterations.numpy()) == 3

results = {
    "predicted": pipe.predict(X).shape,
    "dtype": str(pipe.predict(X).dtype),
    "steps of fit__batch_size=16": int(routed.model_.optimizer.iterations.numpy()),
}
