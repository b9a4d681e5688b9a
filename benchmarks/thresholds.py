"""The thresholds between graph and XLA, and between one thread and several, on this machine.

``python -m benchmarks.thresholds`` measures them for some minutes, and prints the environment
variables that set them; see ``nnkit/training/loop/thresholds.py``.
"""

import dataclasses
import statistics
import time
from contextlib import contextmanager
from functools import partial

import numpy as np

import nnkit
from benchmarks.candidates import of_nnkit
from benchmarks.networks import random_table
from benchmarks.steps import operations, step_and_start
from nnkit.training.loop import thresholds

BATCH_SIZE, STEPS_PER_EPOCH = 32, 32
WIDTHS = (16, 32, 64, 96, 128, 192, 256, 384, 512)
N_ROUNDS, SECONDS = 5, 0.3
# A compiled model is fitted about so many times, as in a cross-validation of two settings.
FITS_OF_A_MODEL = 10


def main():
    """Measure and print the thresholds."""
    X, y = random_table(STEPS_PER_EPOCH * BATCH_SIZE)
    print(f"{'units':>6}  graph, one thread   graph, threads   XLA  (ms per step)")
    by_width = {}
    for width in WIDTHS:
        by_width[width] = {name: [] for name in ("one", "several", "xla")}
        for _ in range(N_ROUNDS):
            for name, seconds in by_width[width].items():
                seconds.append(step_seconds(name, width, X, y))
        by_width[width] = {name: statistics.median(v) for name, v in by_width[width].items()}
        one, several, xla = (1e3 * by_width[width][name] for name in ("one", "several", "xla"))
        print(f"{width:>6}  {one:17.4f}  {several:15.4f}  {xla:.4f}", flush=True)
    found = thresholds_of(by_width, xla_compile_seconds(X, y))
    for name, value in dataclasses.asdict(found).items():
        print(f"export {thresholds.variable_of(name)}={value:.3g}")


def step_seconds(name, width, X, y):
    """Return the seconds of a step.

    Parameters
    ----------
    name : {"one", "several", "xla"}
        A graph in one thread or in several, or XLA.
    width : int
        Units of both hidden layers.
    X, y : ndarray
        Rows of whole batches.
    """
    engine = "xla" if name == "xla" else "graph"
    make = partial(of_nnkit, engine=engine, batch_size=BATCH_SIZE, model__units=width)
    guess = 5e-5 + operations(BATCH_SIZE, width) / 2e10
    with one_thread_up_to(np.inf if name == "one" else 0):
        make(epochs=1).fit(X, y)  # compiles
        return step_and_start(make, X, y, BATCH_SIZE, n_steps=SECONDS / guess)[0]


@contextmanager
def one_thread_up_to(n_operations):
    """Train graphs whose steps have up to ``n_operations`` in one thread."""
    before = thresholds.THRESHOLDS
    thresholds.THRESHOLDS = dataclasses.replace(before, max_arithmetic_in_one_thread=n_operations)
    try:
        yield
    finally:
        thresholds.THRESHOLDS = before


def xla_compile_seconds(X, y):
    """Return by how much longer XLA's first fit takes than that of a graph."""
    seconds = {"graph": [], "xla": []}
    for _ in range(N_ROUNDS):
        for engine, known in seconds.items():
            nnkit.clear_compiled_cache()
            start = time.perf_counter()
            of_nnkit(engine=engine, batch_size=BATCH_SIZE, epochs=1).fit(X, y)
            known.append(time.perf_counter() - start)
    medians = {engine: statistics.median(known) for engine, known in seconds.items()}
    return max(0.0, medians["xla"] - medians["graph"])


def thresholds_of(by_width, compile_seconds):
    """Return the thresholds that follow from the seconds of steps.

    Parameters
    ----------
    by_width : dict of int to dict
        For each number of units the seconds of a step by "one", "several" and "xla".
    compile_seconds : float
        Additional seconds of a first fit by XLA.
    """
    graph = {width: min(v["one"], v["several"]) for width, v in by_width.items()}
    narrowest = min(by_width)
    saved = max(1e-7, graph[narrowest] - by_width[narrowest]["xla"])
    return thresholds.Thresholds(
        min_steps_for_xla=compile_seconds / saved / FITS_OF_A_MODEL,
        max_arithmetic_for_xla=_last(by_width, lambda w: by_width[w]["xla"] < graph[w]),
        max_arithmetic_in_one_thread=_last(
            by_width, lambda w: by_width[w]["one"] <= by_width[w]["several"]
        ),
    )


def _last(widths, is_better):
    """Return the operations of a step of the last width before the first that is not better."""
    last = 0
    for width in sorted(widths):
        if not is_better(width):
            break
        last = operations(BATCH_SIZE, width)
    return float(last)


if __name__ == "__main__":
    main()
