"""
Images: digits, augmentation and transfer
=========================================

``KerasClassifier("cnn2d")`` takes images as they are: arrays, lists, images of Pillow or paths of
files. It scales them, adds the axis of channels, and shifts and rotates them in training.
"""

# %%
# The data are 1,797 handwritten digits of 8 x 8 pixels.

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from nnkit import KerasClassifier, explain
from nnkit.builders import transfer
from nnkit.encoding import ImageEncoder

images, digits = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8)
X_train, X_test, y_train, y_test = train_test_split(images, digits, random_state=0)

classifier = KerasClassifier("cnn2d", random_state=0).fit(X_train, y_train)
pixels = LogisticRegression(max_iter=5000).fit(X_train.reshape(-1, 64), y_train)
print(f"logistic regression of pixels: {pixels.score(X_test.reshape(-1, 64), y_test):.3f}")
print(f"cnn2d:                         {classifier.score(X_test, y_test):.3f}")

# %%
# Augmentation is an argument of the network, and is tuned like any other: shifts in pixels,
# rotations in degrees, flips, zoom and cut-out. It matters most with few images. Here each network
# sees 150 of them.

augmentations = {"none": None, "shifts and rotations": {"shift": 1, "rotation": 10}}
scores = {}
for name, augment in augmentations.items():
    few = KerasClassifier("cnn2d", model__augment=augment, random_state=0)
    scores[name] = few.fit(X_train[:150], y_train[:150]).score(X_test, y_test)

figure, axis = plt.subplots(figsize=(6, 1.7), layout="constrained")
bars = axis.barh(list(scores), list(scores.values()), color="tab:blue", alpha=0.7)
axis.bar_label(bars, fmt=" %.3f")
axis.set(xlim=(0.8, 1.0), xlabel="accuracy on the test images, 150 training images")
axis.spines[["top", "right"]].set_visible(False)

# %%
# The errors
# ----------
# For each error, the gradient of the probability of the predicted digit shows which pixels speak
# for it (red) and against it (blue).

wrong = np.flatnonzero(classifier.predict(X_test) != y_test)[:5]
explanation = explain(classifier, X_test[wrong], X_train, classes="predicted", method="gradient")
largest = np.abs(explanation.values).max()
size = (2.2 * len(wrong), 4)
figure, axes = plt.subplots(2, len(wrong), figsize=size, layout="constrained", squeeze=False)
for above, below, row, values in zip(*axes, wrong, explanation.values, strict=True):
    predicted = classifier.predict(X_test[[row]])[0]
    above.imshow(X_test[row], cmap="gray_r")
    above.set_title(f"a {y_test[row]}, read as {predicted}")
    below.imshow(values.reshape(8, 8), cmap="bwr", vmin=-largest, vmax=largest)
    above.axis("off")
    below.axis("off")

# %%
# Transfer
# --------
# A network that has learnt the digits 0 to 4 has filters that are useful for 5 to 9. ``transfer``
# copies it, and trains a new last layer on it. The parameters ``fine_tune__`` describe a second
# phase, in which the last layers of the base are trained too, with a smaller learning rate. Both
# phases are one call of ``fit``, so that they work in a cross-validation. Here there are two images
# of each digit; with eight of each, a network from scratch is better.

is_small = y_train < 5
teacher = KerasClassifier("cnn2d", random_state=0).fit(X_train[is_small], y_train[is_small])
trained = teacher.model_
base = keras.Model(trained.input, trained.get_layer("flatten").output)

X_few, y_few = X_train[~is_small][:10], y_train[~is_small][:10]
settings = {"epochs": 60, "batch_size": 8, "model__learning_rate": 0.01, "random_state": 0}
of_transfer = {
    "model__base": base,
    "model__augment": {"shift": 1, "rotation": 10},
    "encoder": ImageEncoder(),
    **settings,
}
second_phase = {
    "fine_tune__model__n_unfrozen": 2,
    "fine_tune__model__learning_rate": 3e-4,
    "fine_tune__epochs": 30,
}
networks = {
    "from scratch": KerasClassifier("cnn2d", **settings),
    "transfer, last layer": KerasClassifier(transfer, **of_transfer),
    "transfer, two phases": KerasClassifier(transfer, **of_transfer, **second_phase),
}
is_test = y_test >= 5
for name, network in networks.items():
    network.fit(X_few, y_few)
    print(f"{name:22s} {network.score(X_test[is_test], y_test[is_test]):.3f}")
