"""Attributions of an explanation task: Shapley values, or gradients summed over feature groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from nnkit.estimators.network_function import NetworkFunction
from nnkit.explanation.attribution.deep import deep_values
from nnkit.explanation.attribution.gradient import gradient_values
from nnkit.explanation.attribution.shapley import Estimate, choose_method, estimate
from nnkit.explanation.attribution.value_function import ValueFunction
from nnkit.explanation.explanation_task import ExplanationTask
from nnkit.explanation.masking.feature_groups import FeatureGroups
from nnkit.explanation.options import ExplainOptions
from nnkit.explanation.pipelines.outputs import Output
from nnkit.explanation.pipelines.preprocessing import EncodedRows

__all__ = ["of_predicted", "values_of_task"]

_OUTPUTS = {"predict_proba": "proba", "predict": "predict", "network": "raw"}


def values_of_task(
    task: ExplanationTask,
    output: Output,
    options: ExplainOptions,
    on_rows: Callable[[float], None],
) -> tuple[ExplanationTask, Estimate]:
    """Return the values of all feature groups for all rows.

    Parameters
    ----------
    task : ExplanationTask
        Rows, feature groups and background.
    output : Output
        The explained output.
    options : ExplainOptions
        The arguments of the call.
    on_rows : callable
        Called with the number of rows finished since the last call, which may be a fraction.

    Returns
    -------
    task : ExplanationTask
        The same task; with ``layer`` its feature groups are the positions or units of the layer.
    estimate : Estimate
        The values with errors and base values.

    Raises
    ------
    ValueError
        If there are too many feature groups, or the network does not support the method.
    """
    if options.is_gradient:
        return _by_derivatives(task, output, options, on_rows)
    masked_samples = task.masked_samples
    arithmetic = masked_samples.arithmetic * masked_samples.background_size
    method = choose_method(options, len(task.active), arithmetic=arithmetic)
    value_function = ValueFunction(masked_samples, options.batch_rows, on_rows)
    found = estimate(value_function, method, options, (len(task.feature_groups), task.active))
    found = of_predicted(found, task.predicted)
    return task, replace(
        found, values=_of_all(found.values, task), errors=_of_all(found.errors, task)
    )


def of_predicted(found: Estimate, predicted: np.ndarray | None) -> Estimate:
    """Return the estimate reduced to one output for each row.

    Parameters
    ----------
    found : Estimate
        The values of all outputs.
    predicted : ndarray of int, shape (n_samples,), or None
        The output to keep for each row; None keeps all outputs.
    """
    if predicted is None:
        return found
    rows = np.arange(len(predicted))
    return replace(
        found,
        values=found.values[rows, ..., predicted][..., np.newaxis],
        errors=found.errors[rows, ..., predicted][..., np.newaxis],
        base=np.broadcast_to(found.base, (len(rows), found.base.shape[-1]))[rows, predicted][
            :, np.newaxis
        ],
    )


def _of_all(values: np.ndarray, task: ExplanationTask) -> np.ndarray:
    """Return values (n_samples, n_groups, ..., n_outputs), 0 for groups without columns."""
    n_groups, active = len(task.feature_groups), task.active
    if len(active) == n_groups:
        return values
    of_all = np.zeros((len(values), *[n_groups] * (values.ndim - 2), values.shape[-1]))
    at: tuple[Any, ...] = np.ix_(*[active] * (values.ndim - 2))
    of_all[(slice(None), *at)] = values
    return of_all


def _by_derivatives(
    task: ExplanationTask,
    output: Output,
    options: ExplainOptions,
    on_rows: Callable[[float], None],
) -> tuple[ExplanationTask, Estimate]:
    """Return gradient attributions to encoded features, summed over each feature group."""
    encoded, function = _network_of(task, output, options.method)
    if options.layer is not None:
        explained, of_encoded = _with_layer(task, function, encoded, options.layer)
    else:
        explained, of_encoded = task, task.of_column
    # Errors are summed too: an upper bound, reached if the errors in a group are fully correlated.
    add_up = partial(_added_up, of_encoded=of_encoded, n_groups=len(explained.feature_groups))
    arguments: dict[str, Any] = {
        "output": "logit" if output.is_logit else _OUTPUTS[str(output.predicts)],
        "batch_rows": options.batch_rows,
        "on_rows": on_rows,
    }
    if options.method != "deep":
        arguments |= {"method": options.method, "layer": options.layer, "add_up": add_up}

    def estimate_of(rows: Any, columns: list[int] | None) -> Estimate:
        of_columns = arguments | {"columns": columns}
        if options.method == "deep":
            found = deep_values(function, rows, encoded.background, **of_columns)
            values, errors = add_up(found.values), add_up(found.errors)
        else:
            found = gradient_values(function, rows, encoded.background, **of_columns)
            values, errors = found.values, found.errors
        return Estimate(values, errors, found.base, options.method)

    if task.predicted is None:
        return explained, estimate_of(encoded.X, output.columns)
    # Rows are grouped by predicted class, so that each row needs gradients of one output only.
    order = np.argsort(task.predicted, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(task.predicted[order])) + 1)
    found = [estimate_of(encoded.X[rows], [int(task.predicted[rows[0]])]) for rows in groups]
    back = np.argsort(order)
    values = np.concatenate([part.values for part in found])[back]
    errors = np.concatenate([part.errors for part in found])[back]
    base = np.repeat([part.base for part in found], list(map(len, groups)), axis=0)[back]
    return explained, Estimate(values, errors, base, options.method)


def _network_of(
    task: ExplanationTask, output: Output, method: str
) -> tuple[EncodedRows, NetworkFunction]:
    """Return the encoded rows and their network, or raise if gradients are not available."""
    if callable(output.predicts):
        raise ValueError(
            f"method={method!r} differentiates the network, but output is a callable. "
            "Leave out output, or use method='permutation'."
        )
    encoded = task.encoded
    if encoded is not None and encoded.preprocessing.function is not None:
        return encoded, encoded.preprocessing.function
    if task.is_of_network:
        raise ValueError(
            f"method={method!r} needs a source column in X for each encoded feature, but the "
            "preprocessing mixes columns of X. Use feature_groups='transformed', or "
            "method='permutation'."
        )
    raise ValueError(
        f"method={method!r} needs a KerasClassifier or KerasRegressor as the last step. "
        "Use method='permutation'."
    )


def _added_up(values: np.ndarray, of_encoded: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the sums over the encoded features of each feature group."""
    # (n_samples, n_encoded, n_outputs) -> (n_samples, n_groups, n_outputs)
    sums = np.zeros((n_groups, len(values), values.shape[2]))
    np.add.at(sums, of_encoded, values.swapaxes(0, 1))
    return sums.swapaxes(0, 1)


def _with_layer(
    task: ExplanationTask, function: NetworkFunction, encoded: EncodedRows, layer: str
) -> tuple[ExplanationTask, np.ndarray]:
    """Return a task with the positions or units of a layer as feature groups.

    The array has the feature group of each output of the layer. If the layer has as many
    positions as there are feature groups, such as the embedding of one token per column, the
    feature groups stay the columns.
    """
    shape = function.layer_shape(layer, encoded.X[:1])
    n_positions = int(np.prod(shape[:-1])) if len(shape) > 1 else shape[0]
    of_output = np.repeat(np.arange(n_positions), int(np.prod(shape)) // n_positions)
    feature_groups = task.feature_groups
    if len(shape) == 1 or feature_groups.row_shape or len(feature_groups) != n_positions:
        names = [f"{layer}[{position}]" for position in range(n_positions)]
        feature_groups = FeatureGroups(names, np.arange(n_positions))
        task = replace(task, feature_groups=feature_groups, data=None)
    return task, of_output
