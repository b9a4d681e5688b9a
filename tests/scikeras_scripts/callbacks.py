"""Callback classes with routed arguments, a validation split, and callbacks of fit."""

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

X, y = load_breast_cancer(return_X_y=True)
X = scale(X).astype("float32")
X_train, X_val, y_train, y_val = train_test_split(X, y, random_state=0, stratify=y)


def build(meta):
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


clf = KerasClassifier(
    build,
    loss="binary_crossentropy",
    optimizer="adam",
    optimizer__learning_rate=0.05,
    validation_split=0.2,
    callbacks=keras.callbacks.EarlyStopping,
    callbacks__monitor="val_loss",
    callbacks__patience=2,
    callbacks__restore_best_weights=True,
    epochs=60,
    batch_size=64,
    verbose=0,
    random_state=0,
)
clf.fit(X, y)
val_loss = clf.history_["val_loss"]

assert len(val_loss) < 60
assert len(val_loss) == np.argmin(val_loss) + 3
assert clf.score(X, y) > 0.93

# A list, with arguments by position.
listed = KerasClassifier(
    build,
    loss="binary_crossentropy",
    optimizer="sgd",
    optimizer__learning_rate=0.8,
    callbacks=[keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau],
    callbacks__0__monitor="loss",
    callbacks__0__min_delta=100.0,
    callbacks__0__patience=4,
    callbacks__1__monitor="loss",
    callbacks__1__min_delta=100.0,
    callbacks__1__factor=0.5,
    callbacks__1__patience=1,
    callbacks__1__cooldown=0,
    epochs=40,
    batch_size=64,
    verbose=0,
    random_state=0,
).fit(X, y)
assert len(listed.history_["loss"]) == 5
assert np.isclose(float(listed.model_.optimizer.learning_rate), 0.8 * 0.5**4)

# A dict, with arguments by key; and rows to validate on given to fit.
named = KerasClassifier(
    build,
    loss="binary_crossentropy",
    optimizer="adam",
    callbacks={"stop": keras.callbacks.EarlyStopping},
    callbacks__stop__monitor="val_loss",
    callbacks__stop__min_delta=100.0,
    callbacks__stop__patience=3,
    epochs=40,
    batch_size=64,
    verbose=0,
    random_state=0,
)
named.fit(X_train, y_train, validation_data=(X_val, y_val))
assert len(named.history_["val_loss"]) == 4

# Callbacks for fit alone.
alone = KerasClassifier(
    build,
    loss="binary_crossentropy",
    optimizer="adam",
    fit__callbacks=keras.callbacks.TerminateOnNaN,
    epochs=2,
    batch_size=64,
    verbose=0,
    random_state=0,
).fit(X, y)

results = {
    "history": sorted(clf.history_),
    "history with a changed rate": sorted(listed.history_),
    "history of given rows": sorted(named.history_),
    "epochs with fit__callbacks": len(alone.history_["loss"]),
}
