"""From the outputs of networks to probabilities, labels and values, as nodes of an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnkit.encoding.quantiles import median_weights
from nnkit.estimators.targets.classification import ClassDecoder
from nnkit.estimators.targets.regression import RegressionTarget, ValueDecoder
from nnkit.export.graph import DOUBLE, FLOAT, INT64, Graph
from nnkit.training.specification.heads import Head

__all__ = ["labels_and_probabilities", "onnx_labels", "values_of_outputs"]

_TINY = float(np.finfo(np.float64).tiny)


def values_of_outputs(graph: Graph, decoder: ValueDecoder, members: Sequence[Sequence[str]]) -> str:
    """Return the values in units of the target, in float32; see `ValueDecoder.predicted`.

    Parameters
    ----------
    graph : Graph
    decoder : ValueDecoder
    members : sequence of sequences of str
        The outputs of each network, at least one.

    Returns
    -------
    values : str
        Tensor (n_samples, 1) for a target of one column, else of the shape of the target.
    """
    target = decoder.target
    shape = target.row_shape or (1,)
    decoded = []
    for outputs in members:
        if target.quantiles:
            values = _nearest_to_median(graph, outputs[0], target)
        else:
            columns = [graph.reshaped(output, [-1, 1]) for output in outputs]
            values = graph.concatenated(columns) if len(outputs) > 1 else outputs[0]
        values = graph.cast(graph.reshaped(values, [-1, *shape]), DOUBLE)
        if target.is_standardized:
            scale, location = (
                np.asarray(part) for part in (target.scaling.scale, target.scaling.location)
            )
            values = graph.add("Mul", values, graph.constant(scale.reshape(-1), np.float64))
            values = graph.add("Add", values, graph.constant(location.reshape(-1), np.float64))
        if target.scaling.limits is not None:
            low, high = (
                graph.constant(np.asarray(limit).reshape(-1), np.float64)
                for limit in target.scaling.limits
            )
            values = graph.add("Min", graph.add("Max", values, low), high)
        decoded.append(values)
    return graph.cast(_mean(graph, decoded), FLOAT)


def _nearest_to_median(graph: Graph, output: str, target: RegressionTarget) -> str:
    """Return the quantile of each column that is nearest to the median."""
    n_quantiles = len(target.quantiles)
    n_columns = target.row_shape[0] if target.row_shape else 1
    by_column = graph.reshaped(output, [-1, n_columns, n_quantiles])
    number = graph.constant([n_quantiles], np.int64)
    ascending, _ = graph.add_several("TopK", 2, by_column, number, axis=-1, largest=0)
    weights = graph.constant(median_weights(target.quantiles)[:, np.newaxis], np.float32)
    # (n_samples, n_columns, n_quantiles) -> (n_samples, n_columns, 1)
    return graph.add("MatMul", ascending, weights)


def labels_and_probabilities(
    graph: Graph, decoder: ClassDecoder, members: Sequence[Sequence[str]]
) -> tuple[str, list[str]]:
    """Return labels, and probabilities in float32 of each column of the target.

    Parameters
    ----------
    graph : Graph
    decoder : ClassDecoder
        With the temperature.
    members : sequence of sequences of str
        The outputs of each network, at least one.

    Returns
    -------
    labels : str
        Tensor (n_samples,), or of the shape of the target.
    probabilities : list of str
        For each column, (n_samples, n_classes); for an indicator, one of the shape of the target.
    """
    by_member = [_by_column(graph, decoder, outputs) for outputs in members]
    if decoder.temperature != 1.0:
        is_one_of_many = decoder.is_one_of_many
        by_member = [
            [_scaled(graph, part, decoder.temperature, is_one_of_many) for part in parts]
            for parts in by_member
        ]
    found = [_mean(graph, parts) for parts in zip(*by_member, strict=True)]
    labels = _labels(graph, decoder, found)
    return labels, [graph.cast(part, FLOAT) for part in found]


def onnx_labels(decoder: ClassDecoder) -> np.ndarray | None:
    """Return the labels in a dtype of ONNX: text or int64; None for an indicator.

    Returns
    -------
    labels : ndarray of shape (n_columns, largest number of classes) or None
        Shorter rows are filled with their first label.

    Raises
    ------
    ValueError
        If the labels are neither text nor integers.
    """
    if decoder.classes.is_indicator:
        return None
    columns = [labels.classes for labels in decoder.classes.columns]
    kinds = {column.dtype.kind for column in columns}
    if all(column.dtype.kind == "f" and (column == np.round(column)).all() for column in columns):
        columns = [column.astype(np.int64) for column in columns]
    elif all(isinstance(label, str) for column in columns for label in column.tolist()):
        columns = [column.astype(object) for column in columns]
    elif kinds <= set("biu"):
        columns = [column.astype(np.int64) for column in columns]
    else:
        example = next(label for c in columns for label in c.tolist() if not isinstance(label, str))
        raise ValueError(
            f"The labels of an ONNX model are text or integers. Got {example!r} of the type "
            f"{type(example).__name__}. Convert y to text before fit."
        )
    longest = max(map(len, columns))
    return np.array(
        [[*column, *[column[0]] * (longest - len(column))] for column in columns], columns[0].dtype
    )


def _by_column(graph: Graph, decoder: ClassDecoder, outputs: Sequence[str]) -> list[str]:
    """Return class probabilities in float64 for each column; see `ClassDecoder.by_column`."""
    heads = decoder.output_spec.heads
    found = [
        _probabilities(graph, head, output) for head, output in zip(heads, outputs, strict=True)
    ]
    classes = decoder.classes
    if decoder.has_binary_steps:
        second = graph.add("Gather", found[0], graph.constant(1, np.int64), axis=-1)
        return [second]
    if classes.is_indicator or len(found) == len(classes.columns):
        return found
    # Steps of a sequence: one output (n_samples, n_steps, n_classes).
    by_step = []
    for step, labels in enumerate(classes.columns):
        of_step = graph.add("Gather", found[0], graph.constant(step, np.int64), axis=1)
        places = np.searchsorted(classes.classes_of_steps, labels.classes)
        chosen = graph.add("Gather", of_step, graph.constant(places, np.int64), axis=1)
        by_step.append(_normalized(graph, chosen, len(places)))
    return by_step


def _probabilities(graph: Graph, head: Head, output: str) -> str:
    """Return class probabilities of an output in float64; see `Head.probabilities`."""
    scores = graph.cast(output, DOUBLE)
    if head.is_multilabel:
        return _sigmoid(graph, scores) if head.scale == "logits" else scores
    if head.n_units == 1:
        scores = graph.reshaped(scores, [-1, 1])
        second = _sigmoid(graph, scores) if head.scale == "logits" else scores
        return graph.concatenated([_complement(graph, second), second])
    if head.scale == "logits":
        return graph.add("Softmax", scores, axis=-1)
    return _normalized(graph, scores, head.n_units)


def _sigmoid(graph: Graph, scores: str) -> str:
    exponential = graph.add("Exp", graph.add("Neg", scores))
    return graph.add("Reciprocal", graph.add("Add", exponential, graph.constant(1.0)))


def _complement(graph: Graph, proba: str) -> str:
    return graph.add("Sub", graph.constant(1.0), proba)


def _normalized(graph: Graph, proba: str, n_classes: int) -> str:
    """Return probabilities divided by their sum, equal ones where the sum is 0."""
    total = graph.add("ReduceSum", proba, graph.constant([-1], np.int64), keepdims=1)
    is_positive = graph.add("Greater", total, graph.constant(0.0))
    uniform = graph.constant(1.0 / n_classes)
    return graph.add("Where", is_positive, graph.add("Div", proba, total), uniform)


def _scaled(graph: Graph, proba: str, temperature: float, is_one_of_many: bool) -> str:
    """Return temperature-scaled probabilities; see `nnkit.encoding.temperature`."""
    if not is_one_of_many:
        axis = graph.constant([-1], np.int64)
        pair = [graph.add("Unsqueeze", part, axis) for part in (_complement(graph, proba), proba)]
        both = graph.add("Concat", *pair, axis=-1)
        scaled = _scaled(graph, both, temperature, is_one_of_many=True)
        return graph.add("Gather", scaled, graph.constant(1, np.int64), axis=-1)
    # [p^(1/T) / sum p^(1/T)] is the softmax of log(p) / T
    log_proba = graph.add("Log", graph.add("Max", proba, graph.constant(_TINY)))
    divided = graph.add("Div", log_proba, graph.constant(float(temperature)))
    return graph.add("Softmax", divided, axis=-1)


def _mean(graph: Graph, tensors: Sequence[str]) -> str:
    if len(tensors) == 1:
        return tensors[0]
    return graph.add("Div", graph.add("Sum", *tensors), graph.constant(float(len(tensors))))


def _labels(graph: Graph, decoder: ClassDecoder, found: Sequence[str]) -> str:
    """Return labels of class probabilities; see `ClassDecoder.predicted_labels`."""
    if decoder.gives_one_hot:
        best = graph.add("ArgMax", found[0], axis=-1, keepdims=0)
        n_labels = graph.constant(decoder.classes.row_shape[-1], np.int64)
        return graph.add("OneHot", best, n_labels, graph.constant([0, 1], np.int64), axis=-1)
    if decoder.classes.is_indicator:
        is_label = graph.add("Greater", found[0], graph.constant(0.5))
        return graph.cast(is_label, INT64)
    known: Any = onnx_labels(decoder)
    if decoder.classes.has_shared_classes:
        best = graph.add("ArgMax", found[0], axis=-1, keepdims=0)
        return graph.add("Gather", graph.constant(known[0]), best, axis=0)
    columns = []
    for proba, labels in zip(found, known, strict=True):
        best = graph.add("ArgMax", proba, axis=1, keepdims=0)
        columns.append(graph.add("Gather", graph.constant(labels), best, axis=0))
    if not decoder.classes.row_shape:
        return columns[0]
    shape = [-1, *decoder.classes.row_shape]
    return graph.reshaped(
        graph.concatenated([graph.reshaped(column, [-1, 1]) for column in columns]), shape
    )
