"""Binary classification; the builder chooses output layer and loss by meta."""

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.base import is_classifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.preprocessing import scale

X, y = load_breast_cancer(return_X_y=True)
X = scale(X).astype("float32")
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)


def build(hidden_sizes, meta, compile_kwargs):
    model = keras.Sequential([keras.Input((meta["n_features_in_"],))])
    for size in hidden_sizes:
        model.add(keras.layers.Dense(size, activation="relu"))
    if meta["target_type_"] == "binary":
        model.add(keras.layers.Dense(1, activation="sigmoid"))
        loss = "binary_crossentropy"
    else:
        model.add(keras.layers.Dense(meta["n_classes_"], activation="softmax"))
        loss = "sparse_categorical_crossentropy"
    model.compile(loss=loss, optimizer=compile_kwargs["optimizer"], metrics=["accuracy"])
    return model


clf = KerasClassifier(
    model=build,
    hidden_sizes=(16,),
    optimizer="adam",
    optimizer__learning_rate=0.01,
    batch_size=32,
    epochs=8,
    verbose=0,
    random_state=0,
)
assert clf.get_params()["hidden_sizes"] == (16,)
assert clf.fit(X_train, y_train) is clf

y_pred = clf.predict(X_test)
y_proba = clf.predict_proba(X_test)

assert y_pred.shape == y_test.shape
assert y_proba.shape == (len(X_test), 2)
assert np.allclose(y_proba.sum(axis=1), 1, atol=1e-6)
assert ((y_proba[:, 1] > 0.5) == y_pred).all()
assert clf.score(X_test, y_test) > 0.93
assert clf.model_.layers[0].units == 16
assert clf.classes_.tolist() == [0, 1]
assert len(clf.history_["loss"]) == len(clf.history_["accuracy"]) == 8
assert clf.history_["loss"][-1] < clf.history_["loss"][0]

scores = cross_val_score(clf, X, y, cv=2, scoring="f1")
assert scores.min() > 0.9

results = {
    "y_pred.dtype": str(y_pred.dtype),
    "history": sorted(clf.history_),
    "type of history": type(clf.history_).__name__,
    "target_type_": clf.target_type_,
    "n_classes_": int(clf.n_classes_),
    "n_features_in_": clf.n_features_in_,
    "n_outputs_": clf.n_outputs_,
    "n_outputs_expected_": clf.n_outputs_expected_,
    "X_shape_": tuple(clf.X_shape_),
    "X_dtype_": str(clf.X_dtype_),
    "y_ndim_": clf.y_ndim_,
    "is_classifier": is_classifier(clf),
    "probabilities of one row": clf.predict_proba(X_test[:1]).shape,
    "optimizer": type(clf.model_.optimizer).__name__,
    "epochs if not given": KerasClassifier(build).epochs,
    "verbose if not given": KerasClassifier(build).verbose,
    "optimizer if not given": KerasClassifier(build).optimizer,
}
