"""One training step as a function of tensors, for one network or for many at once.

It computes the same as ``keras.Model.train_step``. The variables of model, optimizer and metrics
are read from the tensors of a state, and their new values are returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from nnkit._compat import value_scope
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.loop.batches import take_on_host
from nnkit.training.loop.state import TrainingState
from nnkit.training.specification.metrics import units_by_variable

__all__ = [
    "ForeignStateError",
    "Step",
    "StepOfMany",
    "fresh_metrics",
    "metrics_results",
    "metrics_variables",
    "prepare_metrics",
]


class ForeignStateError(Exception):
    """Raised if a step changes a variable outside of the model, its metrics and its optimizer."""


class Step:
    """One training step of one network.

    Parameters
    ----------
    compiled_model : CompiledModel
        `prepare_metrics` must have been called for it.
    """

    def __init__(self, compiled_model: CompiledModel) -> None:
        self.model = compiled_model.model
        self.layout = compiled_model.layout
        self.metrics = metrics_variables(self.model)

    def __call__(
        self, state: TrainingState, metrics: list[Any], x: Any, y: Any, weight: Any
    ) -> tuple[TrainingState, list[Any], Any]:
        """Return the state after a batch, the metrics including it, and its loss."""
        layout = self.layout
        pieces = layout.pieces(state.weights)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pieces)
            loss, scaled, others, found = self._loss(
                pieces, state.others, state.optimizer, metrics, x, y, weight
            )
        gradients = _derivatives(tape, scaled, pieces)
        if layout.is_flat:
            # The gradient is None for a weight that the loss does not depend on.
            gradients = layout.packed(
                [
                    tf.zeros_like(piece) if gradient is None else gradient
                    for piece, gradient in zip(pieces, gradients, strict=True)
                ]
            )
        weights, moments = layout.optimizer.stateless_apply(
            list(state.optimizer), gradients, list(state.weights)
        )
        after = _shaped_state(TrainingState(weights, others, moments), state)
        return after, _shaped(found, metrics), loss

    def results(self, metrics: list[Any]) -> dict[str, Any]:
        """Return the results of the metrics by name."""
        return metrics_results(self.model, self.metrics, metrics)

    def _loss(
        self,
        pieces: Sequence[Any],
        others: Sequence[Any],
        optimizer: Sequence[Any],
        metrics: Sequence[Any],
        x: Any,
        y: Any,
        weight: Any,
    ) -> tuple[Any, Any, list[Any], list[Any]]:
        """Return the loss of a batch, the scaled loss to differentiate, the others and metrics."""
        layout = self.layout
        known = [
            *zip(layout.trainable, pieces, strict=True),
            *zip(layout.others, others, strict=True),
            *zip(layout.optimizer_variables, optimizer, strict=True),
        ]
        with value_scope(
            [*known, *zip(self.metrics, metrics, strict=True)], collect_losses=True
        ) as scope:
            outputs = self.model(x, training=True)
            loss = self.model.compute_loss(
                x=x, y=y, y_pred=outputs, sample_weight=weight, training=True
            )
            scaled = layout.optimizer.scale_loss(loss)
        # Layers and losses may have updated metrics in the forward pass.
        seen = [scope.get_current_value(variable) for variable in self.metrics]
        with value_scope([*known, *zip(self.metrics, seen, strict=True)]) as metric_scope:
            if self.metrics:
                self.model.compute_metrics(x, y, outputs, weight)
        own = {id(variable) for variable in [*self.metrics, *(pair[0] for pair in known)]}
        for used in (scope, metric_scope):
            if set(used.state_mapping) - own:
                raise ForeignStateError
        return (
            loss,
            scaled,
            [tf.convert_to_tensor(scope.get_current_value(v)) for v in layout.others],
            [tf.convert_to_tensor(metric_scope.get_current_value(v)) for v in self.metrics],
        )


class StepOfMany(Step):
    """One training step of many networks of one compiled model, stacked on a first axis.

    The forward pass and the update are vectorised over the networks. The loss of a network does
    not depend on the weights of another, so that the gradient of the sum of the losses contains
    the gradient of each: d(sum_k L_k) / dW_j = dL_j / dW_j.
    """

    def __call__(
        self, state: TrainingState, metrics: list[Any], x: Any, y: Any, weight: Any
    ) -> tuple[TrainingState, list[Any], Any]:
        """Return the states after one batch for each network, the metrics, and the losses."""
        layout = self.layout

        def of_one(one: Any) -> Any:
            weights, others, optimizer, metrics, x, y, row_weights = one
            weight = row_weights[0] if row_weights else None
            return self._loss(layout.pieces(weights), others, optimizer, metrics, x, y, weight)

        def updated(one: Any) -> Any:
            weights, optimizer, known = one
            gradients = dict(zip(derived, known, strict=True))
            after = layout.optimizer.stateless_apply(
                list(optimizer), [gradients.get(i) for i in range(len(weights))], list(weights)
            )
            return tuple([tf.convert_to_tensor(part) for part in parts] for parts in after)

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(state.weights)
            # tf.vectorized_map does not take None, so that missing weights are an empty list.
            row_weights = [] if weight is None else [weight]
            loss, scaled, others, found = _vectorized(of_one, (*state, metrics, x, y, row_weights))
        gradients = _derivatives(tape, scaled, state.weights)
        derived = [i for i, gradient in enumerate(gradients) if gradient is not None]
        weights, moments = _vectorized(
            updated, (state.weights, state.optimizer, [gradients[i] for i in derived])
        )
        after = _shaped_state(TrainingState(weights, others, moments), state)
        return after, _shaped(found, metrics), loss

    def results(self, metrics: list[Any]) -> dict[str, Any]:
        """Return the results of the metrics by name, one for each network."""
        if not metrics:
            return {}
        return _vectorized(super().results, metrics)


def _vectorized(function: Any, tensors: Any) -> Any:
    return tf.vectorized_map(function, tensors, warn=False)


def _derivatives(tape: Any, loss: Any, weights: Sequence[Any]) -> list[Any]:
    """Return the gradients as dense tensors; None for a weight without effect on the loss."""
    gradients = tape.gradient(loss, weights)
    if all(gradient is None for gradient in gradients):
        raise ValueError("The loss does not depend on any trainable weight of the model.")
    return [None if part is None else tf.convert_to_tensor(part) for part in gradients]


def _shaped_state(state: TrainingState, like: TrainingState) -> TrainingState:
    return TrainingState(*(_shaped(*parts) for parts in zip(state, like, strict=True)))


def _shaped(tensors: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    """Set the static shapes of tensors to those of ``like``, without adding an operation."""
    for tensor, model in zip(tensors, like, strict=True):
        tensor.set_shape(model.shape)
    return list(tensors)


def prepare_metrics(compiled_model: CompiledModel, x: Any, y: Any) -> None:
    """Create the variables of a model's metrics, which Keras does on the first batch.

    Parameters
    ----------
    compiled_model : CompiledModel
    x : ndarray, or dict or list of ndarray
        Encoded rows, at least one, in the dtypes of the model's inputs.
    y : structure of ndarray
        Their targets, in the form that the losses compare.
    """
    compiled_model.fact("metrics", lambda: _prepared_metrics(compiled_model.model, x, y))


def _prepared_metrics(model: Any, x: Any, y: Any) -> list[Any]:
    variables = metrics_variables(model)
    if len(model.metrics) > 1 or len(keras.tree.flatten(y)) > 1:
        first = keras.tree.map_structure(lambda part: part[:1], (take_on_host(x, slice(0, 1)), y))
        outputs = model(first[0], training=False)
        model.compute_loss(x=first[0], y=first[1], y_pred=outputs, training=False)
        model.compute_metrics(first[0], first[1], outputs, None)
        model.reset_metrics()
        variables = metrics_variables(model)
    return [tf.constant(keras.ops.convert_to_numpy(variable.value)) for variable in variables]


def fresh_metrics(compiled_model: CompiledModel, units: Any = None) -> list[Any]:
    """Return the values of the metrics' variables at the start of an epoch.

    Parameters
    ----------
    compiled_model : CompiledModel
        `prepare_metrics` must have been called for it.
    units : sequence of array-like or None, default=None
        Units of the target, for metrics of continuous values; see `units_by_variable`.
    """
    fresh = list(compiled_model.fact("metrics", list))
    if units is None or not fresh:
        return fresh
    model = compiled_model.model
    values = {id(variable): value for variable, value in units_by_variable(model, units)}
    return [
        tf.constant(values[id(variable)]) if id(variable) in values else value
        for variable, value in zip(metrics_variables(model), fresh, strict=True)
    ]


def metrics_variables(model: Any) -> list[Any]:
    """Return the variables of the metrics, except the mean of the loss."""
    return [
        variable
        for metric in model.metrics
        if not (type(metric) is keras.metrics.Mean and metric.name == "loss")
        for variable in metric.variables
    ]


def metrics_results(model: Any, variables: Sequence[Any], values: Sequence[Any]) -> dict[str, Any]:
    """Return the results of the metrics by name, without the loss."""
    with keras.StatelessScope(list(zip(variables, values, strict=True))):
        # A metric may return a variable. Its value in the scope is read here.
        results = keras.tree.map_structure(tf.convert_to_tensor, dict(model.get_metrics_result()))
    results.pop("loss", None)
    return results
