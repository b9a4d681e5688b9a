"""Deep SHAP by shap's DeepExplainer, with checks of its support and its results."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnkit._compat import output_layer, replaceable_gradient_rules
from nnkit.estimators.network_function import NetworkFunction
from nnkit.explanation.attribution.gradient import GradientResult, reader_of

__all__ = ["deep_values"]

# Largest residual as a fraction of the spread of outputs. Supported networks have 1e-5 and a
# network with the unsupported activation "silu" 0.4.
_TOLERANCE = 1e-3


def deep_values(
    function: NetworkFunction,
    X_encoded: np.ndarray,
    background: np.ndarray,
    *,
    output: str = "proba",
    columns: list[int] | None = None,
    batch_rows: int = 32_768,
    on_rows: Callable[[int], None] | None = None,
) -> GradientResult:
    r"""Return attributions of predictions to encoded features by shap's DeepExplainer.

    Parameters
    ----------
    function : NetworkFunction
        The networks of a fitted estimator, which must be functional or sequential models.
    X_encoded : ndarray of shape (n_samples, n_encoded)
        The rows to explain, encoded.
    background : ndarray of shape (background_size, n_encoded)
        The background rows, encoded.
    output : {"proba", "predict", "raw"}, default="proba"
        As for `nnkit.explanation.attribution.gradient.gradient_values`. Calibrated probabilities
        are not supported.
    columns : list of int or None, default=None
        The explained outputs, in this order; None is all.
    batch_rows : int, default=32768
        The largest number of rows in one call of the network, at least 2.
    on_rows : callable or None, default=None
        Called with the number of rows finished since the last call.

    Returns
    -------
    result : GradientResult
        With errors of 0, since nothing is sampled.

    Raises
    ------
    ImportError
        If shap is not installed.
    ValueError
        If DeepExplainer does not support the output or the network, or the values do not sum to
        the outputs.

    Notes
    -----
    For each row x and background row b, differences of outputs are propagated back through the
    network. An elementwise non-linear function s multiplies them by
    :math:`(s(x) - s(b)) / (x - b)` instead of its derivative (the rescale rule of DeepLIFT [1]_).
    The mean over the background is Deep SHAP [2]_. Values sum to f(x) - mean_b f(b). They
    approximate Shapley values, and may differ from them a lot for convolutional networks.

    A final softmax is replaced by exponentials and their sum. shap's rule for the softmax
    operation subtracts the largest logit first, which differs between rows, and its attributions
    of the same differences hardly agree with those of any other method.

    shap replaces the gradient functions of TensorFlow while it runs. The replacement is limited
    to the explaining thread, so that other threads may train and predict. Concurrent calls of
    `deep_values` run one after the other.

    References
    ----------
    .. [1] A. Shrikumar, P. Greenside, A. Kundaje (2017). Learning important features through
       propagating activation differences. ICML, section 3.5.1.
    .. [2] S. M. Lundberg, S.-I. Lee (2017). A unified approach to interpreting model
       predictions. Advances in Neural Information Processing Systems 30, section 4.2.
    """
    _check_output(function.estimator, output)
    reader = reader_of(function, output)
    f_X, f_background = (
        reader(rows).reshape(len(rows), -1).astype(np.float64) for rows in (X_encoded, background)
    )
    _check_limits(reader, np.concatenate([f_X, f_background]))
    chosen = list(range(f_X.shape[1])) if columns is None else list(columns)
    units = _units_of(reader, chosen)
    models = [_composite(model, reader, units) for model in _models(reader)]
    values = _attributions(models, reader, (X_encoded, background), batch_rows, on_rows)
    values *= units.factors
    result = GradientResult(
        values, np.zeros_like(values), f_background.mean(axis=0)[chosen], f_X[:, chosen]
    )
    _check_sums(result, np.concatenate([f_X, f_background])[:, chosen])
    return result


# The explained outputs as units of a network


@dataclass(frozen=True)
class _Units:
    """The network unit of each explained output, and the factor that it is multiplied by."""

    positions: list[int]
    factors: np.ndarray


def _units_of(reader: NetworkFunction, columns: list[int]) -> _Units:
    positions, factors = list(columns), np.ones(len(columns))
    readout, learnt = reader.readout()
    if readout.kind == "values":
        factors = learnt[0][columns]  # values are outputs * scale + location
    if readout.kind == "proba":
        head = reader.heads[0]
        if head.n_units == 1 and not head.is_multilabel:
            # The unit is P(second class), and P(first class) = 1 - unit.
            positions, factors = [0] * len(columns), np.where(np.asarray(columns) == 1, 1.0, -1.0)
        elif readout.takes_second:
            # (n_rows, n_steps, 2) -> (n_rows, n_steps * 2), of which each second unit is read.
            positions = [2 * column + 1 for column in columns]
    return _Units(positions, factors)


def _check_output(estimator: Any, output: str) -> None:
    if output != "raw" and estimator._target.task_choices()[0][0].quantiles:
        raise ValueError(
            "method='deep' does not explain predicted quantiles, which are sorted. Use "
            "method='gradient', or output='raw' for the units of the network."
        )
    if output == "logit":
        raise ValueError(
            "method='deep' does not explain output='logit'. Use output='raw' with a network that "
            "ends in logits, or method='gradient'."
        )
    if output != "proba":
        return
    if isinstance(getattr(estimator, "classes_", None), list):
        raise ValueError(
            "method='deep' explains the probabilities of one target, but the classifier has "
            "several. Use output='raw'."
        )
    if getattr(estimator, "temperature_", 1.0) != 1.0:
        raise ValueError(
            "method='deep' does not explain calibrated probabilities. Use output='raw', "
            "method='gradient', or fit with calibration=None."
        )


def _check_limits(reader: NetworkFunction, outputs: np.ndarray) -> None:
    readout, learnt = reader.readout()
    if readout.kind != "values":
        return
    _, _, smallest, largest = learnt
    is_at_limit = ((outputs == smallest) | (outputs == largest)).any(axis=1)
    if is_at_limit.any():
        raise ValueError(
            "method='deep' does not explain predictions that are clipped to the range of the "
            f"training target. Got {int(is_at_limit.sum())} such row(s) in X and the background. "
            "Use method='permutation', or output='raw'."
        )


def _models(function: NetworkFunction) -> list[Any]:
    """Return the Keras models of the members, after a check that they have a static graph."""
    function.derivatives()  # raises if no gradient reaches the inputs
    models = function.estimator.models_
    for model in models:
        if not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
            raise ValueError(
                "method='deep' needs a functional or sequential network. Got a "
                f"{type(model).__name__} instead. Use method='permutation' or method='gradient'."
            )
    return models


def _composite(model: Any, reader: NetworkFunction, units: _Units) -> Any:
    """Return a model with the explained units as its one output (n_rows, n_units)."""
    import keras

    begins = [_before_softmax(part) for part in model.outputs]
    inputs = [keras.Input(tensor.shape[1:], dtype=tensor.dtype) for tensor, _ in begins]
    outputs = [finish(part) for (_, finish), part in zip(begins, inputs, strict=True)]
    if reader.readout()[0].kind == "proba":
        outputs = [_probabilities(reader.heads[0], outputs[0])]
    flat = [part if len(part.shape) == 2 else keras.layers.Flatten()(part) for part in outputs]
    joined = flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
    if units.positions != list(range(joined.shape[1])):
        columns = [joined[:, position : position + 1] for position in units.positions]
        joined = columns[0] if len(columns) == 1 else keras.layers.Concatenate()(columns)
    if len(begins) == 1 and joined is inputs[0]:
        return keras.Model(model.inputs, model.outputs)
    # A nested model, so that its layer names cannot collide with those of the network. shap uses
    # the output of the last layer, which is this model.
    tail = keras.Model(inputs, joined, name="nnkit_explained")
    return keras.Model(model.inputs, tail([tensor for tensor, _ in begins]))


def _probabilities(head: Any, outputs: Any) -> Any:
    """Return probabilities as ``Head.probabilities``, but a single unit gives one column."""
    import keras

    if head.is_multilabel or head.n_units == 1:
        return keras.ops.sigmoid(outputs) if head.scale == "logits" else outputs
    if head.scale == "logits":
        return _softmax(outputs)
    if head.activation == "softmax":
        return outputs
    return outputs / keras.ops.sum(outputs, axis=-1, keepdims=True)


def _softmax(logits: Any) -> Any:
    """Return a softmax composed of operations that shap has rules for."""
    import keras

    powers = keras.ops.exp(logits)
    return powers / keras.ops.sum(powers, axis=-1, keepdims=True)


def _before_softmax(output: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return the tensor before a final softmax, and the function from it to the output."""
    import keras

    layer: Any = output_layer(output)
    is_softmax = getattr(layer, "activation", None) is keras.activations.softmax
    if isinstance(layer, keras.layers.Softmax) and layer.axis == -1:
        return layer.input, _softmax
    if is_softmax and isinstance(layer, keras.layers.Activation):
        return layer.input, _softmax
    if is_softmax and type(layer) is keras.layers.Dense:
        return layer.input, lambda hidden: _softmax(_linear_like(layer)(hidden))
    return output, lambda unchanged: unchanged


def _linear_like(layer: Any) -> Any:
    """Return a dense layer with the weights of another and no activation."""
    import keras

    # Random initializers would draw from a global random state.
    linear = keras.layers.Dense(
        layer.units,
        use_bias=layer.use_bias,
        kernel_initializer="zeros",
        dtype=layer.dtype_policy,
    )
    linear.build(layer.input.shape)
    linear.set_weights(layer.get_weights())
    return linear


# Calls of shap


def _attributions(
    models: list[Any],
    reader: NetworkFunction,
    rows: tuple[np.ndarray, np.ndarray],
    batch_rows: int,
    on_rows: Callable[[int], None] | None,
) -> np.ndarray:
    """Return values (n_rows, n_encoded, n_units), the mean over models and background rows."""
    X_encoded, background = rows
    background_size, n_units = len(background), models[0].outputs[0].shape[1]
    # Half of the limit, since shap stacks the explained row once per background row.
    size = min(background_size, max(1, min(batch_rows, reader.rows_per_call) // 2))
    values = np.zeros((*X_encoded.shape, n_units))
    with _quiet_shap() as shap:
        explainers = []
        for model in models:
            for start in range(0, background_size, size):
                part = background[start : start + size]
                with _translated(model):
                    explainer = shap.DeepExplainer(model, _inputs(model, reader, part))
                explainers.append((model, explainer, len(part) / background_size / len(models)))
        for row in range(len(X_encoded)):
            one = slice(row, row + 1)
            for model, explainer, weight in explainers:
                with _translated(model):
                    found = explainer.shap_values(
                        _inputs(model, reader, X_encoded[one]), check_additivity=False
                    )
                values[one] += weight * _flat(found, model, reader, n_units)
            if on_rows is not None:
                on_rows(1)
    return values


@contextmanager
def _quiet_shap() -> Iterator[Any]:
    """Yield shap without its warnings, with TensorFlow's gradient functions restored at exit."""
    with replaceable_gradient_rules(), warnings.catch_warnings():
        # shap warns on import, of TensorFlow's version and of lists of inputs. None of these
        # warnings concerns the user.
        warnings.simplefilter("ignore")
        try:
            import shap
        except ImportError as error:
            raise ImportError(
                "method='deep' needs shap. Install it with `pip install \"nnkit[shap]\"`."
            ) from error
        yield shap


@contextmanager
def _translated(model: Any) -> Iterator[None]:
    """Convert errors of shap about a model to ``ValueError`` with a short message."""
    try:
        yield
    except Exception as error:  # LookupError, StagingError, AssertionError, ValueError, …
        missing = re.search(r"no entry for: shap_(\w+)", str(error))
        if missing is None:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = lines[-1].split(" for '{{node")[0] if lines else type(error).__name__
            message = f"shap's DeepExplainer fails on this network ({reason})"
        else:
            where = _layer_with(model, missing[1])
            message = f"shap's DeepExplainer has no rule for {missing[1]}{where}"
        raise ValueError(f"{message}. Use method='permutation'.") from error


def _layer_with(model: Any, operation: str) -> str:
    """Return text that names the layer of a TensorFlow operation, "" if it is not found."""
    import tensorflow as tf

    from nnkit.training.prediction.reach import leaves_of

    rows = [tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in model.inputs]
    try:
        graph = tf.function(
            lambda *inputs: model(list(inputs), training=False), autograph=False
        ).get_concrete_function(*rows)
    except Exception:  # the error that is being reported matters more
        return ""
    kinds = {layer.name: type(layer).__name__ for layer in leaves_of(model)}
    for node in graph.graph.get_operations():
        if node.type == operation:
            # Such as functional_1/block/dense_1/Gelu/Erfc. TensorFlow may append a count.
            for scope in reversed(node.name.split("/")):
                for name in (scope, re.sub(r"_\d+$", "", scope)):
                    if name in kinds:
                        return f", which layer {name!r} ({kinds[name]}) needs"
    return ""


def _inputs(model: Any, reader: NetworkFunction, X_encoded: np.ndarray) -> Any:
    """Return encoded rows as the inputs of a model, in the order of the model."""
    rows = reader.in_shape(X_encoded)
    if isinstance(rows, dict):
        rows = [rows[tensor.name] for tensor in model.inputs]
    parts = list(rows) if isinstance(rows, (list, tuple)) else [rows]
    typed = [
        part.astype(str(tensor.dtype), copy=False)
        for part, tensor in zip(parts, model.inputs, strict=True)
    ]
    return typed[0] if len(typed) == 1 else typed


def _flat(found: Any, model: Any, reader: NetworkFunction, n_units: int) -> np.ndarray:
    """Return values (1, n_encoded, n_units) of one row, from the values of each input."""
    parts = found if isinstance(found, list) else [found]
    flat = [np.reshape(part, (1, -1, n_units)) for part in parts]
    names = [tensor.name for tensor in model.inputs]
    if reader.input_names:
        flat = [flat[names.index(name)] for name in reader.input_names]
    return np.concatenate(flat, axis=1)


def _check_sums(result: GradientResult, outputs: np.ndarray) -> None:
    if not np.isfinite(result.values).all():
        raise ValueError(
            "method='deep' must give finite values. Got NaN or infinity. Use method='permutation'."
        )
    spread = outputs.max(axis=0) - outputs.min(axis=0)
    allowed = _TOLERANCE * spread + 1e-5 * np.abs(outputs).max(axis=0)
    residual = np.abs(result.residual).max(axis=0)
    if (residual > allowed).any():
        column = int(np.argmax(residual - allowed))
        raise ValueError(
            "method='deep' must give values that sum to the predictions. Got a difference of "
            f"{residual[column]:.3g} for predictions with a range of {spread[column]:.3g}. shap's "
            "DeepExplainer has a wrong rule for a layer, such as the activation 'silu' ('swish'). "
            "Use method='permutation'."
        )
