"""Time explanations, nnkit's and shap's, and write the page.

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
    ExplanationTask,
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
    """Measure, print, and write the page if one was named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explanations", description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, help="the page to write")
    parser.add_argument("--quick", action="store_true", help="try all out, with a few rows")
    arguments = parser.parse_args()
    # That it is slow with many background rows is what is measured here.
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
    """Return the head of the page: what ran where, and how it was timed."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    note = "\nA quick run, to try the script out: too few rows and repetitions for figures.\n"
    return f"""# How fast explanations are

Written by `make bench-explanations` (`python -m benchmarks.explanations`) on
{datetime.date.today().isoformat()}: nnkit {nnkit.__version__}, {packages}, Python
{platform.python_version()}, {processor()}, {os.cpu_count()} cores.

All candidates of a table run in one process, explain the same rows with the same background, and
take turns in rounds. Times are medians of these, after a first call of its own; what takes seconds
a row is timed once, on few rows. Read the ratios: absolute times depend on the machine.
{note if is_quick else ""}"""


def processor():
    """Return the name of the processor, or of its kind."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def measured(sizes):
    """Return the subject, its candidates after the measurement, the reference and its error."""
    subject = ExplanationTask(sizes)
    found = candidates(subject, sizes)
    fast = [candidate for candidate in found if not candidate.is_slow]
    slow = [candidate for candidate in found if candidate.is_slow]
    for candidate in fast:
        candidate.time(subject, seed=1, is_first=True)
    halves = [
        nnkit.explain(
            subject.classifier, subject.rows, subject.background, method="permutation",
            n_permutations=sizes.n_reference, random_state=seed, progress=False,
        ).values
        for seed in (1001, 1002)
    ]  # fmt: skip
    reference = np.mean(halves, axis=0)
    for candidate in found:
        candidate.count(subject, n_rows=min(6 if candidate.is_own else 1, sizes.n_rows))
    for number_of_round, candidate in in_rounds([*fast, None], sizes.n_repeats):
        # One round after the other has some of the slow ones too.
        of_turn = [candidate] if candidate else slow[number_of_round :: sizes.n_repeats]
        for each in of_turn:
            each.time(subject, seed=1 + number_of_round % N_SEEDS)
    # Half the difference of two means is as far from theirs as that is from the truth.
    return subject, found, reference, relative(*halves) / 2


def as_accurate(peer, found, reference):
    """Return nnkit's fastest candidate of at most a peer's error on the peer's rows, or None."""
    limit = peer.error(reference)
    fits = [own for own in found if own.is_own and own.error(reference, peer.n_rows) <= limit]
    return min(fits, key=lambda own: own.seconds_per_row, default=None)


def speed_up(peer, own):
    """Return how many times as fast as a peer a candidate is."""
    return peer.seconds_per_row / own.seconds_per_row


def thirty_columns(sizes):
    """Return the section about estimates on a table of 30 columns."""
    subject, found, reference, reference_error = measured(sizes)
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
    columns = ["", "a row (ms)", "first call (s)", "rows", "forward rows"]
    columns += ["relative error", "nnkit at this error"]
    floor_columns = ["n_permutations", "rows of a call", "predict_proba (ns)", "time over that"]
    floor_columns += ["network alone (ns)", "time over that"]
    return f"""## Thirty columns

The probability of label 1 by the network 30-64-64-1 (accuracy {number(subject.accuracy)}) on the
breast cancer data, scaled: {sizes.n_rows} rows, {sizes.background_size} background rows.

{cases.table(columns, rows)}

How to read: milliseconds of an explained row in a later call; seconds of a first call, with all
its rows; the rows that a call had; rows predicted for each of them; and the norm of the difference
from the reference over that of the reference, on those rows, a mean of up to {N_SEEDS} seeds. The last
column has the fastest of nnkit's whose error on the same rows is at most as large, and how many
times as fast it is.

- The reference is nnkit's estimate of {2 * sizes.n_reference} pairs of permutations for each background row, by
  other seeds. Its own error, from its two halves, is {number(reference_error, 2)}.
- *{BY_KERAS}* is `lambda z: classifier.model_.predict(z, verbose=0)`, *{COMPILED}* that of nnkit,
  which is compiled.
- The first row's first call compiles for the network, and so does that of each other method; later
  rows find it done. shap's first calls compile functions of its own.
- What differentiates the network gives no Shapley values, and comes no closer to them with more
  time; integrated gradients start from the mean of the background. shap's Kernel keeps ten columns
  unless `l1_reg=0`.

### Time beside that of the network

{cases.table(floor_columns, floors)}

How to read: nanoseconds of a row that goes through the network in a call of as many rows as the
explanation makes, by `predict_proba` and by the Keras model in a `tf.function` on rows that are on
the device; and the time of an explanation over that of its forward rows, from the same round, just
before and after it.

{_reading(found, reference)}"""


def _named_ratio(peer, own):
    if own is None:
        return "none"
    return f"{number(speed_up(peer, own), 2)}× ({own.name.removeprefix('nnkit, ')})"


def _reading(found, reference):
    """Return what the two tables say."""
    by_name = {one.name: one for one in found}
    sentences = []
    for name in (BY_KERAS, COMPILED):
        peer = by_name[f"shap Permutation, {name}"]
        own = as_accurate(peer, found, reference)
        if own is not None:
            sentences.append(
                f"At an error that is no larger, nnkit takes {number(own.seconds_per_row * 1e3)} ms "
                f"a row and shap's Permutation with `{name}` "
                f"{number(peer.seconds_per_row * 1e3)} ms: {number(speed_up(peer, own), 2)} times "
                "as long."
            )
    by_keras, compiled = (by_name[f"shap Permutation, {name}"] for name in (BY_KERAS, COMPILED))
    sentences.append(
        f"The compiled predictor alone makes shap's Permutation "
        f"{number(speed_up(by_keras, compiled), 2)} times as fast; whoever stays with shap's "
        f"explainers should hand them `{COMPILED}`."
    )
    errors = [
        number(by_name[f"shap Kernel{ending}, {COMPILED}"].error(reference), 2)
        for ending in ("", ", l1_reg=0")
    ]
    sentences.append(
        f"shap's Kernel has an error of {errors[0]} as it comes, and of {errors[1]} with "
        "`l1_reg=0`."
    )
    own = [one for one in found if one.n_permutations is not None]
    ratios = np.array([np.median(one.floor_ratios, axis=0) for one in own])
    low, high = ([number(ratio, 2) for ratio in ends] for ends in (ratios.min(0), ratios.max(0)))
    sentences.append(
        f"nnkit's permutations take {low[0]} to {high[0]} times what `{COMPILED}` takes for as "
        f"many rows, and {low[1]} to {high[1]} times what the network alone takes."
    )
    return "\n".join(f"- {sentence}" for sentence in sentences) + "\n"


if __name__ == "__main__":
    main()
