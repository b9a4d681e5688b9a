"""A convolutional and a recurrent network."""

from functools import partial

from benchmarks.candidates import BATCH_SIZE, RawKeras, of_nnkit
from benchmarks.figures import Figures, in_rounds
from benchmarks.networks import convolutional, random_images, random_sequences, recurrent
from benchmarks.steps import step_and_start

N_SAMPLES = 1024

NETWORKS = {
    "two convolutions": (convolutional, random_images, "sparse_categorical_crossentropy"),
    "LSTM": (recurrent, random_sequences, "binary_crossentropy"),
}
NNKIT, KERAS = "nnkit", "raw Keras"


def section(is_quick):
    """Return the section of the page."""
    figures = Figures()
    engines = {}
    for name, (build, rows, loss) in NETWORKS.items():
        X, y = rows(N_SAMPLES)
        makers = {
            NNKIT: partial(of_nnkit, build),
            KERAS: partial(RawKeras, build, loss),
        }
        engines[name] = makers[NNKIT](epochs=1).fit(X, y).engine_
        for _, (candidate, make) in in_rounds(makers.items(), 1 if is_quick else 3):
            n_steps = (1 if is_quick else 4) * N_SAMPLES / BATCH_SIZE
            step, start = step_and_start(make, X, y, BATCH_SIZE, n_steps)
            figures.add(f"{name}: an epoch", candidate, step * N_SAMPLES / BATCH_SIZE)
            figures.add(f"{name}: around the epochs", candidate, start)
    rows = [f"{name}: {what}" for name in NETWORKS for what in ("an epoch", "around the epochs")]
    chosen = ", ".join(f"{engine!r} ({name})" for name, engine in engines.items())
    return f"""## Images and sequences

Two convolutions with pooling and a dense layer on images (28, 28, 1) of ten labels, and an LSTM of
32 units on sequences (20, 8); {N_SAMPLES:,} rows, batches of {BATCH_SIZE}. nnkit's default engine
chose {chosen}.

{figures.table(rows, {NNKIT: "ms", KERAS: "ms"}, reference_column=NNKIT)}

How to read: milliseconds per epoch of {N_SAMPLES // BATCH_SIZE} steps, and around the epochs of a later
fit, measured as in the section above.
"""
