"""`to_onnx`: metadata, and what is refused."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
import skl2onnx
from onnx_models import IRIS, MIXED, SETTINGS, run
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

from nnkit import (
    KerasClassifier,
)
from nnkit.encoding import TabularEncoder
from nnkit.export import onnx_inputs, to_onnx


def test_metadata_have_columns_classes_and_versions():
    X, y = MIXED
    model = to_onnx(KerasClassifier(**SETTINGS).fit(X, y), X)

    metadata = {entry.key: entry.value for entry in model.metadata_props}

    types = json.loads(metadata["nnkit_inputs"])
    assert list(types) == list(X)
    assert types == {
        "age": "float64", "height": "float64", "city": "text", "road": "text", "grade": "text",
        "is_paid": "boolean", "since": "date",
    }  # fmt: skip
    assert json.loads(metadata["classes"]) == ["no", "yes"]
    assert metadata["keras_version"] == keras.__version__
    assert {opset.domain: opset.version for opset in model.opset_import}[""] == 18


def test_unfitted_estimator_is_refused():
    with pytest.raises(NotFittedError):
        to_onnx(KerasClassifier(), IRIS[0])


class Unknown(TransformerMixin, BaseEstimator):
    """A transformer that skl2onnx does not know."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X


def test_unknown_transformer_is_named():
    X, y = IRIS
    pipeline = make_pipeline(Unknown(), KerasClassifier("mlp", **SETTINGS)).fit(X, y)

    with pytest.raises(ValueError, match=r"skl2onnx has no converter of .*Unknown"):
        to_onnx(pipeline, X)


class Doubling(Unknown):
    """A transformer with a wrong converter."""

    def transform(self, X):
        return 2.0 * X


def test_converter_that_computes_other_values_gives_a_warning():
    X, y = IRIS
    clf = make_pipeline(Doubling(), KerasClassifier("mlp", **SETTINGS)).fit(X, y)

    def identity(scope, operator, container):
        names = [operator.inputs[0].full_name], [operator.outputs[0].full_name]
        container.add_node("Identity", *names, name=scope.get_unique_operator_name("Identity"))

    def same_shape(operator):
        operator.outputs[0].type = operator.inputs[0].type

    skl2onnx.update_registered_converter(Doubling, "TestsDoubling", same_shape, identity)
    with pytest.warns(
        UserWarning, match=r"The ONNX model differs from the estimator by .* 100 rows"
    ):
        to_onnx(clf, X)


def test_fault_of_a_converter_names_the_steps():
    X, y = IRIS
    pipeline = make_pipeline(PowerTransformer(), KerasClassifier("mlp", **SETTINGS)).fit(X, y)

    with pytest.raises(ValueError, match="PowerTransformer → KerasClassifier.* one by one"):
        to_onnx(pipeline, X)


def test_table_of_other_columns_is_refused():
    X, y = MIXED
    clf = KerasClassifier(**SETTINGS).fit(X, y)

    with pytest.raises(ValueError, match="Column 'age' held numbers in fit and holds text"):
        to_onnx(clf, X.assign(age="old"))
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        to_onnx(clf, X.drop(columns="age"))
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        to_onnx(clf, X[X.columns[::-1]])
    with pytest.raises(ValueError, match="must have the column 'road', as in the export"):
        onnx_inputs(to_onnx(clf, X), X.drop(columns="road"))
    with pytest.raises(ValueError, match="'height' must have values of the type float64"):
        onnx_inputs(to_onnx(clf, X), X.assign(height="tall"))


def test_columns_with_the_names_of_outputs_rename_the_outputs():
    X = pd.DataFrame({"label": [1.0, 2.0, 3.0, 4.0], "variable": [1.0, 2.0, 1.0, 2.0]})
    clf = KerasClassifier(**SETTINGS).fit(X, [0, 1, 0, 1])

    found = run(to_onnx(clf, X), X)

    assert list(found) == ["label_", "probabilities"]


def test_invalid_quantize_is_named():
    with pytest.raises(ValueError, match="quantize must be 'int8' or None. Got 'int4'"):
        to_onnx(KerasClassifier(), IRIS[0], quantize="int4")


def test_model_that_does_not_run_names_the_steps():
    X, y = IRIS
    X = np.where(np.arange(600).reshape(150, 4) % 7 == 0, np.nan, X)
    imputer = SimpleImputer(add_indicator=True)  # skl2onnx 1.20 leaves the indicators out
    pipeline = make_pipeline(imputer, KerasClassifier("mlp", encoder=None, **SETTINGS)).fit(X, y)

    with pytest.raises(ValueError, match="cannot run the ONNX model .* SimpleImputer → KerasClass"):
        to_onnx(pipeline, X)


def test_column_without_a_name_is_refused():
    X = pd.DataFrame({"": [1.0, 2.0], "a": [1.0, 2.0]})
    encoder = TabularEncoder().fit(X)

    with pytest.raises(ValueError, match="inputs of an ONNX model have names"):
        to_onnx(encoder, X)
