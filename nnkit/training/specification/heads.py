"""Interpretation of a model's outputs, and the choice of a loss that fits them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np
from scipy.special import expit, softmax

from nnkit._compat import constructor_arguments, output_layer
from nnkit._messages import shown
from nnkit.encoding.features import in_range_of
from nnkit.losses import QuantileLoss
from nnkit.training.specification.instantiation import class_of_name, instantiate, is_function_of

__all__ = [
    "Head",
    "OutputShapeError",
    "Task",
    "choose_loss",
    "find_loss",
    "improper_losses",
    "output_structure",
    "read_heads",
]

Scale = Literal["probabilities", "logits", "values"]

_SCALE_OF_ACTIVATION: dict[str, Scale] = {
    "softmax": "probabilities",
    "sigmoid": "probabilities",
    "hard_sigmoid": "probabilities",
    "sparsemax": "probabilities",
    "linear": "logits",
}


_LIMITS_OF_ACTIVATION: dict[str, tuple[float, float]] = {
    "relu": (0.0, np.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, np.inf),
    "exponential": (0.0, np.inf),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "elu": (-1.0, np.inf),
}
"""Smallest and largest value of Keras' activations with their default arguments."""


class OutputShapeError(ValueError):
    """The outputs of a model do not have the shapes that the target needs.

    Parameters
    ----------
    message : str
    shapes : list of tuple of (int or None)
        Shape of one row of each output.
    """

    def __init__(self, message: str, shapes: list[tuple[int | None, ...]]) -> None:
        super().__init__(message)
        self.shapes = shapes

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.shapes)


@dataclass(frozen=True)
class Task:
    """The task that one output of a network learns.

    Parameters
    ----------
    kind : {"classification", "multilabel", "regression"}
        One of several classes, any of several labels, or continuous values.
    n_classes : int, default=0
        Number of classes of a classification.
    row_shape : tuple of int, default=()
        Shape of one row of the target: () for (n_samples,), (n_columns,) for a table,
        (n_steps,) for the classes of a sequence.
    is_scaled : bool, default=False
        Whether the target is scaled for training.
    quantiles : tuple of float, default=()
        Levels of the quantiles of each column that are predicted. () predicts one value.
    """

    kind: Literal["classification", "multilabel", "regression"]
    n_classes: int = 0
    row_shape: tuple[int, ...] = ()
    is_scaled: bool = False
    quantiles: tuple[float, ...] = field(default=(), metadata={"is_missing_in_old_files": True})

    @property
    def rank(self) -> int:
        """The number of axes of an output for this task."""
        return (2 if self.kind == "classification" else 1) + len(self.row_shape)

    @property
    def n_columns(self) -> int:
        """The number of values of each row of a regression, or of labels."""
        return self.row_shape[-1] if self.row_shape else 1

    @property
    def n_units_expected(self) -> int:
        """The number of units of a last layer for this task."""
        if self.kind != "classification":
            return self.n_columns * max(1, len(self.quantiles))
        return 1 if self.n_classes == 2 and not self.row_shape else self.n_classes


@dataclass(frozen=True)
class Head:
    """Interpretation of one output of a model.

    Parameters
    ----------
    n_units : int
        Number of units of the last layer.
    scale : {"probabilities", "logits", "values"}
        Whether an output is a probability, an unnormalised log-probability, or a value in
        the units of the encoded target.
    activation : str
        Name of the last activation; "unknown" if it cannot be read from the model.
    rank : int, default=2
        Number of axes of the output: 2 for (n_samples, n_units), 1 for (n_samples,).
    is_multilabel : bool, default=False
        Whether each unit is a separate label.
    """

    n_units: int
    scale: Scale
    activation: str
    rank: int = 2
    is_multilabel: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest possible output."""
        return _LIMITS_OF_ACTIVATION.get(self.activation, (-np.inf, np.inf))

    @property
    def is_one_of_many(self) -> bool:
        """Whether the units are mutually exclusive classes."""
        return self.scale != "values" and not self.is_multilabel and self.n_units > 1

    def targets(self, encoded: np.ndarray, *, as_codes: bool, dtype: str) -> np.ndarray:
        """Return encoded targets in the form that the loss compares with the outputs.

        Parameters
        ----------
        encoded : ndarray of shape (n_samples, ...)
            Codes of classes, indicators of labels, or continuous values.
        as_codes : bool
            Whether the loss takes integer codes rather than one column per class.
        dtype : str
            Dtype of the outputs.

        Returns
        -------
        targets : ndarray of shape (n_samples, ...)
            Codes have one axis less than the outputs, other targets as many axes as them.
        """
        if self.is_one_of_many and encoded.ndim < self.rank:
            return encoded if as_codes else np.eye(self.n_units, dtype=dtype)[encoded.astype(int)]
        targets = in_range_of(dtype, encoded, "y")
        # (n,) -> (n, 1), since a difference of (n,) and (n, 1) would broadcast to (n, n)
        return targets[..., np.newaxis] if targets.ndim < self.rank else targets

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return class probabilities of shape (n_samples, n_classes) from outputs.

        A single unit is the probability of the second class, or its log-odds. Several units are
        normalised by a softmax if they are logits, otherwise by their sum. The units of a
        multilabel output are separate probabilities.
        """
        outputs = np.asarray(outputs, dtype=np.float64)
        if self.is_multilabel:
            return expit(outputs) if self.scale == "logits" else outputs
        if self.n_units == 1:
            second = outputs.reshape(len(outputs))
            if self.scale == "logits":
                return np.column_stack([expit(-second), expit(second)])
            return np.column_stack([1.0 - second, second])
        if self.scale == "logits":
            return softmax(outputs, axis=-1)
        totals = outputs.sum(axis=-1, keepdims=True)
        uniform = np.full_like(outputs, 1.0 / self.n_units)
        return np.divide(outputs, totals, out=uniform, where=totals > 0)


def _activation_name(model: Any, position: int) -> str:
    """Return the name of the last activation before an output; "unknown" if there is none."""
    outputs = getattr(model, "outputs", None)
    layer = None if not outputs else output_layer(outputs[position])
    if layer is None and getattr(model, "layers", None) and isinstance(model, keras.Sequential):
        layer = model.layers[-1]
    if isinstance(layer, keras.Model):
        return _activation_name(layer, 0) if len(layer.outputs or [0]) == 1 else "unknown"
    if isinstance(layer, keras.layers.TimeDistributed):
        layer = layer.layer
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    if isinstance(layer, (keras.layers.Add, keras.layers.Subtract, keras.layers.Rescaling)):
        return "linear"
    activation = getattr(layer, "activation", None)
    if activation is None:
        return "unknown"
    return str(getattr(activation, "__name__", type(activation).__name__)).lower()


def output_structure(model: Any, X_example: Any) -> Any:
    """Return a model's outputs as symbolic tensors, in their structure of lists and dicts.

    Parameters
    ----------
    model : keras.Model
        Built model.
    X_example : ndarray, or dict or list of ndarray
        Rows in the format of the model's inputs.
    """
    rows = keras.tree.map_structure(
        lambda part: keras.KerasTensor(
            (None, *part.shape[1:]), dtype="string" if part.dtype == object else str(part.dtype)
        ),
        X_example,
    )
    return model.compute_output_spec(rows)


def read_heads(
    model: Any, outputs: Any, tasks: Sequence[Task], losses: Sequence[Any]
) -> list[Head]:
    """Return the interpretation of a model's outputs for its tasks.

    Parameters
    ----------
    model : keras.Model
        Built model.
    outputs : structure of symbolic tensors
        Result of `output_structure`.
    tasks : sequence of Task
        Task of each output.
    losses : sequence
        The specified loss of each output, or None. Its ``from_logits`` decides whether an output
        with an unknown activation is a logit.

    Raises
    ------
    ValueError
        If the outputs do not fit the tasks. The message names the fix.
    """
    flat = keras.tree.flatten(outputs)
    if len(flat) != len(tasks):
        what = "one target" if len(tasks) == 1 else f"{len(tasks)} targets"
        raise OutputShapeError(
            f"The model has {len(flat)} outputs, but y is {what}. "
            f"Give a model with {len(tasks)} output(s).",
            [tuple(output.shape[1:]) for output in flat],
        )
    return [
        _read_head(tuple(output.shape), _activation_name(model, position), task, loss)
        for position, (output, task, loss) in enumerate(zip(flat, tasks, losses, strict=True))
    ]


def _read_head(shape: tuple[int | None, ...], activation: str, task: Task, loss: Any) -> Head:
    n_units = 1 if len(shape) == 1 else int(shape[-1] or 0)
    _check_axes(shape, n_units, task)
    _check_units(shape, n_units, task)
    if task.kind == "regression":
        if activation in ("sigmoid", "softmax", "hard_sigmoid"):
            raise ValueError(
                f"The model's last activation is {activation!r}, which gives values between 0 "
                "and 1 only. Use 'linear' in the last layer of a regression."
            )
        return Head(n_units, "values", activation, len(shape))
    if task.kind == "classification" and n_units == 1 and activation == "softmax":
        raise ValueError(
            "The model's last layer is a softmax over one unit, which is always 1. "
            "Use 'sigmoid' with one unit, or 'softmax' with two."
        )
    # With a softmax, the indicators have a single 1, as in one-hot rows.
    is_multilabel = task.kind == "multilabel" and activation != "softmax"
    return Head(n_units, _scale_of(activation, loss), activation, len(shape), is_multilabel)


def _check_axes(shape: tuple[int | None, ...], n_units: int, task: Task) -> None:
    """Raise if outputs do not have the axes of the target."""
    # Outputs for values and labels have the axes of y, outputs for classes one more.
    wanted = task.row_shape if task.kind != "classification" else (*task.row_shape, n_units)
    wanted = wanted or (n_units,)
    if len(shape) > 1 and (
        len(shape) != 1 + len(wanted)
        or any(came not in (None, want) for came, want in zip(shape[1:-1], wanted, strict=False))
    ):
        raise OutputShapeError(
            f"The model gives outputs of shape {shape[1:]} per row, but y needs "
            f"{wanted}. End it in such outputs, for example with Flatten and Dense.",
            [shape[1:]],
        )


def _check_units(shape: tuple[int | None, ...], n_units: int, task: Task) -> None:
    """Raise if the last layer does not have the units that the target needs."""
    allowed: tuple[int, ...] = (task.n_units_expected,)
    needed = f"{task.n_columns} column(s)"
    if task.quantiles:
        needed += f" with {len(task.quantiles)} quantiles each"
    elif task.kind == "multilabel":
        needed = f"{task.n_units_expected} labels"
    elif task.kind == "classification":
        allowed = (1, 2) if task.n_classes == 2 and not task.row_shape else (task.n_classes,)
        needed = f"{task.n_classes} classes"
    if n_units not in allowed:
        raise OutputShapeError(
            f"The model has {n_units} output unit(s), but y has {needed}. Give the last layer "
            f"{task.n_units_expected} unit(s), in a builder meta.n_output_units_.",
            [shape[1:]],
        )


def _scale_of(activation: str, loss: Any) -> Scale:
    """Return whether outputs are probabilities or logits, by the last activation or the loss."""
    if activation in _SCALE_OF_ACTIVATION:
        return _SCALE_OF_ACTIVATION[activation]
    from_logits = _from_logits(loss)
    if from_logits is None:
        raise ValueError(
            f"The model's last activation is {activation!r}, so that its outputs may be "
            "probabilities or logits. End the model with 'sigmoid', 'softmax' or 'linear', "
            "or give a loss with from_logits, such as "
            "keras.losses.BinaryCrossentropy(from_logits=True)."
        )
    return "logits" if from_logits else "probabilities"


def _from_logits(loss: Any) -> bool | None:
    """Return whether a loss takes logits; None if it has no ``from_logits``."""
    if loss is None or isinstance(loss, str) or inspect.isroutine(loss):
        return None
    if inspect.isclass(loss):
        parameter = inspect.signature(loss).parameters.get("from_logits")
        return None if parameter is None else bool(parameter.default)
    from_logits = constructor_arguments(loss).get("from_logits")
    return None if from_logits is None else bool(from_logits)


def choose_loss(loss: Any, routed: Mapping[str, Any], head: Head, task: Task) -> tuple[Any, bool]:
    """Return the loss of an output, and whether it takes integer codes of classes.

    Parameters
    ----------
    loss : None, str, class, instance or function
        None chooses by the task and the last activation: the squared error for values, a
        cross-entropy of probabilities or logits for classes.
    routed : mapping
        Arguments of the loss.
    head : Head
        Interpretation of the output.
    task : Task
        Task of the output.

    Returns
    -------
    loss : keras.losses.Loss
        A fresh loss.
    as_codes : bool
        Whether it compares codes of classes with several units.

    Raises
    ------
    ValueError
        If the loss does not fit the task or the last activation. The message names the fix.
    """
    if loss is None:
        defaults: dict[str, Any] = {}
        if task.kind == "regression":
            specification = keras.losses.MeanSquaredError
        else:
            if head.is_multilabel or head.n_units == 1 or head.activation == "sigmoid":
                specification = keras.losses.BinaryCrossentropy
            elif task.kind == "multilabel":
                specification = keras.losses.CategoricalCrossentropy
            else:
                specification = keras.losses.SparseCategoricalCrossentropy
            defaults["from_logits"] = head.scale == "logits"
        chosen = instantiate(
            specification, {**defaults, **routed}, parameter="loss", find=find_loss
        )
    else:
        chosen = instantiate(loss, routed, parameter="loss", find=find_loss, module=keras.losses)
        if not isinstance(chosen, keras.losses.Loss):
            if not is_function_of(chosen, 2):
                raise ValueError(
                    "loss must be None, a name, a keras.losses.Loss as class or instance, or a "
                    f"function of (y_true, y_pred). Got {shown(loss)} instead."
                )
            chosen = _function_loss(chosen)
    _check_agreement(chosen, head, task)
    # A weighted mean does not depend on the scale of the weights, and ignores rows of weight 0:
    # sum_i w_i L_i / sum_i w_i
    if chosen.reduction in ("sum_over_batch_size", "mean"):
        chosen.reduction = "mean_with_sample_weight"
    as_codes = _takes_codes(chosen) and task.kind == "classification"
    return chosen, as_codes


def find_loss(name: str) -> Any:
    """Return the loss class of a name, such as "mse", "binary_crossentropy" or "quantile"."""
    if name == "quantile":
        return QuantileLoss
    return class_of_name(keras.losses, name)


def _function_loss(function: Any) -> Any:
    """Return a Keras loss that calls a custom function of (y_true, y_pred)."""

    class FunctionLoss(keras.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return function(y_true, y_pred)

    name = getattr(function, "__name__", "")
    return FunctionLoss(name=name if name.isidentifier() else "loss")


def _takes_codes(loss: Any) -> bool:
    name = type(loss).__name__
    # Custom losses get integer codes, as in SciKeras.
    return name.startswith("Sparse") or not type(loss).__module__.startswith("keras")


# Distances between targets and outputs, which are not meaningful for logits.
_DISTANCES = frozenset(
    {
        "CosineSimilarity", "Huber", "KLDivergence", "LogCosh", "MeanAbsoluteError",
        "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError",
        "Poisson",
    }
)  # fmt: skip


# Improper scoring rules: their expectation is not minimal at the class probabilities.
_IMPROPER = frozenset(
    {
        "CategoricalHinge", "Hinge", "LogCosh", "MeanAbsoluteError",
        "MeanAbsolutePercentageError", "MeanSquaredLogarithmicError", "SquaredHinge",
    }
)  # fmt: skip


def improper_losses(model: Any) -> list[str]:
    """Return the class names of a compiled model's losses that are improper scoring rules.

    The expectation of an improper scoring rule is not minimal at the class probabilities. The
    absolute error, for example, is minimal for the most frequent class.

    Parameters
    ----------
    model : keras.Model
        Compiled classifier.

    Returns
    -------
    names : list of str
        One class name for each output with such a loss.
    """
    names = [type(loss).__name__ for loss in keras.tree.flatten(model.loss)]
    return [name for name in names if name in _IMPROPER]


def _other_quantiles(name: str, task: Task) -> str:
    """Return the message for a loss of other quantiles than those of the target."""
    if task.kind != "regression":
        return f"loss={name} predicts quantiles of numbers, but y has classes. Use KerasRegressor."
    if not task.quantiles:
        return (
            f"loss={name} predicts several quantiles, but the network learns one value for each "
            "column of y. Use loss='quantile', with quantiles= of KerasRegressor, in a new fit."
        )
    return (
        f"loss={name} does not predict the quantiles {task.quantiles} that the network learns. "
        "Use loss='quantile', with quantiles= of KerasRegressor, in a new fit."
    )


def _check_agreement(loss: Any, head: Head, task: Task) -> None:
    name = type(loss).__name__
    if tuple(getattr(loss, "quantiles", ())) != task.quantiles:
        raise ValueError(_other_quantiles(name, task))
    if task.kind == "regression":
        if "Crossentropy" in name:
            raise ValueError(
                f"loss={name} compares probabilities, but y is continuous. "
                "Use a regression loss such as 'mse', or KerasClassifier."
            )
        return
    if head.n_units == 1 and not head.is_multilabel and "Categorical" in name:
        raise ValueError(
            f"loss={name} needs one output unit per class, but the model's last layer has 1 "
            f"unit. Give it {task.n_classes} units with 'softmax', or leave loss=None."
        )
    if head.scale == "logits" and name in _DISTANCES:
        # For probabilities, the squared error is the Brier score, a proper scoring rule.
        raise ValueError(
            f"loss={name} measures distances, but the model's last layer is linear, so that its "
            f"outputs are logits. Use loss=None, or give the last layer the activation "
            f"{'sigmoid' if head.n_units == 1 else 'softmax'!r} for the Brier score."
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
