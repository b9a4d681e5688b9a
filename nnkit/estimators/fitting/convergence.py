"""The warning about a fit that is no better than a constant prediction, with its likely cause."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from nnkit._compat import compile_arguments
from nnkit.encoding.rows import rows_at
from nnkit.estimators.fitting.constant_predictions import Objective, objectives_of

if TYPE_CHECKING:
    from nnkit.training.loop.plan import TrainingData
    from nnkit.training.network import Network

__all__ = ["FitOutcome", "warning_of_fit"]

# Thresholds of the loss, as multiples of the loss of the best constant: suspicious, since the mean
# over the last epoch is a little above the loss at its end; no better; and clearly worse.
_SUSPICIOUS, _NO_BETTER, _CLEARLY_WORSE = 0.98, 0.999, 1.1

# Fits of fewer epochs are trials, which do not warn.
_MIN_EPOCHS = 6

# Thresholds for causes that only the losses show. A small network on random labels ends at about
# 1.2 times the loss of the constant after a hundred steps.
_WITHOUT_FALL, _IN_SPITE_OF_FALL, _MIN_STEPS = 1.25, 1.5, 100

# A loss that rises to this multiple warns after any number of steps.
_EXPLODED = 10.0

# Below this cross-entropy, a network predicts well. The loss of a constant is also nearly 0 if one
# class has nearly all weight.
_SMALL_CROSSENTROPY = 0.05

# Ranges of inputs and targets for which the usual initial weights and learning rates are too small
# or too large.
_LARGE_INPUT, _SMALL_INPUT = 100.0, 0.01
_LARGE_TARGET, _SMALL_TARGET = 3.0, 0.01

# Approximate limits of the numbers of the target, and of the rows, that are used.
_MAX_NUMBERS, _MAX_ROWS = 1_000_000, 20_000

# Layers after which the scale of the columns does not matter.
_SCALING_LAYERS = (
    "Normalization", "BatchNormalization", "LayerNormalization", "UnitNormalization", "Rescaling",
    "Embedding", "Hashing", "IntegerLookup", "StringLookup", "CategoryEncoding", "Discretization",
)  # fmt: skip


@dataclass(frozen=True)
class FitOutcome:
    """The result of a training, for the comparison with a constant prediction.

    Parameters
    ----------
    network : Network
        Trained.
    data : TrainingData
        Its training data.
    losses : sequence of float
        The training loss of each epoch.
    best_epoch : int
        Position in ``losses`` of the epoch whose weights the network has.
    batch_size : int
        Rows of an optimizer step.
    is_stopped : bool, default=False
        Whether early stopping ended it.
    is_encoded : bool, default=False
        Whether an encoder made the columns.
    column_names : sequence of str or None, default=None
        Names of the columns of a table without encoder.
    n_numeric : int or None, default=None
        Number of leading columns that are numbers rather than codes; None if all are.
    """

    network: Network
    data: TrainingData
    losses: Sequence[float]
    best_epoch: int
    batch_size: int
    is_stopped: bool = False
    is_encoded: bool = False
    column_names: Sequence[str] | None = None
    n_numeric: int | None = None


def warning_of_fit(outcome: FitOutcome) -> str | None:
    """Return a warning about a fit that is no better than a constant prediction.

    The training loss is compared with the weighted loss of the best constant. If it is no better,
    both losses are computed again on training rows, without regularisers and dropout. Data without
    a signal lead to the same result, so that a loss equal to that of the constant is reported only
    together with a measured cause.

    Parameters
    ----------
    outcome : FitOutcome

    Returns
    -------
    message : str or None
        The losses, the cause and its remedy. None if the fit is better than a constant, after up
        to five epochs, and for a loss whose best constant is not known.
    """
    if len(outcome.losses) < _MIN_EPOCHS:
        return None
    found = _compared(outcome)
    if found is None:
        return None
    loss, constant, name = found
    is_clearly_worse = loss > _CLEARLY_WORSE * constant
    causes = [_cause_in_columns(outcome)]
    if is_clearly_worse:
        causes.append(_cause_in_target(outcome))
    if not any(causes) and not outcome.is_stopped:
        causes.append(_cause_in_losses(outcome, loss / constant))
    if not any(causes):
        return None
    comparison = "worse than" if is_clearly_worse else "no better than"
    return (
        f"The network is {comparison} a constant prediction on its training rows: its "
        f"{name} is {loss:.4g}, that of the best constant {constant:.4g}. "
        + " ".join(cause for cause in causes if cause)
    )


def _compared(outcome: FitOutcome) -> tuple[float, float, str] | None:
    """Return the losses of the network and of a constant, and the name of the loss.

    None if the network is better.
    """
    network, data = outcome.network, outcome.data
    # The losses of a compiled model are read once for all of its fits.
    objectives = network.compiled_model.fact("objectives", lambda: _objectives_of(network))
    # Losses of constants are not implemented for weights of steps.
    sample_weight = data.own_sample_weight
    if objectives is None or getattr(sample_weight, "ndim", 1) > 1:
        return None
    targets = _flat(data.own_y)
    n_samples = len(targets[0])
    n_numbers = sum(math.prod(part.shape) for part in targets)
    rows = slice(None, None, max(1, n_numbers // _MAX_NUMBERS))
    constant = _of_constants(objectives, targets, sample_weight, rows)
    seen = outcome.losses[min(outcome.best_epoch, len(outcome.losses) - 1)]
    if not constant > 0 or seen < _SUSPICIOUS * constant:
        return None
    # Again, without regularisers and dropout, and with the final weights.
    rows = slice(None, None, math.ceil(n_samples / _MAX_ROWS))
    constant = _of_constants(objectives, targets, sample_weight, rows)
    # Sparse rows are predicted in chunks, so that they never become one dense table.
    chunk_rows = outcome.batch_size if sparse.issparse(data.X) else None
    positions = data.positions(np.arange(n_samples)[rows])
    outputs = network.outputs(rows_at(data.X, positions), chunk_rows)
    weight = None if sample_weight is None else sample_weight[rows]
    loss = sum(
        objective.loss(target[rows], output, weight)
        for objective, target, output in zip(objectives, targets, outputs, strict=True)
    )
    if not constant > 0 or not loss >= _NO_BETTER * constant:
        return None
    is_of_classes = all(head.scale != "values" for head in network.output_spec.heads)
    if is_of_classes and loss < _SMALL_CROSSENTROPY:
        return None
    return float(loss), constant, " + ".join(objective.name for objective in objectives)


def _objectives_of(network: Network) -> list[Objective] | None:
    model, compiled = network.compiled_model.model, network.output_spec
    if compile_arguments(model).get("loss_weights") is not None:
        return None
    return objectives_of(model.loss, compiled.heads, compiled.as_codes)


def _of_constants(
    objectives: Sequence[Objective], targets: Sequence[np.ndarray], weight: Any, rows: slice
) -> float:
    weight = None if weight is None else weight[rows]
    return sum(
        objective.loss_of_constant(target[rows], weight)
        for objective, target in zip(objectives, targets, strict=True)
    )


def _flat(structure: Any) -> list[np.ndarray]:
    if isinstance(structure, dict):
        return [part for name in sorted(structure) for part in _flat(structure[name])]
    if isinstance(structure, (list, tuple)):
        return [part for entry in structure for part in _flat(entry)]
    return [structure]


def _cause_in_columns(outcome: FitOutcome) -> str | None:
    """Return a sentence about columns whose numbers are too large or too small, else None."""
    if _has_layer(outcome.network.compiled_model.model, _SCALING_LAYERS):
        return None
    X = outcome.data.own.X
    inputs = X.items() if isinstance(X, dict) else [(None, X)]
    causes = (_cause_in_input(name, part, outcome) for name, part in inputs)
    return next((cause for cause in causes if cause), None)


def _cause_in_input(name: str | None, X: Any, outcome: FitOutcome) -> str | None:
    if not isinstance(X, np.ndarray) and not sparse.issparse(X):
        return None
    table = "X" if name is None else f"X[{name!r}]"
    if X.ndim > 2:
        low, high = float(X.min()), float(X.max())
        which, fix = f"The values of {table} range", "Divide them, for example by the largest."
    else:
        lows, highs = (_dense(part)[: outcome.n_numeric] for part in (X.min(0), X.max(0)))
        if not len(lows):
            return None
        column = int(np.argmax(np.maximum(np.abs(lows), np.abs(highs))))
        low, high = float(lows[column]), float(highs[column])
        names = outcome.column_names if name is None else None
        label = column if names is None else names[column]
        kind = "encoded column" if outcome.is_encoded else "column"
        which = f"The {kind} {label!r} of {table} ranges"
        fix = "Scale the columns: set encoder=StandardScaler()."
        if name is not None:
            fix = "Scale the columns of each input."
        elif outcome.is_encoded:
            fix = "Let the encoder scale it: make_pipeline(encoder, StandardScaler())."
        # A single small column is not a cause if others are larger.
        if np.max(highs - lows) < _SMALL_INPUT:
            return f"{which} from {low:.4g} to {high:.4g} only. {fix}"
    if max(abs(low), abs(high)) < _LARGE_INPUT:
        return None
    return f"{which} from {low:.4g} to {high:.4g}. {fix}"


def _dense(part: Any) -> np.ndarray:
    return np.ravel(part.toarray() if sparse.issparse(part) else part)


def _has_layer(model: Any, names: Sequence[str]) -> bool:
    return any(
        any(cls.__name__ in names for cls in type(layer).__mro__) or _has_layer(layer, names)
        for layer in getattr(model, "layers", [])
    )


def _cause_in_target(outcome: FitOutcome) -> str | None:
    """Return a sentence about a target whose mean and deviation are far from 0 and 1, else None."""
    heads = outcome.network.output_spec.heads
    # An activation with limits cannot give standardised values.
    if any(head.scale != "values" or head.limits != (-np.inf, np.inf) for head in heads):
        return None
    own = outcome.data.own
    y, X = _flat(own.y)[0], own.X
    is_reconstruction = isinstance(X, np.ndarray) and X.shape == y.shape
    if is_reconstruction and np.array_equal(X[:100], y[:100]):
        return None
    mean, deviation = float(np.mean(y, dtype=np.float64)), float(np.std(y, dtype=np.float64))
    if _SMALL_TARGET <= math.hypot(mean, deviation) <= _LARGE_TARGET:
        return None
    return (
        f"y has the mean {mean:.4g} and the standard deviation {deviation:.4g}, far from 0 and 1. "
        "Scale it: TransformedTargetRegressor(regressor, transformer=StandardScaler())."
    )


def _cause_in_losses(outcome: FitOutcome, ratio: float) -> str | None:
    """Return a sentence about losses that rise, stay level, or still fall, else None.

    Parameters
    ----------
    outcome : FitOutcome
    ratio : float
        Ratio of the loss to that of the constant.
    """
    losses = outcome.losses
    n_steps = len(losses) * math.ceil(outcome.data.n_samples / outcome.batch_size)
    first, last = losses[0], losses[-1]
    has_exploded = ratio > _EXPLODED and last > 1.01 * first
    if ratio < _WITHOUT_FALL or (n_steps < _MIN_STEPS and not has_exploded):
        return None
    course = f"from {first:.4g} to {last:.4g} in {len(losses)} epochs"
    if last > 1.01 * first:
        return f"The loss rose, {course}. Lower optimizer__learning_rate."
    if last > 0.99 * first:
        return f"The loss never fell, {course}. Try other values of optimizer__learning_rate."
    if ratio < _IN_SPITE_OF_FALL:
        return None
    # The loss still falls at half the mean rate of the training or faster.
    n_last = max(1, len(losses) // 10)
    pace = (first - last) / (len(losses) - 1)
    if losses[-1 - n_last] - last > 0.5 * pace * n_last:
        return f"The loss still falls, {course}. Raise epochs or optimizer__learning_rate."
    return f"The loss no longer falls, {course}. Lower optimizer__learning_rate."
