"""String labels of three classes, with losses on class codes and on one-hot rows."""

import keras
from scikeras.wrappers import KerasClassifier
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import scale

bunch = load_iris()
X = scale(bunch.data).astype("float32")
y = bunch.target_names[bunch.target]


def build(meta, hidden=10):
    model = keras.Sequential()
    model.add(keras.Input(meta["X_shape_"][1:]))
    model.add(keras.layers.Dense(hidden, activation="tanh"))
    model.add(keras.layers.Dense(meta["n_classes_"], activation="softmax"))
    return model


results = {}
for loss in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
    clf = KerasClassifier(
        build,
        loss=loss,
        optimizer="adam",
        optimizer__learning_rate=0.03,
        metrics=["accuracy"],
        epochs=15,
        batch_size=25,
        verbose=0,
        random_state=1,
    )
    clf.fit(X, y)
    y_pred = clf.predict(X)

    assert clf.score(X, y) == accuracy_score(y, y_pred) > 0.9
    assert set(y_pred) == {"setosa", "versicolor", "virginica"}
    assert clf.classes_.tolist() == sorted(set(y))
    assert (clf.classes_[clf.predict_proba(X).argmax(axis=1)] == y_pred).all()
    results[loss] = (clf.predict_proba(X).shape, str(y_pred.dtype), sorted(clf.history_))

# Rows sorted by species: a fold of neighbours holds one that the others do not have.
results["folds of an integer cv"] = [
    round(float(s)) for s in cross_val_score(clf, X, bunch.target, cv=3)
]

column = clf.fit(X, y[:, None])
assert accuracy_score(y, column.predict(X).ravel()) > 0.9
results["target of one column"] = column.predict(X).shape
results["facts"] = [column.target_type_, column.n_classes_, column.n_outputs_, column.y_ndim_]
results["n_outputs_expected_"] = column.n_outputs_expected_
