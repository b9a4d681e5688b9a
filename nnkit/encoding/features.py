"""Which transformer stands before the network, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

__all__ = ["encode", "make_encoder"]


def make_encoder(encoder: Any, *, is_ready_made: bool, is_sparse: bool = False) -> Any | None:
    """Return an unfitted transformer for the columns, or None for columns as they are.

    Parameters
    ----------
    encoder : "auto", None or transformer
        "auto" is ``StandardScaler`` before a ready-made builder and None before a user's.
    is_ready_made : bool
        Whether the builder is one of nnkit's own, chosen by name.
    is_sparse : bool, default=False
        Whether the table is sparse, which is scaled but not centred.

    Raises
    ------
    ValueError
        If ``encoder`` is none of these.
    """
    if encoder is None:
        return None
    if isinstance(encoder, str) and encoder == "auto":
        return StandardScaler(with_mean=not is_sparse) if is_ready_made else None
    if hasattr(encoder, "fit") and hasattr(encoder, "transform"):
        return clone(encoder)
    raise ValueError(
        f"encoder must be 'auto', None or a scikit-learn transformer. Got {encoder!r} instead."
    )


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
    transformed = X if encoder is None else encoder.transform(X)
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
                f"encoder={encoder!r} must give numbers. Got values of dtype {array.dtype} instead."
            ) from error
    _check_finite(array, encoder)
    return array


def _check_finite(values: np.ndarray, encoder: Any) -> None:
    if not np.isfinite(values).all():
        raise ValueError(
            f"encoder={encoder!r} gives NaN or infinite values. "
            "Impute missing values in it, for example with SimpleImputer."
        )
