"""Type checkers on scripts of users: valid calls pass, and invalid ones are reported."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import nnkit

VALID = """
import numpy as np
from nnkit import KerasClassifier, KerasRegressor, KerasTransformer, TabularClassifier

X, y = np.zeros((4, 2)), np.zeros(4)
reveal_type(KerasClassifier(epochs=2).fit(X, y).set_params(epochs=3))
reveal_type(KerasRegressor("mlp").partial_fit(X, y).initialize(X, y))
reveal_type(KerasTransformer().fit(X))
reveal_type(TabularClassifier("fast", cv=3).fit(X, y))
KerasClassifier("mlp", model__units=(8,), early_stopping=True).fit(X, y).predict(X)
KerasClassifier(engine="graph", verbose="auto").fit(X, y).history_["loss"]
"""
REVEALED = ["KerasClassifier", "KerasRegressor", "KerasTransformer", "TabularClassifier"]

INVALID = """
from nnkit import KerasClassifier, KerasTransformer, TabularClassifier, TabularRegressor

KerasClassifier(engine="fast")
KerasClassifier(epochs="many")
KerasClassifier(early_stopping="yes")
KerasClassifier(class_weight="balance")
KerasClassifier(verbose=3)
KerasTransformer(task="clustering")
TabularClassifier("quick")
TabularClassifier(calibration="isotonic")
TabularRegressor(n_estimators="all")
"""
INVALID_LINES = [number for number, line in enumerate(INVALID.splitlines(), 1) if "(" in line]

# Only pyright reports unknown methods: for mypy, scikit-learn's base classes are Any.
MISSPELT = """
from nnkit import KerasClassifier

KerasClassifier().predict_probability([[1.0]])
"""


def checked_by(command, tmp_path, **scripts):
    """Run a type checker on scripts and return its output."""
    for name, text in scripts.items():
        (tmp_path / f"{name}.py").write_text(text)
    source = Path(nnkit.__file__).parents[1]
    # A source tree needs MYPYPATH; an installed package does not.
    path = {} if source.name == "site-packages" else {"MYPYPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-m", *command, *(f"{name}.py" for name in scripts)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | path,
    )  # fmt: skip
    return done.stdout


def test_mypy_infers_the_type_of_fit_and_reports_invalid_arguments(tmp_path):
    command = ["mypy", "--ignore-missing-imports"]

    output = checked_by(command, tmp_path, valid=VALID, invalid=INVALID)

    revealed = re.findall('Revealed type is "([^"]*)"', output)
    assert [name.rpartition(".")[2] for name in revealed] == REVEALED
    errors = re.findall(r"^(\w+)\.py:(\d+): error:", output, flags=re.MULTILINE)
    assert errors == [("invalid", str(line)) for line in INVALID_LINES]


def test_pyright_infers_the_type_of_fit_and_reports_invalid_arguments(tmp_path):
    if find_spec("basedpyright") is None:
        pytest.skip("basedpyright is not installed")
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    command = ["basedpyright", "--pythonpath", sys.executable, "--outputjson"]

    output = checked_by(command, tmp_path, valid=VALID, invalid=INVALID, misspelt=MISSPELT)

    found = json.loads(output)["generalDiagnostics"]
    revealed = [entry["message"] for entry in found if entry["severity"] == "information"]
    assert [message.rpartition(" is ")[2].strip('"') for message in revealed] == REVEALED
    errors = {
        (Path(entry["file"]).stem, entry["range"]["start"]["line"] + 1)
        for entry in found
        if entry["severity"] == "error"
    }
    assert errors == {("misspelt", 4), *(("invalid", line) for line in INVALID_LINES)}
