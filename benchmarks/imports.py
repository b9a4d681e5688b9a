"""How long imports take."""

import subprocess
import sys

from benchmarks.figures import Figures, in_rounds

STATEMENTS = {
    "Python alone": "pass",
    "`import nnkit`": "import nnkit",
    "`from sklearn.neural_network import MLPClassifier`": (
        "from sklearn.neural_network import MLPClassifier"
    ),
    "`from nnkit import KerasClassifier`": "from nnkit import KerasClassifier",
    "`import tensorflow`": "import tensorflow",
    "`import scikeras.wrappers`": "import scikeras.wrappers",
}


def section(is_quick):
    """Return the section of the page."""
    figures = Figures()
    statements = list(STATEMENTS.items())[: 3 if is_quick else None]
    for _, (name, statement) in in_rounds(statements, 1 if is_quick else 3):
        figures.time(name, "process", function=lambda statement=statement: _run(statement))
    return f"""## Imports

{figures.table(STATEMENTS, {"process": "s"})}

How to read: seconds of a process that does nothing else, Python's own start included. nnkit
imports TensorFlow in the first fit.
"""


def _run(statement):
    subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True)
