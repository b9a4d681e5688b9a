"""Time explanations by nnkit and by shap, and write the page of results.

python -m benchmarks.explanations [OUTPUT.md] [--quick]
"""

import argparse
import datetime
import logging
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

import nnkit
from benchmarks import explanations_cases as cases
from benchmarks.explanations_candidates import (
    BY_KERAS,
    COMPILED,
    BreastCancerTask,
    Sizes,
    candidates,
    relative,
)
from benchmarks.figures import in_rounds, number

PACKAGES = ("shap", "tensorflow", "keras", "scikit-learn", "numpy")
N_SEEDS = 3

QUICK = Sizes(
    n_rows=6, background_size=10, n_repeats=1, n_reference=4, n_some=2, n_few=2, n_least=1
)


def main():
    """Measure, print the results, and write the page if a path is given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explanations", description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, help="the page to write")
    parser.add_argument("--quick", action="store_true", help="test the script, with few rows")
    arguments = parser.parse_args()
    # shap warns that many background rows are slow, which is measured here.
    logging.getLogger("shap").setLevel(logging.ERROR)
    sizes = QUICK if arguments.quick else Sizes()
    texts = [header(arguments.quick)]
    print(texts[0], flush=True)
    for section in (thirty_columns, cases.ten_columns, cases.mixed_columns, cases.other_inputs):
        begin = time.perf_counter()
        texts.append(section(sizes))
        seconds = time.perf_counter() - begin
        print(f"{texts[-1]}\n[{section.__name__}: {seconds:.0f} s]\n", flush=True)
    if arguments.output is not None:
        arguments.output.write_text("\n".join(texts), encoding="utf-8")


def header(is_quick):
    """Return the head of the page: versions, machine and the method of timing."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    note = "\nA quick run to test the script, with too few rows and repetitions for results.\n"
    return f"""# Speed of explanations

Written by `make bench-explanations` (`python -m benchmarks.explanations`) on
{datetime.date.today().isoformat()}: nnkit {nnkit.__version__}, {packages}, Python
{platform.python_version()}, {processor()}, {os.cpu_count()} cores.

All candidates of a table run in one process, in alternating rounds, and explain the same rows with
the same background. Times are medians over the rounds. The first call of each candidate is timed
separately. Candidates that take seconds per row are timed once, on few rows. Compare the ratios,
since absolute times depend on the machine.
{note if is_quick else ""}"""


def processor():
    """Return the name of the processor, or of its architecture."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def measured(sizes):
    """Return the task, its measured candidates, the reference values and their relative error."""
    task = BreastCancerTask(sizes)
    found = candidates(task, sizes)
    fast = [candidate for candidate in found if not candidate.is_slow]
    slow = [candidate for candidate in found if candidate.is_slow]
    for candidate in fast:
        candidate.time(task, seed=1, is_first=True)
    halves = [
        nnkit.explain(
            task.classifier, task.rows, task.background, method="permutation",
            n_permutations=sizes.n_reference, random_state=seed, progress=False,
        ).values
        for seed in (1001, 1002)
    ]  # fmt: skip
    reference = np.mean(halves, axis=0)
    for candidate in found:
        candidate.count(task, n_rows=min(6 if candidate.is_own else 1, sizes.n_rows))
    for number_of_round, candidate in in_rounds([*fast, None], sizes.n_repeats):
        # Each slow candidate runs once, in one of the rounds.
        of_round = [candidate] if candidate else slow[number_of_round :: sizes.n_repeats]
        for each in of_round:
            each.time(task, seed=1 + number_of_round % N_SEEDS)
    # (a - b) / 2 has the same standard error as the reference (a + b) / 2.
    return task, found, reference, relative(*halves) / 2


def as_accurate(peer, found, reference):
    """Return the fastest candidate of nnkit with at most the error of a peer on its rows, or None."""
    limit = peer.error(reference)
    fits = [own for own in found if own.is_own and own.error(reference, peer.n_rows) <= limit]
    return min(fits, key=lambda own: own.seconds_per_row, default=None)


def speed_up(peer, own):
    """Return the ratio of the times per row of a peer and of a candidate of nnkit."""
    return peer.seconds_per_row / own.seconds_per_row


def thirty_columns(sizes):
    """Return the section about estimates on a table of 30 columns."""
    task, found, reference, reference_error = measured(sizes)
    rows, floors = [], []
    for one in found:
        best = None if one.is_own else as_accurate(one, found, reference)
        rows.append(
            [
                one.name,
                number(one.seconds_per_row * 1e3),
                "–" if one.first is None else number(one.first),
                str(one.n_rows),
                "–" if one.forward_rows is None else f"{one.forward_rows:,.0f}",
                number(one.error(reference)),
                "" if one.is_own else _named_ratio(one, best),
            ]
        )
        if one.n_permutations is not None:
            floor, alone = np.median(one.floors, axis=0) * 1e9
            ratio, ratio_to_alone = np.median(one.floor_ratios, axis=0)
            numbers = [number(floor), number(ratio), number(alone), number(ratio_to_alone)]
            floors.append([str(one.n_permutations), f"{one.call_rows:,}", *numbers])
    columns = ["", "time per row (ms)", "first call (s)", "rows", "forward rows"]
    columns += ["relative error", "speed-up of nnkit"]
    floor_columns = ["n_permutations", "rows per call", "predict_proba (ns)", "ratio"]
    floor_columns += ["network alone (ns)", "ratio"]
    return f"""## Thirty columns

The explained output is the probability of label 1, predicted by the network 30-64-64-1 (accuracy
{number(task.accuracy)}) for the scaled breast cancer data, with {sizes.n_rows} explained rows and
{sizes.background_size} background rows.

{cases.table(columns, rows)}

The columns are the time per explained row in calls after the first; the time of the first call, for
all its rows; the number of explained rows in a call; the number of rows predicted for each of them;
and the relative error, which is the norm of the difference from the reference divided by the norm
of the reference, on these rows, as a mean of up to {N_SEEDS} seeds. The last column compares with the
fastest candidate of nnkit whose error on the same rows is at most as large.

- The reference is an estimate by nnkit from {2 * sizes.n_reference} pairs of permutations for each background row,
  with other seeds. Its relative error, estimated from its two halves, is {number(reference_error, 2)}.
- *{BY_KERAS}* is `lambda z: classifier.model_.predict(z, verbose=0)`. *{COMPILED}* is the compiled
  method of nnkit.
- The first call of each method compiles functions for the network, which later calls use. The first
  calls of shap compile other functions.
- Methods that differentiate the network do not estimate Shapley values, and more time does not bring
  them closer. Integrated gradients start from the mean of the background. The Kernel explainer of
  shap keeps ten columns unless `l1_reg=0`.

### Time relative to the network

{cases.table(floor_columns, floors)}

The times are those of one row in a call of the network with as many rows as in a call of the
explanation, by `predict_proba` and by the Keras model in a `tf.function` on rows on the device. The
ratios are the time of the explanation divided by the time of its forward rows, measured in the same
round directly before and after it.

{_reading(found, reference)}"""


def _named_ratio(peer, own):
    if own is None:
        return "none"
    return f"{number(speed_up(peer, own), 2)}× ({own.name.removeprefix('nnkit, ')})"


def _reading(found, reference):
    """Return the conclusions from the two tables."""
    by_name = {one.name: one for one in found}
    sentences = []
    for name in (BY_KERAS, COMPILED):
        peer = by_name[f"shap Permutation, {name}"]
        own = as_accurate(peer, found, reference)
        if own is not None:
            sentences.append(
                f"At an error that is no larger, nnkit takes {number(own.seconds_per_row * 1e3)} ms "
                f"per row. The Permutation explainer of shap with `{name}` takes "
                f"{number(peer.seconds_per_row * 1e3)} ms, {number(speed_up(peer, own), 2)} times "
                "as long."
            )
    by_keras, compiled = (by_name[f"shap Permutation, {name}"] for name in (BY_KERAS, COMPILED))
    sentences.append(
        "The Permutation explainer of shap is "
        f"{number(speed_up(by_keras, compiled), 2)} times as fast with the compiled predictor. "
        f"Pass `{COMPILED}` to the explainers of shap."
    )
    errors = [
        number(by_name[f"shap Kernel{ending}, {COMPILED}"].error(reference), 2)
        for ending in ("", ", l1_reg=0")
    ]
    sentences.append(
        f"The Kernel explainer of shap has an error of {errors[0]} by default, and of {errors[1]} "
        "with `l1_reg=0`."
    )
    own = [one for one in found if one.n_permutations is not None]
    ratios = np.array([np.median(one.floor_ratios, axis=0) for one in own])
    low, high = ([number(ratio, 2) for ratio in ends] for ends in (ratios.min(0), ratios.max(0)))
    sentences.append(
        f"The permutations of nnkit take {low[0]} to {high[0]} times as long as `{COMPILED}` for "
        f"the same number of rows, and {low[1]} to {high[1]} times as long as the network alone."
    )
    return "\n".join(f"- {sentence}" for sentence in sentences) + "\n"


if __name__ == "__main__":
    main()
