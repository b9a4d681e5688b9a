"""Time a network trained by nnkit, Keras, SciKeras and scikit-learn's MLP, side by side.

    python benchmarks/training.py [OUTPUT.md]

Needs the test extra. All run in this process, in turn, on the same network (30-64-64-1), data
(breast cancer, 569 rows) and number of steps (20 epochs of batches of 32); each figure is the
median of its repetitions. Read the ratios: absolute times depend on the machine.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# SciKeras 0.13 warns about scikit-learn's tags, and Keras about NumPy, at every call.
import warnings

warnings.filterwarnings("ignore")

import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import keras
import scikeras.wrappers
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

import nnkit

EPOCHS, BATCH_SIZE = 20, 32


def build():
    """Return the network, uncompiled."""
    return keras.Sequential(
        [
            keras.Input((30,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


class RawKeras:
    """Keras' own fit and predict, as a user without a wrapper writes it."""

    def fit(self, X, y):
        """Build and train."""
        self.model = build()
        self.model.compile("adam", "binary_crossentropy")
        self.model.fit(X, y, epochs=EPOCHS, batch_size=BATCH_SIZE, verbose=0)
        return self

    def predict_proba(self, X):
        """Predict."""
        return self.model.predict(X, verbose=0)


CANDIDATES = {
    "nnkit": lambda: nnkit.KerasClassifier(build, epochs=EPOCHS, batch_size=BATCH_SIZE),
    "nnkit, engine='keras'": lambda: nnkit.KerasClassifier(
        build, epochs=EPOCHS, batch_size=BATCH_SIZE, engine="keras"
    ),
    "raw Keras": RawKeras,
    "SciKeras": lambda: scikeras.wrappers.KerasClassifier(
        build,
        loss="binary_crossentropy",
        optimizer="adam",
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        verbose=0,
    ),
    "scikit-learn MLP": lambda: MLPClassifier(
        (64, 64), max_iter=EPOCHS, batch_size=BATCH_SIZE, n_iter_no_change=EPOCHS
    ),
}


def seconds(function, repetitions):
    """Return the median seconds of a call."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(make, X, y):
    """Return the figures of one candidate, in seconds."""
    figures = {"first fit (s)": seconds(lambda: make().fit(X, y), 1)}
    figures["later fit (s)"] = seconds(lambda: make().fit(X, y), 5)
    fitted = make().fit(X, y)
    fitted.predict_proba(X)
    figures["predict 1 row (ms)"] = 1e3 * seconds(lambda: fitted.predict_proba(X[:1]), 20)
    figures["predict 569 rows (ms)"] = 1e3 * seconds(lambda: fitted.predict_proba(X), 20)
    if make is not RawKeras:
        folds = StratifiedKFold(5)
        figures["5-fold cross-validation (s)"] = seconds(
            lambda: cross_val_score(make(), X, y, cv=folds), 3
        )
    return figures


def as_markdown(results):
    """Return the table, with the ratio to nnkit behind each figure."""
    names = list(results["nnkit"])
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for candidate, figures in results.items():
        cells = []
        for name in names:
            if name not in figures:
                cells.append("–")
                continue
            ratio = figures[name] / results["nnkit"][name]
            cells.append(
                f"{figures[name]:.3g}" + ("" if candidate == "nnkit" else f" ({ratio:.2g}×)")
            )
        lines.append(f"| {candidate} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    """Measure, print, and write the page if one was named."""
    data, y = load_breast_cancer(return_X_y=True)
    X = scale(data).astype("float32")
    RawKeras().fit(X, y)  # TensorFlow's own start is nobody's first fit
    table = as_markdown({name: measure(make, X, y) for name, make in CANDIDATES.items()})
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("tensorflow", "keras", "scikit-learn", "scikeras")
    )
    print(table)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(
            "# How fast\n\n"
            "Written by `make bench` (benchmarks/training.py): the network 30-64-64-1 on the "
            f"breast cancer data (569 rows), {EPOCHS} epochs of batches of {BATCH_SIZE}; all "
            "candidates in turn in one process, medians, in brackets the ratio to nnkit. "
            f"{os.cpu_count()} cores, {packages}.\n\n" + table + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
