"""Runs a script of this folder with the one package or the other."""

import sys
import types
from pathlib import Path

IMPORT = {
    "scikeras": "from scikeras.wrappers import",
    "nnkit": "from nnkit import",
}


def source_of(name, package):
    """The text of a script, in which the import is all that differs."""
    text = Path(__file__).with_name(f"{name}.py").read_text()
    return text.replace(IMPORT["scikeras"], IMPORT[package])


def run(name, package):
    """Run a script and return what it found; its own asserts speak for the rest."""
    # A module of its own, in which pickle finds the builders.
    module = types.ModuleType(f"{name}_with_{package}")
    sys.modules[module.__name__] = module
    exec(compile(source_of(name, package), f"{name}.py", "exec"), vars(module))
    return module.results


def run_line(name, package):
    """Run one of the lines."""
    module = types.ModuleType(f"lines_with_{package}")
    sys.modules[module.__name__] = module
    exec(compile(source_of("lines", package), "lines.py", "exec"), vars(module))
    getattr(module, name)()
