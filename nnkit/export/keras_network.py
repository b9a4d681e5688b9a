"""A Keras model as an ONNX model, by Keras' own export."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import onnx
import tensorflow as tf
from onnx import helper, numpy_helper

from nnkit._compat import output_of_layer
from nnkit.export.precision import check_precision

if TYPE_CHECKING:
    from nnkit.training.network import Network

__all__ = ["network_to_onnx"]


def network_to_onnx(network: Network, opset: int, layer: str | None = None) -> onnx.ModelProto:
    """Return the ONNX model of a network, from encoded rows to the outputs of the network.

    Parameters
    ----------
    network : Network
    opset : int
        Version of ONNX' operators.
    layer : str or None, default=None
        Name of the layer whose output is exported, in place of the outputs.

    Raises
    ------
    ValueError
        If Keras cannot export the model.
    """
    model = network.model_to_export()
    if layer is not None:
        inputs = model.inputs[0] if len(model.inputs) == 1 else model.inputs
        model = keras.Model(inputs, output_of_layer(model, layer))
    check_precision(model, ("float32", "float64"), "ONNX")
    row = network.compiled_model.row
    signature = keras.tree.map_structure_up_to(
        row,
        lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype),
        row,
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        _without_messages("tf2onnx"),
        warnings.catch_warnings(),
    ):
        # Keras 3.15 refers to np.object for tf2onnx 1.17.
        warnings.simplefilter("ignore", FutureWarning)
        path = Path(folder) / "network.onnx"
        try:
            model.export(
                str(path),
                format="onnx",
                verbose=False,
                opset_version=opset,
                input_signature=[signature],
            )
            exported: Any = onnx.load(path)
        except (ValueError, TypeError, NotImplementedError, RuntimeError, KeyError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(
                f"Keras cannot export the network to ONNX: {reason} Replace the layer, or serve the "
                "estimator with Python."
            ) from error
    return _checked(_with_known_operators(exported), len(keras.tree.flatten(row)), opset)


def _with_known_operators(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace functions of TensorFlow that tf2onnx 1.17 leaves as they are."""
    nodes = []
    for node in model.graph.node:
        if node.op_type not in ("Erfc", "Expm1"):
            nodes.append(node)
            continue
        inner, one = f"{node.output[0]}/inner", f"{node.output[0]}/one"
        is_erfc = node.op_type == "Erfc"
        # [erfc(x) = 1 - erf(x)] and [expm1(x) = exp(x) - 1]
        terms = [one, inner] if is_erfc else [inner, one]
        model.graph.initializer.append(numpy_helper.from_array(np.float32(1), one))
        nodes += [
            helper.make_node("Erf" if is_erfc else "Exp", node.input, [inner]),
            helper.make_node("Sub", terms, node.output),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _checked(model: onnx.ModelProto, n_inputs: int, opset: int) -> onnx.ModelProto:
    """Raise if a model has operators that ONNX lacks, or constants that became inputs."""
    unknown = {
        node.op_type
        for node in model.graph.node
        if not node.domain and not onnx.defs.has(node.op_type, max_inclusive_version=opset)
    }
    if unknown:
        raise ValueError(
            f"The network has the TensorFlow operations {sorted(unknown)}, which ONNX does not have. "
            "Use another activation or layer, or serve the estimator with Python."
        )
    constants = [entry.name for entry in model.graph.input][n_inputs:]
    if constants:
        raise ValueError(
            f"The network has the constant {constants[0]!r}, which is no weight of a layer, so that "
            "tf2onnx takes it for an input. Make it a weight, for example by Normalization().adapt "
            "in place of mean= and variance=."
        )
    return model


@contextmanager
def _without_messages(name: str) -> Iterator[None]:
    """Suppress the messages of a logger in this context; errors are raised too."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
