"""The rows, feature groups, background and masked samples of one call of ``explain``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnkit.explanation.masking.background import Background, choose_background
from nnkit.explanation.masking.feature_groups import (
    FeatureGroups,
    choose_feature_groups,
    displayed_data,
)
from nnkit.explanation.masking.input_layout import InputLayout, flat_table
from nnkit.explanation.masking.masked_samples import MaskedRows, MaskedTable
from nnkit.explanation.masking.regions import REGIONS, label_map_groups, region_groups
from nnkit.explanation.masking.sample_arrays import array_of_samples
from nnkit.explanation.options import ExplainOptions
from nnkit.explanation.pipelines.outputs import Output
from nnkit.explanation.pipelines.preprocessing import (
    EncodedRows,
    FittedPreprocessing,
    encoded_rows,
    transformed_rows,
)
from nnkit.explanation.pipelines.steps import DecomposedPipeline

__all__ = ["ExplanationTask", "check_columns", "make_explanation_task"]

# Explained rows on which predictions of encoded rows are compared with the estimator's.
_N_COMPARED = 8


@dataclass(frozen=True)
class ExplanationTask:
    """Rows, feature groups and background of one call of :func:`nnkit.explain`.

    Parameters
    ----------
    feature_groups : FeatureGroups
        The feature groups that get values.
    data : ndarray or None
        The values of X displayed with them.
    background : Background
        The background rows and their source.
    masked_samples : MaskedRows
        The explained rows, and the predictions for their masked samples.
    encoded : EncodedRows or None
        The encoded rows; None if the preprocessing does not act column by column.
    of_column : ndarray of int
        The feature group of each column of the encoded rows, or of X without encoded rows.
    active : ndarray of int
        The feature groups with columns. The others, whose columns are dropped by the
        preprocessing, get the value 0 and are left out of masked samples.
    is_of_network : bool
        Whether the last step is an nnkit estimator.
    predicted : ndarray of int, shape (n_samples,), or None, default=None
        The output explained for each row; None if all outputs are explained for all rows.
    """

    feature_groups: FeatureGroups
    data: np.ndarray | None
    background: Background
    masked_samples: MaskedRows
    encoded: EncodedRows | None
    of_column: np.ndarray
    active: np.ndarray
    is_of_network: bool
    predicted: np.ndarray | None = None


def make_explanation_task(
    pipeline: DecomposedPipeline, X: Any, background: Any, output: Output, options: ExplainOptions
) -> ExplanationTask:
    """Return the rows, feature groups, background and masked samples to explain.

    Parameters
    ----------
    pipeline : DecomposedPipeline
        The explained estimator.
    X, background : DataFrame, array or dict
        As in :func:`nnkit.explain`.
    output : Output
        The explained output.
    options : ExplainOptions
        The other arguments.

    Raises
    ------
    ValueError
        If X or the background does not fit the estimator, or X does not have the feature groups.
    """
    has_encoded_groups = _is_transformed(options.feature_groups)
    explained, rows, names = pipeline, X, None
    if has_encoded_groups and pipeline.transformers:
        # Groups of transformed columns: explain the last step for its own input rows.
        has_encoded_groups = False
        names = _names_out(pipeline.transformers, X)
        rows = transformed_rows(pipeline, X)
        background = None if background is None else transformed_rows(pipeline, background)
        explained = pipeline.last_step
    if not explained.transformers:
        encoder = getattr(explained.final, "encoder_", None)
        rows = array_of_samples(encoder, rows)
        background = array_of_samples(encoder, background)
    table, layout = flat_table(rows, "X")
    check_columns(explained.estimator, table)
    explained_rows = _ExplainedRows(explained, table, layout, background, output, options)
    task = _task_of_rows(explained_rows, names, has_encoded_groups=has_encoded_groups)
    predicted = output.predicted_columns(explained, layout.restored(table.copy()))
    return replace(task, predicted=predicted)


@dataclass(frozen=True)
class _ExplainedRows:
    """The rows to explain as a flat table, with the estimator and the arguments of the call.

    Parameters
    ----------
    pipeline : DecomposedPipeline
        The estimator that takes the rows.
    table : DataFrame or ndarray of shape (n_samples, n_columns)
        The flat table.
    layout : InputLayout
        The layout of the table.
    given_background : DataFrame, array, dict or None
        The argument ``background``.
    output : Output
        The explained output.
    options : ExplainOptions
        The other arguments.
    """

    pipeline: DecomposedPipeline
    table: Any
    layout: InputLayout
    given_background: Any
    output: Output
    options: ExplainOptions

    def background(self, *, may_be_kept: bool) -> Background:
        """Return the background rows, see `choose_background`."""
        return choose_background(
            self.pipeline,
            self.table,
            self.layout,
            self.given_background,
            self.options.max_background,
            self.options.seed,
            may_be_kept=may_be_kept,
        )

    def predictions(self, table: Any) -> np.ndarray:
        """Return the explained outputs of the whole estimator for a flat table."""
        return self.output.predictions(self.pipeline, self.layout.restored(table))

    def has_predictions_of(self, masked_samples: MaskedRows) -> bool:
        """Return whether encoded rows and the estimator give the same outputs for a few rows."""
        first = slice(0, _N_COMPARED)
        found = masked_samples.of_rows(first)
        expected = self.predictions(self.table[first].copy())
        return found.shape == expected.shape and np.allclose(
            found, expected, rtol=1e-3, atol=1e-4, equal_nan=True
        )


def _task_of_rows(
    rows: _ExplainedRows, names: list[str] | None, *, has_encoded_groups: bool
) -> ExplanationTask:
    """Return the task of an estimator for a flat table, with encoded rows if possible.

    ``names`` are the names of the columns, None for those of the table.
    """
    preprocessing = FittedPreprocessing.of(rows.pipeline, is_raw=rows.output.predicts == "network")
    # A callable takes rows like X, so that encoded rows are of no use.
    is_callable = callable(rows.output.predicts)
    background, encoded = rows.background(may_be_kept=not is_callable), None
    if not is_callable:
        encoded = encoded_rows(
            preprocessing,
            rows.table,
            rows.layout,
            background,
            rows.options.seed,
            has_encoded_groups=has_encoded_groups,
        )
    if has_encoded_groups and encoded is not None and preprocessing.all_transformers:
        task = _of_encoded_features(rows.output, encoded, background)
        if rows.has_predictions_of(task.masked_samples):
            return task
        encoded = None
    feature_groups = _feature_groups(rows.options, rows.table, rows.layout)
    if names is not None and len(names) == len(feature_groups):
        feature_groups = replace(feature_groups, names=names)
    data = displayed_data(rows.table, feature_groups, rows.layout.column_names(rows.table))
    if encoded is not None:
        of_column = feature_groups.of_column[encoded.sources]
        task = _of_encoded(rows.output, feature_groups, encoded, of_column, background, data)
        if rows.has_predictions_of(task.masked_samples):
            return task
    if background.raw is None:
        background = rows.background(may_be_kept=False)
    is_of_network = preprocessing.function is not None
    return _of_whole_rows(rows, feature_groups, background, data, is_of_network)


def _of_whole_rows(
    rows: _ExplainedRows,
    feature_groups: FeatureGroups,
    background: Background,
    data: np.ndarray,
    is_of_network: bool,
) -> ExplanationTask:
    """Return the task whose masked samples are rows of X, predicted by the whole estimator."""
    masked_samples = MaskedTable(
        rows.predictions,
        rows.table,
        background.raw,
        feature_groups.of_column,
        len(feature_groups),
    )
    all_groups = np.arange(len(feature_groups))
    return ExplanationTask(
        feature_groups,
        data,
        background,
        masked_samples,
        None,
        feature_groups.of_column,
        all_groups,
        is_of_network,
    )


def _of_encoded_features(
    output: Output, encoded: EncodedRows, background: Background
) -> ExplanationTask:
    """Return the task with one feature group per encoded feature of an nnkit estimator."""
    of_column = np.arange(len(encoded.sources))
    feature_groups = FeatureGroups(_names_of_encoded(encoded.preprocessing), of_column)
    return _of_encoded(output, feature_groups, encoded, of_column, background, encoded.X)


def _of_encoded(
    output: Output,
    feature_groups: FeatureGroups,
    encoded: EncodedRows,
    of_column: np.ndarray,
    background: Background,
    data: np.ndarray,
) -> ExplanationTask:
    """Return the task whose masked samples are encoded rows, predicted by the last step."""
    active, numbers = np.unique(of_column, return_inverse=True)
    masked_samples = encoded.preprocessing.masked_samples(
        output, encoded.X, encoded.background, numbers, len(active)
    )
    is_of_network = encoded.preprocessing.function is not None
    return ExplanationTask(
        feature_groups, data, background, masked_samples, encoded, of_column, active, is_of_network
    )


def _feature_groups(options: ExplainOptions, table: Any, layout: InputLayout) -> FeatureGroups:
    """Return the feature groups selected by the options."""
    feature_groups = options.feature_groups
    is_name = isinstance(feature_groups, str)
    if layout.kind == "array":
        if is_name and feature_groups in ("input", "transformed", *REGIONS):
            region = "input" if feature_groups == "transformed" else feature_groups
            if region == "input" and options.is_gradient:
                region = "elements"
            return region_groups(region, options.patch, layout)
        if isinstance(feature_groups, np.ndarray):
            return label_map_groups(feature_groups, layout)
        raise ValueError(
            "feature_groups of an array of more than two axes must be 'input', "
            f"{', '.join(map(repr, REGIONS))} or a map of regions. Got {feature_groups!r} instead."
        )
    has_patch = options.patch is not None
    if (
        (is_name and feature_groups in REGIONS)
        or isinstance(feature_groups, np.ndarray)
        or has_patch
    ):
        shown = (
            "a map of regions"
            if not is_name
            else "'patches'"
            if has_patch
            else repr(feature_groups)
        )
        raise ValueError(
            f"feature_groups={shown} needs an array of more than two axes. "
            f"X is {layout.description}. Use 'input' or a dict of groups."
        )
    return choose_feature_groups(
        "input" if _is_transformed(feature_groups) else feature_groups, table, layout
    )


def _is_transformed(feature_groups: Any) -> bool:
    return isinstance(feature_groups, str) and feature_groups == "transformed"


def check_columns(estimator: Any, X: Any) -> None:
    """Raise if the columns of a data frame differ from those in ``fit``.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : DataFrame or ndarray
        The flat table to explain.

    Raises
    ------
    ValueError
        If columns are missing; or if columns are unknown or in another order, and ``predict``
        raises for them.
    """
    try:
        fitted = getattr(estimator, "feature_names_in_", None)
    except (AttributeError, NotImplementedError):
        return  # a Pipeline raises if its first step has no feature_names_in_
    if fitted is None or not hasattr(X, "columns"):
        return
    known, columns = list(fitted), list(X.columns)
    if columns == known:
        return
    given = set(columns)
    missing = [name for name in known if name not in given]
    if missing:
        raise ValueError(
            f"X lacks the column(s) {missing} that the estimator was fitted with. Give X as in fit."
        )
    try:
        estimator.predict(X[:1])
    except ValueError as error:
        fitted_names = set(known)
        extra = [name for name in columns if name not in fitted_names]
        what = "the columns of fit in another order"
        if extra:
            what = f"the column(s) {extra}, which the estimator does not know"
        raise ValueError(f"X has {what}. Use X[list(estimator.feature_names_in_)].") from error


def _names_out(transformers: list[Any], X: Any) -> list[str] | None:
    """Return the output names of a sequence of transformers, None if one has no names."""
    names = [str(name) for name in X.columns] if hasattr(X, "columns") else None
    try:
        for step in transformers:
            names = [str(name) for name in step.get_feature_names_out(names)]
    except (AttributeError, TypeError, ValueError):
        return None
    return names


def _names_of_encoded(preprocessing: FittedPreprocessing) -> list[str]:
    """Return the names of the encoded features of a network."""
    n_encoded = 0 if preprocessing.function is None else preprocessing.function.n_encoded
    try:
        names = [
            str(name) for name in preprocessing.pipeline.final.encoder_.get_feature_names_out()
        ]
    except (AttributeError, ValueError):
        names = []
    return names if len(names) == n_encoded else [f"x{j}" for j in range(n_encoded)]
