"""Multilabel classification."""

import keras
from scikeras.wrappers import KerasClassifier
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import scale

X, Y = make_multilabel_classification(300, n_features=12, n_classes=4, random_state=0)
X = scale(X).astype("float32")


def build(meta):
    assert meta["target_type_"] == "multilabel-indicator"
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(24, activation="relu"),
            keras.layers.Dense(meta["n_classes_"], activation="sigmoid"),
        ]
    )


clf = KerasClassifier(
    build,
    loss="binary_crossentropy",
    optimizer="adam",
    optimizer__learning_rate=0.03,
    epochs=12,
    batch_size=32,
    verbose=0,
    random_state=0,
)
clf.fit(X, Y)
Y_pred = clf.predict(X)

assert Y_pred.shape == (300, 4)
assert set(Y_pred.ravel()) == {0, 1}
assert f1_score(Y, Y_pred, average="micro") > 0.75
assert clf.score(X, Y) > 0.4  # of whole rows
assert ((clf.predict_proba(X) > 0.5) == Y_pred).mean() > 0.999

held_out = cross_val_predict(clf.set_params(epochs=8), X, Y, cv=2)
assert f1_score(Y, held_out, average="micro") > 0.65

results = {
    "Y_pred.dtype": str(Y_pred.dtype),
    "probabilities": clf.predict_proba(X).shape,
    "target_type_": clf.target_type_,
    "n_classes_": clf.n_classes_,
    "n_outputs_": clf.n_outputs_,
    "n_outputs_expected_": clf.n_outputs_expected_,
}
