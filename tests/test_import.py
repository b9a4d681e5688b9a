"""What importing costs, and what the top level shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nnkit


def run_fresh(code):
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_loads_neither_tensorflow_nor_shap():
    code = "import nnkit, sys; print({'tensorflow', 'keras', 'shap', 'sklearn'} & set(sys.modules))"

    assert run_fresh(code) == "set()"


def test_unfitted_estimator_does_not_import_tensorflow():
    code = (
        "import sys; from sklearn.base import clone; from nnkit import KerasClassifier\n"
        "est = clone(KerasClassifier(model__units=(3,))).set_params(optimizer__learning_rate=0.1)\n"
        "repr(est), est.get_params(), est._repr_html_()\n"
        "print({'tensorflow', 'keras', 'shap'} & set(sys.modules))"
    )

    assert run_fresh(code) == "set()"


def test_unknown_top_level_name_raises():
    assert set(nnkit.__all__) <= set(dir(nnkit))
    with pytest.raises(AttributeError, match="no attribute 'KerasClasifier'"):
        nnkit.KerasClasifier  # noqa: B018


def test_dir_lists_public_names_only():
    assert sorted(dir(nnkit)) == sorted([*nnkit.__all__, "__version__"])
    assert run_fresh("import nnkit; print(nnkit.exceptions.NonFiniteLossError.__name__)") == (
        "NonFiniteLossError"
    )


def test_type_of_a_fitted_estimator_is_inferred(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from nnkit import KerasClassifier, KerasRegressor, KerasTransformer\n"
        "X, y = np.zeros((4, 2)), np.zeros(4)\n"
        "reveal_type(KerasClassifier(epochs=2).fit(X, y).set_params(epochs=3))\n"
        "reveal_type(KerasRegressor('mlp').partial_fit(X, y).initialize(X, y))\n"
        "reveal_type(KerasTransformer().fit(X))\n"
    )
    source = Path(nnkit.__file__).parents[1]
    # The source tree is found by path only; what is installed is found by itself.
    path = {} if source.name == "site-packages" else {"MYPYPATH": str(source)}

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--ignore-missing-imports", str(script)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | path,
    )  # fmt: skip

    revealed = re.findall('Revealed type is "([^"]*)"', done.stdout)
    assert [name.rpartition(".")[2] for name in revealed] == [
        "KerasClassifier", "KerasRegressor", "KerasTransformer",
    ]  # fmt: skip
    assert "error:" not in done.stdout
