"""The standard network: fits, cross-validation, a grid search and predictions."""

import contextlib
import gc
import io

import numpy as np
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import nnkit
from benchmarks.candidates import BATCH_SIZE, EPOCHS, NNKIT, candidates
from benchmarks.figures import Figures, in_rounds
from benchmarks.networks import breast_cancer

N_RATES, N_FOLDS = 20, 5
N_ROWS = (1, 1_000, 100_000)

FIT = {
    "first fit": "s",
    "later fit": "s",
    f"first {N_FOLDS}-fold CV": "s",
    f"later {N_FOLDS}-fold CV": "s",
    f"grid of {N_RATES} × {N_FOLDS}": "s",
    "accuracy in CV": "",
}
FIRST_FIT, LATER_FIT, FIRST_CV, LATER_CV, GRID, ACCURACY = FIT
PREDICT = {f"{n_rows:,} row{'s' * (n_rows > 1)}": "ms" for n_rows in N_ROWS}


def section(is_quick):
    """Return the section of the page."""
    X, y = breast_cancer()
    all_candidates = candidates()
    figures = Figures()
    n_rounds = 1 if is_quick else 3
    if not is_quick:
        for candidate in all_candidates:
            candidate.fit(X, y)  # what a library loads once is nobody's first fit
    for _, candidate in in_rounds(all_candidates, n_rounds):
        n_later = (0 if is_quick else 1) if candidate.is_slow else 5
        time_fits(figures, candidate, X, y, n_later)
    for number, candidate in in_rounds(all_candidates, n_rounds):
        if not candidate.is_slow or (number == 0 and not is_quick):
            time_cross_validation(figures, candidate, X, y)
    for number, candidate in in_rounds(all_candidates, n_rounds):
        if not candidate.is_slow:
            time_search(figures, candidate, X, y, n_rates=2 if is_quick else N_RATES)
        elif number == 0 and not is_quick:
            time_search(figures, candidate, X, y, n_rates=1)
    fitted = {
        candidate.name: candidate.fit(X, y)
        for candidate in all_candidates
        if hasattr(candidate.make(), "predict_proba")
    }
    for _, (name, estimator) in in_rounds(fitted.items(), n_rounds):
        time_predictions(figures, name, estimator, X, N_ROWS[:2] if is_quick else N_ROWS)
    names = [candidate.name for candidate in all_candidates]
    return f"""## One small network

The network 30-64-64-1 (relu, sigmoid) on the breast cancer data (569 rows, scaled), {EPOCHS} epochs
of batches of {BATCH_SIZE}. Here nnkit's default engine chose {fitted[NNKIT].engine_!r}.

{figures.table(names, FIT, reference_row=NNKIT)}

How to read: seconds, and in brackets how many times as long as nnkit; below 1 is faster.

- A *first* figure is taken after `nnkit.clear_compiled_cache()`, so that nnkit builds and compiles anew;
  each candidate has fitted once before, so that what a library loads once is not in it. A *later*
  figure follows in the same process. Only nnkit's own engines keep something between fits: for the
  others one cross-validation stands for both.
- The grid is `GridSearchCV` of {N_RATES} learning rates × {N_FOLDS} folds in
  `Pipeline(StandardScaler, network)` with `refit=False` and `n_jobs=1`, also after
  `nnkit.clear_compiled_cache()`. ≈ marks a grid of which a part of the learning rates was timed, times
  {N_RATES} over their number.
- Candidates that train by Keras' `fit` cross-validate and search in the first round only.
- *raw Keras* is `compile`, `fit` and `predict`, in a class with just enough for scikit-learn to
  search with. Keras' `SKLearnClassifier` needs a network with two outputs, and gets its epochs
  through `fit`: `clone` would drop them.
- The accuracies are means over the folds; they show that all learn the same.

### Predicting

{figures.table(fitted, PREDICT, reference_row=NNKIT)}

How to read: milliseconds of one `predict_proba`, each at its own default batch size. Keras'
`SKLearnClassifier` has no `predict_proba`.
"""


def time_fits(figures, candidate, X, y, n_later):
    """Time a first fit and later ones."""
    _begin_anew()
    figures.time(candidate.name, FIRST_FIT, function=lambda: candidate.fit(X, y))
    figures.time(candidate.name, LATER_FIT, function=lambda: candidate.fit(X, y), n_calls=n_later)


def time_cross_validation(figures, candidate, X, y):
    """Time a first cross-validation and a later one."""

    def run():
        with _silence():
            return cross_val_score(
                candidate.make(),
                X,
                y,
                cv=StratifiedKFold(N_FOLDS),
                params=candidate.fit_arguments,
                error_score="raise",
            ).mean()

    _begin_anew()
    if candidate.has_cache:
        figures.time(candidate.name, FIRST_CV, function=run)
        accuracy = figures.time(candidate.name, LATER_CV, function=run)
    else:
        accuracy = figures.time(candidate.name, FIRST_CV, LATER_CV, function=run)
    figures.add(candidate.name, ACCURACY, accuracy)


def time_search(figures, candidate, X, y, n_rates):
    """Time a first search of some of the learning rates, and take down what all would take."""
    _begin_anew()
    part = Figures()
    part.time("", "", function=lambda: search(candidate, X, y, n_rates))
    seconds = part.median("", "") * N_RATES / n_rates
    figures.add(candidate.name, GRID, seconds, is_estimate=n_rates < N_RATES)


def search(candidate, X, y, n_rates=N_RATES, n_jobs=1):
    """Search a grid of learning rates in a pipeline."""
    pipeline = Pipeline([("scaler", StandardScaler()), ("network", candidate.make())])
    rates = np.geomspace(1e-2, 1e-4, N_RATES)[:n_rates]
    grid = {f"network__{candidate.rate_parameter}": [candidate.as_rate(rate) for rate in rates]}
    fit_arguments = {f"network__{name}": value for name, value in candidate.fit_arguments.items()}
    with _silence():
        return GridSearchCV(
            pipeline,
            grid,
            cv=StratifiedKFold(N_FOLDS),
            refit=False,
            n_jobs=n_jobs,
            error_score="raise",
        ).fit(X, y, **fit_arguments)


def time_predictions(figures, name, estimator, X, all_n_rows):
    """Time predictions of one row, and of more."""
    for column, n_rows in zip(PREDICT, all_n_rows, strict=False):
        rows = np.resize(X, (n_rows, X.shape[1]))
        estimator.predict_proba(rows[:1])
        n_calls = {1: 10, 1_000: 5}.get(n_rows, 1)
        figures.time(
            name, column, function=lambda rows=rows: estimator.predict_proba(rows), n_calls=n_calls
        )


def _begin_anew():
    nnkit.clear_compiled_cache()
    gc.collect()  # what the candidate before has left is not this one's to collect


def _silence():
    # The progress bars of Keras' wrapper, which predicts with Keras' own verbosity.
    return contextlib.redirect_stdout(io.StringIO())
