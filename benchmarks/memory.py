"""What stays in memory after a fit.

``python -m benchmarks.memory CANDIDATE KIND N_SKIPPED N_FITS`` prints the MB per fit.
"""

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.candidates import of_nnkit, of_scikeras
from benchmarks.figures import Figures
from benchmarks.networks import breast_cancer

_STATM = Path("/proc/self/statm")

MAKERS = {
    "nnkit, engine='xla'": partial(of_nnkit, engine="xla"),
    "nnkit, engine='graph'": partial(of_nnkit, engine="graph"),
    "SciKeras": of_scikeras,
}
SAME, CHANGING = "same network", "ever other networks"


def section(is_quick):
    """Return the section of the page."""
    if not _STATM.exists():
        return "## Memory\n\nNot measured: it is read from `/proc/self/statm`.\n"
    # Candidate, kind, fits before the first reading, fits between the readings.
    runs = [
        (name, kind, 5, 15) if name == "SciKeras" else (name, kind, *counts)
        for name in MAKERS
        for kind, counts in ((CHANGING, (40, 100)), (SAME, (10, 200)))
    ]
    if is_quick:
        runs = [(name, kind, 2, 4) for name, kind, *_ in runs[:1]]
    figures = Figures()
    # Other processes do not change what one holds, so they may run at the same time.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for run, megabytes in zip(runs, pool.map(_in_new_process, runs), strict=True):
            figures.add(*run[:2], megabytes)
    return f"""## Memory

{figures.table(MAKERS, {SAME: "MB", CHANGING: "MB"})}

How to read: by how much the resident set of a process grew, per fit. nnkit: over 200 fits of the
standard network, after 10; and over 100 fits of networks with ever other numbers of units, after 40,
when the cache of programs is full. SciKeras: over 15 fits, after 5. A fit has 2 epochs.
"""


def _in_new_process(run):
    command = [sys.executable, "-m", "benchmarks.memory", *map(str, run)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def growth_per_fit(name, kind, n_skipped, n_fits):
    """Return the growth of this process' resident set in MB per fit.

    Parameters
    ----------
    name : str
        Of a candidate in ``MAKERS``.
    kind : {SAME, CHANGING}
    n_skipped, n_fits : int
        Fits before the first reading, and between the readings.
    """
    X, y = breast_cancer()
    readings, n_done = [], 0
    for n_more in (n_skipped, n_fits):
        for number in range(n_done, n_done + n_more):
            units = 64 if kind == SAME else _units(number)
            MAKERS[name](model__units=units).set_params(epochs=2).fit(X, y)
        n_done += n_more
        gc.collect()
        readings.append(_resident_megabytes())
    return (readings[1] - readings[0]) / n_fits


def _units(number):
    # 53 and 149 are prime: 149 different numbers of units, with no trend.
    return 16 + 53 * number % 149


def _resident_megabytes():
    n_pages = int(_STATM.read_text().split()[1])
    return n_pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    print(growth_per_fit(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
