"""
Batched training in a grid search
=================================

A grid search fits the same network for each learning rate on each fold. Inside
``nnkit.batched_training`` these fits run in parallel and share a compiled program. The pipeline,
the grid and the scores stay the same.
"""

# %%
# The search
# ----------
# The grid has ten learning rates and the cross-validation five folds. The pipeline scales the
# columns in each fold by the training rows of the fold.

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
pipeline.fit(X, y)  # compiles the program, so that both searches start with it

# %%
# Sequential and batched training
# -------------------------------
# The scores of both searches agree. They are equal to the last bit if threads share a program, as
# here. They agree up to rounding for a vectorised program.

begin = time.perf_counter()
sequential = search.fit(X, y).cv_results_["mean_test_score"]
seconds_sequential = time.perf_counter() - begin

begin = time.perf_counter()
with batched_training():
    batched = search.fit(X, y).cv_results_["mean_test_score"]
seconds_batched = time.perf_counter() - begin

print(f"50 fits, sequential: {seconds_sequential:.1f} s, batched: {seconds_batched:.1f} s")
print(f"largest difference between the scores: {np.abs(sequential - batched).max():.1e}")

# %%
# Ensembles
# ---------
# ``n_estimators`` trains several networks in parallel and averages their predictions. The
# standard deviation over the networks is large where they disagree, mostly near probability 0.5.

best = grid["kerasclassifier__optimizer__learning_rate"][sequential.argmax()]
pipeline.set_params(
    kerasclassifier__optimizer__learning_rate=best, kerasclassifier__n_estimators=8
).fit(X.iloc[::2], y.iloc[::2])
rows = pipeline[:-1].transform(X.iloc[1::2])
y_proba, y_std = pipeline[-1].predict_proba(rows, return_std=True)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
rates = grid["kerasclassifier__optimizer__learning_rate"]
left.semilogx(rates, -sequential, "o-", label="sequential")
left.semilogx(rates, -batched, "x--", label="batched")
left.set(xlabel="learning rate", ylabel="log loss, mean of 5 folds", title="Both searches")
left.legend()
right.plot(y_proba[:, 1], y_std[:, 1], ".", alpha=0.6)
right.set(
    xlabel="probability of a benign tumour, mean of 8 networks",
    ylabel="standard deviation of 8 networks",
    title="Disagreement of the networks",
)
figure.savefig("batched_search.png")
