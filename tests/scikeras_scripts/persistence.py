"""Fitted estimators and pipelines go through pickle, joblib, deepcopy and Keras' own files."""

import copy
import pickle
import tempfile
from pathlib import Path

import joblib
import keras
import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

bunch = load_iris()
X, y = bunch.data.astype("float32"), bunch.target_names[bunch.target]


def build(meta, hidden=8):
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(hidden, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


clf = KerasClassifier(
    build,
    hidden=6,
    loss="sparse_categorical_crossentropy",
    optimizer=keras.optimizers.Adam(0.02),
    callbacks=[keras.callbacks.EarlyStopping(monitor="loss", patience=30)],
    epochs=8,
    batch_size=25,
    verbose=0,
    random_state=0,
)
pipe = make_pipeline(StandardScaler(), clone(clf)).fit(X, y)
expected = pipe.predict_proba(X)

copies = {"pickle": pickle.loads(pickle.dumps(pipe)), "deepcopy": copy.deepcopy(pipe)}
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "pipeline.joblib"
    joblib.dump(pipe, path)
    copies["joblib"] = joblib.load(path)

    for loaded in copies.values():
        assert np.allclose(loaded.predict_proba(X), expected, atol=1e-6)
        assert (loaded.predict(X) == pipe.predict(X)).all()
        assert loaded[-1].history_ == pipe[-1].history_
        assert loaded[-1].get_params()["hidden"] == 6
        assert loaded.score(X, y) > 0.7

    # Keras' own file, and the loaded model as a pretrained one.
    path = Path(folder) / "model.keras"
    pipe[-1].model_.save(path)
    model = keras.models.load_model(path)

X_scaled = pipe[0].transform(X)
pretrained = KerasClassifier(model, loss="sparse_categorical_crossentropy", verbose=0)
pretrained.initialize(X_scaled, y)
assert np.allclose(pretrained.predict_proba(X_scaled), expected, atol=1e-6)
assert (pretrained.predict(X_scaled) == pipe.predict(X)).all()

unfitted = clone(pipe)
try:
    unfitted.predict(X)
except Exception as error:
    not_fitted = type(error).__name__

results = {
    "clone": clone(clf).get_params()["hidden"],
    "before fit": not_fitted,
    "the model of the user is trained itself": pretrained.model_ is model,
}
