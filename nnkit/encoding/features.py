"""Which transformer stands before the network, and what comes out of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from nnkit._messages import shown
from nnkit._suggestions import nearest
from nnkit.encoding.tabular import TabularEncoder

__all__ = [
    "columns_of",
    "encode",
    "encode_first",
    "make_encoder",
    "warn_of_columns_without_effect",
]


# What a string that is no encoder was meant to be.
_SUGGESTIONS = {
    "auto": "'auto'",
    "tabular": "nnkit.encoding.TabularEncoder()",
    "TabularEncoder": "nnkit.encoding.TabularEncoder()",
    "StandardScaler": "sklearn.preprocessing.StandardScaler()",
    "standard": "sklearn.preprocessing.StandardScaler()",
}


# With fewer rows, what a network learns of a category is the noise of these rows: on the open
# tables (docs/tables.rst) titles and tickets of one or two rows did more harm than good.
_MIN_FREQUENCY = 3


def make_encoder(
    encoder: Any, *, kind: Literal["tabular", "standard"] | None, is_sparse: bool = False
) -> Any | None:
    """Return an unfitted transformer for the columns, or None for columns as they are.

    Parameters
    ----------
    encoder : "auto", None or transformer
        "auto" is the transformer of this ``kind``.
    kind : {"tabular", "standard"} or None
        "tabular" is `TabularEncoder`, "standard" is ``StandardScaler``, which also replaces
        "tabular" for a sparse table. None is no transformer.
    is_sparse : bool, default=False
        Whether the table is sparse. Its columns are scaled but not centred.

    Raises
    ------
    ValueError
        If ``encoder`` is none of these.
    """
    if encoder is None:
        return None
    if isinstance(encoder, str) and encoder == "auto":
        if kind is None:
            return None
        if kind == "tabular" and not is_sparse:
            return TabularEncoder(min_frequency=_MIN_FREQUENCY)
        return StandardScaler(with_mean=not is_sparse)
    is_transformer = hasattr(encoder, "fit") and hasattr(encoder, "transform")
    if is_transformer and not isinstance(encoder, type):
        return clone(encoder)
    suggestion = nearest(encoder, _SUGGESTIONS) if isinstance(encoder, str) else None
    hint = "" if suggestion is None else f" Did you mean {_SUGGESTIONS[suggestion]}?"
    raise ValueError(
        "encoder must be 'auto', None or a scikit-learn transformer. "
        f"Got {shown(encoder)} instead.{hint}"
    )


def columns_of(encoder: Any | None, shape: Any) -> dict[str, Any]:
    """Return which of the encoded columns are numbers and which are codes, for a builder.

    Parameters
    ----------
    encoder : fitted transformer or None
    shape : tuple of int, or dict or list of them
        Of the encoded rows.

    Returns
    -------
    facts : dict
        ``n_numeric_``, the leading columns that are numbers with an order, and
        ``cardinalities_``, for each of the last columns that are codes of categories how many
        there are. Without a `TabularEncoder` all columns are numbers; empty if there are
        several inputs.
    """
    if isinstance(encoder, TabularEncoder):
        return {"n_numeric_": encoder.n_numeric_, "cardinalities_": encoder.cardinalities_}
    if not isinstance(shape, tuple) or len(shape) != 2:
        return {}
    return {"n_numeric_": shape[1], "cardinalities_": ()}


def encode_first(encoder: Any | None, X: Any, y: Any) -> Any:
    """Fit a transformer and return the encoded columns of its own rows.

    Parameters
    ----------
    encoder : transformer or None
    X : array-like of shape (n_samples, ...), sparse matrix, or dict of them
        The table.
    y : ndarray with n_samples rows
        The target, for encoders that look at it. Those that treat the rows they learnt from
        in another way, as ``sklearn.preprocessing.TargetEncoder`` does, do so, as in a Pipeline.

    Returns
    -------
    X_encoded : as of `encode`
    """
    if encoder is None:
        return encode(None, X)
    # Numbers whose squares are infinite are refused by what comes of them.
    with np.errstate(over="ignore", invalid="ignore"):
        if not hasattr(encoder, "fit_transform"):
            return encode(encoder.fit(X, y), X)
        X_encoded = _checked(encoder.fit_transform(X, y), encoder)
    _check_n_rows(X_encoded, X, encoder)
    return X_encoded


def encode(encoder: Any | None, X: Any) -> Any:
    """Return the encoded columns of a table as numbers.

    Parameters
    ----------
    encoder : fitted transformer or None
        None leaves the columns as they are.
    X : array-like of shape (n_samples, ...), sparse matrix, or dict of them
        The table.

    Returns
    -------
    X_encoded : ndarray of shape (n_samples, ...), csr_array, or dict or list of ndarray
        Finite numbers; several arrays are the inputs of a network.

    Raises
    ------
    ValueError
        If the transformer gives anything but finite numbers.
    """
    if encoder is None:
        return _checked(X, None)
    X_encoded = _checked(encoder.transform(X), encoder)
    _check_n_rows(X_encoded, X, encoder)
    return X_encoded


def _check_n_rows(X_encoded: Any, X: Any, encoder: Any) -> None:
    """Raise if a transformer gives another number of rows, as of texts for a DataFrame."""
    if not hasattr(X, "shape") or not hasattr(X_encoded, "shape"):
        return
    if X_encoded.shape[0] != X.shape[0]:
        raise ValueError(
            f"encoder={encoder!r} gives {X_encoded.shape[0]} rows for the {X.shape[0]} rows of X. "
            "One that takes texts or dicts takes a list or a Series of them: give the column as X, "
            "such as X['text'], or name it in a ColumnTransformer."
        )


def in_range_of(dtype: str, values: Any, name: str) -> Any:
    """Return numbers in the dtype of a network, without a copy if they are.

    Parameters
    ----------
    dtype : str
    values : ndarray or csr_array
    name : str
        What they are, for messages.

    Raises
    ------
    ValueError
        If a number is beyond the range of the dtype, where it would become infinite.
    """
    try:
        with np.errstate(over="raise"):
            return values.astype(dtype, copy=False)
    except FloatingPointError as error:
        raise ValueError(
            f"{name} has numbers that {dtype} cannot hold: beyond {np.finfo(dtype).max:.1e}. "
            "Divide them, or scale them, for example with StandardScaler for columns and "
            "TransformedTargetRegressor for a target."
        ) from error


def _checked(transformed: Any, encoder: Any | None) -> Any:
    if isinstance(transformed, Mapping):
        return {str(name): _numbers(part, encoder) for name, part in transformed.items()}
    if isinstance(transformed, (list, tuple)):
        return [_numbers(part, encoder) for part in transformed]
    if sparse.issparse(transformed):
        csr = sparse.csr_array(transformed)
        if not csr.has_canonical_format:
            csr = csr.copy()  # the buffers may be the caller's
            csr.sum_duplicates()
        _check_finite(csr.data, encoder)
        return csr
    return _numbers(transformed, encoder)


def _numbers(values: Any, encoder: Any) -> np.ndarray:
    array = values.toarray() if sparse.issparse(values) else np.asarray(values)
    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"encoder={shown(encoder)} must give numbers. Got values of dtype {array.dtype} instead."
            ) from error
    _check_finite(array, encoder)
    return array


def _check_finite(values: np.ndarray, encoder: Any) -> None:
    if not np.isfinite(values).all():
        raise ValueError(
            f"encoder={shown(encoder)} gives NaN or infinite values. "
            "Impute missing values in it, for example with SimpleImputer; divide numbers above "
            "1e150, whose squares are infinite."
        )


def warn_of_columns_without_effect(encoder: Any, X: Any) -> None:
    """Warn of columns that training goes on with, though the encoder has learnt nothing of them.

    Parameters
    ----------
    encoder : transformer or None
        Fitted on the rows of the first training.
    X : table
        Further rows.
    """
    if not isinstance(encoder, TabularEncoder):
        return
    for label in encoder._columns_without_effect(X):
        warnings.warn(
            f"Column {label} was constant in the first fit, and has other values now: they have no "
            "effect. Begin the training with rows in which the column varies, or fit anew.",
            UserWarning,
            stacklevel=6,
        )
