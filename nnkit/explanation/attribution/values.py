"""The values of the feature groups of a task: by coalitions, or by derivatives of the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from nnkit.estimators.network_function import NetworkFunction
from nnkit.explanation.attribution.deep import deep_values
from nnkit.explanation.attribution.gradient import gradient_values
from nnkit.explanation.attribution.methods import Estimate, choose_method, estimate
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
        What is explained.
    options : ExplainOptions
        What was asked for.
    on_rows : callable
        Is told how many rows are done; parts of rows add up.

    Returns
    -------
    task : ExplanationTask
        With other feature groups if they are those of a layer.
    estimate : Estimate
        The values.

    Raises
    ------
    ValueError
        If there are too many feature groups, or the network cannot have the method.
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
    """Return the estimate of one output for each row, if rows have outputs of their own.

    Parameters
    ----------
    found : Estimate
        The values of all outputs.
    predicted : ndarray of int, shape (n_samples,), or None
        The output of each row; None leaves all of them.
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
    """Return values (n_samples, n_groups, ..., n_outputs) with 0 for those who do not play."""
    n_groups, active = len(task.feature_groups), task.active
    if len(active) == n_groups:
        return values
    of_all = np.zeros((len(values), *[n_groups] * (values.ndim - 2), values.shape[-1]))
    places: tuple[Any, ...] = np.ix_(*[active] * (values.ndim - 2))
    of_all[(slice(None), *places)] = values
    return of_all


def _by_derivatives(
    task: ExplanationTask,
    output: Output,
    options: ExplainOptions,
    on_rows: Callable[[float], None],
) -> tuple[ExplanationTask, Estimate]:
    """Return the values that follow from derivatives by encoded features, added up by feature group."""
    encoded, function = _network_of(task, output, options.method)
    if options.layer is not None:
        explained, of_encoded = _with_layer(task, function, encoded, options.layer)
    else:
        explained, of_encoded = task, task.of_column
    # The errors of a feature group's encoded features add up, at worst.
    add_up = partial(_added_up, of_encoded=of_encoded, n_groups=len(explained.feature_groups))
    how: dict[str, Any] = {
        "output": "logit" if output.is_logit else _OUTPUTS[str(output.predicts)],
        "batch_rows": options.batch_rows,
        "on_rows": on_rows,
    }
    if options.method != "deep":
        how |= {"method": options.method, "layer": options.layer, "add_up": add_up}

    def estimate_of(rows: Any, columns: list[int] | None) -> Estimate:
        how_columns = how | {"columns": columns}
        if options.method == "deep":
            found = deep_values(function, rows, encoded.background, **how_columns)
            values, errors = add_up(found.values), add_up(found.errors)
        else:
            found = gradient_values(function, rows, encoded.background, **how_columns)
            values, errors = found.values, found.errors
        return Estimate(values, errors, found.base, options.method)

    if task.predicted is None:
        return explained, estimate_of(encoded.X, output.columns)
    # Each output needs derivatives of its own: only those of the rows' own outputs are made.
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
    """Return the encoded rows and the network that takes them, or say why there is none."""
    if callable(output.predicts):
        raise ValueError(
            f"method={method!r} differentiates the network, but output is a function of its own. "
            "Leave out output, or use method='permutation'."
        )
    encoded = task.encoded
    if encoded is not None and encoded.preprocessing.function is not None:
        return encoded, encoded.preprocessing.function
    if task.is_of_network:
        raise ValueError(
            f"method={method!r} differentiates the network by its own columns, but the "
            "preprocessing mixes columns of X. Use feature_groups='transformed', or "
            "method='permutation'."
        )
    raise ValueError(
        f"method={method!r} needs a KerasClassifier or KerasRegressor as the last step. "
        "Use method='permutation'."
    )


def _added_up(attributions: np.ndarray, of_encoded: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the sums (n_samples, n_groups, n_outputs) over the encoded features of each feature group."""
    sums = np.zeros((n_groups, len(attributions), attributions.shape[2]))
    np.add.at(sums, of_encoded, attributions.swapaxes(0, 1))
    return sums.swapaxes(0, 1)


def _with_layer(
    task: ExplanationTask, function: NetworkFunction, encoded: EncodedRows, layer: str
) -> tuple[ExplanationTask, np.ndarray]:
    """Return the positions, or units, of a layer as feature groups, and whose each of its outputs is.

    A layer with as many positions as X has columns, such as the embedding of the words that they
    hold, has the columns as feature groups.
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
