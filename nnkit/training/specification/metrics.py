"""Metrics of probabilities, class codes, one-hot rows, or values in the target's units.

The loss compares the outputs of a network with encoded targets. Keras' metrics need other forms:
class probabilities, labels as codes or as one-hot rows, values in the target's units.
`read_metrics` wraps each metric of a compiled model in a `ReadMetric`, which converts targets and
outputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from nnkit._compat import (
    compile_arguments,
    constructor_arguments,
    keras_mask,
    replace_metrics,
    replaced_metrics,
    with_keras_mask,
    wrapped_function,
)
from nnkit.encoding.quantiles import median_weights
from nnkit.training.specification.heads import Head, Task
from nnkit.training.specification.metric_kinds import (
    HINGES,
    NAMED_ACCURACY,
    OF_DIFFERENCES,
    Form,
    check_defined,
    description,
    form_of,
    kind_of,
    metric_of_name,
)

if TYPE_CHECKING:
    from nnkit.training.specification.output_spec import OutputSpec

__all__ = ["ReadMetric", "assign_units", "read_metrics", "units_by_variable"]


def _whole_rows(y_true: Any, y_pred: Any) -> Any:
    """Return 1 for each row in which all labels are correct, else 0."""
    return ops.cast(ops.all(ops.equal(y_true, y_pred), axis=-1), "float32")


class ReadMetric(keras.metrics.Metric):
    """Wrapper of a metric that converts targets and outputs to the form of its arguments.

    Parameters
    ----------
    metric : keras.metrics.Metric
        The metric to update.
    form : str
        See `nnkit.training.specification.metric_kinds.Form`.
    head : Head
        Interpretation of the output; of quantiles, that of the values nearest to the median.
    task : Task
        Task of the output.
    from_logits : bool, default=False
        Whether the metric takes logits in place of probabilities.

    Attributes
    ----------
    position : int
        Position of the output among those of the model.
    """

    position = 0

    def __init__(
        self, metric: Any, form: Form, head: Head, task: Task, *, from_logits: bool = False
    ) -> None:
        super().__init__(name=metric.name)
        self.metric = metric
        self._form = form
        self._head = head
        self._task = task
        self._from_logits = from_logits
        # Metrics of differences do not depend on the location. A large location would cost
        # precision.
        self._is_centred = form == "values" and kind_of(metric) in OF_DIFFERENCES
        self._units: list[Any] = []
        if task.is_scaled:
            for name, value in (
                ("scale", 1.0),
                ("location", 0.0),
                ("low", -np.inf),
                ("high", np.inf),
            ):
                initializer = keras.initializers.Constant(value)
                self._units.append(
                    self.add_variable(task.row_shape, initializer, "float64", name=name)
                )

    @property
    def units(self) -> list[Any]:
        """The variables with scale, location, smallest and largest value of the target."""
        return list(self._units)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Convert a batch and update the metric."""
        mask = keras_mask(y_pred)
        dtype = "float64" if str(y_pred.dtype) == "float64" else "float32"
        outputs = self._values(y_true, ops.cast(y_pred, dtype))
        if self._form == "own":
            target, read = self._read_by_output(y_true, outputs)
            if mask is not None:
                read = with_keras_mask(read, mask)
            weight = sample_weight
        else:
            target, read = self._read(y_true, outputs)
            weight = self._weight(sample_weight, mask, outputs)
        if weight is None:
            self.metric.update_state(target, read)
        else:
            self.metric.update_state(target, read, sample_weight=weight)

    def result(self) -> Any:
        """Return the value of the metric as a scalar."""
        value = self.metric.result()
        # (1,) -> (), for one column, or one class of two
        is_table = not isinstance(value, Mapping) and len(value.shape) > 0
        return ops.squeeze(value) if is_table and value.shape == (1,) else value

    def reset_state(self) -> None:
        """Reset the metric; the units of the target are kept."""
        self.metric.reset_state()

    def get_config(self) -> dict[str, Any]:
        """Raise NotImplementedError, since saved models contain the wrapped metrics."""
        raise NotImplementedError("A ReadMetric belongs to one network.")

    def _values(self, y_true: Any, outputs: Any) -> Any:
        """Return outputs; of quantiles the values nearest to the median, in the target's shape."""
        quantiles = self._task.quantiles
        if not quantiles:
            return outputs
        # (n_batch, n_columns * n_quantiles) -> (n_batch, n_columns, n_quantiles)
        by_column = ops.reshape(outputs, (-1, self._task.n_columns, len(quantiles)))
        weights = ops.cast(median_weights(quantiles), outputs.dtype)
        return ops.reshape(ops.sum(ops.sort(by_column) * weights, axis=-1), ops.shape(y_true))

    def _in_units(self, values: Any) -> Any:
        """Return encoded values in the units of the target."""
        if not self._units:
            return values
        scale, location, low, high = (ops.convert_to_tensor(unit) for unit in self._units)
        in_scale = ops.clip(ops.cast(values, "float64") * scale, low - location, high - location)
        return in_scale if self._is_centred else in_scale + location

    def _read_by_output(self, y_true: Any, outputs: Any) -> tuple[Any, Any]:
        """Return the arguments of a custom metric."""
        if self._head.scale == "values":
            dtype = outputs.dtype
            return (
                ops.cast(self._in_units(y_true), dtype),
                ops.cast(self._in_units(outputs), dtype),
            )
        shape = ops.shape(outputs)
        return y_true, ops.reshape(self._probabilities(self._rows(outputs)), shape)

    def _rows(self, tensor: Any) -> Any:
        """Return a tensor (n, ..., n_units) as (n_rows, n_units)."""
        return ops.reshape(tensor, (-1, self._head.n_units))

    def _read(self, y_true: Any, outputs: Any) -> tuple[Any, Any]:
        """Return the arguments of a Keras metric."""
        head, form = self._head, self._form
        if form == "values":
            return self._rows(self._in_units(y_true)), self._rows(self._in_units(outputs))
        scores = self._rows(outputs)
        read = scores if self._from_logits else self._probabilities(scores)
        if head.is_multilabel:
            target = self._rows(y_true)
            is_decided = form in ("codes", "decided")
            return target, ops.cast(read > 0.5, target.dtype) if is_decided else read
        codes = self._codes(y_true, outputs)
        n_classes = max(2, head.n_units)
        if form == "codes":
            best = ops.argmax(read, -1) if head.n_units > 1 else ops.cast(read[:, 0] > 0.5, "int32")
            return codes, ops.cast(best, "int32")
        if form in ("second", "decided") and n_classes == 2:
            second = self._second(read)
            second = ops.cast(second > 0.5, read.dtype) if form == "decided" else second
            return ops.cast(codes, read.dtype)[:, None], second
        columns = read if head.n_units > 1 else self._two_columns(read)
        if form == "sparse":
            return codes, columns
        return ops.one_hot(codes, n_classes, dtype=read.dtype), columns

    def _codes(self, y_true: Any, outputs: Any) -> Any:
        """Return codes of classes (n_rows,), from codes or one-hot rows."""
        if self._head.n_units > 1 and len(y_true.shape) == len(outputs.shape):
            return ops.cast(ops.argmax(self._rows(y_true), -1), "int32")
        return ops.cast(ops.reshape(y_true, (-1,)), "int32")

    def _second(self, read: Any) -> Any:
        if self._head.n_units == 1:
            return read
        return read[:, 1:] - read[:, :1] if self._from_logits else read[:, 1:]

    def _two_columns(self, second: Any) -> Any:
        first = ops.zeros_like(second) if self._from_logits else 1.0 - second
        return ops.concatenate([first, second], axis=-1)

    def _probabilities(self, scores: Any) -> Any:
        """Return probabilities as `Head.probabilities`, but one column for one unit."""
        head = self._head
        if head.scale == "logits":
            return ops.softmax(scores) if head.is_one_of_many else ops.sigmoid(scores)
        if not head.is_one_of_many:
            return scores
        totals = ops.sum(scores, axis=-1, keepdims=True)
        return ops.where(totals > 0, scores / ops.where(totals > 0, totals, 1.0), 1 / head.n_units)

    def _weight(self, sample_weight: Any, mask: Any, outputs: Any) -> Any:
        """Return the weights of rows, where steps count as rows; None for equal weights."""
        shape = ops.shape(outputs)[:-1] if len(outputs.shape) > 1 else ops.shape(outputs)
        weight = None
        for part in (sample_weight, mask):
            if part is None:
                continue
            rows = ops.cast(part, outputs.dtype)
            if len(rows.shape) > len(shape):
                rows = ops.mean(rows, axis=-1)
            rows = ops.reshape(rows, (*ops.shape(rows), *[1] * (len(shape) - len(rows.shape))))
            rows = ops.reshape(ops.broadcast_to(rows, shape), (-1,))
            weight = rows if weight is None else weight * rows
        return weight


def read_metrics(model: Any, output_spec: OutputSpec) -> None:
    """Wrap each metric of a compiled model in a `ReadMetric`.

    The model's compilation arguments keep the original metrics, so that a saved model does not
    need nnkit.

    Parameters
    ----------
    model : keras.Model
        Compiled model, with or without metrics.
    output_spec : OutputSpec
        Interpretation of its outputs.

    Raises
    ------
    ValueError
        If a metric is not defined for the target. The message names the metric.
    """
    arguments = compile_arguments(model)
    read = {}
    for parameter in ("metrics", "weighted_metrics"):
        given = arguments.get(parameter)
        read[parameter] = _read(given, output_spec, parameter) if given else None
    if any(read.values()):
        replace_metrics(model, read["metrics"], read["weighted_metrics"])


def _read(given: Any, output_spec: OutputSpec, parameter: str) -> Any:
    """Return wrapped metrics in Keras' format, with a list for each output."""
    outputs = list(zip(output_spec.heads, output_spec.tasks, strict=True))
    if len(outputs) == 1:
        return [_read_one(one, *outputs[0], parameter) for one in keras.tree.flatten(given)]
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(output_spec.names))
        if unknown:
            raise ValueError(
                f"{parameter} names the output {unknown[0]!r}; the model has {output_spec.names}."
            )
        by_output = [given.get(name) for name in output_spec.names]
    elif len(given) == len(outputs):
        by_output = list(given)
    else:
        raise ValueError(
            f"{parameter} must have one entry for each of the {len(outputs)} outputs of the model. "
            f"Got {len(given)} instead."
        )
    read: list[Any] = []
    for position, (entry, output) in enumerate(zip(by_output, outputs, strict=True)):
        flat = [] if entry is None else keras.tree.flatten(entry)
        of_output = [_read_one(one, *output, parameter) for one in flat]
        for metric in of_output:
            metric.position = position
        read.append(of_output or None)
    return (
        read if not isinstance(given, Mapping) else dict(zip(output_spec.names, read, strict=True))
    )


def _read_one(given: Any, head: Head, task: Task, parameter: str) -> ReadMetric:
    """Return the wrapped metric of one output."""
    if isinstance(given, ReadMetric):
        return given
    n_outputs = head.n_units
    if task.quantiles:
        head = replace(head, n_units=task.n_columns)
    kind = kind_of(given)
    described = description(given, parameter)
    if kind is not None:
        check_defined(kind, described, head, task)
    metric = _metric_of(given, kind, head, task)
    form = form_of(metric, kind, head, task)
    from_logits = form != "own" and (kind in HINGES or _takes_logits(metric))
    if from_logits and head.scale == "probabilities":
        raise ValueError(
            f"{described} takes scores or logits, but the model's last activation is "
            f"{head.activation!r}, which gives probabilities. Leave out from_logits, choose "
            "another metric, or make the last layer 'linear'."
        )
    n_classes = 2 if head.is_multilabel else max(2, head.n_units)
    if form != "own" and getattr(metric, "num_classes", n_classes) != n_classes:
        raise ValueError(
            f"{described} is made for num_classes={metric.num_classes}, but y has {n_classes} "
            f"classes. Set num_classes={n_classes}."
        )
    if isinstance(given, str):
        metric.name = given
    read = ReadMetric(metric, form, head, task, from_logits=from_logits)
    _check_result(read, described, n_outputs, head, task)
    return read


def _metric_of(given: Any, kind: str | None, head: Head, task: Task) -> Any:
    """Return the metric to wrap, for a name, a function or an instance."""
    is_named = isinstance(given, str)
    if kind == NAMED_ACCURACY:
        if head.is_multilabel:
            # As in scikit-learn's accuracy_score, all labels of a row must be correct.
            return keras.metrics.MeanMetricWrapper(_whole_rows, name=given)
        return keras.metrics.Accuracy()
    if kind in ("ce", "crossentropy"):
        is_sparse = not head.is_multilabel
        metrics = keras.metrics
        return (
            metrics.SparseCategoricalCrossentropy() if is_sparse else metrics.BinaryCrossentropy()
        )
    # In float32, a large location would cost precision.
    in_double = {"dtype": "float64"} if task.is_scaled and kind is not None else {}
    metric = metric_of_name(given) if is_named else given
    if inspect.isclass(metric):
        return metric(**_defaults(metric, head), **in_double)
    if isinstance(metric, keras.metrics.Metric):
        if in_double and type(metric).__module__.startswith("keras."):
            return type(metric)(**{**constructor_arguments(metric), **in_double})
        return metric
    name = getattr(metric, "__name__", None) or getattr(metric, "name", type(metric).__name__)
    return keras.metrics.MeanMetricWrapper(metric, name=name, **in_double)


def _defaults(cls: Any, head: Head) -> dict[str, Any]:
    """Return the required arguments of a metric that follow from the target."""
    names = inspect.signature(cls).parameters
    n_classes = 2 if head.is_multilabel else max(2, head.n_units)
    known = {"num_classes": n_classes, "target_class_ids": list(range(n_classes))}
    return {
        name: value
        for name, value in known.items()
        if name in names and names[name].default is inspect.Parameter.empty
    }


def _takes_logits(metric: Any) -> bool:
    arguments = constructor_arguments(metric)
    inner = wrapped_function(metric)
    if inner is not None and not inspect.isroutine(inner):
        arguments = constructor_arguments(inner)
    return bool(arguments.get("from_logits") or getattr(metric, "_from_logits", False))


def _check_result(read: ReadMetric, described: str, n_outputs: int, head: Head, task: Task) -> None:
    """Raise if a metric cannot be computed for a target, or is not a scalar."""
    encoded = np.zeros((2, *task.row_shape), np.int32 if task.kind == "classification" else float)
    target = head.targets(encoded, as_codes=True, dtype="float32")
    shape = (
        (2, *task.row_shape) if task.kind != "classification" else (*encoded.shape, head.n_units)
    )
    if len(shape) < head.rank:
        shape = (*shape, head.n_units)
    if task.quantiles:
        shape = (2, n_outputs)
    outputs = np.full(shape[: head.rank], 1.0 / max(2, head.n_units), np.float32)
    before = dict(vars(read.metric))
    try:
        read.update_state(ops.convert_to_tensor(target), ops.convert_to_tensor(outputs))
        result = read.result()
        read.reset_state()
    except Exception as error:
        if read._form == "own":
            # A custom metric may fail for these example rows only.
            return
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{described} cannot be computed for this target: {reason}") from error
    finally:
        _check_attributes(before, read.metric, described)
    if isinstance(result, Mapping) or np.size(ops.convert_to_numpy(result)) != 1:
        what = "class" if task.kind == "classification" else "column"
        raise ValueError(
            f"{described} gives one value for each {what}, but history_ records one number. "
            + _one_number(read.metric)
        )


def _check_attributes(before: Mapping[str, Any], metric: Any, described: str) -> None:
    """Raise if a metric stores values in attributes, which compiled programs cannot update."""
    for name, value in vars(metric).items():
        is_new = value is not before.get(name)
        if is_new and isinstance(value, (tf.Tensor, np.ndarray, np.generic, float)):
            raise ValueError(
                f"{described} stores values in the attribute {name!r}, which a compiled training "
                "cannot update. Make a variable in __init__, with self.add_variable, and assign "
                "to that."
            )


def _one_number(metric: Any) -> str:
    if hasattr(metric, "average"):
        return "Average them: metrics__average='macro', or average='macro' in the metric."
    return "Give a metric whose result is one number."


def assign_units(model: Any, units: Sequence[Any] | None) -> None:
    """Set the units of the target in the metrics of a live model; None keeps them."""
    if units is None:
        return
    for variable, value in units_by_variable(model, units):
        variable.assign(value)


def units_by_variable(model: Any, units: Sequence[Any] | None) -> list[tuple[Any, Any]]:
    """Return the variables of units of all metrics of a model, with their values.

    Parameters
    ----------
    model : keras.Model
        Compiled model, with or without metrics.
    units : sequence of array-like, or None
        Scale, location, smallest and largest value, each a number or an array of the shape of a
        row of the target. If the network has one output for each column, the metrics of an output
        get the entries of its column.
    """
    found: list[tuple[Any, Any]] = []
    for metric in replaced_metrics(model):
        if not isinstance(metric, ReadMetric):
            continue
        for variable, value in zip(metric.units, units or [], strict=False):
            own = np.asarray(value, np.float64)
            if own.ndim > len(variable.shape):
                own = own[metric.position]
            found.append((variable, np.broadcast_to(own, variable.shape)))
    return found
