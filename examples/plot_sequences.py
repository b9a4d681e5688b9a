"""
Sequences of unequal length
===========================

The networks for sequences take lists of arrays of unequal length. They standardise the channels,
pad the ends, and leave the padding out of every layer.
"""

# %%
# The data are a classic of time series classification: noise with a plateau (cylinder), a rise with
# a sudden drop (bell) or a sudden rise with a decline (funnel), of random begin and length.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, train_test_split

from nnkit import KerasClassifier, explain

rng = np.random.default_rng(0)
SHAPES = {
    "cylinder": lambda t: np.ones_like(t),
    "bell": lambda t: t,
    "funnel": lambda t: 1 - t,
}


def draw(kind):
    n_steps = rng.integers(60, 128)
    start = rng.integers(5, 20)
    length = rng.integers(25, n_steps - start)
    series = rng.normal(size=n_steps)
    t = np.linspace(0, 1, length)
    series[start : start + length] += (6 + rng.normal()) * SHAPES[kind](t)
    return series


y = rng.choice(list(SHAPES), 300)
X = [draw(kind) for kind in y]
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
print("lengths:", [len(series) for series in X[:8]], "...")

# %%
# A list goes into ``fit``, and into any search of scikit-learn.

network = KerasClassifier("fcn", epochs=20, random_state=0)
search = GridSearchCV(network, {"model__filters": [(8, 16, 8), (32, 64, 32)]}, cv=2)
search.fit(X_train, y_train)
classifier = search.best_estimator_
print(f"filters: {search.best_params_['model__filters']}")
print(f"accuracy on the test series: {classifier.score(X_test, y_test):.3f}")

# %%
# Which steps does the network look at? Values of timesteps are drawn below the series: red steps
# speak for the predicted shape.

chosen = [int(np.flatnonzero(y_test == kind)[0]) for kind in SHAPES]
rows = [X_test[row] for row in chosen]
explanation = explain(classifier, rows, classes="predicted", feature_groups="timesteps")
largest = np.abs(explanation.values).max()

figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained", sharey=True)
for axis, row, values in zip(axes, chosen, explanation.values, strict=True):
    series = X_test[row]
    axis.plot(series, color="black", linewidth=0.8)
    axis.imshow(
        values[np.newaxis, : len(series)],
        aspect="auto",
        cmap="bwr",
        vmin=-largest,
        vmax=largest,
        extent=(0, len(series), -4, 10),
        alpha=0.6,
    )
    axis.set(title=f"a {y_test[row]}, read as {classifier.predict([series])[0]}", xlabel="step")
axes[0].set_ylabel("value")
