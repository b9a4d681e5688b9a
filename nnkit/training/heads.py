"""What the outputs of a model mean, and which loss fits them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from scipy.special import expit, softmax

from nnkit._compat import output_layer
from nnkit.training.instantiation import instantiate

__all__ = ["Head", "Task", "choose_loss", "find_loss", "read_head"]

Scale = Literal["probabilities", "logits", "values"]

_SCALE_OF_ACTIVATION: dict[str, Scale] = {
    "softmax": "probabilities",
    "sigmoid": "probabilities",
    "hard_sigmoid": "probabilities",
    "sparsemax": "probabilities",
    "linear": "logits",
}


@dataclass(frozen=True)
class Task:
    """What is to be learnt.

    Parameters
    ----------
    kind : {"classification", "regression"}
    n_classes : int
        Classes of a classification; 0 for a regression.
    n_outputs : int
        Columns of a continuous target; 1 for a classification.
    """

    kind: Literal["classification", "regression"]
    n_classes: int = 0
    n_outputs: int = 1

    @property
    def n_units_expected(self) -> int:
        """The units that a last layer for this task has."""
        if self.kind == "regression":
            return self.n_outputs
        return 1 if self.n_classes == 2 else self.n_classes


@dataclass(frozen=True)
class Head:
    """What the outputs of a model mean.

    Parameters
    ----------
    n_units : int
        Units of the last layer.
    scale : {"probabilities", "logits", "values"}
        Whether an output is a probability, an unnormalised log-probability, or a value in
        the units of the encoded target.
    activation : str
        Name of the last activation; "unknown" if the model does not tell.
    rank : int
        Axes of the output, 2 for (n_samples, n_units) and 1 for (n_samples,).
    """

    n_units: int
    scale: Scale
    activation: str
    rank: int = 2

    def targets(self, encoded: np.ndarray, *, as_codes: bool, dtype: str) -> np.ndarray:
        """Return encoded targets in the form that the loss compares with the outputs.

        Parameters
        ----------
        encoded : ndarray of shape (n_samples,)
            Codes of classes, or continuous values.
        as_codes : bool
            Whether the loss takes codes rather than one column per class.
        dtype : str
            The dtype of the outputs.

        Returns
        -------
        targets : ndarray of shape (n_samples,), (n_samples, 1) or (n_samples, n_units)
        """
        if self.scale != "values" and self.n_units > 1:
            return encoded if as_codes else np.eye(self.n_units, dtype=dtype)[encoded]
        targets = encoded.astype(dtype)
        return targets if self.rank == 1 else targets[:, np.newaxis]

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return class probabilities of shape (n_samples, n_classes) from outputs.

        One unit is the probability (or its log-odds) of the second class. Several units go
        through a softmax if they are logits, else they are divided by their sum.
        """
        outputs = np.asarray(outputs, dtype=np.float64)
        if self.n_units == 1:
            second = outputs.reshape(len(outputs))
            if self.scale == "logits":
                return np.column_stack([expit(-second), expit(second)])
            return np.column_stack([1.0 - second, second])
        if self.scale == "logits":
            return softmax(outputs, axis=1)
        totals = outputs.sum(axis=1, keepdims=True)
        uniform = np.full_like(outputs, 1.0 / self.n_units)
        return np.divide(outputs, totals, out=uniform, where=totals > 0)


def _activation_name(model: Any) -> str:
    """Return the name of the last activation of a model, "unknown" if it does not tell."""
    layer = output_layer(model)
    if layer is None and getattr(model, "layers", None) and isinstance(model, keras.Sequential):
        layer = model.layers[-1]
    if isinstance(layer, keras.Model):
        return _activation_name(layer)
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    if isinstance(layer, (keras.layers.Add, keras.layers.Subtract, keras.layers.Rescaling)):
        return "linear"
    activation = getattr(layer, "activation", None)
    if activation is None:
        return "unknown"
    return str(getattr(activation, "__name__", type(activation).__name__)).lower()


def _output_shape(model: Any, row_shape: tuple[int, ...]) -> tuple[int | None, ...]:
    """Return the shape of a model's one output, (None, ...)."""
    outputs = getattr(model, "outputs", None)
    if outputs is None:
        # A subclassed model tells its outputs only when it is called.
        rows = keras.KerasTensor((None, *row_shape), dtype=model.compute_dtype)
        outputs = keras.tree.flatten(model.compute_output_spec(rows))
    if len(outputs) != 1:
        raise ValueError(
            f"The builder's model has {len(outputs)} outputs, but y is one target. "
            "Give a model with one output."
        )
    return tuple(outputs[0].shape)


def read_head(model: Any, task: Task, row_shape: tuple[int, ...], *, loss: Any) -> Head:
    """Return what the outputs of a model mean for a task.

    Parameters
    ----------
    model : keras.Model
        Built.
    task : Task
        What is to be learnt.
    row_shape : tuple of int
        Shape of one row that the model takes.
    loss : str, class, instance or None
        The loss that was asked for, which speaks for a model that does not tell its last
        activation.

    Raises
    ------
    ValueError
        If the outputs cannot be what the task needs; the message names the fix.
    """
    shape = _output_shape(model, row_shape)
    if len(shape) not in (1, 2):
        raise ValueError(
            f"The builder's model gives outputs of shape {shape[1:]} per row. "
            "End it in one row of units, for example with Flatten and Dense."
        )
    n_units = 1 if len(shape) == 1 else int(shape[-1] or 0)
    activation = _activation_name(model)
    if task.kind == "regression":
        if n_units != task.n_outputs:
            raise ValueError(
                f"The builder's model has {n_units} output unit(s), but y has {task.n_outputs} "
                f"column(s). Give the last layer meta.n_outputs_expected_ units."
            )
        if activation in ("sigmoid", "softmax", "hard_sigmoid"):
            raise ValueError(
                f"The model's last activation is {activation!r}, which gives values between 0 "
                "and 1 only. Use 'linear' in the last layer of a regression."
            )
        return Head(n_units, "values", activation, len(shape))
    allowed = (1, 2) if task.n_classes == 2 else (task.n_classes,)
    if n_units not in allowed:
        raise ValueError(
            f"The builder's model has {n_units} output unit(s), but y has {task.n_classes} "
            "classes. Give the last layer meta.n_outputs_expected_ units."
        )
    if n_units == 1 and activation == "softmax":
        raise ValueError(
            "The model's last layer is a softmax over one unit, which is always 1. "
            "Use 'sigmoid' with one unit, or 'softmax' with two."
        )
    if activation in _SCALE_OF_ACTIVATION:
        return Head(n_units, _SCALE_OF_ACTIVATION[activation], activation, len(shape))
    from_logits = _from_logits(loss)
    if from_logits is None:
        raise ValueError(
            f"The model's last activation is {activation!r}, which tells neither probabilities "
            "nor logits. End the model with 'sigmoid', 'softmax' or 'linear', or give a loss "
            "with from_logits, such as keras.losses.BinaryCrossentropy(from_logits=True)."
        )
    return Head(n_units, "logits" if from_logits else "probabilities", activation, len(shape))


def _from_logits(loss: Any) -> bool | None:
    """Return whether a loss takes logits; None if it does not say."""
    if loss is None or isinstance(loss, str) or inspect.isroutine(loss):
        return None
    if inspect.isclass(loss):
        parameter = inspect.signature(loss).parameters.get("from_logits")
        return None if parameter is None else bool(parameter.default)
    try:
        from_logits = loss.get_config().get("from_logits")
    except (AttributeError, NotImplementedError):
        return None
    return None if from_logits is None else bool(from_logits)


def choose_loss(loss: Any, routed: Mapping[str, Any], head: Head, task: Task) -> tuple[Any, bool]:
    """Return the loss of a model, and whether it takes codes of classes.

    Parameters
    ----------
    loss : None, str, class, instance or function
        None chooses by the target and by the last activation: squared error for values;
        cross-entropy for classes, from probabilities or from logits.
    routed : mapping
        Arguments of the loss.
    head : Head
        What the outputs mean.
    task : Task
        What is to be learnt.

    Returns
    -------
    loss : keras.losses.Loss
        A fresh one.
    as_codes : bool
        Whether it compares codes of classes with several units.

    Raises
    ------
    ValueError
        If loss and last activation disagree; the message names the fix.
    """
    if loss is None:
        defaults: dict[str, Any] = {}
        if task.kind == "regression":
            specification = keras.losses.MeanSquaredError
        else:
            is_one_of_many = head.n_units > 1 and head.activation != "sigmoid"
            specification = (
                keras.losses.SparseCategoricalCrossentropy
                if is_one_of_many
                else keras.losses.BinaryCrossentropy
            )
            defaults["from_logits"] = head.scale == "logits"
        chosen = instantiate(
            specification, {**defaults, **routed}, parameter="loss", find=find_loss
        )
    else:
        chosen = instantiate(loss, routed, parameter="loss", find=find_loss)
        if not isinstance(chosen, keras.losses.Loss):
            if not callable(chosen):
                raise ValueError(
                    "loss must be None, a name, a keras.losses.Loss as class or instance, or a "
                    f"function of (y_true, y_pred). Got {loss!r} instead."
                )
            chosen = _function_loss(chosen)
    _check_agreement(chosen, head, task)
    # Weighted means: weights of 1/n learn as weights of 1, and rows without weight do not count.
    if chosen.reduction in ("sum_over_batch_size", "mean"):
        chosen.reduction = "mean_with_sample_weight"
    return chosen, _takes_codes(chosen)


def find_loss(name: str) -> Any:
    """Return the loss class of a Keras name, such as "mse" or "binary_crossentropy"."""
    found = keras.losses.get(name)
    if not inspect.isroutine(found):
        return type(found)
    class_name = "".join(part.capitalize() for part in found.__name__.split("_"))
    return getattr(keras.losses, class_name, found)


def _function_loss(function: Any) -> Any:
    """Return a Keras loss that calls a user's function of (y_true, y_pred)."""

    class FunctionLoss(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return function(y_true, y_pred)

    name = getattr(function, "__name__", "")
    return FunctionLoss(name=name if name.isidentifier() else "loss")


def _takes_codes(loss: Any) -> bool:
    name = type(loss).__name__
    # A user's own loss of several classes gets codes, as from SciKeras.
    return name.startswith("Sparse") or not type(loss).__module__.startswith("keras")


def _check_agreement(loss: Any, head: Head, task: Task) -> None:
    name = type(loss).__name__
    if task.kind == "regression":
        if "Crossentropy" in name:
            raise ValueError(
                f"loss={name} compares probabilities, but y is continuous. "
                "Use a regression loss such as 'mse', or KerasClassifier."
            )
        return
    if head.n_units == 1 and "Categorical" in name:
        raise ValueError(
            f"loss={name} needs one output unit per class, but the model's last layer has 1 "
            f"unit. Give it {task.n_classes} units with 'softmax', or leave loss=None."
        )
    from_logits = _from_logits(loss)
    if from_logits is None or head.activation not in _SCALE_OF_ACTIVATION:
        return
    if from_logits and head.scale == "probabilities":
        raise ValueError(
            f"loss={name}(from_logits=True) takes unnormalised scores, but the model's last "
            f"activation is {head.activation!r}. Make the last layer 'linear', or leave loss=None."
        )
    if not from_logits and head.scale == "logits":
        raise ValueError(
            f"loss={name} takes probabilities, but the model's last layer is linear. "
            f"Give it the activation {'sigmoid' if head.n_units == 1 else 'softmax'!r}, "
            f"use keras.losses.{name}(from_logits=True), or leave loss=None."
        )
