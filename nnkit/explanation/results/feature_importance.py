"""Feature importance: mean absolute values of feature groups, with standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import shap

__all__ = ["GroupValues", "feature_importance", "is_changed", "is_one_row", "values_by_group"]

_REDUCTIONS = ("mean", "max", "min", "sum", "percentile")
_REORDERINGS = ("argsort", "flip")
_KEEPING_ERRORS = ("__getitem__", "abs", "identity")


def feature_importance(explanation: shap.Explanation) -> pd.DataFrame:
    """Return the mean absolute value of each feature group, in decreasing order.

    Parameters
    ----------
    explanation : shap.Explanation
        Values of shape (n_samples, n_groups) or (n_samples, n_groups, n_outputs), from
        :func:`nnkit.explain` or from shap; or one row, one column or one output of such an
        explanation. Texts may differ in length.

    Returns
    -------
    table : DataFrame of shape (n_groups, 2) or (n_groups, 2 * n_outputs)
        One row per feature group, by decreasing importance. "importance" is the mean over rows of
        ``|value|``, in units of the explained output. "std_error" is its standard error. With
        several outputs the columns have two levels, the name of the output and "importance" or
        "std_error", and rows are sorted by the sum of importances over outputs. For texts the
        feature groups are the words.

    Raises
    ------
    TypeError
        If ``explanation`` is not a ``shap.Explanation``.
    ValueError
        If the values are not one number for each row, feature group and output, as interactions
        and values of pixels; if there are no rows; if the axis of feature groups was removed, as
        by ``explanation.sum(axis=1)``; or if the numbers of words and values of a text differ.

    Notes
    -----
    The standard error of a feature group with values ``v_i`` in n rows and their errors ``e_i``
    (``error_std``, 0 if the explanation has none) is ::

        sqrt(var(|v_i|) / n + mean(e_i)**2)

    with ``n - 1`` in the denominator of the variance. The first term is the sampling error of
    the rows. The second is the error of estimated values. All rows share the permutations, so
    that their errors may be correlated and do not average out; ``mean(e_i)`` is the error of the
    mean if they are fully correlated. The result is thus an upper estimate. The standard error
    of a single row is NaN; the error of its value is in ``error_std``. It is also NaN if the
    values of an explanation with ``error_std`` were changed, as by ``2 * explanation``, since
    ``error_std`` does not change with them.

    Errors of the values also bias the importance upwards: for v near 0, ``|v + error|`` is on
    average larger than ``|v|`` (a folded normal distribution). Use ``n_permutations`` of at
    least 4 for results that are published.

    In a text, the values of all occurrences of a word are summed first, and so are their errors.
    The mean is over all texts, with 0 for texts without the word, so that a word of a single
    text does not rank first.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from nnkit import explain
    >>> from nnkit.explanation.results.feature_importance import feature_importance
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> classifier = LogisticRegression(max_iter=1000).fit(X, y)
    >>> explanation = explain(classifier, X.iloc[::10], background=X)
    >>> table = feature_importance(explanation[:, :, 2])
    >>> table.index[0], list(table.columns)
    ('petal length (cm)', ['importance', 'std_error'])
    >>> feature_importance(explanation)["2"]["importance"].equals(table["importance"])
    True
    """
    words = _words_by_row(explanation)
    if words is None:
        found = values_by_group(explanation)
        feature_groups, outputs = found.feature_groups, found.outputs
        means, std_errors = _of_table(found.values, found.errors)
    else:
        feature_groups, outputs, means, std_errors = _of_texts(explanation, words)

    order = np.argsort(-means.sum(axis=1), kind="stable")  # NaN is last
    index = pd.Index([feature_groups[feature_group] for feature_group in order])
    if means.shape[1] == 1:
        return pd.DataFrame(
            {"importance": means[order, 0], "std_error": std_errors[order, 0]}, index=index
        )
    columns = pd.MultiIndex.from_tuples(
        [(name, column) for name in outputs for column in ("importance", "std_error")]
    )
    both = np.stack([means, std_errors], axis=2)[order]  # (n_groups, n_outputs, 2)
    return pd.DataFrame(both.reshape(len(feature_groups), -1), index=index, columns=columns)


@dataclass(frozen=True)
class GroupValues:
    """The values of an explanation with axes for rows, feature groups and outputs.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_groups, n_outputs)
        The values.
    errors : ndarray of shape (n_samples, n_groups, n_outputs) or None
        Their standard errors, NaN if unknown; None if the explanation has no ``error_std``.
    feature_groups : list of str
        One name per feature group.
    outputs : list of str
        One name per output.
    """

    values: np.ndarray
    errors: np.ndarray | None
    feature_groups: list[str]
    outputs: list[str]


def values_by_group(explanation: Any) -> GroupValues:
    """Return the values of an explanation of a table, or of a part of it, with all axes.

    Parameters
    ----------
    explanation : shap.Explanation
        As for `feature_importance`; of texts, the explanation of one text.

    Returns
    -------
    found : GroupValues
        With axes for rows, feature groups and outputs.

    Raises
    ------
    TypeError
        If ``explanation`` is not a ``shap.Explanation``.
    ValueError
        If the values are not one number for each row, feature group and output.
    """
    _check_groups_remain(explanation)
    values = np.asarray(explanation.values, dtype=np.float64)
    outputs = _output_names(explanation, values.shape)
    with_outputs = values if outputs is not None else values[..., np.newaxis]
    in_place, feature_groups = _in_place(explanation, with_outputs)

    errors = None
    if explanation.error_std is not None:
        errors = np.full(in_place.shape, np.nan)
        if np.shape(explanation.error_std) == values.shape and not is_changed(explanation):
            errors = np.asarray(explanation.error_std, dtype=np.float64).reshape(in_place.shape)
    return GroupValues(in_place, errors, feature_groups, [""] if outputs is None else outputs)


def is_changed(explanation: Any) -> bool:
    """Return whether an operation changed the values, so that ``error_std`` is not their error.

    Parameters
    ----------
    explanation : shap.Explanation
        The explanation.

    Returns
    -------
    changed : bool
        False if only rows, feature groups and outputs were selected, or absolute values taken.
    """
    return any(item.name not in _KEEPING_ERRORS for item in explanation.op_history)


def is_one_row(explanation: Any) -> bool:
    """Return whether a single row was selected, or the rows were reduced to one.

    Parameters
    ----------
    explanation : shap.Explanation
        The explanation.

    Returns
    -------
    one : bool
        Whether the values have no axis for rows.
    """
    for item in explanation.op_history:
        if item.name in _REDUCTIONS:
            return True
        if item.name == "__getitem__" and isinstance(item.args[0][0], int | np.integer | str):
            return True
    return False


def _of_table(values: np.ndarray, errors: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return importances and standard errors of shape (n_groups, n_outputs)."""
    sizes = np.abs(values)  # (n_rows, n_groups, n_outputs)
    means = sizes.mean(axis=0)
    variances = ((sizes - means) ** 2).sum(axis=0)
    mean_errors = np.zeros_like(means) if errors is None else errors.mean(axis=0)
    return means, _std_errors(variances, mean_errors, len(values))


def _of_texts(
    explanation: Any, words: Sequence[Sequence[Any]]
) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    """Return words, outputs, importances and standard errors of texts.

    The arrays hold the occurring pairs of text and word only, since an array of all texts and
    all words would be large and nearly empty.
    """
    _check_groups_remain(explanation)
    has_errors = explanation.error_std is not None
    position: dict[str, int] = {}
    ids_found, sizes_found, errors_found = [], [], []
    for row, row_words in enumerate(words):
        row_values = _by_output(explanation.values[row])
        if len(row_values) != len(row_words):
            raise ValueError(
                f"explanation must have one value for each word. Got {len(row_values)} value(s) "
                f"for {len(row_words)} word(s) in row {row}."
            )
        row_errors = np.full(row_values.shape, np.nan if has_errors else 0.0)
        if has_errors and not is_changed(explanation):
            row_errors = _by_output(explanation.error_std[row])
        ids = [position.setdefault(str(word).strip(), len(position)) for word in row_words]
        ids_here, of_word = np.unique(np.asarray(ids, dtype=np.intp), return_inverse=True)
        sums = np.zeros((2, len(ids_here), row_values.shape[1]))
        np.add.at(sums[0], of_word, row_values)
        np.add.at(sums[1], of_word, row_errors)
        ids_found.append(ids_here)
        sizes_found.append(np.abs(sums[0]))
        errors_found.append(sums[1])

    ids_flat, sizes = np.concatenate(ids_found), np.concatenate(sizes_found)
    n_rows, shape = len(words), (len(position), sizes.shape[1])
    means, mean_errors, variances = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(means, ids_flat, sizes / n_rows)
    np.add.at(mean_errors, ids_flat, np.concatenate(errors_found) / n_rows)
    np.add.at(variances, ids_flat, (sizes - means[ids_flat]) ** 2)
    # Each text without the word contributes (0 - mean)**2 to the sum of squared deviations.
    n_without = n_rows - np.bincount(ids_flat, minlength=len(position))
    variances += n_without[:, np.newaxis] * means**2
    names = explanation.output_names
    outputs = [str(name) for name in names] if _is_list(names) else [""]
    if len(outputs) != shape[1]:
        outputs = [f"output {i}" for i in range(shape[1])]
    return list(position), outputs, means, _std_errors(variances, mean_errors, n_rows)


def _by_output(row: Any) -> np.ndarray:
    """Return the values or errors of one text with an axis for outputs."""
    numbers = np.asarray(row, dtype=np.float64)
    return numbers[:, np.newaxis] if numbers.ndim == 1 else numbers  # (n_words,) -> (n_words, 1)


def _std_errors(squares: np.ndarray, mean_errors: np.ndarray, n_rows: int) -> np.ndarray:
    """Return sqrt(variance / n + mean_error**2) from the sums of squared deviations."""
    if n_rows < 2:
        return np.full(squares.shape, np.nan)
    return np.sqrt(squares / (n_rows - 1) / n_rows + mean_errors**2)


def _check_groups_remain(explanation: Any) -> None:
    """Raise if the argument is not an explanation, or its values have no feature groups."""
    if not hasattr(explanation, "op_history") or not hasattr(explanation, "values"):
        raise TypeError(
            f"explanation must be a shap.Explanation. Got {type(explanation).__name__} instead."
        )
    if _is_list(explanation.values) and 0 in explanation.shape:
        raise ValueError("explanation must have at least one row. Got none.")
    for item in explanation.op_history:
        axis = item.kwargs.get("axis", item.args[0] if item.name == "percentile" else None)
        if item.name in _REORDERINGS or (item.name in _REDUCTIONS and axis != 0):
            raise ValueError(
                "explanation must have one value for each feature group, but "
                f"{item.name}() removed them. Pass the explanation before this operation."
            )


def _output_names(explanation: Any, shape: tuple[int, ...]) -> list[str] | None:
    """Return the names of the outputs in the last axis, None if it is not an axis of outputs."""
    names, base = explanation.output_names, explanation.base_values
    if not shape or not _is_list(names) or len(names) != shape[-1]:
        return None
    if explanation.data is not None and np.ndim(explanation.data) >= len(shape):
        return None
    # For a base of shape (n_rows, 1), shap takes the axis of feature groups for one of outputs.
    if base is not None and np.shape(base)[-1:] not in ((), shape[-1:]):
        return None
    return [str(name) for name in names]


def _in_place(explanation: Any, values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return values (n_rows, n_groups, n_outputs), and the names of the feature groups.

    The axes follow from the shape and from the names and base values:

    ============================  ==================  ================
    values without outputs        example             n_rows, n_groups
    ============================  ==================  ================
    ()                            ``e[0, "age"]``     1, 1
    (n,), a name or n base values ``e[:, "age"]``     n, 1
    (d,)                          ``e[0]``            1, d
    (n, d)                        ``e``               n, d
    ============================  ==================  ================
    """
    names, data = explanation.feature_names, explanation.data
    n_axes, n_outputs = values.ndim - 1, values.shape[-1]
    has_outputs_axis = np.ndim(explanation.values) == values.ndim
    is_one_name = names is not None and not _is_list(names)
    is_single = is_one_row(explanation)
    base_axes = np.ndim(explanation.base_values) - has_outputs_axis
    has_base_per_row = explanation.base_values is not None and base_axes == 1
    n_row_axes = n_axes if is_single else n_axes - 1  # axes of the values of one row
    if data is not None:
        is_interaction = np.ndim(data) == n_axes - 1
    else:
        is_interaction = n_row_axes == 2 and values.shape[-2] == values.shape[-3]
    if is_interaction and n_axes >= 2:
        raise ValueError(
            "explanation must have one value for each row and feature group. Got interactions of "
            f"shape {np.shape(explanation.values)} instead. Call explain with interactions=False."
        )
    if n_axes > 2 or (n_axes == 2 and is_single):
        raise ValueError(
            "explanation must have one value for each row and feature group. Got values of shape "
            f"{np.shape(explanation.values)} instead. Plot them with shap.plots.image, or sum "
            "them over regions first."
        )
    if n_axes == 0 and not is_one_name:
        raise ValueError(
            "explanation must have one value for each feature group. Got a single number."
        )
    if n_axes == 0 or (n_axes == 1 and not is_single and (is_one_name or has_base_per_row)):
        in_place = values.reshape(-1, 1, n_outputs)
        return in_place, [str(names) if is_one_name else "x0"]
    in_place = values.reshape(-1, *values.shape[-2:])
    n_groups = in_place.shape[1]
    if _is_list(names) and len(names) == n_groups:
        return in_place, [str(name) for name in names]
    return in_place, [f"x{feature_group}" for feature_group in range(n_groups)]


def _words_by_row(explanation: Any) -> Sequence[Sequence[Any]] | None:
    """Return the words of each text, None if the explanation is not of texts."""
    names = getattr(explanation, "feature_names", None)
    values = getattr(explanation, "values", None)
    if not _is_nested(names) and not (_is_nested(values) and not _is_list(names)):
        return None
    words: Any = names if _is_nested(names) else explanation.data
    return words if _is_nested(words) and len(words) == len(explanation.values) else None


def _is_list(names: Any) -> bool:
    """Return whether the names are a sequence, rather than a single name or None."""
    is_sized = hasattr(names, "__len__") and not isinstance(names, str)
    return is_sized and getattr(names, "ndim", 1) > 0


def _is_nested(rows: Any) -> bool:
    """Return whether each row is a separate array, so that rows may differ in length."""
    is_flat = isinstance(rows, np.ndarray) and (rows.ndim != 1 or rows.dtype != object)
    if is_flat or not isinstance(rows, list | tuple | np.ndarray) or len(rows) == 0:
        return False
    return isinstance(rows[0], list | tuple | np.ndarray)
