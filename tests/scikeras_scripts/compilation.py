"""compile_kwargs in the builder, and arguments routed to optimizer, loss and metrics."""

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

X, y = load_breast_cancer(return_X_y=True)
X = scale(X).astype("float32")
seen = {}


def build(meta, compile_kwargs, params):
    seen.update(compile_kwargs=compile_kwargs, params=params)
    model = keras.Sequential(
        [keras.Input((meta["n_features_in_"],)), keras.layers.Dense(1, activation="sigmoid")]
    )
    model.compile(**compile_kwargs)
    return model


clf = KerasClassifier(
    build,
    optimizer=keras.optimizers.SGD,
    optimizer__learning_rate=0.2,
    optimizer__momentum=0.5,
    loss=keras.losses.BinaryCrossentropy,
    loss__label_smoothing=0.4,
    metrics=[keras.metrics.BinaryAccuracy, keras.metrics.Recall],
    metrics__0__threshold=0.7,
    metrics__0__name="strict",
    metrics__1__name="found",
    compile__jit_compile=False,
    epochs=6,
    batch_size=64,
    verbose=0,
    random_state=0,
)
clf.fit(X, y)

optimizer = clf.model_.optimizer
assert isinstance(optimizer, keras.optimizers.SGD)
assert np.isclose(float(optimizer.learning_rate), 0.2)
assert optimizer.momentum == 0.5
assert isinstance(seen["compile_kwargs"]["optimizer"], keras.optimizers.SGD)
assert seen["params"]["loss__label_smoothing"] == 0.4
assert clf.score(X, y) > 0.93
# Smoothed targets 0.2 and 0.8 allow no loss below their entropy.
assert clf.history_["loss"][-1] > -(0.2 * np.log(0.2) + 0.8 * np.log(0.8)) - 0.01

sharp = clf.set_params(loss__label_smoothing=0.0).fit(X, y)
assert sharp.history_["loss"][-1] < 0.2

nesterov = clf.set_params(optimizer__nesterov=True, optimizer__learning_rate=0.1).fit(X, y)
assert nesterov.model_.optimizer.nesterov
assert np.isclose(float(nesterov.model_.optimizer.learning_rate), 0.1)


def logits(meta):
    return keras.Sequential([keras.Input((30,)), keras.layers.Dense(2)])


raw = KerasClassifier(
    logits,
    loss=keras.losses.SparseCategoricalCrossentropy,
    loss__from_logits=True,
    optimizer=keras.optimizers.Adam,
    optimizer__learning_rate=0.05,
    metrics=keras.metrics.SparseCategoricalAccuracy,
    epochs=5,
    batch_size=64,
    verbose=0,
    random_state=0,
).fit(X, y)
assert raw.score(X, y) > 0.9

results = {
    "history": sorted(clf.history_),
    "one metric": sorted(raw.history_),
    "loss": type(seen["compile_kwargs"]["loss"]).__name__,
    "rows of logits sum to 1": bool(np.allclose(raw.predict_proba(X).sum(axis=1), 1)),
}
