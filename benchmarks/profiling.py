"""Where the time of a later fit goes."""

import cProfile
import io
import pstats
from pathlib import Path

from benchmarks.candidates import of_nnkit
from benchmarks.networks import breast_cancer

PATH = Path(__file__).parent / "profiles" / "later_fit.txt"
N_FITS = 20


def write():
    """Write the functions in which later fits spend most of their time; return the file's path."""
    X, y = breast_cancer()
    for _ in range(3):
        fitted = of_nnkit().fit(X, y)
    profile = cProfile.Profile()
    with profile:
        for _ in range(N_FITS):
            of_nnkit().fit(X, y)
    text = io.StringIO()
    pstats.Stats(profile, stream=text).strip_dirs().sort_stats("tottime").print_stats(15)
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(
        f"{N_FITS} later fits of the standard network, engine {fitted.engine_!r}\n"
        + text.getvalue(),
        encoding="utf-8",
    )
    return PATH
