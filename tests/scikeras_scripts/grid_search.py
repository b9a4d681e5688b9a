"""Grids over arguments of the builder, of the optimizer and of the training."""

import keras
import numpy as np
from scikeras.wrappers import KerasClassifier
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_iris(return_X_y=True)
cv = StratifiedKFold(2, shuffle=True, random_state=0)


def build(meta, hidden=4, dropout=0.0):
    return keras.Sequential(
        [
            keras.Input((meta["n_features_in_"],)),
            keras.layers.Dense(hidden, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


clf = KerasClassifier(
    build,
    loss="sparse_categorical_crossentropy",
    optimizer="adam",
    optimizer__learning_rate=0.1,
    dropout=0.0,
    epochs=4,
    batch_size=25,
    verbose=0,
    random_state=0,
)
grid = {"model__hidden": [12], "optimizer__learning_rate": [1e-6, 0.1], "dropout": [0.1]}
search = GridSearchCV(clf, grid, cv=cv).fit(X, y)

assert search.best_params_["optimizer__learning_rate"] == 0.1
assert search.best_score_ > 0.7
best = search.best_estimator_
assert best.model_.layers[0].units == best.get_params()["model__hidden"]
assert search.best_params_["model__hidden"] == best.model_.layers[0].units
assert best.model_.layers[1].rate == 0.1
assert np.isclose(float(best.model_.optimizer.learning_rate), 0.1)
by_rate = search.cv_results_["mean_test_score"]
assert by_rate[1] > by_rate[0] + 0.2
assert clf.get_params()["optimizer__learning_rate"] == 0.1  # the original is left alone

pipe = make_pipeline(StandardScaler(), clf)
space = {
    "kerasclassifier__optimizer": ["sgd", keras.optimizers.Adam],
    "kerasclassifier__epochs": [1, 5],
    "kerasclassifier__batch_size": [10, 50],
}
draw = RandomizedSearchCV(pipe, space, n_iter=1, cv=cv, random_state=0, refit=True).fit(X, y)
last = draw.best_estimator_[-1]
assert len(last.history_["loss"]) == draw.best_params_["kerasclassifier__epochs"]

results = {
    "parameters": sorted(k for k in search.cv_results_ if k.startswith("param_")),
    "fits": search.cv_results_["mean_test_score"].shape,
    "drawn": [sorted(p) for p in draw.cv_results_["params"]],
}
