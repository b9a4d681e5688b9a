"""ONNX models beside Python: how they are run and compared."""

import numpy as np
import onnx
import onnxruntime
from mixed_tables import raw_table
from sklearn.datasets import load_diabetes, load_iris

from nnkit.export import onnx_inputs, to_onnx

IRIS = load_iris(return_X_y=True)

IRIS_FRAME = load_iris(return_X_y=True, as_frame=True)

DIABETES = load_diabetes(return_X_y=True, as_frame=True)

MIXED = raw_table(200)

SETTINGS = {"epochs": 2, "random_state": 0}


def run(model, X):
    """Return the outputs of an ONNX model by name."""
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, onnx_inputs(model, X)), strict=True))


def assert_classifies_alike(clf, X, X_new=None, atol=1e-5):
    """Compare labels and probabilities of a classifier with those of its ONNX model."""
    X_new = X if X_new is None else X_new

    found = run(to_onnx(clf, X), X_new)

    np.testing.assert_array_equal(found["label"], clf.predict(X_new))
    proba = clf.predict_proba(X_new)
    if isinstance(proba, list):
        for position, of_column in enumerate(proba):
            np.testing.assert_allclose(found[f"probabilities_{position}"], of_column, atol=atol)
    else:
        np.testing.assert_allclose(found["probabilities"], proba, atol=atol)


def assert_predicts_alike(reg, X, X_new=None):
    """Compare values of a regressor, in units of the target, with those of its ONNX model."""
    X_new = X if X_new is None else X_new

    found = run(to_onnx(reg, X), X_new)["variable"]

    expected = reg.predict(X_new)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)
