"""
The same search, alone and in a batch
=====================================

A grid search fits the same network over and over: for each learning rate, on each fold. Inside
``nnkit.batched_training`` these fits run side by side and share what is compiled. Nothing else
changes: the pipeline, the grid and the scores are the same.
"""

# %%
# A search
# --------
# Ten learning rates, five folds, and a pipeline that scales each fold by its own training rows.

import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, batched_training

X, y = load_breast_cancer(return_X_y=True, as_frame=True)


def build(meta, units=64):
    """Return a network with dropout."""
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


pipeline = make_pipeline(
    StandardScaler(), KerasClassifier(build, epochs=20, batch_size=32, random_state=0)
)
grid = {"kerasclassifier__optimizer__learning_rate": np.geomspace(1e-4, 1e-1, 10)}
search = GridSearchCV(pipeline, grid, cv=5, scoring="neg_log_loss", refit=False)
pipeline.fit(X, y)  # compiles, so that both searches begin alike

# %%
# With the context and without it
# -------------------------------
# The scores agree: to the last bit where threads share a program, as here, and to rounding
# where XLA-compiled code or a vectorised program takes over.

begin = time.perf_counter()
alone = search.fit(X, y).cv_results_["mean_test_score"]
seconds_alone = time.perf_counter() - begin

begin = time.perf_counter()
with batched_training():
    batched = search.fit(X, y).cv_results_["mean_test_score"]
seconds_batched = time.perf_counter() - begin

print(f"50 fits alone: {seconds_alone:.1f} s, in a batch: {seconds_batched:.1f} s")
print(f"largest difference between their scores: {np.abs(alone - batched).max():.1e}")

# %%
# Ensembles
# ---------
# ``n_estimators`` trains several networks side by side too, and averages them. Their spread says
# where they disagree: mostly near even chances.

best = grid["kerasclassifier__optimizer__learning_rate"][alone.argmax()]
pipeline.set_params(
    kerasclassifier__optimizer__learning_rate=best, kerasclassifier__n_members=8
).fit(X.iloc[::2], y.iloc[::2])
rows = pipeline[:-1].transform(X.iloc[1::2])
y_proba, y_std = pipeline[-1].predict_proba(rows, return_std=True)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
rates = grid["kerasclassifier__optimizer__learning_rate"]
left.semilogx(rates, -alone, "o-", label="alone")
left.semilogx(rates, -batched, "x--", label="in a batch")
left.set(xlabel="learning rate", ylabel="log loss, mean of 5 folds", title="One search, twice")
left.legend()
right.plot(y_proba[:, 1], y_std[:, 1], ".", alpha=0.6)
right.set(
    xlabel="probability of a benign tumour, mean of 8",
    ylabel="standard deviation of the 8",
    title="Where members disagree",
)
figure.savefig("batched_search.png")
