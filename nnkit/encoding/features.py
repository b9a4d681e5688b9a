"""Which transformer stands before the network, and what comes out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

__all__ = ["encode", "make_encoder"]


def make_encoder(encoder: Any, *, is_ready_made: bool) -> Any | None:
    """Return an unfitted transformer for the columns, or None for columns as they are.

    Parameters
    ----------
    encoder : "auto", None or transformer
        "auto" is ``StandardScaler`` before a ready-made builder and None before a user's.
    is_ready_made : bool
        Whether the builder is one of nnkit's own, chosen by name.

    Raises
    ------
    ValueError
        If ``encoder`` is none of these.
    """
    if encoder is None:
        return None
    if isinstance(encoder, str) and encoder == "auto":
        return StandardScaler() if is_ready_made else None
    if hasattr(encoder, "fit") and hasattr(encoder, "transform"):
        return clone(encoder)
    raise ValueError(
        f"encoder must be 'auto', None or a scikit-learn transformer. Got {encoder!r} instead."
    )


def encode(encoder: Any | None, X: Any) -> np.ndarray:
    """Return the encoded columns of a table as numbers.

    Parameters
    ----------
    encoder : fitted transformer or None
        None leaves the columns as they are.
    X : array-like of shape (n_samples, n_features)
        The table.

    Returns
    -------
    X_encoded : ndarray of shape (n_samples, n_encoded_features)
        Finite numbers.

    Raises
    ------
    ValueError
        If the transformer gives anything but finite numbers.
    """
    if encoder is None:
        return np.asarray(X)
    transformed = encoder.transform(X)
    X_encoded = transformed.toarray() if sparse.issparse(transformed) else np.asarray(transformed)
    if X_encoded.dtype.kind not in "fiub":
        try:
            X_encoded = X_encoded.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"encoder={encoder!r} must give numbers. "
                f"Got values of dtype {X_encoded.dtype} instead."
            ) from error
    if not np.isfinite(X_encoded).all():
        raise ValueError(
            f"encoder={encoder!r} gives NaN or infinite values. "
            "Impute missing values in it, for example with SimpleImputer."
        )
    return X_encoded
