"""
Several inputs: numbers, images and texts in one table
======================================================

A dict of encoders turns the columns of one DataFrame into the inputs of a network. The
``"multimodal"`` network has a branch for each of them. Both work in a cross-validation.
"""

# %%
# The task is to tell the sum of two digits: one is an image, the other a word in a sentence. A
# number says whether the sum counts twice. No input is enough by itself.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score

from nnkit import KerasRegressor
from nnkit.encoding import ImageEncoder, TextEncoder

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SENTENCES = ["{} please", "add {}", "and {} more", "plus {}", "then {}, if you like"]
rng = np.random.default_rng(0)
images, digits = load_digits(return_X_y=True)
other = rng.integers(0, 10, len(digits))
factor = rng.choice([1.0, 2.0], len(digits))
X = pd.DataFrame(
    {
        "factor": factor,
        "photo": list(images.reshape(-1, 8, 8)),
        "note": [rng.choice(SENTENCES).format(WORDS[digit]) for digit in other],
    }
)
y = factor * (digits + other)
print(X.drop(columns="photo").assign(target=y).head().to_string(index=False))

# %%
# Each subset of the inputs is cross-validated by the same call.

encoders = {
    "number": ["factor"],
    "photo": ImageEncoder(columns=["photo"]),
    "note": TextEncoder(column="note"),
}
subsets = [["number"], ["photo"], ["note"], ["photo", "note"], ["number", "photo", "note"]]
scores = {}
for names in subsets:
    encoder = {name: encoders[name] for name in names}
    network = KerasRegressor("multimodal", encoder=encoder, epochs=12, random_state=0)
    scores[" + ".join(names)] = cross_val_score(network, X, y, cv=2).mean()

figure, axis = plt.subplots(figsize=(7, 2.6), layout="constrained")
bars = axis.barh(list(scores), list(scores.values()), color="tab:blue", alpha=0.7)
axis.bar_label(bars, fmt=" %.2f")
axis.set(xlim=(-0.1, 1.15), xlabel="R² of two folds")
axis.invert_yaxis()
axis.spines[["top", "right"]].set_visible(False)
