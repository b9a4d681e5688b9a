"""Run scripts of this folder with SciKeras or with nnkit."""

import sys
import types
from pathlib import Path

IMPORT = {
    "scikeras": "from scikeras.wrappers import",
    "nnkit": "from nnkit import",
}


def source_of(name, package):
    """Return the text of a script with the import of a package."""
    text = Path(__file__).with_name(f"{name}.py").read_text()
    return text.replace(IMPORT["scikeras"], IMPORT[package])


def run(name, package):
    """Run a script, with its assertions, and return its results."""
    # A registered module, so that pickle finds the builders.
    module = types.ModuleType(f"{name}_with_{package}")
    sys.modules[module.__name__] = module
    exec(compile(source_of(name, package), f"{name}.py", "exec"), vars(module))
    return module.results


def run_line(name, package):
    """Run one function of ``lines.py``."""
    module = types.ModuleType(f"lines_with_{package}")
    sys.modules[module.__name__] = module
    exec(compile(source_of("lines", package), "lines.py", "exec"), vars(module))
    getattr(module, name)()
