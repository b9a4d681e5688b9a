"""Private parts of skl2onnx and onnxruntime, which are imported when they are used."""

from __future__ import annotations

from typing import Any

__all__ = ["outputs_of_model", "parse_sklearn_model"]


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


def outputs_of_model(model: Any, inputs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the outputs of an ONNX model by name; None if onnxruntime cannot run it.

    Reason: the errors of a session have classes that only a private module defines (1.32).

    Parameters
    ----------
    model : onnx.ModelProto
    inputs : dict of str to ndarray
        By the names of the model's inputs.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # the errors are raised
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(None, inputs), strict=True))
    except (
        errors.Fail,
        errors.InvalidArgument,
        errors.InvalidGraph,
        errors.NotImplemented,
        errors.RuntimeException,
    ):
        return None
