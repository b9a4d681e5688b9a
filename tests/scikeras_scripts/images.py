"""Images; the builder reads the axes from X_shape_."""

import keras
from scikeras.wrappers import KerasClassifier
from sklearn.datasets import load_digits

X, y = load_digits(return_X_y=True)
X = (X / 16).reshape(-1, 8, 8, 1).astype("float32")[:900]
y = y[:900]


def build(meta, filters):
    return keras.Sequential(
        [
            keras.Input(meta["X_shape_"][1:]),
            keras.layers.Conv2D(filters, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


clf = KerasClassifier(
    build,
    filters=8,
    loss="sparse_categorical_crossentropy",
    optimizer="adam",
    optimizer__learning_rate=0.01,
    batch_size=32,
    epochs=4,
    verbose=0,
    random_state=0,
)
clf.fit(X[:700], y[:700])
assert clf.score(X[700:], y[700:]) > 0.85
assert clf.predict_proba(X).shape == (900, 10)

results = {
    "X_shape_": tuple(clf.X_shape_),
    "X_dtype_": str(clf.X_dtype_),
    "n_features_in_": clf.n_features_in_,
    "layers": [layer.name.split("_")[0] for layer in clf.model_.layers],
}
