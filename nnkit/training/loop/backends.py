"""Choice of the backend of a training.

The choice depends only on the model, the data and the settings of the fit. It does not depend on
earlier compilations or on concurrent fits. The same fit gives the same bits on the same machine.

======== =========================================================================
backend  description
======== =========================================================================
"keras"  ``keras.Model.fit``, for models that the compiled programs do not support
"graph"  a TensorFlow graph that loops over batches; works with all other models
"xla"    the same loop, XLA-compiled, for small networks whose rows are independent:
         half the time per step, about 0.35 s of compilation, and about 4 MB of
         memory that TensorFlow does not release
======== =========================================================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras
import tensorflow as tf
from scipy import sparse

from nnkit._compat import compile_arguments, has_gradient_overwrites
from nnkit.datasets.encoded_rows import is_on_disk
from nnkit.training.caching.library_code import runs_library_code_only
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.loop import thresholds
from nnkit.training.loop.callbacks import needs_batches

__all__ = [
    "REASON_FOR_ALONE",
    "REASON_FOR_KERAS",
    "Backend",
    "choose_backend",
    "is_heavy",
    "is_padded",
    "suits_stack",
]

Backend = Literal["graph", "xla", "keras"]

REASON_FOR_KERAS = "reason for keras"
"""Key of `CompiledModel.fact`: why a model needs Keras' fit; None if it does not."""

REASON_FOR_ALONE = "reason for training alone"
"""Key of `CompiledModel.fact`: why trainings are not vectorised; None if they can be."""

# Operations per step above which the members of an ensemble are not XLA-compiled.
_MAX_ARITHMETIC_OF_ENSEMBLE_FOR_XLA = 1e9

# Operations per step above which one network keeps a GPU busy.
_MAX_ARITHMETIC_IN_STACK = 1e8

# Operations per step above which one step uses all CPU cores.
_MAX_ARITHMETIC_SIDE_BY_SIDE = 3e8


def choose_backend(compiled_model: CompiledModel, data: Any, plan: Any) -> Backend:
    """Return the backend of a training.

    Parameters
    ----------
    compiled_model : CompiledModel
    data : TrainingData
    plan : TrainingPlan
        ``engine`` overrides the choice.

    Raises
    ------
    ValueError
        If ``plan.engine`` does not support the model, the data or a callback.
    """
    if plan.engine == "keras":
        return "keras"
    reason = _reason_for_keras(compiled_model, plan.callbacks)
    if reason is not None:
        if plan.engine != "auto":
            raise ValueError(f"engine={plan.engine!r} cannot carry {reason}. Use engine='auto'.")
        return "keras"
    if plan.engine == "graph":
        return "graph"
    reason = _reason_for_graph(compiled_model, data)
    if plan.engine == "xla":
        if reason is not None:
            raise ValueError(f"engine='xla' cannot carry {reason}. Use engine='auto'.")
        return "xla"
    if reason is not None or _has_gpu():
        return "graph"
    n_steps, arithmetic = _n_steps(data, plan), _arithmetic(compiled_model, data, plan)
    fewest = thresholds.THRESHOLDS.min_steps_for_xla
    if n_steps >= fewest and arithmetic <= thresholds.THRESHOLDS.max_arithmetic_for_xla:
        return "xla"
    # XLA draws other random numbers than a graph. The first member of an ensemble must equal the
    # single network with the same seed, so that networks with random layers stay with the graph.
    if compiled_model.draws_numbers or arithmetic > _MAX_ARITHMETIC_OF_ENSEMBLE_FOR_XLA:
        return "graph"
    is_ensemble = plan.n_estimators > 1 and plan.n_estimators * n_steps >= fewest
    return "xla" if is_ensemble else "graph"


def suits_stack(
    compiled_model: CompiledModel, data: Any, plan: Any, backend: Backend, wanted: bool | None
) -> bool:
    """Return whether a training should join others in one vectorised program.

    On CPUs, threads were faster than a vectorised program for all networks that were measured
    (docs/performance.rst). On a GPU, the launch of operations dominates the steps of small
    networks, and a vectorised program launches each operation once for all its members.

    Parameters
    ----------
    compiled_model : CompiledModel
    data : TrainingData
    plan : TrainingPlan
    backend : {"graph", "xla", "keras"}
        Backend of the fit on its own.
    wanted : bool or None
        The user's choice; None chooses automatically.
    """
    if wanted is False or backend == "keras" or sparse.issparse(data.X) or is_on_disk(data.X):
        return False
    if wanted is None:
        if not _has_gpu() or _arithmetic(compiled_model, data, plan) > _MAX_ARITHMETIC_IN_STACK:
            return False
        if compiled_model.loops_over_members:
            return False
    return compiled_model.fact(REASON_FOR_ALONE, lambda: None) is None


def is_heavy(compiled_model: CompiledModel, data: Any, plan: Any) -> bool:
    """Return whether one step uses all cores, so that concurrent fits should take turns."""
    return _arithmetic(compiled_model, data, plan) > _MAX_ARITHMETIC_SIDE_BY_SIDE


def _n_steps(data: Any, plan: Any) -> int:
    return int(plan.epochs * math.ceil(data.n_samples / plan.batch_size))


def _arithmetic(compiled_model: CompiledModel, data: Any, plan: Any) -> float:
    """Return the number of floating-point operations of a step."""
    return compiled_model.step_arithmetic * min(plan.batch_size, data.n_samples)


def _has_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


# Losses with one value per row, reduced by a mean over the rows.
_ROWWISE_LOSSES = frozenset(
    {
        "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy",
        "CategoricalFocalCrossentropy", "CategoricalHinge", "CosineSimilarity", "Hinge", "Huber",
        "KLDivergence", "LogCosh", "MeanAbsoluteError", "MeanAbsolutePercentageError",
        "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson", "QuantileLoss",
        "SparseCategoricalCrossentropy", "SquaredHinge",
    }
)  # fmt: skip


def is_padded(compiled_model: CompiledModel) -> bool:
    """Return whether the last batch may be padded with rows of zero weight."""
    return compiled_model.fact("is padded", lambda: _is_padded(compiled_model))


def _is_padded(compiled_model: CompiledModel) -> bool:
    if not compiled_model.is_rowwise:
        return False
    model = compiled_model.model
    losses = keras.tree.flatten(model.loss)
    # Losses are means over the last axis, so that only outputs (n, n_units) have one loss per row.
    # With several outputs, Keras records the loss of each as a metric.
    has_rows_of_units = len(model.outputs) == 1 and all(
        len(output.shape) == 2 for output in model.outputs
    )
    return (
        has_rows_of_units
        and not _has_metrics(model)
        and all(
            runs_library_code_only(loss)
            and type(loss).__name__ in _ROWWISE_LOSSES
            and loss.reduction in ("mean_with_sample_weight", "sum")
            for loss in losses
        )
    )


def _has_metrics(model: Any) -> bool:
    arguments = compile_arguments(model)
    return any(arguments.get(name) for name in ("metrics", "weighted_metrics"))


def _reason_for_graph(compiled_model: CompiledModel, data: Any) -> str | None:
    if sparse.issparse(data.X):
        return "sparse rows"
    if _has_metrics(compiled_model.model):
        return "metrics"
    if not is_padded(compiled_model):
        return "layers that combine rows of a batch, or a custom loss or layer"
    return None


_REPLACEABLE = (
    "train_step",
    "fit",
    "make_train_function",
    "compute_loss",
    "compute_metrics",
    "get_metrics_result",
    "metrics",
    "reset_metrics",
)


def _reason_for_keras(compiled_model: CompiledModel, callbacks: Sequence[Any]) -> str | None:
    if tf.distribute.has_strategy():
        return "a tf.distribute strategy"
    for callback in callbacks:
        if needs_batches(callback):
            return f"{type(callback).__name__}, which is called at every batch"
    return compiled_model.fact(REASON_FOR_KERAS, lambda: _reason_in_model(compiled_model.model))


def _reason_in_model(model: Any) -> str | None:
    for name in _REPLACEABLE:
        # A method is overridden in the instance or in a class outside of Keras.
        if name in vars(model):
            return f"a model with its own {name}"
        owner = next(cls for cls in type(model).__mro__ if name in vars(cls))
        if not owner.__module__.startswith("keras."):
            return f"a model with its own {name}"
    if model.run_eagerly:
        return "a model compiled with run_eagerly"
    if model.steps_per_execution not in (None, 1):
        return "a model compiled with steps_per_execution"
    if compile_arguments(model).get("jit_compile") is True:
        return "a model compiled with jit_compile"
    if not model.trainable_variables:
        return "a model without trainable weights"
    if getattr(model.optimizer, "gradient_accumulation_steps", None):
        return "an optimizer that accumulates gradients"
    if has_gradient_overwrites(model.trainable_variables):
        return "weights of 8 bits"
    return None
