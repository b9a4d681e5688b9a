"""Draw random fits for a time, and list the violations by kind, each with its smallest example.

python long_run.py SECONDS [FILE]

A quarter of the time is for pairs of networks that a cache could take for each other.
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
from fuzz.twins import assert_told_apart, pairs


def main(seconds, path=None):
    """Draw until the time is up; return the number of kinds of violations."""
    found = {}
    n_fits = drawn_for(seconds * 3 / 4, cases(), check_case, found, path)
    n_pairs = drawn_for(seconds / 4, pairs(), check_pair, found, path)
    drawn = f"{n_fits} fits, {n_pairs} pairs of networks"
    sys.stdout.write(f"{report(found)}\n{drawn}, {len(found)} violations\n")
    return len(found)


def drawn_for(seconds, strategy, check, found, path):
    """Draw until the time is up, add the violations to ``found``; return how many were drawn."""
    ends = time.monotonic() + seconds
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
        if time.monotonic() > ends:
            raise _TimeIsUp
        n_drawn += 1
        try:
            check(example)
        except Exception as error:  # a fault of the tests themselves must not end the run
            is_violation = isinstance(error, InvariantError)
            violation = error if is_violation else InvariantError(type(error).__name__, error)
            note(found, violation, repr(example))
            if path is not None:
                Path(path).write_text(report(found))

    with contextlib.suppress(_TimeIsUp):
        draw()
    return n_drawn


class _TimeIsUp(BaseException):
    """Ends the drawing."""


def check_pair(pair):
    """Raise an InvariantError if a network is taken for its twin."""
    try:
        assert_told_apart(*pair)
    except Exception as error:
        raise InvariantError("told apart", str(error)[-300:]) from error


def note(found, violation, example):
    """Remember how often a kind of violation came, and its smallest example."""
    kind = (
        violation.invariant,
        re.sub(r"[\d.]+|'[^']*'|\[.*?\]", "_", str(violation.detail))[:120],
    )
    known = found.setdefault(kind, [0, example, str(violation)])
    known[0] += 1
    if len(example) < len(known[1]):
        known[1:] = [example, str(violation)]


def report(found):
    """Return the violations as text, the most frequent first."""
    lines = []
    for n_times, example, text in sorted(found.values(), reverse=True):
        lines += [f"{n_times} x {text}", f"    {example}", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(bool(main(float(sys.argv[1]), *sys.argv[2:])))
