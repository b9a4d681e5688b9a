"""The rows that stand for not knowing a column: given, kept by the estimator, or of X."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from nnkit.encoding import rows_of
from nnkit.explanation.masking.input_layout import InputLayout, flat_table
from nnkit.explanation.masking.row_pools import align_background
from nnkit.explanation.pipelines.steps import last_step

__all__ = ["Background", "choose_background"]


@dataclass(frozen=True)
class Background:
    """The background rows, as raw as they are known.

    Parameters
    ----------
    origin : str
        Where the rows come from.
    raw : DataFrame or ndarray of shape (background_size, n_columns), or None, default=None
        A flat table with the columns of X.
    kept : DataFrame or array with background_size rows, or None, default=None
        Rows as the last step of a pipeline takes them, where ``raw`` is None.
    is_sample_of_x : bool, default=False
        Whether a sample of X had to serve.
    """

    origin: str
    raw: Any = None
    kept: Any = None
    is_sample_of_x: bool = False


def choose_background(
    estimator: Any,
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
    estimator : estimator
        Fitted. The rows in its ``background_`` serve where none are given.
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The flat table to explain.
    layout : InputLayout
        Of X.
    background : DataFrame, array, dict or None
        As in :func:`nnkit.explain`.
    max_background : int
        Larger ones are sampled down to this number.
    seed : int
        Seeds the sample.
    may_be_kept : bool
        Whether rows as the last step of a pipeline takes them are of use.

    Raises
    ------
    ValueError
        If the background has other columns than X, or is of another kind.
    """
    name, origin = "background", "given"
    is_sample_of_x = False
    if background is None and not isinstance(estimator, Pipeline):
        background = getattr(estimator, "background_", None)
        name, origin = "The estimator's background_", "kept by the estimator"
    elif background is None and may_be_kept:
        kept = getattr(last_step(estimator), "background_", None)
        if kept is not None:
            kept, note = _sampled(kept, max_background, seed)
            return Background(f"{note} kept by the last step", kept=kept)
    if background is None:
        background, is_sample_of_x = layout.restored(X), True
        name, origin = "X", "of X itself"
    if layout.kind == "inputs" and isinstance(background, Mapping):
        # In the order of X: its columns are told apart by their place.
        order = [key for key in layout.shapes if key in background]
        background = {key: background[key] for key in [*order, *background]}
    flat, layout_of_background = flat_table(background, name)
    if layout_of_background.kind != layout.kind or (
        layout.kind != "table" and layout_of_background.shapes != layout.shapes
    ):
        raise ValueError(
            f"{name} must be of the same kind and shape as X. X is "
            f"{layout.description}, {name} is {layout_of_background.description}."
        )
    raw, note = _sampled(align_background(flat, X, name), max_background, seed)
    return Background(f"{note} {origin}", raw=raw, is_sample_of_x=is_sample_of_x)


def _sampled(rows: Any, max_background: int, seed: int) -> tuple[Any, str]:
    """Return at most so many rows, and how many they are."""
    n_rows = len(rows)
    if n_rows <= max_background:
        return rows, f"{n_rows} row" if n_rows == 1 else f"{n_rows} rows"
    # Round 0 of the seed: permutations take the rounds from 1 on.
    rng = np.random.default_rng([seed, 0])
    at = np.sort(rng.choice(n_rows, max_background, replace=False))
    return rows_of(rows, at), f"{max_background} of {n_rows} rows"
