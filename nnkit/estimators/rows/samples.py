"""Data with one object for each row: images, sequences, texts, and several inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.validation import validate_data

from nnkit.encoding.containers import as_table, check_unique_names, is_dataframe
from nnkit.encoding.input_dict import InputDict

__all__ = ["are_samples", "are_texts", "as_samples", "check_samples"]


def are_samples(X: Any) -> bool:
    """Return whether X has one object for each row, such as a text or a dict, and no columns."""
    if isinstance(X, (list, tuple)):
        return bool(X) and isinstance(X[0], (str, bytes, Mapping))
    return len(getattr(X, "shape", ())) == 1


def are_texts(X: Any) -> bool:
    """Return whether X is a list, array or Series of single values with a text among them."""
    if not are_samples(X) or getattr(getattr(X, "dtype", None), "kind", "O") in "biufcmM":
        return False
    values = X if isinstance(X, (list, tuple)) else np.asarray(X, dtype=object)
    return any(isinstance(value, str) for value in values)


def as_samples(X: Any) -> Any:
    """Return one object for each row in a container whose rows can be selected.

    Parameters
    ----------
    X : list, tuple, array, Series or DataFrame with n_samples rows
        A list becomes an array of objects. Others are returned unchanged.
    """
    if not isinstance(X, (list, tuple)):
        return X
    samples = np.empty(len(X), dtype=object)
    # One by one: NumPy would spread the values of arrays of equal shapes.
    for position, sample in enumerate(X):
        samples[position] = sample
    return samples


def check_samples(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return data for an encoder that checks each object itself.

    Parameters
    ----------
    estimator : estimator
        With ``reset``, it gets ``n_features_in_`` and ``feature_names_in_``.
    X : array-like, DataFrame, Series or list with n_samples rows, or dict of them
        Images, sequences, texts, or the data of several inputs.
    reset : bool
        Whether to learn the columns, or to compare them with those that were learnt.

    Returns
    -------
    X_checked : ndarray, DataFrame, Series or InputDict
        With rows that can be selected.

    Raises
    ------
    ValueError
        If there are no rows, the columns of a DataFrame differ from those of ``fit``, or the parts
        of a dict have unequal numbers of rows.
    """
    X_table = as_table(X)
    if reset:
        estimator._input_shapes = None
        vars(estimator).pop("feature_names_in_", None)
    if isinstance(X_table, Mapping) and not sparse.issparse(X_table):
        parts = InputDict({str(name): as_samples(as_table(part)) for name, part in X_table.items()})
        _check_has_rows(parts)
        if reset:
            estimator.n_features_in_ = len(list(parts))
        return parts
    samples = as_samples(X_table)
    _check_has_rows(samples)
    if is_dataframe(samples):
        check_unique_names(samples)
        validate_data(estimator, samples, reset=reset, skip_check_array=True)
    elif reset:
        n_columns = samples.shape[1] if len(samples.shape) > 1 else 1
        estimator.n_features_in_ = int(n_columns)
    return samples


def _check_has_rows(samples: Any) -> None:
    if not hasattr(samples, "shape"):
        raise ValueError(
            "X must have one row for each sample: an array, a DataFrame, a Series or a list. "
            f"Got {type(samples).__name__} instead."
        )
    if not samples.shape or not samples.shape[0]:
        raise ValueError(
            f"X has 0 rows: Found array with 0 sample(s) (shape={samples.shape}) while a minimum "
            "of 1 is required."
        )
