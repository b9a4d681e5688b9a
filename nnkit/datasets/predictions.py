"""Predictions for tables in blocks: an iterator of arrays, and a Parquet file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnkit._messages import shown
from nnkit._validation import as_choice
from nnkit.datasets.block_table import BlockTable

__all__ = ["predict_blocks", "predict_to_parquet"]

_METHODS = ("predict", "predict_proba", "transform")


def predict_blocks(estimator: Any, X: Any, *, method: str = "predict") -> Iterator[np.ndarray]:
    """Yield the predictions for a table block by block.

    Parameters
    ----------
    estimator : estimator
        Fitted, also a Pipeline or an estimator of another library.
    X : BlockTable, or what makes one
        The table. Of the columns of a file, those of ``fit`` are used.
    method : {"predict", "predict_proba", "transform"}, default="predict"
        Method of the estimator.

    Yields
    ------
    predictions : ndarray of shape (n_rows_of_block, ...)

    Examples
    --------
    >>> import pyarrow as pa
    >>> from sklearn.linear_model import LinearRegression
    >>> from nnkit.datasets import BlockTable, predict_blocks
    >>> table = pa.table({"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0]})
    >>> regressor = LinearRegression().fit(table.select(["a"]).to_pandas(), table["b"])
    >>> [part.round(6).tolist() for part in predict_blocks(regressor, BlockTable(table, block_rows=2))]
    [[2.0, 4.0], [6.0]]
    """
    as_choice("method", method, _METHODS)
    for _, predictions in _predicted(estimator, BlockTable.of(X), method, ()):
        yield predictions


def predict_to_parquet(
    estimator: Any, X: Any, path: Any, *, method: str = "predict", keep: Sequence[str] = ()
) -> None:
    """Write the predictions for a table to a Parquet file, block by block.

    The columns of the file are those to keep, and "prediction", or a column for each class or
    output: "proba_yes" for the class "yes", "prediction_0" for the first output.

    Parameters
    ----------
    estimator : estimator
        Fitted, also a Pipeline or an estimator of another library.
    X : BlockTable, or what makes one
        The table. Of the columns of a file, those of ``fit`` are used.
    path : str or Path
        The file, which is replaced if it exists. After an error it is unchanged.
    method : {"predict", "predict_proba", "transform"}, default="predict"
        Method of the estimator.
    keep : sequence of str, default=()
        Columns of the table to write beside the predictions, such as a key.

    Raises
    ------
    ValueError
        If a column to keep does not exist or has the name of a prediction.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    as_choice("method", method, _METHODS)
    table = BlockTable.of(X)
    known = [] if table.columns is None else list(table.columns)
    unknown = [name for name in keep if name not in known]
    if unknown:
        raise ValueError(f"keep has {shown(unknown[0])}, which is no column of X: {known}.")
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    writer = None
    try:
        for kept, predictions in _predicted(estimator, table, method, keep):
            columns = _named(estimator, predictions, method)
            both = [name for name in columns if name in keep]
            if both:
                raise ValueError(f"keep has {both[0]!r}, which is the name of the predictions.")
            arrays = {name: kept[name] for name in keep} | columns
            part = pa.table(arrays)
            if writer is None:
                writer = parquet.ParquetWriter(unfinished, part.schema)
            writer.write_table(part.cast(writer.schema))
        assert writer is not None  # a table has rows
        writer.close()
        os.replace(unfinished, target)
    finally:
        if writer is not None:
            writer.close()
        unfinished.unlink(missing_ok=True)


def _predicted(
    estimator: Any, table: BlockTable, method: str, keep: Sequence[str]
) -> Iterator[tuple[Any, np.ndarray]]:
    """Yield the columns to keep, an Arrow table, and the predictions of each block."""
    names = getattr(estimator, "feature_names_in_", None)
    if table.columns is None:
        for block in table.blocks():
            yield None, np.asarray(getattr(estimator, method)(block))
        return
    if names is None or not set(names) <= set(table.columns):
        names = [name for name in table.columns if name not in keep]
    read = table.with_columns(list(dict.fromkeys([*names, *keep])))
    for block in read.arrow_blocks():
        rows = block.select(list(names)).to_pandas()
        yield block.select(list(keep)), np.asarray(getattr(estimator, method)(rows))


def _named(estimator: Any, predictions: np.ndarray, method: str) -> dict[str, np.ndarray]:
    """Return the predictions as columns by name."""
    if predictions.ndim == 1:
        return {"prediction": predictions}
    flat = predictions.reshape(len(predictions), -1)
    classes = getattr(estimator, "classes_", None)
    if method == "predict_proba" and classes is not None and len(classes) == flat.shape[1]:
        return {f"proba_{label}": column for label, column in zip(classes, flat.T, strict=True)}
    return {f"prediction_{position}": column for position, column in enumerate(flat.T)}
