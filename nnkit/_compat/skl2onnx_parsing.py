"""Private parts of skl2onnx: parsers of parts of a pipeline."""

from __future__ import annotations

from typing import Any

__all__ = ["parse_sklearn_model"]


def parse_sklearn_model(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any) -> list[Any]:
    """Declare the operators of an estimator inside another one, and return its outputs.

    Reason: a parser of a composed estimator, such as skl2onnx' own for pipelines, calls the parser of
    each part, and the function that chooses it by class is private (1.20).
    """
    from skl2onnx._parse import _parse_sklearn

    outputs: list[Any] = _parse_sklearn(scope, model, inputs, custom_parsers=custom_parsers)
    return outputs
