"""Encoding of the columns of a network: choice of the transformer, and checks of its output."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from nnkit._messages import shown
from nnkit._suggestions import nearest
from nnkit.encoding.containers import column_at, is_dataframe, numeric_matrix
from nnkit.encoding.kinds import kind_of
from nnkit.encoding.multi_input_encoder import MultiInputEncoder, check_encoders
from nnkit.encoding.numeric_columns import NumberColumn
from nnkit.encoding.rows import are_finite
from nnkit.encoding.tabular import TabularEncoder

__all__ = [
    "as_numbers",
    "columns_of",
    "encode",
    "encode_first",
    "in_range_of",
    "make_encoder",
    "parameter_names_of_default",
    "warn_of_columns_without_effect",
]

# Suggestions for strings that are not encoders.
_SUGGESTIONS = {
    "auto": "'auto'",
    "tabular": "nnkit.encoding.TabularEncoder()",
    "TabularEncoder": "nnkit.encoding.TabularEncoder()",
    "StandardScaler": "sklearn.preprocessing.StandardScaler()",
    "standard": "sklearn.preprocessing.StandardScaler()",
}

# Levels of fewer rows are treated as unknown. Embeddings of levels with one or two rows, such as
# titles and tickets, made predictions worse on the open tables (docs/tables.rst).
_MIN_FREQUENCY = 3

# Descriptions and remedies of kinds that are not numbers.
_NO_NUMBERS = {
    "date": ("dates", "or give the days since a date"),
    "duration": ("durations", "or give seconds by .dt.total_seconds()"),
    "category": ("text or other levels", "or use OneHotEncoder in a ColumnTransformer"),
}


def make_encoder(
    encoder: Any,
    *,
    kind: Any,
    is_sparse: bool = False,
    parameters: Mapping[str, Any] | None = None,
) -> Any | None:
    """Return an unfitted transformer for the columns, or None to use the columns unchanged.

    Parameters
    ----------
    encoder : "auto", None, transformer, or dict of transformers and lists of columns
        The parameter ``encoder`` of an estimator. "auto" is chosen by ``kind``. A dict becomes a
        `MultiInputEncoder`.
    kind : {"tabular", "standard"}, transformer or None
        Transformer of "auto". "tabular" is `TabularEncoder`, or ``StandardScaler`` if the table is
        sparse. "standard" is ``StandardScaler``. Another transformer is cloned. None is no
        transformer.
    is_sparse : bool, default=False
        Whether the table is sparse. It is then scaled, but not centred.
    parameters : mapping of str to object or None, default=None
        Parameters of the transformer of "auto", by name.

    Raises
    ------
    ValueError
        If ``encoder`` is anything else.
    """
    if encoder is None:
        return None
    if isinstance(encoder, str) and encoder == "auto":
        if kind is None:
            return None
        return _default_encoder(kind, is_sparse=is_sparse).set_params(**(parameters or {}))
    if isinstance(encoder, Mapping) and encoder:
        check_encoders(encoder, "encoder")
        return MultiInputEncoder(dict(encoder))
    is_transformer = hasattr(encoder, "fit") and hasattr(encoder, "transform")
    if is_transformer and not isinstance(encoder, type):
        return clone(encoder)
    suggestion = nearest(encoder, _SUGGESTIONS) if isinstance(encoder, str) else None
    hint = "" if suggestion is None else f" Did you mean {_SUGGESTIONS[suggestion]}?"
    raise ValueError(
        "encoder must be 'auto', None, a scikit-learn transformer or a dict of encoders. "
        f"Got {shown(encoder)} instead.{hint}"
    )


def _default_encoder(kind: Any, *, is_sparse: bool = False) -> Any:
    if not isinstance(kind, str):
        return clone(kind)
    if kind == "tabular" and not is_sparse:
        return TabularEncoder(min_frequency=_MIN_FREQUENCY)
    return StandardScaler(with_mean=not is_sparse)


def parameter_names_of_default(kind: Any) -> list[str]:
    """Return the names of the parameters of the transformer of "auto".

    Parameters
    ----------
    kind : {"tabular", "standard"}, transformer or None
        As for `make_encoder`.
    """
    return [] if kind is None else sorted(_default_encoder(kind).get_params())


def columns_of(encoder: Any | None, shape: Any) -> dict[str, Any]:
    """Return the facts about encoded features that builders receive in ``meta``.

    Parameters
    ----------
    encoder : fitted transformer or None
        Transformer of the columns.
    shape : tuple of int, or dict or list of them
        Shape of the encoded rows, for each input of the network.

    Returns
    -------
    facts : dict
        ``n_numeric_``, the number of leading encoded features that are numbers, and
        ``cardinalities_``, the number of codes of each trailing encoded feature of codes. An
        encoder with a method ``meta_facts`` has facts of its own. Without an encoder of nnkit, all
        encoded features are numbers. Empty if there are several inputs.
    """
    facts_of_encoder = getattr(encoder, "meta_facts", None)
    if facts_of_encoder is not None:
        facts: dict[str, Any] = facts_of_encoder()
        return facts
    if not isinstance(shape, tuple) or len(shape) != 2:
        return {}
    return {"n_numeric_": shape[1], "cardinalities_": ()}


def encode_first(encoder: Any | None, X: Any, y: Any) -> Any:
    """Fit a transformer and return the encoded features of the same rows.

    Like a ``Pipeline``, it calls ``fit_transform``, because some transformers encode the rows of
    ``fit`` differently, such as ``sklearn.preprocessing.TargetEncoder``.

    Parameters
    ----------
    encoder : transformer or None
        Transformer of the columns.
    X : array-like of shape (n_samples, ...), sparse matrix, or dict of them
        The table.
    y : ndarray with n_samples rows
        The target, for transformers that use it.

    Returns
    -------
    X_encoded : ndarray of shape (n_samples, ...), csr_array, or dict or list of ndarray
        As for `encode`.
    """
    if encoder is None:
        return encode(None, X)
    # Overflow results in infinite values, for which _check_finite raises an error.
    with np.errstate(over="ignore", invalid="ignore"):
        if not hasattr(encoder, "fit_transform"):
            return encode(encoder.fit(X, y), X)
        X_encoded = _checked(encoder.fit_transform(X, y), encoder)
    _check_n_rows(X_encoded, X, encoder)
    return X_encoded


def encode(encoder: Any | None, X: Any) -> Any:
    """Return the encoded features of a table.

    Parameters
    ----------
    encoder : fitted transformer or None
        Transformer of the columns. None uses the columns unchanged.
    X : array-like of shape (n_samples, ...), sparse matrix, or dict of them
        The table.

    Returns
    -------
    X_encoded : ndarray of shape (n_samples, ...), csr_array, or dict or list of ndarray
        Finite numbers. Several arrays are the inputs of a network.

    Raises
    ------
    ValueError
        If the transformer returns anything but finite numbers, or another number of rows.
    """
    if encoder is None:
        return _checked(X, None)
    X_encoded = _checked(encoder.transform(X), encoder)
    _check_n_rows(X_encoded, X, encoder)
    return X_encoded


def _check_n_rows(X_encoded: Any, X: Any, encoder: Any) -> None:
    """Raise a ValueError if a transformer returns another number of rows.

    A vectorizer of texts does so for a DataFrame, of which it reads the column names.
    """
    if not hasattr(X, "shape") or not hasattr(X_encoded, "shape"):
        return
    if X_encoded.shape[0] != X.shape[0]:
        raise ValueError(
            f"encoder={shown(encoder)} returns {X_encoded.shape[0]} rows for the {X.shape[0]} rows "
            "of X. A transformer of texts or dicts needs a list or a Series of them: use the "
            "column as X, such as X['text'], or name it in a ColumnTransformer."
        )


def in_range_of(dtype: str, values: Any, name: str) -> Any:
    """Return numbers in the dtype of a network, without a copy if they have it.

    Parameters
    ----------
    dtype : str
        Dtype of the network.
    values : ndarray or csr_array
        Numbers to convert.
    name : str
        Name of the numbers in messages.

    Raises
    ------
    ValueError
        If a number is out of the range of the dtype and would become infinite.
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
        return {str(name): _finite_array(part, encoder) for name, part in transformed.items()}
    if isinstance(transformed, (list, tuple)):
        return [_finite_array(part, encoder) for part in transformed]
    if sparse.issparse(transformed):
        csr = sparse.csr_array(transformed)
        if not csr.has_canonical_format:
            csr = csr.copy()  # the buffers may belong to the caller
            csr.sum_duplicates()
        _check_finite(csr.data, encoder)
        return csr
    return _finite_array(transformed, encoder)


def _finite_array(values: Any, encoder: Any) -> np.ndarray:
    array = values.toarray() if sparse.issparse(values) else np.asarray(values)
    if encoder is None and array.dtype == object:
        return array  # texts, which were checked
    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"encoder={shown(encoder)} must return numbers. "
                f"Got values of dtype {array.dtype} instead."
            ) from error
    _check_finite(array, encoder)
    return array


def _check_finite(values: np.ndarray, encoder: Any) -> None:
    if not are_finite(values):
        raise ValueError(
            f"encoder={shown(encoder)} returns NaN or infinite values. "
            "Impute missing values in it, for example with SimpleImputer. Divide numbers above "
            "1e150, whose squares are infinite."
        )


def warn_of_columns_without_effect(encoder: Any, X: Any) -> None:
    """Warn of columns that were constant in the first fit and have other values now.

    Parameters
    ----------
    encoder : transformer or None
        Transformer that was fitted on the rows of the first fit.
    X : table
        Rows of continued training.
    """
    if not isinstance(encoder, TabularEncoder):
        return
    for label in encoder._columns_without_effect(X):
        warnings.warn(
            f"Column {label} was constant in the first fit and has other values now, which have no "
            "effect. Begin the training with rows in which the column varies, or fit again.",
            UserWarning,
            stacklevel=6,
        )


def as_numbers(X: Any) -> Any:
    """Convert a DataFrame with nullable, Arrow or object columns to one of floats.

    It is used for a network without an encoder. Tables that NumPy reads as numbers are returned
    unchanged.

    Parameters
    ----------
    X : DataFrame of pandas or polars, or anything else, which is returned unchanged
        The table.

    Raises
    ------
    ValueError
        If a column has dates, durations, or text that is not a number.
    """
    if isinstance(X, np.ndarray) and X.dtype.kind in "Mm":
        raise _no_numbers_error("X", "date" if X.dtype.kind == "M" else "duration", None)
    if not is_dataframe(X) or 0 in X.shape or _is_plain(X):
        return X
    names = list(X.columns)
    columns = {
        position: _as_float64(column_at(X, position, repr(name)), name)
        for position, name in enumerate(names)
    }
    frame = pd.DataFrame(columns)
    frame.columns = pd.Index(names)
    return frame


def _is_plain(X: Any) -> bool:
    """Return whether NumPy reads all columns of a DataFrame as numbers. Boolean values are."""
    if isinstance(X, pd.DataFrame):
        return all(isinstance(dtype, np.dtype) and dtype.kind in "fiubc" for dtype in X.dtypes)
    return numeric_matrix(X[:1]) is not None


def _as_float64(column: pd.Series, name: Any) -> np.ndarray:
    where = f"The column {name!r} of X"
    kind = kind_of(column, repr(name))
    if kind in ("number", "boolean"):
        numbers: np.ndarray = NumberColumn(where, "number").read(column)[:, 0]
        return numbers
    if kind == "empty":
        return np.full(len(column), np.nan)
    if kind == "category":
        try:
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise _no_numbers_error(where, kind, column) from error
    raise _no_numbers_error(where, kind, column)


def _no_numbers_error(where: str, kind: str, column: pd.Series | None) -> ValueError:
    description, remedy = _NO_NUMBERS[kind]
    example = ""
    if column is not None and kind == "category":
        # A text value such as "?" among numbers is the example that helps to find the cause.
        present = column.dropna().tolist()
        example = f", such as {next((v for v in present if not _is_float(v)), present[0])!r}"
    return ValueError(
        f"{where} holds {description}{example}, but the network takes numbers. Encode it before, "
        f"for example with encoder=TabularEncoder() of nnkit.encoding, {remedy}."
    )


def _is_float(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
