"""`to_onnx`: a fitted pipeline as one ONNX model."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import keras
import numpy as np
import onnx
import pandas as pd
import sklearn
import tensorflow as tf
from skl2onnx import convert_sklearn
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.compose import ColumnTransformer
from sklearn.utils.validation import check_is_fitted

from nnkit._compat.onnx_packages import outputs_of_model
from nnkit._validation import as_choice
from nnkit.encoding import MultiInputEncoder, TabularEncoder
from nnkit.estimators.keras_estimator import KerasEstimator
from nnkit.export.converters import TENSOR_TYPES, register_converters
from nnkit.export.graph import with_embedded_models
from nnkit.export.onnx_columns import (
    MISSING_TEXT_KEY,
    TYPES_KEY,
    input_types,
    missing_text,
    onnx_inputs,
)
from nnkit.export.onnx_quantization import with_int8_weights

__all__ = ["to_onnx"]

# Versions of the operators of ONNX and of its operators for machine learning.
_OPSETS = {"": 18, "ai.onnx.ml": 3}
# Types of columns without values, by their kind in fit.
_TYPES_OF_KINDS = {"date": "date", "number": "float64"}
# skl2onnx raises errors of many classes for what it does not support.
_ERRORS_OF_SKL2ONNX = (
    AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
# Rows that are compared with Python after the export, and the largest difference without a warning.
_N_COMPARED, _LARGEST_DIFFERENCE = 100, 1e-4
_FLOATS = frozenset({"duration", "float64"})
_NUMBERS = frozenset({"boolean", "float32", "float64", "integer"})


def to_onnx(estimator: Any, X: Any, *, quantize: Literal["int8"] | None = None) -> onnx.ModelProto:
    """Return a fitted estimator or pipeline as an ONNX model, which needs no Python to predict.

    Parameters
    ----------
    estimator : estimator or Pipeline
        Fitted. Steps of a pipeline are those that skl2onnx converts, and nnkit's.
    X : DataFrame, array, list of texts, or dict of arrays
        Rows like those of ``fit``, at least one. Their columns and types become the inputs of the
        model. A DataFrame has an input for each column, by its name. Images and sequences are one
        array, in which shorter sequences have NaN behind their end.
    quantize : "int8" or None, default=None
        "int8" stores large kernels as 8-bit integers with scales, which takes less than half of the
        space and changes probabilities by less than about 0.02. None keeps 32-bit floats.

    Returns
    -------
    model : onnx.ModelProto
        A classifier has the outputs "label" and "probabilities" (several columns of y:
        "probabilities_0", ...), other estimators have "variable"; an output that has the name of a
        column gets an underscore at its end. The metadata have the columns, the
        classes and the versions. Save it with ``onnx.save(model, path)``.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If a step, an encoding or a layer has no counterpart in ONNX. The message names it.

    See Also
    --------
    nnkit.export.onnx_inputs : A table as the inputs of the model.

    Notes
    -----
    The model has the operators of opset 18. Numbers are computed in the precision of the columns,
    and the network in its own; they are float32 if an operator of skl2onnx has no float64. Missing
    texts are "" (another text if "" is a level; `onnx_inputs` knows it), dates are microseconds
    since 1970-01-01 in UTC, and durations are seconds.

    The model is compared with the estimator on the first 100 rows of X. A difference of more than
    1e-4 gives a warning.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from nnkit import KerasClassifier
    >>> from nnkit.export import onnx_inputs, to_onnx
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = to_onnx(KerasClassifier(epochs=2).fit(X, y), X)
    >>> [output.name for output in model.graph.output]
    ['label', 'probabilities']
    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(model.SerializeToString())
    >>> label, proba = session.run(None, onnx_inputs(model, X))
    >>> proba.shape
    (150, 3)
    """
    as_choice("quantize", quantize, ("int8", None))
    fitted = getattr(estimator, "best_estimator_", estimator)
    check_is_fitted(fitted)
    rows = _first_rows(X)
    expected = _predicted(fitted, rows)  # raises for rows that are not like those of fit
    register_converters()
    types = _types(fitted, X)
    model, found = _run_once(fitted, types, X, rows)
    if found is None:
        # Operators of scikit-learn's transformers exist in float32 only, such as the imputer.
        types = {name: "float32" if kind in _FLOATS else kind for name, kind in types.items()}
        model, found = _run_once(fitted, types, X, rows)
    if found is None:
        raise ValueError(
            f"onnxruntime cannot run the ONNX model that skl2onnx makes of {_steps(fitted)}, for the "
            "types of the columns of X. Convert the steps one by one to find the one it does not "
            "support, and do that one before the pipeline."
        )
    _warn_of_differences(found, expected)
    return with_int8_weights(model) if quantize == "int8" else model


def _run_once(
    estimator: Any, types: Mapping[str, str], X: Any, rows: Any
) -> tuple[onnx.ModelProto, dict[str, Any] | None]:
    """Return the ONNX model for inputs of these types, and its outputs for rows if it runs."""
    model = _converted(estimator, types, _shapes(X))
    metadata = {
        TYPES_KEY: json.dumps(types),
        MISSING_TEXT_KEY: missing_text(X, _levels(_first_step(estimator))),
    }
    onnx.helper.set_model_props(model, {**metadata, **_facts(estimator)})
    return model, outputs_of_model(model, onnx_inputs(model, rows))


def _levels(encoder: Any) -> list[Any]:
    """Return the levels of all columns of an encoder."""
    if isinstance(encoder, MultiInputEncoder):
        return [level for part in encoder.encoders_.values() for level in _levels(part)]
    columns = encoder.categories_.values() if isinstance(encoder, TabularEncoder) else ()
    return [level for of_column in columns for level in of_column]


def _converted(
    estimator: Any, types: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]
) -> onnx.ModelProto:
    """Return the ONNX model for inputs of these types."""
    initial_types = [
        (name, TENSOR_TYPES[kind]([None, *shapes.get(name, (1,))])) for name, kind in types.items()
    ]
    try:
        model, topology = convert_sklearn(
            estimator,
            initial_types=initial_types,
            target_opset=dict(_OPSETS),
            options=_options(estimator),
            intermediate=True,
        )
    except (MissingConverter, MissingShapeCalculator) as error:
        name = str(error).partition("for type '<class '")[2].partition("'")[0]
        raise ValueError(
            f"skl2onnx has no converter of {name or str(error).splitlines()[0]}. Register one with "
            "skl2onnx.update_registered_converter, or do this step before the pipeline."
        ) from error
    except _ERRORS_OF_SKL2ONNX as error:
        if isinstance(error, ValueError) and "nnkit" in _module_of_origin(error):
            raise
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"skl2onnx cannot convert {_steps(estimator)}: {reason} ({type(error).__name__}). Convert "
            "the steps one by one to find the one it does not support, and do that one before the "
            "pipeline."
        ) from error
    model = with_embedded_models(model)
    inputs = topology.scopes[0].input_variables
    _rename_inputs(model, {variable.onnx_name: variable.raw_name for variable in inputs})
    converted: onnx.ModelProto = model
    return converted


def _steps(estimator: Any) -> str:
    """Return the classes of the steps of a pipeline, for messages."""
    steps = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    return " → ".join(type(step).__name__ for step in steps)


def _module_of_origin(error: BaseException) -> str:
    """Return the name of the module that raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))


def _types(estimator: Any, X: Any) -> dict[str, str]:
    """Return the type of each input; columns of numbers have one type unless they are separate."""
    types = input_types(X)
    if "" in types:
        raise ValueError("The inputs of an ONNX model have names. Rename the column ''.")
    encoder = _first_step(estimator)
    if isinstance(encoder, TabularEncoder) and len(types) == encoder.n_features_in_:
        for name, kind in zip(types, encoder.feature_kinds_, strict=True):
            if not isinstance(X, Mapping) and types[name] == "text" and _is_all_missing(X, name):
                types[name] = _TYPES_OF_KINDS.get(kind, "text")
    is_all_numbers = set(types.values()) <= _NUMBERS and len(set(types.values())) > 1
    if is_all_numbers and not isinstance(X, Mapping) and not _takes_columns(estimator):
        return dict.fromkeys(types, "float64")
    return types


def _is_all_missing(X: Any, name: str) -> bool:
    """Return whether a column of a DataFrame of pandas has no values."""
    if not isinstance(X, pd.DataFrame):
        return False
    position = list(map(str, X.columns)).index(name)
    return bool(X.iloc[:, position].isna().all())


def _takes_columns(estimator: Any) -> bool:
    """Return whether the first step of a pipeline reads columns one by one."""
    return isinstance(
        _first_step(estimator), (ColumnTransformer, MultiInputEncoder, TabularEncoder)
    )


def _first_step(estimator: Any) -> Any:
    """Return the transformer that reads the raw columns, or the estimator if there is none."""
    if hasattr(estimator, "steps"):
        return _first_step(estimator.steps[0][1])
    encoder = (
        getattr(estimator, "encoder_", None) if isinstance(estimator, KerasEstimator) else None
    )
    return estimator if encoder is None else encoder


def _shapes(X: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of one row of each input that is an array."""
    if isinstance(X, Mapping):
        return {str(name): _row_shape(np.asarray(part)) for name, part in X.items()}
    if hasattr(X, "columns"):
        return {}
    return {"X": _row_shape(np.asarray(X))}


def _rename_inputs(model: onnx.ModelProto, columns: Mapping[str, str]) -> None:
    """Give the inputs the names of the columns, in which skl2onnx replaces spaces.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed in place.
    columns : mapping of str to str
        Names of columns by the names of the inputs.
    """
    graph = model.graph
    taken = {name for node in graph.node for name in node.output}
    names = {}
    for name in taken:
        # An intermediate result that is called like a column gets another name.
        unique = name
        while unique in columns.values():
            unique = f"{unique}_"
        names[name] = unique
    names.update(columns)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for tensor in (*graph.input, *graph.output):
        tensor.name = names.get(tensor.name, tensor.name)


def _row_shape(array: np.ndarray) -> tuple[int, ...]:
    return array.shape[1:] or (1,)


def _options(estimator: Any) -> dict[Any, Any] | None:
    """Return the options for tensors of probabilities in place of dicts."""
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if isinstance(final, KerasEstimator) or not hasattr(final, "classes_"):
        return None
    return {id(final): {"zipmap": False}}


def _facts(estimator: Any) -> dict[str, str]:
    """Return the versions and the classes for the metadata of a model."""
    from nnkit import __version__

    facts = {
        "nnkit_version": __version__,
        "keras_version": keras.__version__,
        "tensorflow_version": tf.__version__,
        "scikit_learn_version": sklearn.__version__,
    }
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        columns = classes if isinstance(classes, list) else [classes]
        listed = [column.tolist() for column in columns]
        facts["classes"] = json.dumps(listed if len(listed) > 1 else listed[0], default=str)
    return facts


def _predicted(estimator: Any, X: Any) -> Any:
    """Return what an estimator computes: probabilities, values or transformed rows."""
    method = next(
        name for name in ("predict_proba", "predict", "transform") if hasattr(estimator, name)
    )
    return getattr(estimator, method)(X)


def _warn_of_differences(found: dict[str, Any], expected: Any) -> None:
    """Warn if the outputs of a model are not the expected values."""
    parts = expected if isinstance(expected, list) else [expected]
    arrays = [array for name, array in found.items() if name.startswith(("proba", "variable"))]
    if len(arrays) != len(parts):
        return  # an output of skl2onnx that is a sequence
    for array, part in zip(arrays, parts, strict=True):
        values = np.asarray(part.toarray() if hasattr(part, "toarray") else part)
        if values.dtype.kind not in "biuf" or values.size != array.size:
            return  # labels of a classifier without probabilities
        scale = max(1.0, float(np.abs(values).max(initial=0.0)))
        difference = float(np.abs(array.reshape(values.shape) - values).max(initial=0.0)) / scale
        if not difference <= _LARGEST_DIFFERENCE:
            warnings.warn(
                f"The ONNX model differs from the estimator by {difference:.2g} (relative to the "
                f"largest value) on the first {len(values)} rows of X. Compare the steps of the "
                "pipeline one by one. Converters of skl2onnx treat missing and unknown values in "
                "other ways.",
                UserWarning,
                stacklevel=3,
            )
            return


def _first_rows(X: Any) -> Any:
    if isinstance(X, Mapping):
        return {name: part[:_N_COMPARED] for name, part in X.items()}
    return X.iloc[:_N_COMPARED] if hasattr(X, "iloc") else X[:_N_COMPARED]
