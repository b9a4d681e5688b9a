"""`ImageEncoder` and `SequenceEncoder` as nodes of an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

from nnkit.encoding.samples.image_encoder import ImageEncoder
from nnkit.encoding.samples.image_reading import LUMA, complete_shape, resized
from nnkit.encoding.samples.sequence_encoder import LARGEST, ROUNDING, TINY, SequenceEncoder
from nnkit.export.graph import BOOL, DOUBLE, FLOAT, INT64, Graph

__all__ = ["encoded_images", "encoded_sequences"]

_FLOAT_TYPES = (DoubleTensorType, FloatTensorType)


def encoded_images(graph: Graph, encoder: ImageEncoder, inputs: Sequence[Any]) -> str:
    """Add the nodes of a fitted `ImageEncoder`, and return the tensor of its result.

    Parameters
    ----------
    graph : Graph
    encoder : ImageEncoder
    inputs : sequence of skl2onnx.common._topology.Variable
        One array of images, or the columns of pixels.

    Returns
    -------
    images : str
        Tensor of shape (n_samples, height, width, n_channels) in float32.

    Raises
    ------
    ValueError
        If the images are files or objects.
    """
    chosen = _chosen(encoder.columns, inputs)
    pixels, row_shape = _array_of(graph, chosen, "images")
    if encoder.shape is not None:
        row_shape = complete_shape(tuple(encoder.shape), row_shape[0])
    height, width, n_channels = (*row_shape, 1)[:3]
    pixels = graph.reshaped(pixels, [-1, height, width, n_channels])
    are_whole = not any(isinstance(entry.type, _FLOAT_TYPES) for entry in chosen)
    pixels = _with_channels(graph, pixels, n_channels, encoder.color_mode, are_whole=are_whole)
    if (height, width) != encoder.image_shape_[:2]:
        pixels = _resized(graph, pixels, (height, width), encoder.image_shape_[:2])
    if encoder.scaling is not None:
        low, high = encoder.pixel_range_
        pixels = _standardised(graph, pixels, low, high - low)
    if encoder.scaling == "standard":
        pixels = _standardised(graph, pixels, encoder.mean_, encoder.scale_)
    return graph.cast(pixels, FLOAT)


def encoded_sequences(graph: Graph, encoder: SequenceEncoder, inputs: Sequence[Any]) -> str:
    """Add the nodes of a fitted `SequenceEncoder`, and return the tensor of its result.

    Parameters
    ----------
    graph : Graph
    encoder : SequenceEncoder
    inputs : sequence of skl2onnx.common._topology.Variable
        One array of sequences, or the columns of the steps. NaN behind the end is padding.

    Returns
    -------
    sequences : str
        Tensor of shape (n_samples, n_steps, n_channels) in float32.

    Raises
    ------
    ValueError
        If the sequences are objects.
    """
    values, row_shape = _array_of(graph, _chosen(encoder.columns, inputs), "sequences")
    if len(row_shape) == 1:
        values = graph.reshaped(values, [-1, row_shape[0], 1])
    elif encoder.layout == "channels_first":
        values, row_shape = graph.add("Transpose", values, perm=[0, 2, 1]), row_shape[::-1]
    lengths = _lengths(graph, values, row_shape[0])
    n_steps = encoder.n_steps_
    values = _of_width(graph, values, row_shape[0], n_steps)
    # (n_samples, n_steps, 1)
    is_step = graph.add("Less", graph.constant(_steps(n_steps)), lengths)
    is_nan = graph.add("IsNaN", values)
    is_missing = graph.add("And", is_nan, is_step)
    center, factor = graph.constant(encoder._means), graph.constant(encoder._factors)
    if encoder.scaling == "series":
        center, factor = _statistics_of_rows(graph, values, is_nan)
    values = _without_gaps(graph, values, is_nan, encoder)
    zero = graph.constant(0.0, np.float64)
    if encoder.scaling is not None:
        values = graph.add("Mul", graph.add("Sub", values, center), factor)
        bounds = graph.constant(-LARGEST, np.float64), graph.constant(LARGEST, np.float64)
        values = graph.add("Clip", values, *bounds)
    values = graph.cast(graph.add("Where", is_step, values, zero), FLOAT)
    flags = graph.constant(encoder._flagged, np.int64)
    indicators = graph.cast(graph.add("Gather", is_missing, flags, axis=2), FLOAT)
    encoded = graph.add("Concat", values, indicators, axis=2)
    return _without_zero_steps(graph, encoded, is_step, len(encoder.channel_names_))


def _chosen(columns: Any, inputs: Sequence[Any]) -> list[Any]:
    """Return the inputs that are the named columns; all inputs without names."""
    if columns is None:
        return list(inputs)
    names = [columns] if isinstance(columns, str) else list(columns)
    by_name = {variable.raw_name: variable for variable in inputs}
    return [by_name[str(name)] for name in names]


def _array_of(graph: Graph, inputs: Sequence[Any], what: str) -> tuple[str, tuple[int, ...]]:
    """Return one tensor in float64 of all inputs, and the shape of a row."""
    for variable in inputs:
        if isinstance(variable.type, StringTensorType):
            raise ValueError(
                f"The {what} of an ONNX model are arrays of numbers. The input "
                f"{variable.raw_name!r} has objects. Give X as one array, shorter sequences with "
                "NaN at their end, in the export and later."
            )
    tensors = [graph.cast(variable.full_name, DOUBLE) for variable in inputs]
    if len(inputs) == 1:
        return tensors[0], tuple(inputs[0].type.shape[1:])
    return graph.concatenated(tensors), (sum(variable.type.shape[1] for variable in inputs),)


def _with_channels(
    graph: Graph, pixels: str, n_channels: int, color_mode: str | None, *, are_whole: bool
) -> str:
    """Return images as grey values or as red, green and blue, without an alpha channel."""
    if color_mode is None:
        return pixels
    if color_mode == "rgb":
        channels = [0, 1, 2] if n_channels > 2 else [0, 0, 0]
        return graph.add("Gather", pixels, graph.constant(channels, np.int64), axis=3)
    if n_channels < 3:
        return graph.add("Gather", pixels, graph.constant([0], np.int64), axis=3)
    # [L = 0.299 R + 0.587 G + 0.114 B]: (..., n_channels) -> (..., 1)
    weights = np.zeros((n_channels, 1))
    weights[:3, 0] = LUMA
    luma = graph.add("MatMul", pixels, graph.constant(weights))
    return graph.add("Round", luma) if are_whole else luma


def _resized(graph: Graph, pixels: str, size: tuple[int, int], wanted: tuple[int, int]) -> str:
    """Return images in another size; both axes of the filter are matrices."""
    vertical, horizontal = (_filter_matrix(*lengths) for lengths in zip(size, wanted, strict=True))
    # (n, height, width, n_channels) -> (n, n_channels, height, width)
    planes = graph.add("Transpose", pixels, perm=[0, 3, 1, 2])
    planes = graph.add("MatMul", planes, graph.constant(horizontal.T))
    planes = graph.add("MatMul", graph.constant(vertical), planes)
    return graph.add("Transpose", planes, perm=[0, 2, 3, 1])


def _filter_matrix(length: int, wanted: int) -> np.ndarray:
    """Return the matrix (wanted, length) that resizes an axis: the resized unit vectors."""
    unit = np.eye(length, dtype=np.float32)[:, :, np.newaxis]
    return resized(unit, (wanted, length))[:, :, 0].astype(np.float64)


def _standardised(graph: Graph, values: str, center: Any, scale: Any) -> str:
    shifted = graph.add("Sub", values, graph.constant(center, np.float64))
    return graph.add("Div", shifted, graph.constant(scale, np.float64))


def _steps(n_steps: int) -> np.ndarray:
    """Return the numbers of the steps, of shape (1, n_steps, 1)."""
    return np.arange(n_steps, dtype=np.int64)[np.newaxis, :, np.newaxis]


def _lengths(graph: Graph, values: str, n_steps: int) -> str:
    """Return the number of steps up to the last value of each row: (n_samples, 1, 1)."""
    is_value = graph.cast(graph.add("Not", graph.add("IsNaN", values)), INT64)
    ends = graph.add("Mul", is_value, graph.constant(_steps(n_steps) + 1))
    return graph.add("ReduceMax", ends, graph.constant([1, 2], np.int64), keepdims=1)


def _of_width(graph: Graph, values: str, n_steps: int, wanted: int) -> str:
    """Return the first steps, with NaN behind the end of shorter sequences."""
    if n_steps > wanted:
        return _sliced(graph, values, 0, wanted)
    if n_steps == wanted:
        return values
    nan = graph.constant(np.nan, np.float64)
    return graph.add(
        "Pad", values, graph.constant([0, 0, 0, 0, wanted - n_steps, 0], np.int64), nan
    )


def _sliced(graph: Graph, tensor: str, start: int, stop: int) -> str:
    bounds = (graph.constant([bound], np.int64) for bound in (start, stop, 1))
    return graph.add("Slice", tensor, *bounds)


def _statistics_of_rows(graph: Graph, values: str, is_nan: str) -> tuple[str, str]:
    """Return means and factors of each channel of each row: (n_samples, 1, n_channels)."""
    zero, one = graph.constant(0.0, np.float64), graph.constant(1.0, np.float64)
    axis = graph.constant([1], np.int64)
    is_value = graph.cast(graph.add("Not", is_nan), DOUBLE)
    n_values = graph.add("Max", graph.add("ReduceSum", is_value, axis, keepdims=1), one)
    observed = graph.add("Where", is_nan, zero, values)
    means = graph.add("Div", graph.add("ReduceSum", observed, axis, keepdims=1), n_values)
    deviations = graph.add("Where", is_nan, zero, graph.add("Sub", values, means))
    squares = graph.add("ReduceSum", graph.add("Mul", deviations, deviations), axis, keepdims=1)
    scales = graph.add("Sqrt", graph.add("Div", squares, n_values))
    largest = graph.add("ReduceMax", graph.add("Abs", observed), axis, keepdims=1)
    bound = graph.add("Mul", largest, graph.constant(ROUNDING, np.float64))
    is_constant = graph.add("LessOrEqual", scales, bound)
    inverse = graph.add("Div", one, graph.add("Where", is_constant, one, scales))
    return means, graph.add("Where", is_constant, zero, inverse)


def _without_gaps(graph: Graph, values: str, is_nan: str, encoder: SequenceEncoder) -> str:
    """Return the values with filled gaps; those of the padding are of no use."""
    n_steps = encoder.n_steps_
    steps = graph.constant(_steps(n_steps))
    zero, first = graph.constant(0.0, np.float64), graph.constant(0, np.int64)
    beyond, last = graph.constant(n_steps, np.int64), graph.constant(n_steps - 1, np.int64)
    before = _nearest_known(graph, is_nan, n_steps, forward=True)
    after = _nearest_known(graph, is_nan, n_steps, forward=False)
    observed = graph.add("Where", is_nan, zero, values)
    left = graph.add("GatherElements", observed, graph.add("Max", before, first), axis=1)
    right = graph.add("GatherElements", observed, graph.add("Min", after, last), axis=1)
    has_left = graph.add("GreaterOrEqual", before, first)
    has_right = graph.add("Less", after, beyond)
    between = left
    if encoder.missing == "interpolate":
        # [x_t = x_a + (x_b - x_a) (t - a) / (b - a)] between the known steps a and b
        distance = graph.add("Max", graph.add("Sub", after, before), graph.constant(1, np.int64))
        passed = graph.cast(graph.add("Sub", steps, before), DOUBLE)
        fraction = graph.add("Div", passed, graph.cast(distance, DOUBLE))
        rise = graph.add("Mul", graph.add("Sub", right, left), fraction)
        is_inside = graph.add("And", has_left, has_right)
        between = graph.add("Where", is_inside, graph.add("Add", left, rise), left)
    without_left = graph.add("Where", has_right, right, graph.constant(encoder._means))
    filled = graph.add("Where", has_left, between, without_left)
    return graph.add("Where", is_nan, filled, values)


def _nearest_known(graph: Graph, is_nan: str, n_steps: int, *, forward: bool) -> str:
    """Return the last known step up to each step, or the first one from it on.

    It is -1 or ``n_steps`` if there is none. ONNX has no cumulative maximum: after the round with
    the distance d, the maximum is over 2 d steps.
    """
    none = -1 if forward else n_steps
    nearest = graph.add(
        "Where", is_nan, graph.constant(none, np.int64), graph.constant(_steps(n_steps))
    )
    distance = 1
    while distance < n_steps:
        kept = (0, n_steps - distance) if forward else (distance, n_steps)
        pads = [0, distance, 0, 0, 0, 0] if forward else [0, 0, 0, 0, distance, 0]
        shifted = graph.add(
            "Pad",
            _sliced(graph, nearest, *kept),
            graph.constant(pads, np.int64),
            graph.constant(none, np.int64),
        )
        nearest = graph.add("Max" if forward else "Min", nearest, shifted)
        distance *= 2
    return nearest


def _without_zero_steps(graph: Graph, encoded: str, is_step: str, n_channels: int) -> str:
    """Return encoded sequences in which no step is 0 in all channels, as padding is."""
    is_other = graph.cast(graph.cast(encoded, BOOL), INT64)
    n_others = graph.add("ReduceSum", is_other, graph.constant([2], np.int64), keepdims=1)
    is_zero = graph.add("Equal", n_others, graph.constant(0, np.int64))
    tiny = np.zeros((1, 1, n_channels), dtype=np.float32)
    tiny[..., 0] = TINY
    added = graph.add(
        "Where", graph.add("And", is_zero, is_step), graph.constant(tiny),
        graph.constant(0.0, np.float32),
    )  # fmt: skip
    return graph.add("Add", encoded, added)
