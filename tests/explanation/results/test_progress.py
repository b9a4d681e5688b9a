"""The progress bar: when it appears, its text, and its side effects."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

tqdm_std = pytest.importorskip("tqdm.std")

from nnkit.explanation import explain  # noqa: E402
from nnkit.explanation.results import progress  # noqa: E402
from nnkit.explanation.results.progress import ExplanationProgress  # noqa: E402


class Clock:
    """A clock whose time a test sets."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    """The clock of tqdm, replaced by one that a test sets."""
    moved = Clock()
    monkeypatch.setattr(tqdm_std, "time", moved)
    return moved


def work(clock, steps, seconds, **options):
    """Report ten finished rows per step, each after a number of seconds."""
    with ExplanationProgress(10 * steps, **options) as bar:
        for _ in range(steps):
            clock.seconds += seconds
            bar.update(10)


def test_bar_is_hidden_within_two_seconds(clock, capsys):
    work(clock, steps=10, seconds=0.19)

    assert capsys.readouterr() == ("", "")


def test_bar_shows_finished_rows_and_remaining_time(clock, capsys):
    work(clock, steps=10, seconds=0.5)

    out, err = capsys.readouterr()
    shown = [line.strip() for line in err.split("\r") if line.strip()]
    assert out == ""
    assert [line.partition("| ")[2] for line in shown[:2]] == [
        "40/100 rows, 00:03 left",
        "50/100 rows, 00:02 left",
    ]
    assert shown[0].startswith("explain:  40%|")


def test_bar_is_cleared_at_exit(clock, capsys):
    work(clock, steps=10, seconds=0.5)

    err = capsys.readouterr().err
    assert "\n" not in err
    assert err.endswith("\r")
    assert err.split("\r")[-2].strip() == ""


def test_bar_is_cleared_after_error(clock, capsys):
    def fail():
        with ExplanationProgress(100) as bar:
            clock.seconds += 3
            bar.update(10)
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fail()

    assert capsys.readouterr().err.split("\r")[-2].strip() == ""


def test_bar_refreshes_when_rows_become_slower(clock, capsys):
    with ExplanationProgress(10_000) as bar:
        clock.seconds += 3
        bar.update(9000)
        clock.seconds += 3
        bar.update(1)

    assert "9001/10000 rows" in capsys.readouterr().err


def test_single_update_shows_no_bar(clock, capsys):
    work(clock, steps=1, seconds=60)

    assert capsys.readouterr() == ("", "")


def test_progress_false_shows_no_bar(clock, capsys):
    work(clock, steps=10, seconds=60, progress=False)

    assert capsys.readouterr() == ("", "")


def test_no_bar_without_stderr(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)

    work(clock, steps=10, seconds=60)


def test_each_thread_has_a_separate_bar(clock, capsys):
    barrier = threading.Barrier(4, timeout=10)

    def rows(_):
        with ExplanationProgress(100) as bar:
            barrier.wait()
            clock.seconds += 3
            for _ in range(9):
                bar.update(10)
            barrier.wait()
        return bar

    with ThreadPoolExecutor(4) as threads:
        bars = list(threads.map(rows, range(4)))

    assert len({id(bar) for bar in bars}) == 4
    assert "rows" in capsys.readouterr().err
    assert not [bar for bar in tqdm_std.tqdm._instances if bar.desc == "explain: "]


def test_bar_has_no_side_effects_on_the_process():
    """No thread is left, no lock of multiprocessing is made, tqdm is imported when used."""
    script = """
import multiprocessing, sys, threading
sys.path.insert(0, sys.argv[1])  # without the imports of the package
from progress import ExplanationProgress
assert "tqdm" not in sys.modules
ExplanationProgress(10, progress=False).__enter__().update(1)
assert "tqdm" not in sys.modules
with ExplanationProgress(10) as bar:
    bar.update(1)
assert threading.active_count() == 1
multiprocessing.set_start_method("spawn")
from tqdm.std import tqdm
assert tqdm.monitor_interval == 10
"""

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(Path(progress.__file__).parent)],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("shows", [True, False], ids=["shown", "hidden"])
def test_explain_progress_parameter_shows_or_hides_bar(shows, monkeypatch, capsys):
    monkeypatch.setattr("nnkit.explanation.results.progress.DELAY", 0.0)
    X = np.random.default_rng(0).normal(size=(6, 3))
    regressor = LinearRegression().fit(X, X[:, 0])

    explain(regressor, X, X[:2], batch_rows=2, progress=shows)

    assert ("6 rows" in capsys.readouterr().err) is shows
