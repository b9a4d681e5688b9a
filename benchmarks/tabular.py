"""Measure how well nnkit and other estimators predict on real tables, and write the page.

python -m benchmarks.tabular [OUTPUT.md] [--data FOLDER] [--models a,b,c] [--sets a,b,c]
    [--folds 1..5] [--seed 0] [--json FILE] [--again] [--quick]
"""

import argparse
import functools
import json
import os
import time
import traceback
from importlib.metadata import version
from pathlib import Path

# Before OpenMP is loaded: on a busy machine its threads, which turn while they wait, make the first
# fit of boosted trees take half a minute.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score, root_mean_squared_error

import nnkit
from benchmarks import tables, tabular_page
from benchmarks.peers import OPTIONAL_VERSIONS, PEERS

PACKAGES = ("nnkit", "tensorflow", "keras", "scikit-learn", "numpy", "pandas")


def of_nnkit(table, seed, is_quick=False, **params):
    """Return nnkit's tabular estimator; a quick one trains for two epochs."""
    make = nnkit.TabularClassifier if table.is_classification else nnkit.TabularRegressor
    if is_quick:
        params["epochs"] = 2
    return make(random_state=seed, **params)


def of_mlp(table, seed, is_quick=False):
    """Return nnkit's multilayer perceptron; a quick one trains for two epochs."""
    make = nnkit.KerasClassifier if table.is_classification else nnkit.KerasRegressor
    return make("mlp", batch_size=200, epochs=2 if is_quick else 100, random_state=seed)


NNKIT = {
    "nnkit-mlp": of_mlp,
    "nnkit-fast": functools.partial(of_nnkit, preset="fast"),
    "nnkit-default": functools.partial(of_nnkit, preset="default"),
    "nnkit-best": functools.partial(of_nnkit, preset="best"),
}
CANDIDATES = {**PEERS, **NNKIT}


def main(words=None):
    """Measure what is not kept yet, print, and write the page if one was named."""
    arguments = parsed_arguments(words)
    kept = Kept(arguments.json, settings(arguments))
    for table in arguments.tables:
        for name in arguments.models:
            record = None if arguments.again else kept.get(table.name, name)
            mark = " (kept)"
            if record is None:
                record, mark = measured(CANDIDATES[name], name, table, arguments), ""
                kept.put(table.name, name, record)
            print(f"{table.name:16} {name:14} {tabular_page.line(record)}{mark}", flush=True)
    if arguments.output is not None:
        page = tabular_page.page(
            arguments.tables,
            arguments.models,
            kept.results,
            own_models=NNKIT,
            settings=kept.settings,
            optional=OPTIONAL_VERSIONS,
        )
        arguments.output.write_text(page, encoding="utf-8")


def parsed_arguments(words=None):
    """Return what the command line says, with tables instead of their names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tabular", description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, help="the page to write")
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="tables of one's own: NAME.csv, datasets.json"
    )
    parser.add_argument("--models", type=_names, help=f"some of {', '.join(CANDIDATES)}")
    parser.add_argument("--sets", type=_names, help="some tables, or splits in datasets.json")
    parser.add_argument("--folds", type=int, choices=range(1, tables.N_FOLDS + 1))
    parser.add_argument("--seed", type=int, default=0, help="the random_state of all models")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="keeps results, to go on from; else beside OUTPUT"
    )
    parser.add_argument(
        "--again", action="store_true", help="measure anew what FILE has of these models and sets"
    )
    parser.add_argument(
        "--quick", action="store_true", help="try all out: few rows and epochs, one fold"
    )
    arguments = parser.parse_args(words)
    arguments.tables = tables.shipped()
    if arguments.data is not None:
        arguments.tables += tables.of_folder(arguments.data)
        # Of two by one name, the folder's.
        arguments.tables = list({table.name: table for table in arguments.tables}.values())
    known_sets = {table.name for table in arguments.tables} | {
        table.split for table in arguments.tables if table.split is not None
    }
    if unknown := set(arguments.sets or ()) - known_sets:
        parser.error(f"no such sets: {', '.join(sorted(unknown))}; {', '.join(sorted(known_sets))}")
    if unknown := set(arguments.models or ()) - set(CANDIDATES):
        parser.error(
            f"no such models, or not installed: {', '.join(sorted(unknown))}; "
            f"there are {', '.join(CANDIDATES)}"
        )
    if arguments.sets:
        arguments.tables = [
            table for table in arguments.tables if {table.name, table.split} & set(arguments.sets)
        ]
    arguments.models = arguments.models or list(CANDIDATES)
    arguments.folds = arguments.folds or (1 if arguments.quick else tables.N_FOLDS)
    if arguments.json is None and arguments.output is not None:
        arguments.json = arguments.output.with_suffix(".json")
    return arguments


def _names(text):
    return [name.strip() for name in text.split(",") if name.strip()]


def settings(arguments):
    """Return what results must have in common to stand in one table."""
    return {
        "n_folds": arguments.folds,
        "seed": arguments.seed,
        "is_quick": arguments.quick,
        "packages": {name: version(name) for name in PACKAGES},
    }


class Kept:
    """Results by table and model, in a file from which an interrupted run goes on.

    Parameters
    ----------
    path : Path or None
        None keeps them in memory only.
    settings : dict
        What the results were taken with; a file of other settings is refused.
    """

    def __init__(self, path, settings):
        self.path = path
        self.settings = settings
        self.results = {}
        if path is not None and path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["settings"] != settings:
                raise SystemExit(
                    f"{path} must have results of the same settings, {settings}. Got "
                    f"{found['settings']} instead. Delete it, or name another with --json."
                )
            self.results = found["results"]

    def get(self, table_name, model_name):
        """Return a record, or None: a model that failed is to be tried again."""
        record = self.results.get(table_name, {}).get(model_name)
        return None if record is None or "failure" in record else record

    def put(self, table_name, model_name, record):
        """Take down a record, and write all."""
        self.results.setdefault(table_name, {})[model_name] = record
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # An interruption leaves the old file or the new one, never a part of one.
        written = self.path.with_name(self.path.name + ".part")
        content = {"settings": self.settings, "results": self.results}
        written.write_text(json.dumps(content, indent=1), encoding="utf-8")
        written.replace(self.path)


def measured(make, name, table, arguments):
    """Return errors and seconds by fold, or what kept the model from having them.

    Returns
    -------
    record : dict of list of float
        By fold the ``error`` that the page compares, for classes ``log_loss`` and ``accuracy``, and
        ``fit_s``, ``fit_cpu_s`` and ``predict_s``; or ``failure``, the error as text.
    """
    X, y = table.read(arguments.quick)
    params = {"is_quick": True} if arguments.quick and name in NNKIT else {}
    record = {}
    for train, test in table.folds(arguments.quick)[: arguments.folds]:
        try:
            estimator = make(table, arguments.seed, **params)
            figures = of_fold(estimator, table, X.iloc[train], y[train], X.iloc[test], y[test])
        except Exception as error:  # one model that fails keeps no other from being measured
            return {"failure": traceback.format_exception_only(error)[-1].strip().splitlines()[0]}
        for key, value in figures.items():
            record.setdefault(key, []).append(value)
    return record


def of_fold(estimator, table, X_train, y_train, X_test, y_test):
    """Return the figures of one fold."""
    start, cpu_start = time.perf_counter(), time.process_time()
    estimator.fit(X_train, y_train)
    fitted, cpu_fitted = time.perf_counter(), time.process_time()
    if table.is_classification:
        predicted = estimator.predict_proba(X_test)
    else:
        predicted = estimator.predict(X_test)
    seconds = {
        "fit_s": fitted - start,
        "fit_cpu_s": cpu_fitted - cpu_start,
        "predict_s": time.perf_counter() - fitted,
    }
    if not table.is_classification:
        y_pred = np.asarray(predicted, np.float64).reshape(-1)
        return {"error": float(root_mean_squared_error(y_test, y_pred)), **seconds}
    n_classes = 1 + max(y_train.max(), y_test.max())
    y_proba = of_all_classes(predicted, estimator.classes_, n_classes)
    return {**errors_of_classes(table.task, y_test, y_proba), **seconds}


def of_all_classes(y_proba, classes, n_classes):
    """Return probabilities (n_samples, n_classes) in float64, at least 1e-15 before they sum to 1.

    A class that was not in ``fit`` has the least. Without a bound of its own, scikit-learn's
    log-loss would take that of the dtype, and be kinder to float32.
    """
    y_proba_all = np.zeros((len(y_proba), n_classes))
    y_proba_all[:, np.asarray(classes, int)] = y_proba
    y_proba_all = np.clip(y_proba_all, 1e-15, 1)
    return y_proba_all / y_proba_all.sum(axis=1, keepdims=True)


def errors_of_classes(task, y, y_proba):
    """Return log-loss, accuracy, and as ``error`` 1 - AUC of two classes, log-loss of more."""
    loss = float(log_loss(y, y_proba, labels=np.arange(y_proba.shape[1])))
    error = 1 - float(roc_auc_score(y, y_proba[:, 1])) if task == tables.BINARY else loss
    if not np.isfinite(error):
        raise ValueError("The test fold must have both classes. Got one instead.")
    accuracy = float(accuracy_score(y, y_proba.argmax(axis=1)))
    return {"error": error, "log_loss": loss, "accuracy": accuracy}


if __name__ == "__main__":
    main()
