"""Converters of nnkit's estimators and encoders for skl2onnx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import (
    BooleanTensorType,
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
)
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer

from nnkit._compat.onnx_packages import parse_sklearn_model
from nnkit.encoding import ImageEncoder, MultiInputEncoder, SequenceEncoder, TabularEncoder
from nnkit.encoding.multi_input_encoder import columns_of_input
from nnkit.estimators import KerasTransformer
from nnkit.estimators.keras_estimator import KerasEstimator
from nnkit.estimators.prediction import decoder_of
from nnkit.export.graph import Graph
from nnkit.export.keras_network import network_to_onnx
from nnkit.export.outputs import labels_and_probabilities, onnx_labels, values_of_outputs
from nnkit.export.sample_encoders import encoded_images, encoded_sequences
from nnkit.export.tabular_encoder import RawColumns, encoded_features

__all__ = ["TENSOR_TYPES", "register_converters"]

TENSOR_TYPES = {
    "boolean": BooleanTensorType,
    "date": Int64TensorType,
    "duration": DoubleTensorType,
    "float32": FloatTensorType,
    "float64": DoubleTensorType,
    "integer": Int64TensorType,
    "text": StringTensorType,
}
"""Type of the tensor for each type of `nnkit.export.onnx_columns`."""

_TYPE_OF_DTYPE = {
    "float32": FloatTensorType,
    "float64": DoubleTensorType,
    "int64": Int64TensorType,
    "int32": Int64TensorType,
}
# Transformers that take columns of several types; those of scikit-learn take one array.
_READ_COLUMNS = (ColumnTransformer, ImageEncoder, SequenceEncoder, TabularEncoder)
# skl2onnx asks for the options that classifiers of scikit-learn have.
_OPTIONS = {
    "zipmap": [False, True, "columns"],
    "nocl": [False, True],
    "output_class_labels": [False],
}


def register_converters() -> None:
    """Register the converters with skl2onnx, for all classes and subclasses that exist.

    skl2onnx converts a class only if it is registered itself.
    """
    for encoder_class in (ImageEncoder, SequenceEncoder, TabularEncoder):
        for cls in _with_subclasses(encoder_class):
            update_registered_converter(
                cls, f"Nnkit{cls.__name__}", _set_encoder_shapes, _convert_encoder, overwrite=True
            )
    for cls in _with_subclasses(KerasEstimator):
        update_registered_converter(
            cls,
            f"Nnkit{cls.__name__}",
            _set_estimator_shapes,
            _convert_estimator,
            overwrite=True,
            parser=_parse_estimator,
            options=_OPTIONS,
        )


def _with_subclasses(cls: Any) -> Iterator[Any]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from _with_subclasses(subclass)


def _set_encoder_shapes(operator: Any) -> None:
    encoder = operator.raw_operator
    shape: tuple[int, ...]
    if isinstance(encoder, ImageEncoder):
        shape = encoder.image_shape_
    elif isinstance(encoder, SequenceEncoder):
        shape = (encoder.n_steps_, len(encoder.channel_names_))
    else:
        shape = (len(encoder.get_feature_names_out()),)
    operator.outputs[0].type = FloatTensorType([None, *shape])


def _convert_encoder(scope: Any, operator: Any, container: Any) -> None:
    graph, encoder = Graph(scope, container), operator.raw_operator
    if isinstance(encoder, ImageEncoder):
        features = encoded_images(graph, encoder, operator.inputs)
    elif isinstance(encoder, SequenceEncoder):
        features = encoded_sequences(graph, encoder, operator.inputs)
    else:
        features = encoded_features(graph, encoder, RawColumns(graph, operator.inputs))
    graph.set_output(operator.outputs[0], features)


def _parse_estimator(
    scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None
) -> list[Any]:
    """Declare the encoder and the networks of an estimator as two operators, and the outputs."""
    encoded = inputs
    if isinstance(model.encoder_, MultiInputEncoder):
        encoded = _parse_inputs(scope, model.encoder_, inputs, custom_parsers)
    elif model.encoder_ is not None:
        encoded = parse_sklearn_model(scope, model.encoder_, inputs, custom_parsers)
    operator = scope.declare_local_operator(f"Nnkit{type(model).__name__}", model)
    operator.inputs.extend(encoded)
    for name, kind in _declared_outputs(model):
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return list(operator.outputs)


def _parse_inputs(
    scope: Any, encoder: MultiInputEncoder, inputs: list[Any], custom_parsers: Any
) -> list[Any]:
    """Declare the encoder of each input as an operator, and return the results by input name."""
    by_name = {variable.raw_name: variable for variable in inputs}
    encoded = []
    # Keras flattens a dict in the order of its keys.
    for name, part in sorted(encoder.encoders_.items()):
        columns = columns_of_input(name, encoder.encoders[name], list(by_name))
        if columns is None and name not in by_name:
            chosen = inputs
        elif columns is None or not set(map(str, columns)) <= set(by_name):
            chosen = [by_name[name]]
        else:
            chosen = [by_name[str(column)] for column in columns]
        if len(chosen) > 1 and not isinstance(part, _READ_COLUMNS):
            chosen = [_merged(scope, chosen)]
        encoded += parse_sklearn_model(scope, part, chosen, custom_parsers)
    return encoded


def _merged(scope: Any, variables: list[Any]) -> Any:
    """Declare the concatenation of columns, in the type that represents all of them."""
    types = [type(variable.type) for variable in variables]
    wanted = next((kind for kind in (DoubleTensorType, FloatTensorType) if kind in types), types[0])
    operator = scope.declare_local_operator("SklearnConcat")
    operator.inputs.extend(variables)
    merged = scope.declare_local_variable("merged_columns", wanted([None, None]))
    operator.outputs.append(merged)
    return merged


def _declared_outputs(model: Any) -> list[tuple[str, Any]]:
    """Return the names and types of the outputs of an estimator."""
    if isinstance(model, KerasTransformer):
        return [("variable", FloatTensorType([None, model._n_features_out]))]
    decoder = decoder_of(model)
    if not is_classifier(model):
        return [("variable", FloatTensorType([None, *(decoder.target.row_shape or (1,))]))]
    labels = onnx_labels(decoder)
    of_labels = Int64TensorType if labels is None or labels.dtype != object else StringTensorType
    label = ("label", of_labels([None, *decoder.classes.row_shape]))
    if decoder.classes.is_indicator:
        return [label, ("probabilities", FloatTensorType([None, *decoder.classes.row_shape]))]
    sizes = [len(column.classes) for column in decoder.classes.columns]
    if not decoder.classes.row_shape:
        return [label, ("probabilities", FloatTensorType([None, sizes[0]]))]
    if decoder.classes.has_shared_classes:
        shape = [None, *decoder.classes.row_shape, sizes[0]]
        return [label, ("probabilities", FloatTensorType(shape))]
    names = [f"probabilities_{position}" for position in range(len(sizes))]
    types = [FloatTensorType([None, size]) for size in sizes]
    return [label, *zip(names, types, strict=True)]


def _set_estimator_shapes(operator: Any) -> None:
    for variable, (_, kind) in zip(
        operator.outputs, _declared_outputs(operator.raw_operator), strict=True
    ):
        variable.type = kind


def _convert_estimator(scope: Any, operator: Any, container: Any) -> None:
    graph, model = Graph(scope, container), operator.raw_operator
    owner, layer = (
        (model.estimator_, model.layer) if isinstance(model, KerasTransformer) else (model, None)
    )
    inputs = _network_inputs(
        graph, operator.inputs, owner._network, has_encoder=owner.encoder_ is not None
    )
    members = []
    for network in owner._members:
        exported = network_to_onnx(network, graph.opset, layer)
        members.append(graph.embed(exported, inputs))
    if isinstance(model, KerasTransformer):
        results = [graph.reshaped(members[0][0], [-1, model._n_features_out])]
    elif is_classifier(model):
        labels, probabilities = labels_and_probabilities(graph, decoder_of(model), members)
        results = [labels, *probabilities]
    else:
        results = [values_of_outputs(graph, decoder_of(model), members)]
    for variable, tensor in zip(operator.outputs, results, strict=True):
        graph.set_output(variable, tensor)


def _network_inputs(
    graph: Graph, variables: list[Any], network: Any, *, has_encoder: bool
) -> list[str]:
    """Return the tensors of a network's inputs, in their order and dtypes."""
    row = network.compiled_model.row
    if isinstance(row, dict):
        # Keras flattens a dict in the order of its keys, in which encoded inputs are.
        names = sorted(row)
        by_name = (
            dict(zip(names, variables, strict=True))
            if has_encoder
            else {variable.raw_name: variable for variable in variables}
        )
        return [_of_dtype(graph, [by_name[name]], row[name].dtype) for name in names]
    if isinstance(row, list):
        return [
            _of_dtype(graph, [variable], part.dtype)
            for variable, part in zip(variables, row, strict=True)
        ]
    return [_of_dtype(graph, variables, row.dtype)]


def _of_dtype(graph: Graph, variables: list[Any], dtype: Any) -> str:
    """Return the columns of tensors as one tensor of a dtype."""
    from onnx.helper import np_dtype_to_tensor_dtype

    wanted = _TYPE_OF_DTYPE.get(str(dtype))
    to = np_dtype_to_tensor_dtype(np.dtype(dtype))
    tensors = [
        variable.full_name
        if wanted is not None and isinstance(variable.type, wanted) and str(dtype) != "int32"
        else graph.cast(variable.full_name, to)
        for variable in variables
    ]
    return graph.concatenated(tensors)
