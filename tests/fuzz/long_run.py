"""Run random fits for a given time, and list violated invariants with their shortest example.

python long_run.py SECONDS [FILE]

A quarter of the time is for pairs of similar networks, which caches must distinguish.
"""

import contextlib
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import re

import hypothesis
from fuzz.cases import cases, check_case
from fuzz.invariants import InvariantError
from fuzz.network_pairs import assert_not_confused, pairs


def main(seconds, path=None):
    """Draw examples for a number of seconds and return the number of kinds of violations."""
    found = {}
    n_fits = drawn_for(seconds * 3 / 4, cases(), check_case, found, path)
    n_pairs = drawn_for(seconds / 4, pairs(), check_pair, found, path)
    drawn = f"{n_fits} fits, {n_pairs} pairs of networks"
    sys.stdout.write(f"{report(found)}\n{drawn}, {len(found)} violations\n")
    return len(found)


def drawn_for(seconds, strategy, check, found, path):
    """Draw examples for a number of seconds, add violations to ``found``, return the count."""
    deadline = time.monotonic() + seconds
    n_drawn = 0

    @hypothesis.settings(
        max_examples=10**6,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def draw(example):
        nonlocal n_drawn
        if time.monotonic() > deadline:
            raise _DeadlineReached
        n_drawn += 1
        try:
            check(example)
        except Exception as error:  # an error in the tests must not stop the run
            is_violation = isinstance(error, InvariantError)
            violation = error if is_violation else InvariantError(type(error).__name__, error)
            add_violation(found, violation, repr(example))
            if path is not None:
                Path(path).write_text(report(found))

    with contextlib.suppress(_DeadlineReached):
        draw()
    return n_drawn


class _DeadlineReached(BaseException):
    """Raised to stop hypothesis."""


def check_pair(pair):
    """Raise an InvariantError if a cache confuses two networks."""
    try:
        assert_not_confused(*pair)
    except Exception as error:
        raise InvariantError("confused networks", str(error)[-300:]) from error


def add_violation(found, violation, example):
    """Count a kind of violation and keep its shortest example."""
    kind = (
        violation.invariant,
        re.sub(r"[\d.]+|'[^']*'|\[.*?\]", "_", str(violation.detail))[:120],
    )
    known = found.setdefault(kind, [0, example, str(violation)])
    known[0] += 1
    if len(example) < len(known[1]):
        known[1:] = [example, str(violation)]


def report(found):
    """Return the violations as text, in descending order of frequency."""
    lines = []
    for n_times, example, text in sorted(found.values(), reverse=True):
        lines += [f"{n_times} x {text}", f"    {example}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(bool(main(float(sys.argv[1]), *sys.argv[2:])))
