"""The page about quality on tables: errors, ranks, gaps and seconds."""

import datetime
import os
import platform
import statistics

import numpy as np
from scipy.stats import rankdata

from benchmarks.figures import number
from benchmarks.tables import BINARY, MULTICLASS, N_FOLDS, REGRESSION, TASKS

METRICS = {BINARY: "1 − AUC", MULTICLASS: "log-loss", REGRESSION: "RMSE"}
TITLES = {BINARY: "Two classes", MULTICLASS: "More classes", REGRESSION: "Regression"}
DUMMY = "dummy"


def line(record):
    """Return what a record says, for the eyes of who waits."""
    if "failure" in record:
        return f"failed: {record['failure']}"
    return (
        f"error {mean(record, 'error'):.5g}, fit {median(record, 'fit_s'):.3g} s "
        f"({median(record, 'fit_cpu_s'):.3g} s of CPU), predict {median(record, 'predict_s'):.3g} s"
    )


def mean(record, key):
    """Return the mean over folds, or None for what is not there."""
    return statistics.fmean(record[key]) if record is not None and key in record else None


def median(record, key):
    """Return the median over folds, or None for what is not there."""
    return statistics.median(record[key]) if record is not None and key in record else None


def page(tables, models, results, *, own_models, settings, optional):
    """Return the page.

    Parameters
    ----------
    tables : list of Table
    models : list of str
    results : dict
        Records by the name of the table and of the model.
    own_models : collection of str
        The models that are nnkit's; all others are peers.
    settings : dict
        ``n_folds``, ``seed``, ``is_quick`` and ``packages``, versions by name.
    optional : dict of str
        Versions of the packages with peers that are no dependencies and are installed.
    """
    records = {
        table.name: {name: results.get(table.name, {}).get(name) for name in models}
        for table in tables
    }
    errors = {
        name: {model: mean(record, "error") for model, record in of_table.items()}
        for name, of_table in records.items()
    }
    sections = [header(settings, optional), summary(tables, models, errors, own_models)]
    for task in TASKS:
        of_task = [table.name for table in tables if table.task == task]
        if of_task:
            rows = {name: errors[name] for name in of_task}
            sections.append(f"## {TITLES[task]}: {METRICS[task]}\n\n{best_in_bold(rows, models)}\n")
        if of_task and task == BINARY:
            rows = {name: {m: mean(records[name][m], "log_loss") for m in models} for name in rows}
            sections.append(f"## {TITLES[task]}: log-loss\n\n{best_in_bold(rows, models)}\n")
    sections += [seconds(records, models), failures(records), how_to_read(settings["n_folds"])]
    return "\n".join(section for section in sections if section)


def header(settings, optional):
    """Return the head of the page: what ran where."""
    packages = ", ".join(f"{name} {version}" for name, version in settings["packages"].items())
    others = ", ".join(f"{name} {version}" for name, version in optional.items()) or "none"
    note = "\nA quick run, to try the script out: too few rows and epochs for figures.\n"
    return f"""# How well, on tables

Written by `make bench-tabular` (`python -m benchmarks.tabular`) on
{datetime.date.today().isoformat()}: {packages},
Python {platform.python_version()}, {os.cpu_count()} cores. Of LightGBM, XGBoost and CatBoost, which are no dependencies of
nnkit, there were: {others}.

All models get the same raw tables and folds ({settings["n_folds"]} of {N_FOLDS}, shuffled), have
their defaults, and are seeded with {settings["seed"]}.
{note if settings["is_quick"] else ""}"""


def summary(tables, models, errors, own_models):
    """Return the section with average rank and mean normalised gap."""
    compared = [model for model in models if model != DUMMY]
    tasks = {table.name: table.task for table in tables if _is_complete(errors[table.name], models)}
    names = list(tasks)
    if not names or not compared:
        return "## Over all sets\n\nThere is no set on which no model failed.\n"
    ranks = np.mean(
        [rankdata([errors[name][model] for model in compared]) for name in names], axis=0
    )
    gaps = {name: normalised_gaps(errors[name], compared, own_models) for name in names}
    present = [task for task in TASKS if task in tasks.values()]
    rows = []
    for model, rank in sorted(zip(compared, ranks, strict=True), key=lambda pair: pair[1]):
        parts = [[n for n in names if task in (None, tasks[n])] for task in (None, *present)]
        of_parts = [[gaps[n][model] for n in part if gaps[n] is not None] for part in parts]
        cells = [f"{np.mean(of):+.3f}" if of else "–" for of in of_parts]
        rows.append([model, f"{rank:.2f}", *cells])
    of_tasks = [f"gap, {TITLES[task].lower()}" for task in present]
    columns = ["", "average rank", "mean gap", *of_tasks]
    return f"""## Over all sets

Over the {len(names)} of {len(tables)} sets on which no model failed.

{_table(columns, rows)}
"""


def _is_complete(errors, models):
    return all(errors[model] is not None for model in models)


def normalised_gaps(errors, models, own_models):
    """Return (error - best peer) / (dummy - best peer) by model; None where it has no meaning.

    Parameters
    ----------
    errors : dict of float
        By model.
    models : list of str
        Without the dummy.
    own_models : collection of str
        Those among the models that are no peers.
    """
    peers = [errors[model] for model in models if model not in own_models]
    if not peers or DUMMY not in errors or not min(peers) < errors[DUMMY]:
        return None
    best = min(peers)
    return {model: (errors[model] - best) / (errors[DUMMY] - best) for model in models}


def best_in_bold(rows, models):
    """Return a Markdown table of errors by set and model; what reads as the least is bold."""
    lines = []
    for name, errors in rows.items():
        texts = {m: number(errors[m], n_digits=4) for m in models if errors[m] is not None}
        best = texts[min(texts, key=errors.get)] if texts else None
        cells = [texts.get(model, "failed") for model in models]
        lines.append([name, *(f"**{cell}**" if cell == best else cell for cell in cells)])
    return _table(["", *models], lines)


def seconds(records, models):
    """Return the section with the seconds of a fit by set, and of all fits and predictions."""
    rows = [
        [name, *(_seconds_text(median(of_table[model], "fit_s")) for model in models)]
        for name, of_table in records.items()
    ]
    complete = [
        of_table
        for of_table in records.values()
        if all(median(of_table[model], "fit_s") is not None for model in models)
    ]
    totals = {"sum of fits": "fit_s", "sum, CPU": "fit_cpu_s", "sum of predictions": "predict_s"}
    for title, key in totals.items() if complete else ():
        sums = [sum(median(of_table[model], key) for of_table in complete) for model in models]
        rows.append([f"*{title}*", *map(_seconds_text, sums)])
    return f"## Seconds of a fit\n\n{_table(['', *models], rows)}\n"


def _seconds_text(value):
    return "–" if value is None else number(value, n_digits=2)


def failures(records):
    """Return the section with the errors that were raised."""
    lines = [
        f"- {model} on {name}: `{record['failure']}`"
        for name, of_table in records.items()
        for model, record in of_table.items()
        if record is not None and "failure" in record
    ]
    return "## Failed\n\n" + "\n".join(lines) + "\n" if lines else ""


def how_to_read(n_folds):
    """Return the section that explains the tables."""
    return f"""## How to read

- Less is better everywhere. Errors are means over {n_folds} fold{"s" * (n_folds > 1)}; the least of a set is
  bold. On one set small differences say nothing: read the means over all sets.
- The *gap* of a model on a set is (error − best peer) / (dummy − best peer), where peers are all
  models but nnkit's: 0 is as good as the best peer of that set, below 0 is better, 1 is as bad as
  the dummy. A set on which no peer is better than the dummy has none.
- The *rank* of a model on a set is 1 for the best; those with equal errors share the mean of their
  ranks. The dummy has none. Ranks and gaps depend on which models take part.
- *dummy* predicts the shares of the classes or the mean. *linear* is a logistic or a ridge
  regression, *hgb* scikit-learn's histogram gradient boosting, *forest* 200 trees, *mlp*
  scikit-learn's network with early stopping. What comes before each, for categories and missing
  values, is in `benchmarks/peers.py`.
- *nnkit-fast*, *nnkit-default* and *nnkit-best* are `TabularClassifier(preset)` and
  `TabularRegressor(preset)`. *nnkit-mlp* is `KerasClassifier("mlp", batch_size=200)`. All of them
  get the raw tables.
- *failed*: the model raised an error, which then stands above; the set is not among those over
  which ranks, gaps and sums go.
- Seconds are medians over folds: of a fit, and below of all sets that all models have. *CPU* is the
  time of all cores in the fits, and tells more than the time that passed where the machine is busy.
  Models use as many cores as they do by default, the forest all. nnkit compiles a network in the
  first fold, and keeps that for the others.
"""


def _table(columns, rows):
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
