"""Measure all sections in this process, one after the other, and write the page.

python -m benchmarks [OUTPUT.md] [--quick] [--only SECTION ...] [--profile]
"""

import argparse
import datetime
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import nnkit
from benchmarks import (
    compiling,
    images_sequences,
    imports,
    many_fits,
    memory,
    parallel,
    profiling,
    serving,
    standard,
    steps,
)
from benchmarks.candidates import HAS_SKORCH

SECTIONS = {
    "standard": standard.section,
    "steps": steps.section,
    "compiling": compiling.section,
    "images-sequences": images_sequences.section,
    "many-fits": many_fits.section,
    "parallel": parallel.section,
    "memory": memory.section,
    "imports": imports.section,
    "serving": serving.section,
}


def main():
    """Measure, print, and write the page if one was named."""
    arguments = parsed_arguments()
    if arguments.profile:
        print(profiling.write().read_text(encoding="utf-8"))
        return
    sections = []
    for name in arguments.only or SECTIONS:
        begin = time.perf_counter()
        sections.append(SECTIONS[name](arguments.quick))
        print(sections[-1])
        print(f"[{name}: {time.perf_counter() - begin:.0f} s]\n", flush=True)
    if arguments.output is not None:
        page = "\n".join([header(arguments.quick), *sections])
        arguments.output.write_text(page, encoding="utf-8")


def parsed_arguments():
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("output", nargs="?", type=Path, help="the page to write")
    parser.add_argument("--quick", action="store_true", help="try all out, in less than a minute")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="some sections, without a page")
    parser.add_argument(
        "--profile",
        action="store_true",
        help=f"write only {profiling.PATH.name}, a profile of fits",
    )
    arguments = parser.parse_args()
    if arguments.output is not None and arguments.only:
        parser.error("a page has all sections: leave out --only or the page")
    return arguments


def header(is_quick):
    """Return the head of the page: what ran where."""
    names = ("tensorflow", "keras", "scikit-learn", "scikeras", "numpy", "onnxruntime")
    names += ("torch", "skorch") if HAS_SKORCH else ()
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    note = "\nA quick run, to try the script out: too few repetitions for figures.\n"
    return f"""# How fast

Written by `make bench` (`python -m benchmarks`) on {datetime.date.today().isoformat()}: nnkit
{nnkit.__version__}, {packages}, Python {platform.python_version()}, {os.cpu_count()} cores.

All candidates of a table run in one process. They take turns in rounds, and figures are medians of
these. Read the ratios: absolute times depend on the machine.
{note if is_quick else ""}"""


if __name__ == "__main__":
    main()
