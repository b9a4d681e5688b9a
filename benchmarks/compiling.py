"""What the first fit of each ready-made network costs beside its training."""

import functools
import time

import numpy as np

import nnkit
from benchmarks.figures import Figures, in_rounds
from nnkit.builders.registry import READY_MADE

N_SAMPLES, N_COLUMNS, EPOCHS = 1_000, 14, 2
BUILD, GRAPH, XLA = "build", "graph", "XLA"


def section(is_quick):
    """Return the section of the page."""
    figures = Figures()
    names = ["mlp"] if is_quick else sorted(READY_MADE)
    for _, name in in_rounds(names, 1 if is_quick else 3):
        figures.add(name, BUILD, seconds_of(functools.partial(build, name)))
        for column, engine in ((GRAPH, "graph"), (XLA, "xla")):
            nnkit.clear_compiled_cache()
            first = seconds_of(functools.partial(fit, name, engine))
            later = seconds_of(functools.partial(fit, name, engine))
            figures.add(name, column, first - later)
    return f"""## Compiling

{figures.table(names, dict.fromkeys([BUILD, GRAPH, XLA], "s"), corner="network")}

How to read: seconds by which the first fit of a network takes longer than a later one, for
{N_SAMPLES:,} rows of {N_COLUMNS} columns, by backend. *build* is a call of the builder by itself, of
which a first fit needs two. The members of an ensemble share what is compiled.
"""


@functools.cache
def table():
    """Return a normal table (1,000, 14), and labels 0 and 1."""
    X = np.random.default_rng(0).normal(size=(N_SAMPLES, N_COLUMNS))
    return X, (X[:, 0] > 0).astype(int)


def fit(name, engine):
    """Fit an estimator with a ready-made network."""
    params = {"epochs": EPOCHS, "early_stopping": False, "engine": engine, "random_state": 0}
    if READY_MADE[name].is_autoencoder:
        nnkit.KerasTransformer(name, **params).fit(table()[0])
    else:
        nnkit.KerasClassifier(name, **params).fit(*table())


def build(name):
    """Build a ready-made network."""
    n_units = N_COLUMNS if READY_MADE[name].is_autoencoder else 1
    kind = "continuous" if READY_MADE[name].is_autoencoder else "binary"
    shape = (N_SAMPLES, N_COLUMNS)
    meta = nnkit.builders.Meta(
        X_shape_=shape, n_features_in_=N_COLUMNS, target_type_=kind, n_output_units_=n_units
    )
    READY_MADE[name].builder(meta)


def seconds_of(function):
    """Return the duration of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
