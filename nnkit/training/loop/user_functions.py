"""Error messages for custom losses, custom metrics and category codes that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from nnkit._compat import replaced_metrics
from nnkit.training.caching.library_code import is_keras_function, runs_library_code_only
from nnkit.training.loop.batches import take_on_host
from nnkit.training.placement import on_device

if TYPE_CHECKING:
    from nnkit.training.network import Network

__all__ = [
    "check_own_losses",
    "depends_on_units",
    "is_own_loss",
    "named_codes",
    "named_errors",
    "targets_and_outputs",
]

# TensorFlow raises these if NumPy gets a symbolic tensor, or if a function returns None.
_ERRORS = (NotImplementedError, TypeError, ValueError, AttributeError)


def is_own_loss(loss: Any) -> bool:
    """Return whether a loss is a custom class or calls a custom function."""
    return not (runs_library_code_only(loss) and is_keras_function(getattr(loss, "fn", None)))


def targets_and_outputs(network: Network, X: Any, y: Any, rows: Any) -> list[tuple[Any, Any]]:
    """Return the targets and outputs of a few rows, one pair for each output of the network.

    Parameters
    ----------
    network : Network
    X : ndarray, or dict or list of ndarray
        Encoded rows in the dtypes of the model's inputs, at least one.
    y : structure of ndarray
        Their targets, in the form that the losses compare.
    rows : slice or ndarray of int
        Positions of the rows.

    Returns
    -------
    pairs : list of (ndarray, tensor)
        Targets and outputs, each of shape (n_rows, ...).
    """
    x, targets = keras.tree.map_structure(lambda part: take_on_host(part, rows), (X, y))
    with on_device(network.device):
        outputs = network.compiled_model.model(x, training=False)
    return list(zip(keras.tree.flatten(targets), keras.tree.flatten(outputs), strict=True))


@contextmanager
def named_errors(network: Network, X: Any, y: Any) -> Iterator[None]:
    """Re-raise errors of a training with the name of the loss or metric that causes them.

    Other errors are re-raised unchanged.

    Parameters
    ----------
    network : Network
    X : ndarray, or dict or list of ndarray
        Encoded rows in the dtypes of the model's inputs.
    y : structure of ndarray
        Their targets, in the form that the losses compare.

    Raises
    ------
    ValueError
        If a loss or a metric computes with NumPy, or returns None.
    """
    try:
        yield
    except _ERRORS as error:
        message = _fault(network, X, y)
        if message is None:
            raise
        raise ValueError(message) from error


@contextmanager
def named_codes() -> Iterator[None]:
    """Re-raise lookup errors of an embedding as a ValueError that names the code."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(r"indices\[[\d,]*\] = (-?\d+) is not in \[0, (\d+)\)", str(error))
        if found is None:
            raise
        code, size = int(found[1]), int(found[2])
        raise ValueError(
            f"X holds the code {code}, but a layer of the model, such as an Embedding with "
            f"input_dim={size}, takes 0 to {size - 1}. Raise input_dim, or map other codes to one "
            "of these."
        ) from error


def check_own_losses(network: Network, X: Any, y: Any, *, is_weighted: bool) -> None:
    """Check custom losses by calling them on a few rows.

    Parameters
    ----------
    network : Network
    X : ndarray, or dict or list of ndarray
        Encoded rows in the dtypes of the model's inputs.
    y : structure of ndarray
        Their targets, in the form that the losses compare.
    is_weighted : bool
        Whether rows have weights.

    Raises
    ------
    ValueError
        If a loss cannot compare codes of classes with outputs. With ``is_weighted``, if a loss
        returns one number for all rows, so that weights have no effect.
    """
    if len(keras.tree.flatten(y)[0]):
        # Once for all fits of a compiled model.
        network.compiled_model.fact(
            f"own losses tried {is_weighted}",
            lambda: _try_losses(network, X, y, is_weighted=is_weighted),
        )


def _try_losses(network: Network, X: Any, y: Any, *, is_weighted: bool) -> None:
    output_spec = network.output_spec
    losses = keras.tree.flatten(network.compiled_model.model.loss)
    if not any(map(is_own_loss, losses)):
        return
    # If the number of rows were that of the classes, codes (n,) would broadcast over the classes.
    units = {head.n_units for head in output_spec.heads}
    n_rows = next((n for n in (3, 5, 7) if n not in units), 11)
    rows = np.arange(n_rows) % len(keras.tree.flatten(y)[0])
    try:
        pairs = targets_and_outputs(network, X, y, rows)
    except (*_ERRORS, tf.errors.OpError):
        return  # the training raises this error with its own message
    for loss, (target, output), as_codes in zip(losses, pairs, output_spec.as_codes, strict=True):
        if not is_own_loss(loss):
            continue
        try:
            value = loss.call(keras.ops.convert_to_tensor(target, loss.dtype), output)
        except (tf.errors.InvalidArgumentError, ValueError) as error:
            if as_codes and _compares_shapes(str(error)):
                raise ValueError(
                    f"loss={_name(loss)} gets y as codes of classes, of shape {target.shape}, and "
                    f"outputs of shape {tuple(output.shape)}, which it cannot compare. Encode the "
                    "codes in the loss: keras.ops.one_hot(keras.ops.cast(y_true, 'int32'), "
                    f"{output.shape[-1]})."
                ) from error
            continue  # the training raises this error with its own message
        if is_weighted and value is not None and tuple(getattr(value, "shape", (1,))) == ():
            raise ValueError(
                f"loss={_name(loss)} gives one number for all rows, so that sample_weight and "
                "class_weight have no effect. Return one for each row, for example with "
                "keras.ops.mean(..., axis=-1)."
            )


def _compares_shapes(text: str) -> bool:
    text = text.lower()
    return (
        "incompatible shapes" in text or "broadcast" in text or "dimensions must be equal" in text
    )


def depends_on_units(loss: Any, y: np.ndarray) -> bool:
    """Return whether a loss changes by more than a factor if the target is standardized.

    The loss is evaluated on some pairs of rows, in the units of the target and in standard units.
    It does not depend on the units if the ratio of the two losses is the same for all pairs.

    Parameters
    ----------
    loss : keras.losses.Loss
    y : ndarray of shape (n_samples, n_columns)
        The target in its own units.

    Returns
    -------
    depends : bool
        False if ``y`` has fewer than three distinct rows.
    """
    distinct = np.unique(y[:200], axis=0)
    values = distinct[:: max(1, len(distinct) // 8)]
    deviation = y.std(axis=0)
    if len(values) < 3 or not (deviation > 0).all():
        return False
    standard = (values - y.mean(axis=0)) / deviation
    ratios = []
    for shift in (1, 2):
        for row in range(len(values)):
            found = [_loss_of_pair(loss, table, row, shift) for table in (values, standard)]
            if None in found:
                return False
            if not np.isfinite(found).all():
                return True
            if abs(found[1]) > 1e-6:
                ratios.append(found[0] / found[1])
    return bool(ratios) and max(ratios) > 1.05 * min(ratios) + 1e-9


def _loss_of_pair(loss: Any, table: np.ndarray, row: int, shift: int) -> Any:
    """Return the loss between two rows of a table; None if the loss returns None."""
    pair = [tf.constant(table[[at % len(table)]], tf.float32) for at in (row, row + shift)]
    value = loss.call(*pair)
    return None if value is None else float(np.mean(value))


def _fault(network: Network, X: Any, y: Any) -> str | None:
    """Return a message about a faulty loss or metric of a network; None if none is found."""
    model = network.compiled_model.model
    try:
        pairs = targets_and_outputs(network, X, y, slice(0, 2))
    except _ERRORS:
        return None  # the error is in the layers
    pairs = [(tf.convert_to_tensor(target), output) for target, output in pairs]
    for loss, pair in zip(keras.tree.flatten(model.loss), pairs, strict=True):
        found = _fault_of(loss.call, pair)
        if found is not None:
            return f"loss={_name(loss)} {_FAULTS[found]}"
    for metric in replaced_metrics(model):

        def value(y_true: Any, y_pred: Any, metric: Any = metric) -> Any:
            metric.update_state(y_true, y_pred)
            return metric.metric.result()

        found = _fault_of(value, pairs[metric.position])
        if found is not None:
            return f"The metric {_name(metric.metric)} {_FAULTS[found]}"
    return None


_FAULTS = {
    "numpy": "computes with NumPy, which no compiled training can call. Write it with keras.ops, "
    "for example keras.ops.mean(keras.ops.abs(y_true - y_pred)). Use functions of scikit-learn on "
    "a fitted estimator, or as scoring=.",
    "none": "returns None. Return the value, a tensor.",
}


def _fault_of(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str | None:
    """Return the fault of a function of tensors, "numpy" or "none"; None without a fault."""
    returned = []

    def traced(*tensors: Any) -> Any:
        returned.append(function(*tensors))
        return tensors[0]

    try:
        tf.function(traced, autograph=False).get_concrete_function(*arguments)
    except _ERRORS as error:
        text = str(error)
        if "symbolic" in text and ("numpy" in text.lower() or "__array__" in text):
            return "numpy"
        return "none" if _is_about_none(text) else None
    return "none" if returned[0] is None else None


def _is_about_none(text: str) -> bool:
    """Return whether a message of TensorFlow reports None in place of a tensor."""
    return "None values not supported" in text or "convert a value (None)" in text


def _name(part: Any) -> str:
    cls = type(part)
    is_wrapper = cls.__name__ == "FunctionLoss" or cls.__module__.startswith("keras.")
    return str(part.name) if is_wrapper else cls.__name__
