"""
Explaining images, sequences and texts
======================================

``nnkit.explain`` attributes predictions to patches of images, timesteps of sequences and words of
texts, with the same call as for the columns of a table.
"""

# %%
# Images
# ------
# The data are 1,797 handwritten digits of 8 x 8 pixels. The network is convolutional.

import keras
import matplotlib.pyplot as plt
import numpy as np
import shap
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from nnkit import KerasClassifier, explain

images, digits = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8, 1) / 16
X_train, X_test, y_train, y_test = train_test_split(images, digits, random_state=0)


def build(meta, filters=16):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Conv2D(filters, 3, activation="relu"),
            keras.layers.Conv2D(filters, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(meta.n_output_units_),
        ]
    )


classifier = KerasClassifier(build, epochs=10, batch_size=32, random_state=0)
classifier.fit(X_train, y_train)
print(f"accuracy on the test images: {classifier.score(X_test, y_test):.3f}")

# %%
# The feature groups are patches of 2 x 2 pixels. The values have the shape of the images, with an
# additional axis for the digits, so that ``shap.plots.image`` accepts them. Red patches increase
# the probability of a digit, and blue patches decrease it.

chosen = [int(np.flatnonzero(y_test == digit)[0]) for digit in (3, 8, 9)]
patches = explain(
    classifier, X_test[chosen], feature_groups="patches", patch=(2, 2), classes=[3, 5, 8, 9]
)
print(patches)

true_labels = [f"a {y_test[i]}" for i in chosen]
shap.plots.image(patches, true_labels=true_labels, width=10, hspace=0.4, show=False)

# %%
# Gradient methods
# ----------------
# Four methods attribute the probability of the predicted digit to pixels. Shapley values average
# the effect of a pixel over coalitions of other pixels. Expected gradients are close to them here.
# Integrated gradients start from the mean of the background. Saliency is the absolute derivative
# at the image itself: the sensitivity of the prediction to a pixel.

methods = {
    "Shapley values": {"method": "permutation", "feature_groups": "elements"},
    "expected gradients": {"method": "gradient"},
    "integrated gradients": {"method": "integrated_gradients"},
    "saliency": {"method": "saliency"},
}
of_method = {name: explain(classifier, X_test[:12], **how) for name, how in methods.items()}
reference = of_method["Shapley values"].values.ravel()
for name, found in of_method.items():
    cosine = reference @ found.values.ravel()
    cosine /= np.linalg.norm(reference) * np.linalg.norm(found.values)
    print(f"{name:20s} cosine to Shapley values {cosine:.2f}")

read = classifier.predict(X_test[:3])
figure, axes = plt.subplots(3, 5, figsize=(9, 5.6), layout="constrained")
for row, (image, digit) in enumerate(zip(X_test[:3], read, strict=True)):
    axes[row, 0].imshow(image, cmap="gray_r")
    axes[row, 0].set_ylabel(f"predicted: {digit}")
    for column, found in zip(axes[row, 1:], of_method.values(), strict=True):
        values = found.values[row, :, :, 0, digit]
        largest = np.abs(values).max()
        column.imshow(values, cmap="bwr", vmin=-largest, vmax=largest)
for axis, name in zip(axes[0], ["image", *methods], strict=True):
    axis.set_title(name, fontsize=10)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])

# %%
# Sequences
# ---------
# A sequence has two noisy signals over 16 timesteps. In half of the sequences, the first signal has
# a bump at the timesteps 6 to 9. The second signal is noise. The network is recurrent.

rng = np.random.default_rng(0)
signals = rng.normal(scale=0.5, size=(600, 16, 2)).astype("float32")
has_bump = rng.random(600) < 0.5
signals[has_bump, 6:10, 0] += 1
labels = np.where(has_bump, "bump", "none")
X_train, X_test, y_train, y_test = train_test_split(signals, labels, random_state=0)


def build_recurrent(meta, units=8):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.GRU(units),
            keras.layers.Dense(meta.n_output_units_),
        ]
    )


recurrent = KerasClassifier(build_recurrent, epochs=30, batch_size=32, random_state=0)
recurrent.set_params(optimizer__learning_rate=0.01).fit(X_train, y_train)
print(f"accuracy on the test sequences: {recurrent.score(X_test, y_test):.3f}")

timesteps = explain(
    recurrent, X_test[:40], feature_groups="timesteps", classes="bump", n_permutations=4
)
plt.figure()
shap.plots.bar(timesteps, max_display=16, show=False)
plt.gcf().set_size_inches(7, 5)
plt.tight_layout()

# %%
# The colour of a dot in the beeswarm plot is the mean of the signals at the timestep.

plt.figure()
shap.plots.beeswarm(timesteps, max_display=8, plot_size=(8, 4), show=False)
plt.tight_layout()

# %%
# The feature groups can also be the signals.

from nnkit.explanation import feature_importance

features = explain(recurrent, X_test[:40], feature_groups="features", classes="bump")
print(feature_importance(features).round(3).to_string())

# %%
# The values of one sequence:

bump = int(np.argmax(recurrent.predict_proba(X_test[:40])[:, 0]))
figure, (above, below) = plt.subplots(2, sharex=True, figsize=(7, 4), layout="constrained")
above.plot(X_test[bump], label=["first signal", "second signal"])
above.legend(loc="upper right")
values = timesteps.values[bump]
below.bar(range(16), values, color=np.where(values > 0, "#ff0051", "#008bfb"))
_ = below.set(xlabel="timestep", ylabel="contribution to P(bump)")

# %%
# Texts
# -----
# The data are 400 artificial reviews, composed of phrases. Some words carry no information. A
# pipeline of ``TfidfVectorizer`` and a network accepts the texts.

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

things = ["the soup", "the fish", "the service", "our table", "the wine", "the dessert"]
praise = ["was wonderful", "was very good", "was fresh", "made us happy"]
blame = ["was terrible", "was not good", "was cold", "came late"]


def review(is_good):
    """Return three sentences, two of which agree with the verdict of the review."""
    is_praise = rng.permutation([is_good, is_good, not is_good])
    sentences = [
        f"{thing} {rng.choice(praise if praises else blame)}"
        for thing, praises in zip(rng.permutation(things)[:3], is_praise, strict=True)
    ]
    return ", ".join(sentences)


verdicts = rng.choice(["good", "bad"], size=400)
reviews = [review(verdict == "good") for verdict in verdicts]
reader = make_pipeline(
    TfidfVectorizer(ngram_range=(1, 2)),
    KerasClassifier("mlp", epochs=20, batch_size=32, random_state=0),
)
reader.fit(reviews, verdicts)
print(f"accuracy on the training texts: {reader.score(reviews, verdicts):.3f}")

texts = [
    "The soup was very good, the wine was fresh, but the fish came late.",
    "Our table was not good, the service was terrible, the dessert was wonderful.",
]
words = explain(reader, texts, classes="good", n_permutations=100)
print(words)

# %%
# The values of the words of one text. The contribution of "not good" is divided between both words.

plt.figure()
axes = shap.plots.bar(words[1], max_display=13, show_data=False, show=False)
axes.set_xlim(-0.5, 0.5)
plt.gcf().set_size_inches(7, 4.5)
plt.tight_layout()

# %%
# In a notebook, ``shap.plots.text(words)`` colours the texts. This figure shows the same colours.

colours = plt.colormaps["bwr"]
largest = max(np.abs(values).max() for values in words.values)
figure, axes = plt.subplots(len(texts), figsize=(9, 1))
figure.subplots_adjust(0, 0, 1, 1)
for axis, text_words, values in zip(axes, words.data, words.values, strict=True):
    axis.set(xlim=(-2, 106), ylim=(-1, 1))  # in characters
    axis.set_axis_off()
    place = 0
    for word, value in zip(text_words, values, strict=True):
        box = {"facecolor": colours(0.5 + 0.4 * value / largest), "edgecolor": "none", "pad": 2}
        axis.text(place, 0, word.strip(), family="monospace", fontsize=10, bbox=box)
        place += len(word.strip()) + 1
plt.show()
