"""Imports of heavy packages, and the public names of nnkit."""

import subprocess
import sys

import pytest

import nnkit


def run_fresh(code):
    """Run code in a new interpreter and return its output."""
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


def test_export_imports_its_packages_on_use_and_names_the_extra():
    code = (
        "import sys, nnkit.export\n"
        "print({'tensorflow', 'keras', 'onnx', 'onnxruntime', 'skl2onnx'} & set(sys.modules))\n"
        "sys.modules['skl2onnx'] = None\n"
        "try:\n"
        "    nnkit.export.to_onnx\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error)"
    )

    assert run_fresh(code).splitlines() == [
        "set()",
        "nnkit.export.to_onnx needs skl2onnx. Install it with: pip install 'nnkit[onnx]'",
    ]


def test_unknown_top_level_name_raises():
    assert set(nnkit.__all__) <= set(dir(nnkit))
    with pytest.raises(AttributeError, match="no attribute 'KerasClasifier'"):
        nnkit.KerasClasifier  # noqa: B018


def test_dir_lists_public_names_only():
    assert sorted(dir(nnkit)) == sorted([*nnkit.__all__, "__version__"])
    assert run_fresh("import nnkit; print(nnkit.exceptions.NonFiniteLossError.__name__)") == (
        "NonFiniteLossError"
    )
