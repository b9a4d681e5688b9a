"""Raw columns as inputs of ONNX models."""

import numpy as np
import onnx
import pandas as pd
import polars as pl
import pytest
from onnx_models import IRIS, MIXED, run

from nnkit.encoding import TabularEncoder
from nnkit.export import onnx_inputs, to_onnx


@pytest.mark.parametrize("container", ["polars", "array", "objects", "list"])
def test_tables_of_other_containers(container):
    X = MIXED[0][["height", "road"]]
    X = {
        "polars": lambda: pl.from_pandas(X),
        "array": lambda: X[["height"]].to_numpy(),
        "objects": lambda: X.to_numpy(dtype=object),
        "list": lambda: X.to_numpy(dtype=object).tolist(),
    }[container]()
    encoder = TabularEncoder().fit(X)

    found = run(to_onnx(encoder, X), X)["variable"]

    np.testing.assert_allclose(found, encoder.transform(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("column", "changed", "message"),
    [
        ("integer", [1.5, 2.0], "'integer' must have values of the type integer"),
        ("integer", [np.nan, 2.0], "'integer' must have values of the type integer"),
        ("integer", ["one", "two"], "'integer' must have values of the type integer"),
        ("boolean", [True, None], "'boolean' must have values of the type boolean"),
        ("boolean", ["no", "yes"], "'boolean' must have values of the type boolean"),
        ("float", ["no", "yes"], "'float' must have values of the type float64"),
        ("date", [1.0, 2.0], "'date' must have values of the type date"),
        ("duration", ["1 h", "2 h"], "'duration' must have values of the type duration"),
    ],
)
def test_values_of_another_type_are_refused_as_inputs(column, changed, message):
    X = pd.DataFrame(
        {
            "integer": [1, 2],
            "boolean": [True, False],
            "float": [0.5, 1.5],
            "date": pd.to_datetime(["2020-01-01", "2020-01-02"]),
            "duration": pd.to_timedelta([1, 2], unit="h"),
        }
    )
    model = to_onnx(TabularEncoder().fit(X), X)

    with pytest.raises(ValueError, match=message):
        onnx_inputs(model, X.assign(**{column: np.array(changed, dtype=object)}))


def test_integers_of_an_array_are_not_rounded():
    X = np.arange(8).reshape(4, 2)
    model = to_onnx(TabularEncoder().fit(X), X)

    assert onnx_inputs(model, X.astype(float))["X"].dtype == np.int64
    with pytest.raises(ValueError, match="'X' must have values of the type integer"):
        onnx_inputs(model, X + 0.5)


def test_columns_without_values_in_the_export_have_the_type_of_fit():
    X, _ = MIXED
    encoder = TabularEncoder().fit(X)
    rows = X.head(3).assign(age=None, city=None, since=None)

    model = to_onnx(encoder, rows)

    np.testing.assert_allclose(
        run(model, X)["variable"], encoder.transform(X), rtol=1e-6, atol=1e-6
    )


def test_foreign_model_has_no_input_types():
    with pytest.raises(ValueError, match=r"model must be from nnkit\.export\.to_onnx"):
        onnx_inputs(onnx.ModelProto(), IRIS[0])
