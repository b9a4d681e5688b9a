"""Compiled programs: training and validation as functions of the state.

A program takes all values as tensors and returns new ones. It changes no variable, so that all
fits of a compiled model share it, in any order and from any thread.

There are two training programs. ``padded_training`` takes batches of one size; the last batch of
an epoch is padded with rows of zero weight. It is for networks whose rows are independent, and XLA
can compile it. ``epoch_training`` takes row orders. It works for all networks, one or many at
once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from nnkit._compat import NotInTurnError, compiled, in_one_thread, traced
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.loop import thresholds
from nnkit.training.loop.state import TrainingState
from nnkit.training.loop.step import (
    Step,
    StepOfMany,
    fresh_metrics,
    metrics_results,
    metrics_variables,
)

__all__ = [
    "epoch_training",
    "like",
    "open_rows",
    "open_rows_of",
    "padded_training",
    "suits_one_thread",
    "validation_program",
]

Take = Callable[[Any, Any], Any]
# X, y and the weights of rows, as tensors or arrays.
Rows = tuple[Any, Any, Any]


def _traced(
    function: Callable[..., Any], *examples: Any, jit_compile: bool = False
) -> Callable[..., Any]:
    """Return a function compiled for arguments of the shapes and dtypes of the examples."""
    return traced(compiled(function, jit_compile=jit_compile), *examples)


def suits_one_thread(compiled_model: CompiledModel, n_batch: int) -> bool:
    """Return whether a step is fastest in one thread, with its operations in sequence."""
    most = thresholds.THRESHOLDS.max_arithmetic_in_one_thread
    is_small = compiled_model.step_arithmetic * n_batch <= most
    return is_small and not tf.config.list_logical_devices("GPU")


def _stepping(function: Callable[..., Any], *examples: Any, in_turn: bool) -> Callable[..., Any]:
    """Return a compiled function that loops over steps, in one thread with ``in_turn``."""
    if not in_turn:
        return _traced(function, *examples)
    try:
        with in_one_thread():
            program = traced(compiled(function), *examples, in_turn=True)
    except NotInTurnError:
        return _traced(function, *examples)

    def run(*arguments: Any) -> Any:
        with in_one_thread():
            return program(*arguments)

    return run


def padded_training(
    compiled_model: CompiledModel,
    take: Take | None,
    state: TrainingState,
    rows: Rows,
    batch_size: int | None,
    *,
    is_weighted: bool,
    in_turn: bool = False,
    n_steps: int | None = None,
) -> Callable[..., Any]:
    """Return a compiled function that trains on padded batches of one size.

    Parameters
    ----------
    compiled_model : CompiledModel
        Its rows must be independent; see `nnkit.training.loop.backends.is_padded`.
    take : callable or None
        Function from the tensors of ``X`` and positions of rows to a batch. None if ``rows`` are
        the batches themselves, (n_steps, batch_size, ...).
    state : TrainingState
        Example of a state, for shapes and dtypes.
    rows : tuple of X, y and sample_weight
        Examples of the rows, for shapes and dtypes.
    batch_size : int or None
        Rows per step including the padding, at least 1. None compiles a TensorFlow graph for
        batches of any size, whose small steps take a third longer.
    is_weighted : bool
        Whether rows have weights; if not, ``sample_weight`` is not read.
    in_turn : bool, default=False
        Whether the operations of a graph run in sequence, in one thread.
    n_steps : int or None, default=None
        Number of batches per call, for XLA, which compiles for one number. A call may use fewer
        of them. None compiles a TensorFlow graph for any number of batches.

    Returns
    -------
    train : callable
        Function of a state, ``X``, ``y``, ``sample_weight``, ``positions`` (n_steps, batch_size)
        of rows, ``counts`` (n_steps,) of rows without the padding, and the number of steps to
        take. Returns the new state and the loss of each step (n_steps,).
    """
    step = Step(compiled_model)

    def train(
        state: TrainingState, X: Any, y: Any, weight: Any, positions: Any, counts: Any, end: Any
    ) -> Any:
        n_rows = tf.shape(positions)[1] if batch_size is None else batch_size

        def one(i: Any, state: Any, losses: Any) -> Any:
            at = tf.ensure_shape(positions[i], (batch_size,)) if take is not None else i

            def batch_of(part: Any) -> Any:
                return part[i] if take is None else tf.gather(part, at)

            x = keras.tree.map_structure(batch_of, X) if take is None else take(X, at)
            y_true = keras.tree.map_structure(batch_of, y)
            # Padding rows have weight 0.
            counted = tf.cast(tf.range(n_rows) < counts[i], compiled_model.target_dtype)
            if is_weighted:
                counted *= batch_of(weight)
            state, _, loss = step(state, [], x, y_true, counted)
            losses = tf.tensor_scatter_nd_update(losses, [[i]], [tf.cast(loss, losses.dtype)])
            return i + 1, state, losses

        losses = tf.zeros(tf.shape(counts) if n_steps is None else (n_steps,))
        _, state, losses = tf.while_loop(
            lambda i, *_: i < end, one, [0, state, losses], parallel_iterations=1
        )
        return state, losses

    specify = open_rows if n_steps is None else like
    examples = (
        like(state),
        *(specify(part) for part in rows),
        tf.TensorSpec((n_steps, batch_size if take is not None else 0), tf.int32),
        tf.TensorSpec((n_steps,), tf.int32),
        tf.TensorSpec((), tf.int32),
    )
    if n_steps is not None:
        return _traced(train, *examples, jit_compile=True)
    return _stepping(train, *examples, in_turn=in_turn)


def epoch_training(
    compiled_model: CompiledModel,
    take: Take,
    state: TrainingState,
    rows: Rows,
    *,
    is_weighted: bool,
    in_turn: bool,
    is_stacked: bool = False,
) -> Callable[..., Any]:
    """Return a compiled function that trains on one pass over the rows.

    Parameters
    ----------
    compiled_model : CompiledModel
        `prepare_metrics` must have been called for it.
    take : callable
        Function from the tensors of ``X`` and positions of rows to a batch.
    state : TrainingState
        Example of a state of one network, for shapes and dtypes.
    rows : tuple of X, y and sample_weight
        Examples of the rows, for shapes and dtypes.
    is_weighted : bool
        Whether rows have weights; if not, ``sample_weight`` is not read.
    in_turn : bool
        Whether the operations run in sequence, in one thread.
    is_stacked : bool, default=False
        Whether many networks train at once, on dense rows.

    Returns
    -------
    train : callable
        Function of a state, the metrics so far, ``X``, ``y``, ``sample_weight``, the ``order``
        (n_samples,) of rows and the rows per step. Returns the new state, the metrics, the sum
        over rows of the losses of their batches, and the results of the metrics by name. With
        ``is_stacked``, all arguments and results but the rows have a first axis of n_estimators.
        The networks share the rows, and ``order`` is of shape (n_estimators, n_samples).
    """
    step = StepOfMany(compiled_model) if is_stacked else Step(compiled_model)
    members = (None,) if is_stacked else ()

    def train(
        state: TrainingState, metrics: list[Any], X: Any, y: Any, weight: Any, order: Any, n: Any
    ) -> Any:
        n_samples = tf.shape(order)[-1]

        def one(start: Any, state: Any, metrics: Any, total: Any) -> Any:
            at = order[..., start : tf.minimum(start + n, n_samples)]
            y_true = keras.tree.map_structure(lambda part: tf.gather(part, at), y)
            row_weight = tf.gather(weight, at) if is_weighted else None
            state, metrics, loss = step(state, metrics, take(X, at), y_true, row_weight)
            # The loss of a batch is a mean over its rows. The last batch may be smaller.
            n_batch = tf.cast(tf.shape(at)[-1], total.dtype)
            return start + n, state, metrics, total + n_batch * tf.cast(loss, total.dtype)

        _, state, metrics, total = tf.while_loop(
            lambda start, *_: start < n_samples,
            one,
            [0, state, metrics, tf.zeros_like(order[..., 0], tf.float64)],
            parallel_iterations=1,
        )
        return state, metrics, total, step.results(metrics)

    return _stepping(
        train,
        like(state, members),
        like(fresh_metrics(compiled_model), members),
        *(open_rows(part) for part in rows),
        tf.TensorSpec((*members, None), tf.int32),
        tf.TensorSpec((), tf.int32),
        in_turn=in_turn,
    )


def validation_program(
    compiled_model: CompiledModel,
    take: Take,
    state: TrainingState,
    rows: Rows,
    *,
    is_weighted: bool,
) -> Callable[..., Any]:
    """Return a compiled function that validates rows.

    Parameters
    ----------
    compiled_model : CompiledModel
        `prepare_metrics` must have been called for it.
    take : callable
        Function from the tensors of ``X`` and positions of rows to a batch.
    state : TrainingState
        Example of a state, for shapes and dtypes.
    rows : tuple of X, y and sample_weight
        Examples of the rows, for shapes and dtypes.
    is_weighted : bool
        Whether rows have weights; if not, ``sample_weight`` is not read.

    Returns
    -------
    validate : callable
        Function of the weights and others of a state, the metrics so far, ``X``, ``y``,
        ``sample_weight`` and positions of rows. Returns the loss of these rows, the metrics,
        their results by name, and a list of the outputs.
    """
    model, layout = compiled_model.model, compiled_model.layout
    variables = metrics_variables(model)

    def validate(
        weights: Any, others: Any, metrics: Any, X: Any, y: Any, weight: Any, at: Any
    ) -> Any:
        x = take(X, at)
        y_true = keras.tree.map_structure(lambda part: tf.gather(part, at), y)
        row_weight = tf.gather(weight, at) if is_weighted else None
        known = [
            *layout.known(weights, others),
            *zip(variables, metrics, strict=True),
        ]
        with keras.StatelessScope(known, collect_losses=True) as scope:
            outputs = model(x, training=False)
            loss = model.compute_loss(
                x=x, y=y_true, y_pred=outputs, sample_weight=row_weight, training=False
            )
            if variables:
                model.compute_metrics(x, y_true, outputs, row_weight)
        found = [scope.get_current_value(variable) for variable in variables]
        return loss, found, metrics_results(model, variables, found), keras.tree.flatten(outputs)

    return _traced(
        validate,
        like(state.weights),
        like(state.others),
        like(fresh_metrics(compiled_model)),
        *(open_rows(part) for part in rows),
        tf.TensorSpec((None,), tf.int32),
    )


def open_rows(tensors: Any, dtype: Any = None) -> Any:
    """Return the ``tf.TensorSpec`` of tensors with any number of rows.

    Parameters
    ----------
    tensors : structure of tensors or ndarray
    dtype : dtype or None, default=None
        Dtype to use instead of that of the tensors.
    """
    return keras.tree.map_structure(
        lambda part: tf.TensorSpec((None, *part.shape[1:]), dtype or part.dtype), tensors
    )


def open_rows_of(model: Any, tensors: Any) -> Any:
    """Return the ``tf.TensorSpec`` of rows, with the undefined axes of a model's one input.

    Parameters
    ----------
    model : keras.Model
        Its ``input_shape`` may have undefined axes, such as (None, None, 2) for sequences. The
        specification of several inputs is that of `open_rows`.
    tensors : structure of ndarray
        Rows in the format of the model's inputs.
    """
    inputs = getattr(model, "inputs", None) or []
    is_one = len(inputs) == 1 and not isinstance(tensors, (dict, list, tuple))
    if not is_one or len(inputs[0].shape) != tensors.ndim:
        return open_rows(tensors)
    return tf.TensorSpec(
        (
            None,
            *(
                None if axis is None else size
                for axis, size in zip(inputs[0].shape[1:], tensors.shape[1:], strict=True)
            ),
        ),
        tensors.dtype,
    )


def like(tensors: Any, first_axes: tuple[None, ...] = ()) -> Any:
    """Return the ``tf.TensorSpec`` of tensors, with additional leading axes.

    Parameters
    ----------
    tensors : structure of tensors
    first_axes : tuple of None, default=()
        One None for each additional axis.
    """
    return keras.tree.map_structure(
        lambda part: tf.TensorSpec((*first_axes, *part.shape), part.dtype), tensors
    )
