"""Private parts of skl2onnx and onnxruntime, which are imported when they are used."""

from __future__ import annotations

from typing import Any

__all__ = ["has_all_operators", "parse_sklearn_model"]


def parse_sklearn_model(
    scope: Any, model: Any, inputs: list[Any], custom_parsers: Any
) -> list[Any]:
    """Declare the operators of an estimator inside another one, and return its outputs.

    Reason: a parser of a composed estimator, such as skl2onnx' own for pipelines, calls the parser of
    each part, and the function that chooses it by class is private (1.20).
    """
    from skl2onnx._parse import _parse_sklearn

    outputs: list[Any] = _parse_sklearn(scope, model, inputs, custom_parsers=custom_parsers)
    return outputs


def has_all_operators(model: Any) -> bool:
    """Return whether onnxruntime has the operators of an ONNX model for the types of their inputs.

    Reason: the errors of a session have classes that only a private module defines (1.32).
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    try:
        onnxruntime.InferenceSession(model.SerializeToString())
    except (errors.NotImplemented, errors.Fail):
        return False
    return True
