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
import onnx
import tensorflow as tf

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
            model(row)  # Keras exports models only that were called
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
    return exported


@contextmanager
def _without_messages(name: str) -> Iterator[None]:
    """Suppress the messages of a logger below errors in this context."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
