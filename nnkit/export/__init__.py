"""Export of fitted estimators and pipelines: ONNX and LiteRT.

- ``onnx_model``: `to_onnx`, a pipeline as one ONNX model.
- ``onnx_columns``: raw columns as inputs of an ONNX model.
- ``converters``: converters of nnkit's estimators and encoders for skl2onnx.
- ``tabular_encoder``: the nodes of a `TabularEncoder`.
- ``keras_network``: the nodes of a network, by Keras' own export.
- ``outputs``: the nodes from the outputs of networks to labels, probabilities and values.
- ``graph``: nodes of an ONNX graph, added through skl2onnx.
- ``onnx_quantization``: weights of an ONNX model as 8-bit integers.
- ``precision``: the precision in which the layers of a network compute.
- ``trusted_types``: the classes of nnkit that a file of skops may name.
- ``litert``: `to_litert`, a network as a LiteRT file.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from nnkit.export.onnx_columns import onnx_inputs
from nnkit.export.trusted_types import TRUSTED_TYPES

if TYPE_CHECKING:
    from nnkit.export.litert import to_litert
    from nnkit.export.onnx_model import to_onnx

__all__ = ["TRUSTED_TYPES", "onnx_inputs", "to_litert", "to_onnx"]

_MODULES = {"to_litert": "litert", "to_onnx": "onnx_model"}
# The packages of the extra "onnx", which are imported when they are used.
_EXTRA = ("onnx", "onnxruntime", "skl2onnx", "tf2onnx")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'nnkit.export' has no attribute {name!r}")
    try:
        module = importlib.import_module(f"nnkit.export.{_MODULES[name]}")
        if name == "to_onnx":
            importlib.import_module("tf2onnx")
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise ModuleNotFoundError(
            f"nnkit.export.{name} needs {error.name}. Install it with: pip install 'nnkit[onnx]'",
            name=error.name,
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
