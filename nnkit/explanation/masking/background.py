"""Choice of the background rows: given, kept by the estimator, or a sample of X."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from nnkit.encoding.rows import rows_of
from nnkit.explanation.masking.input_layout import InputLayout, flat_table
from nnkit.explanation.masking.row_pools import align_background
from nnkit.explanation.masking.sample_arrays import array_of_samples
from nnkit.explanation.pipelines.steps import DecomposedPipeline

__all__ = ["Background", "choose_background"]


@dataclass(frozen=True)
class Background:
    """The background rows and their source.

    Parameters
    ----------
    origin : str
        Description of the source, such as "100 rows kept by the estimator".
    raw : DataFrame or ndarray of shape (background_size, n_columns), or None, default=None
        A flat table with the columns of X.
    kept : DataFrame or array with background_size rows, or None, default=None
        Input rows of the last step of a pipeline, if ``raw`` is None.
    is_sample_of_x : bool, default=False
        Whether the rows are a sample of X.
    """

    origin: str
    raw: Any = None
    kept: Any = None
    is_sample_of_x: bool = False


def choose_background(
    pipeline: DecomposedPipeline,
    X: Any,
    layout: InputLayout,
    background: Any,
    max_background: int,
    seed: int,
    *,
    may_be_kept: bool,
) -> Background:
    """Return at most ``max_background`` background rows.

    Parameters
    ----------
    pipeline : DecomposedPipeline
        The explained estimator, whose ``background_`` is used if ``background`` is None.
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The flat table to explain.
    layout : InputLayout
        The layout of X.
    background : DataFrame, array, dict or None
        As in :func:`nnkit.explain`.
    max_background : int
        The largest number of rows. A larger background is sampled.
    seed : int
        Seed of the sample.
    may_be_kept : bool
        Whether the ``background_`` of the last step of a pipeline may be used, which has the
        columns of transformed rows.

    Raises
    ------
    ValueError
        If the background has other columns than X, or is of another type or shape.
    """
    name, origin = "background", "given"
    is_sample_of_x = False
    if background is None and not isinstance(pipeline.estimator, Pipeline):
        background = getattr(pipeline.estimator, "background_", None)
        encoder = getattr(pipeline.estimator, "encoder_", None)
        background = array_of_samples(encoder, background)
        name, origin = "The estimator's background_", "kept by the estimator"
    elif background is None and may_be_kept:
        kept = getattr(pipeline.final, "background_", None)
        if kept is not None:
            kept, note = _sampled(kept, max_background, seed)
            return Background(f"{note} kept by the last step", kept=kept)
    if background is None:
        background, is_sample_of_x = layout.restored(X), True
        name, origin = "X", "of X itself"
    if layout.kind == "inputs" and isinstance(background, Mapping):
        # In the order of the inputs of X, since columns of the flat table are matched by position.
        order = [key for key in layout.shapes if key in background]
        background = {key: background[key] for key in [*order, *background]}
    flat, layout_of_background = flat_table(background, name)
    if layout_of_background.kind != layout.kind or (
        layout.kind != "table" and layout_of_background.shapes != layout.shapes
    ):
        raise ValueError(
            f"{name} must be of the same type and shape as X. X is "
            f"{layout.description}, {name} is {layout_of_background.description}."
        )
    raw, note = _sampled(align_background(flat, X, name), max_background, seed)
    return Background(f"{note} {origin}", raw=raw, is_sample_of_x=is_sample_of_x)


def _sampled(rows: Any, max_background: int, seed: int) -> tuple[Any, str]:
    """Return at most ``max_background`` rows, and a description of their number."""
    n_rows = len(rows)
    if n_rows <= max_background:
        return rows, f"{n_rows} row" if n_rows == 1 else f"{n_rows} rows"
    # The stream (seed, 0). Round k of the permutations draws from the stream (seed, k), k >= 1.
    rng = np.random.default_rng([seed, 0])
    at = np.sort(rng.choice(n_rows, max_background, replace=False))
    return rows_of(rows, at), f"{max_background} of {n_rows} rows"
