"""Many fits: searches, bags and ensembles, inside `batched_training` and without it."""

import contextlib
import gc
import warnings

import numpy as np
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nnkit
from benchmarks.figures import Figures, in_rounds
from benchmarks.networks import (
    attention,
    breast_cancer,
    dense,
    dense_with_dropout,
    dense_with_normalisation,
    random_sequences,
    random_table,
    recurrent,
    small_convolutional,
    small_images,
)

ALONE, BATCHED, VECTORIZED, MLP = "alone", "batched", "vectorize=True", "scikit-learn MLP"
WAYS = {
    ALONE: contextlib.nullcontext,
    BATCHED: nnkit.batched_training,
    VECTORIZED: lambda: nnkit.batched_training(vectorize=True),
}


def of(build, epochs, batch_size=32, **params):
    """Return a classifier with a network."""
    return nnkit.KerasClassifier(
        build,
        loss="binary_crossentropy",
        epochs=epochs,
        batch_size=batch_size,
        random_state=0,
        **params,
    )


def grid(estimator, values, X, y, n_folds=5):
    """Search a grid."""
    search = GridSearchCV(
        estimator, values, cv=StratifiedKFold(n_folds), refit=False, error_score="raise"
    )
    return search.fit(X, y)


def rates(n_rates):
    """Return learning rates."""
    return {"optimizer__learning_rate": np.geomspace(1e-2, 1e-4, n_rates)}


def section(is_quick):
    """Return the section of the page."""
    table, images, sequences = breast_cancer(), small_images(569), random_sequences(569)
    n_rates, n_slow = (2, 2) if is_quick else (20, 8)
    tasks = {
        f"{n_rates} × 5: 30-64-64-1": lambda: grid(of(dense, 20), rates(n_rates), *table),
        f"{n_rates} × 5: dropout": lambda: grid(of(dense_with_dropout, 20), rates(n_rates), *table),
        f"{n_rates} × 5: 256 units": lambda: grid(
            of(dense, 20, model__units=256), rates(n_rates), *table
        ),
        f"{n_slow} × 5: batch normalisation": lambda: grid(
            of(dense_with_normalisation, 20), rates(n_slow), *table
        ),
        f"{n_slow} × 5: convolution": lambda: grid(
            of(small_convolutional, 8), rates(n_slow), *images
        ),
        f"{n_slow} × 5: LSTM": lambda: grid(of(recurrent, 4), rates(n_slow), *sequences),
        f"{n_slow} × 5: attention": lambda: grid(of(attention, 4), rates(n_slow), *sequences),
        "4 widths × 5 rates × 5": lambda: grid(
            of(dense, 20), {"model__units": [16, 32, 64, 128], **rates(5)}, *table
        ),
        "bag of 64": lambda: BaggingClassifier(of(dense, 20), 64, random_state=0).fit(*table),
        "4 × 3: 512 units, 20,000 rows, batch 256": lambda: grid(
            of(dense, 1, 256, model__units=512), rates(4), *random_table(20_000), n_folds=3
        ),
        f"{n_rates} × 5: one epoch": lambda: grid(of(dense, 1), rates(n_rates), *table),
    }
    figures = Figures()
    for name, task in tasks.items():
        for number, (way, context) in in_rounds(WAYS.items(), 2 if is_quick else 4):
            if way == VECTORIZED and number > 1:
                continue
            gc.collect()
            with context():
                if number:
                    figures.time(name, way, function=task)
                else:
                    task()  # compiles
    add_pipelines(figures, table, n_rates, is_quick)
    ensembles = ensemble_figures(table, is_quick)
    return f"""## Many fits

Searches over learning rates (their number × 5 folds), bags, and compiled models in one grid, one fit
after the other and inside `batched_training`: with its own choice, and with `vectorize=True`.
Programs are compiled already.

{figures.table([*tasks, PIPELINE], dict.fromkeys([*WAYS, MLP], "s"), reference_column=ALONE)}

How to read: seconds, and in brackets how many times as long as alone; below 1 is faster. The fits
are of 20 epochs in batches of 32 on the breast cancer data unless the name says otherwise (images
(8, 8, 1) 8 epochs, sequences (20, 8) 4). The pipeline scales, and is searched by scikit-learn's
MLP too.

### Ensembles

{ensembles.table(ENSEMBLES, {"one network": "ms", "8 members": "ms"}, reference_column="one network")}

How to read: milliseconds of a later fit, and in brackets how many times as long as one network.
"""


PIPELINE = "20 × 5: pipeline, 30-64-64-1"


def add_pipelines(figures, table, n_rates, is_quick):
    """Time the search of a pipeline, which scikit-learn's network can do too."""
    ours = make_pipeline(StandardScaler(), of(dense, 20))
    theirs = make_pipeline(
        StandardScaler(), MLPClassifier((64, 64), batch_size=32, max_iter=20, random_state=0)
    )
    values = rates(n_rates)["optimizer__learning_rate"]

    def search(estimator, name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the MLP says that it has not converged
            return grid(estimator, {name: values}, *table)

    for number, (way, context) in in_rounds(WAYS.items(), 2 if is_quick else 4):
        with context():
            figure = (PIPELINE, way) if number else ("warming up", way)
            figures.time(
                *figure,
                function=lambda: search(ours, "kerasclassifier__optimizer__learning_rate"),
            )
    for _ in range(1 if is_quick else 2):
        figures.time(
            PIPELINE,
            MLP,
            function=lambda: search(theirs, "mlpclassifier__learning_rate_init"),
        )


ENSEMBLES = ("30-64-64-1, 20 epochs", "30-64-64-1, 200 epochs", "dropout, 20 epochs")


def ensemble_figures(table, is_quick):
    """Time ensembles of eight, and one network."""
    figures = Figures()
    cases = [(dense, 20), (dense, 200), (dense_with_dropout, 20)]
    for name, (build, epochs) in zip(ENSEMBLES, cases, strict=True):
        for number in range(3 if is_quick else 8):
            for column, n_estimators in (("one network", 1), ("8 members", 8)):
                clf = of(build, epochs, n_estimators=n_estimators)
                row = name if number > 1 else "warming up"
                figures.time(row, column, function=lambda clf=clf: clf.fit(*table))
    return figures
