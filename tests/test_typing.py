"""Type checkers on a user's scripts: what is right passes, and what is wrong is reported."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import nnkit

RIGHT = """
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

WRONG = """
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
WRONG_LINES = [number for number, line in enumerate(WRONG.splitlines(), 1) if "(" in line]

# Only pyright knows the methods of an estimator: for mypy, scikit-learn's classes are Any.
MISSPELT = """
from nnkit import KerasClassifier

KerasClassifier().predict_probability([[1.0]])
"""


def checked_by(command, tmp_path, **scripts):
    """Run a type checker on scripts, and return its output."""
    for name, text in scripts.items():
        (tmp_path / f"{name}.py").write_text(text)
    source = Path(nnkit.__file__).parents[1]
    # The source tree is found by path only; an installed package is found by itself.
    path = {} if source.name == "site-packages" else {"MYPYPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-m", *command, *(f"{name}.py" for name in scripts)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | path,
    )  # fmt: skip
    return done.stdout


def test_mypy_knows_what_fit_returns_and_reports_wrong_values(tmp_path):
    command = ["mypy", "--ignore-missing-imports"]

    output = checked_by(command, tmp_path, right=RIGHT, wrong=WRONG)

    revealed = re.findall('Revealed type is "([^"]*)"', output)
    assert [name.rpartition(".")[2] for name in revealed] == REVEALED
    errors = re.findall(r"^(\w+)\.py:(\d+): error:", output, flags=re.MULTILINE)
    assert errors == [("wrong", str(line)) for line in WRONG_LINES]


def test_pyright_knows_what_fit_returns_and_reports_wrong_values(tmp_path):
    if find_spec("basedpyright") is None:
        pytest.skip("basedpyright is not installed")
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}')
    command = ["basedpyright", "--pythonpath", sys.executable, "--outputjson"]

    output = checked_by(command, tmp_path, right=RIGHT, wrong=WRONG, misspelt=MISSPELT)

    found = json.loads(output)["generalDiagnostics"]
    revealed = [entry["message"] for entry in found if entry["severity"] == "information"]
    assert [message.rpartition(" is ")[2].strip('"') for message in revealed] == REVEALED
    errors = {
        (Path(entry["file"]).stem, entry["range"]["start"]["line"] + 1)
        for entry in found
        if entry["severity"] == "error"
    }
    assert errors == {("misspelt", 4), *(("wrong", line) for line in WRONG_LINES)}
