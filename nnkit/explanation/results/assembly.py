"""Conversion of estimates to explanations, in the shapes that plots of shap take."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.explanation.attribution.shapley import Estimate
from nnkit.explanation.explanation_task import ExplanationTask
from nnkit.explanation.pipelines.outputs import Output
from nnkit.explanation.results.result import Explanation

__all__ = ["explanation_of_rows", "explanation_of_texts"]


def explanation_of_rows(
    task: ExplanationTask, found: Estimate, output: Output, seconds: float
) -> Explanation:
    """Return the explanation of rows.

    Parameters
    ----------
    task : ExplanationTask
        Rows, feature groups and background.
    found : Estimate
        The values.
    output : Output
        The explained output.
    seconds : float
        The time taken.
    """
    n_outputs = found.values.shape[-1]
    values, errors = (task.feature_groups.in_shape(part) for part in (found.values, found.errors))
    has_row_shape = task.feature_groups.row_shape is not None
    is_by_group = not has_row_shape or found.values.ndim > 3
    base_values = np.broadcast_to(found.base, (len(values), n_outputs)).copy()
    if n_outputs == 1:
        values, errors, base_values = values[..., 0], errors[..., 0], base_values[:, 0]
    return Explanation(
        values,
        base_values=base_values,
        data=None if found.values.ndim > 3 and has_row_shape else task.data,
        feature_names=task.feature_groups.names if is_by_group else None,
        # shap.plots.image would treat a single name as a list of characters.
        output_names=_names(output, n_outputs) if is_by_group or n_outputs > 1 else None,
        error_std=errors,
        compute_time=seconds,
        method=found.method,
        background=task.background.origin,
        background_size=task.masked_samples.background_size,
        output=output.meaning if is_by_group or n_outputs > 1 else _meaning(output),
    )


def explanation_of_texts(
    words: list[list[str]], found: list[Estimate], output: Output, seconds: float
) -> Explanation:
    """Return the explanation of texts, with one array of values per text.

    Parameters
    ----------
    words : list of list of str
        The words of each text.
    found : list of Estimate
        The values of each text, as of a single row.
    output : Output
        The explained output.
    seconds : float
        The time taken.
    """
    n_outputs = found[0].values.shape[-1]
    at: Any = 0 if n_outputs == 1 else slice(None)
    values = np.empty(len(found), dtype=object)
    errors: list[np.ndarray] = []
    for position, of_text in enumerate(found):
        values[position] = of_text.values[0][:, at]
        errors.append(of_text.errors[0][:, at])
    return Explanation(
        values,
        base_values=np.array([of_text.base.reshape(-1)[at] for of_text in found]),
        data=[np.array(of_text, dtype=object) for of_text in words],
        feature_names=[[word.strip() for word in of_text] for of_text in words],
        output_names=_names(output, n_outputs),
        error_std=errors,
        compute_time=seconds,
        method=" or ".join(sorted({of_text.method for of_text in found})),
        background="texts without words",
        output=output.meaning,
    )


def _meaning(output: Output) -> str:
    """Return the description of a single output, with its name."""
    names = output.names(1)
    return f"{output.meaning}: {names[0]}" if names else output.meaning


def _names(output: Output, n_outputs: int) -> Any:
    names = output.names(n_outputs)
    return names[0] if n_outputs == 1 and names else names
