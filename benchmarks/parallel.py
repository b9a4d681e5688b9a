"""A grid search in one process, in several, and in threads."""

import contextlib

import joblib
from joblib.externals.loky import get_reusable_executor

import nnkit
from benchmarks.candidates import candidates
from benchmarks.figures import Figures
from benchmarks.networks import breast_cancer
from benchmarks.standard import N_FOLDS, N_RATES, search

ALONE = "`n_jobs=1`"
WAYS = {
    ALONE: lambda: contextlib.nullcontext(),
    "`n_jobs=-1` (loky, processes)": lambda: joblib.parallel_config("loky", n_jobs=-1),
    "`n_jobs=-1` under `parallel_config('threading')`": (
        lambda: joblib.parallel_config("threading", n_jobs=-1)
    ),
}
RUNS = {"first run": "s", "second run": "s"}


def section(is_quick):
    """Return the section of the page."""
    X, y = breast_cancer()
    nnkit_candidate = candidates()[0]
    n_rates = 4 if is_quick else N_RATES
    figures = Figures()
    for name, way in WAYS.items():
        nnkit.clear_compiled_cache()
        with way():
            for column in RUNS:
                figures.time(
                    name,
                    column,
                    # n_jobs=None takes what the configuration says, and else 1.
                    function=lambda: search(nnkit_candidate, X, y, n_rates, n_jobs=None),
                )
    get_reusable_executor().shutdown()
    return f"""## Several jobs

The grid of {n_rates} learning rates and {N_FOLDS} folds of the first section, with nnkit.

{figures.table(WAYS, RUNS, reference_row=ALONE)}

How to read: seconds, and in brackets how many times as long as one job. A first run compiles, in
each process; under loky it also starts the processes, which import TensorFlow. They stay for the
second.
"""
