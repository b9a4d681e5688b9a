"""Datasets that yield batches, in place of X and y."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nnkit.datasets.batch_source import BatchSource, is_batches
from nnkit.estimators.rows.block_rows import read_table

if TYPE_CHECKING:
    from nnkit.estimators.rows.training_rows import Rows

__all__ = ["read_once", "read_rows", "rows_to_predict", "rows_to_score", "warn_of_single_pass"]


def read_rows(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any, BatchSource | None]:
    """Return rows, targets and weights; those of a first pass if X is a dataset.

    Parameters
    ----------
    X, y, sample_weight : object
        The arguments of ``fit``. If X is a dataset, the others are None.

    Returns
    -------
    X, y, sample_weight : object
    source : BatchSource or None
        The dataset, if each epoch can have a pass of its own.

    Raises
    ------
    ValueError
        If X is a dataset without targets, or y is given beside a dataset.
    """
    if not is_batches(X):
        return X, y, sample_weight, None
    kind = type(X).__name__
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(
                f"X is a dataset ({kind}), whose batches have the targets and weights. Leave {name} "
                "out, and let the dataset yield (x, y) or (x, y, sample_weight)."
            )
    source = BatchSource(X)
    rows = source.read()
    if rows.y is None:
        raise ValueError(
            f"X ({kind}) yields batches without targets. Let it yield (x, y), or give X and y as "
            "arrays."
        )
    return rows.X, rows.y, rows.sample_weight, source if source.is_repeatable else None


def read_once(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return the rows of an iterator, so that they can be used again; other data unchanged.

    Parameters
    ----------
    X, y, sample_weight : object
        The arguments of ``fit``.
    """
    if not isinstance(X, Iterator):
        return X, y, sample_weight
    return read_rows(X, y, sample_weight)[:3]


def rows_to_predict(X: Any) -> Any:
    """Return the rows of a dataset without their targets, and other data unchanged.

    Parameters
    ----------
    X : object
        The argument of ``predict``.
    """
    return BatchSource(X).read().X if is_batches(X) else X


def rows_to_score(
    X: Any, y: Any, sample_weight: Any, names: Any | None = None
) -> tuple[Any, Any, Any]:
    """Return rows, targets and weights for ``score``, which a dataset holds together.

    Parameters
    ----------
    X, y, sample_weight : object
        The arguments of ``score``. Of a table in blocks, y and sample_weight can be columns.
    names : ndarray of str or None, default=None
        Names of the columns in ``fit``.

    Raises
    ------
    ValueError
        If there is no target.
    """
    X, y, sample_weight, _ = read_table(X, y, sample_weight, names=names)
    X_read, y_read, weight_read, _ = read_rows(X, y, sample_weight)
    if y_read is None:
        raise ValueError("score needs the targets y of the rows. Got None instead.")
    return X_read, y_read, weight_read


def warn_of_single_pass(rows: Rows) -> None:
    """Warn if a dataset yields other rows in each pass, of which only the first is used.

    Parameters
    ----------
    rows : Rows
        Rows of the first pass, some of which are held out.
    """
    if rows.source is not None and rows.source.yields_other_rows(rows):
        warnings.warn(
            "X is a dataset that yields other rows in each pass. Rows are held out of the first "
            "pass, and all epochs train on the others of this pass. Give the rows to validate on as "
            "X_val, so that each epoch has a pass of its own.",
            UserWarning,
            stacklevel=7,
        )
