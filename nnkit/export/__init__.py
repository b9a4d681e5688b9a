"""Export of fitted pipelines: ONNX and LiteRT.

- ``onnx_model``: `to_onnx`, a pipeline as one ONNX model.
- ``onnx_columns``: raw columns as inputs of an ONNX model.
- ``converters``: converters of nnkit's estimators and encoders for skl2onnx.
- ``tabular_encoder``: the nodes of a `TabularEncoder`.
- ``keras_network``: the nodes of a network, by Keras' own export.
- ``outputs``: the nodes from the outputs of networks to labels, probabilities and values.
- ``graph``: nodes of an ONNX graph, added through skl2onnx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnkit.export.onnx_columns import onnx_inputs

if TYPE_CHECKING:
    from nnkit.export.onnx_model import to_onnx

__all__ = ["onnx_inputs", "to_onnx"]


def __getattr__(name: str) -> Any:
    if name != "to_onnx":
        raise AttributeError(f"module 'nnkit.export' has no attribute {name!r}")
    try:
        from nnkit.export.onnx_model import to_onnx
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"nnkit.export.to_onnx needs {error.name}. Install it with: pip install 'nnkit[onnx]'"
        ) from error
    return to_onnx
