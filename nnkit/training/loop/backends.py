"""Which way a training takes: the one place that chooses.

The choice depends on the fit's own model, data and settings only, never on what this process
has compiled before or how many fits run beside it: on the same machine the same fit gives the
same bits.

======== =========================================================================
backend     what it is
======== =========================================================================
"keras"  ``keras.Model.fit``, for what a compiled program cannot carry
"graph"  a TensorFlow graph that loops over batches; works with all other models
"xla"    the same loop as XLA-compiled code, for small networks whose rows do not see
         each other: half the time per step, for a third of a second of compiling
         and some 4 MB that TensorFlow never gives back
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
from nnkit.training.caching.library_code import runs_library_code_only
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.loop.batches import n_rows
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
"""The fact about a compiled model why it needs Keras' own fit; None if it does not."""

REASON_FOR_ALONE = "reason for training alone"
"""The fact about a compiled model why its trainings are not vectorised, if they cannot be."""

# XLA saves some 0.03 ms a step and costs some 0.35 s for each compiled model. With so many steps it
# pays where a compiled model is fitted about ten times, as in a cross-validation of two settings.
_MIN_STEPS_FOR_XLA = 1000

# Operations per step above which TensorFlow's own kernels are as fast (docs/performance.rst).
_MAX_ARITHMETIC_FOR_XLA = 1e7

# The same for ensembles, whose members fill all cores with graphs too.
_MAX_ARITHMETIC_OF_ENSEMBLE_FOR_XLA = 1e9

# A GPU is busy with one network from here on.
_MAX_ARITHMETIC_IN_STACK = 1e8

# Steps of more arithmetic use all cores by themselves.
_MAX_ARITHMETIC_SIDE_BY_SIDE = 3e8


def choose_backend(compiled_model: CompiledModel, data: Any, plan: Any) -> Backend:
    """Return the way that a training takes.

    Parameters
    ----------
    compiled_model : CompiledModel
    data : TrainingData
    plan : TrainingPlan
        ``engine`` overrides the choice.

    Raises
    ------
    ValueError
        If the engine that is asked for cannot carry the model, the data or a callback.
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
    if n_steps >= _MIN_STEPS_FOR_XLA and arithmetic <= _MAX_ARITHMETIC_FOR_XLA:
        return "xla"
    # Machine code draws other random numbers: the first member alone must be the same network.
    if compiled_model.draws_numbers or arithmetic > _MAX_ARITHMETIC_OF_ENSEMBLE_FOR_XLA:
        return "graph"
    is_ensemble = plan.n_estimators > 1 and plan.n_estimators * n_steps >= _MIN_STEPS_FOR_XLA
    return "xla" if is_ensemble else "graph"


def suits_stack(
    compiled_model: CompiledModel, data: Any, plan: Any, backend: Backend, wanted: bool | None
) -> bool:
    """Return whether fits like this one are to be members of one vectorised program.

    On CPUs, threads that share the program of one fit gain more with every kind of network that was
    measured (docs/performance.rst). On a GPU a step of a small network is hardly more than
    the launch of its operations, which many members share.

    Parameters
    ----------
    compiled_model : CompiledModel
    data : TrainingData
    plan : TrainingPlan
    backend : {"graph", "xla", "keras"}
        Which a fit of its own takes.
    wanted : bool or None
        What the user wants; None chooses.
    """
    if wanted is False or backend == "keras" or sparse.issparse(data.X):
        return False
    if wanted is None:
        if not _has_gpu() or _arithmetic(compiled_model, data, plan) > _MAX_ARITHMETIC_IN_STACK:
            return False
        if compiled_model.loops_over_members:
            return False
    return compiled_model.fact(REASON_FOR_ALONE, lambda: None) is None


def is_heavy(compiled_model: CompiledModel, data: Any, plan: Any) -> bool:
    """Return whether steps are best done one fit after the other, each on all cores."""
    return _arithmetic(compiled_model, data, plan) > _MAX_ARITHMETIC_SIDE_BY_SIDE


def _n_steps(data: Any, plan: Any) -> int:
    return int(plan.epochs * math.ceil(n_rows(data.X) / plan.batch_size))


def _arithmetic(compiled_model: CompiledModel, data: Any, plan: Any) -> float:
    """Return the floating-point operations of a step."""
    return compiled_model.step_arithmetic * min(plan.batch_size, n_rows(data.X))


def _has_gpu() -> bool:
    return bool(tf.config.list_logical_devices("GPU"))


# Losses that are one number for each row, and their mean.
_ROWWISE_LOSSES = frozenset(
    {
        "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy",
        "CategoricalFocalCrossentropy", "CategoricalHinge", "CosineSimilarity", "Hinge", "Huber",
        "KLDivergence", "LogCosh", "MeanAbsoluteError", "MeanAbsolutePercentageError",
        "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson",
        "SparseCategoricalCrossentropy", "SquaredHinge",
    }
)  # fmt: skip


def is_padded(compiled_model: CompiledModel) -> bool:
    """Return whether a last, smaller batch may be filled up with rows that weigh nothing."""
    return compiled_model.fact("is padded", lambda: _is_padded(compiled_model))


def _is_padded(compiled_model: CompiledModel) -> bool:
    if not compiled_model.is_rowwise:
        return False
    model = compiled_model.model
    losses = keras.tree.flatten(model.loss)
    # Losses are means over the last axis: with other axes than two they are not one for each row.
    # The losses of several outputs are metrics too.
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
        return "layers that look at more than one row, or a loss or layer of one's own"
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
            return f"{type(callback).__name__}, which wants to be called at every batch"
    return compiled_model.fact(REASON_FOR_KERAS, lambda: _reason_in_model(compiled_model.model))


def _reason_in_model(model: Any) -> str | None:
    for name in _REPLACEABLE:
        # A replaced method shows on the instance or in a class that is not Keras' own.
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
