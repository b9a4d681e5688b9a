"""Tables of every container, checked and compared with those of ``fit``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from nnkit._messages import shown
from nnkit.encoding.containers import as_table, check_unique_names
from nnkit.encoding.features import as_numbers
from nnkit.encoding.rows import are_finite
from nnkit.estimators.rows.inputs import check_is_one_input, check_is_table, rows_of_list
from nnkit.estimators.rows.samples import are_samples, are_texts, as_samples

__all__ = ["check_table", "to_picklable", "with_names"]


def check_table(
    estimator: Any, X: Any, *, reset: bool, goes_to_encoder: bool, is_raw: bool = False
) -> Any:
    """Return a table as finite numbers, or unchanged for an encoder.

    Parameters
    ----------
    estimator : estimator
        With ``reset``, it gets ``n_features_in_``, ``feature_names_in_`` and the inputs of a dict.
    X : array-like of shape (n_samples, ...), DataFrame, sparse matrix, or dict of these
        A dict has the inputs of a network by name. For an encoder of the user, X can also have
        one object for each row, such as a list of texts.
    reset : bool
        Whether to learn the columns, or to compare them with those that were learnt.
    goes_to_encoder : bool
        Whether an encoder takes the raw table.
    is_raw : bool, default=False
        Whether the encoder is a `TabularEncoder`, for tables of two axes with any kind of values.

    Returns
    -------
    X_checked : ndarray, csr_array, DataFrame or dict of ndarray

    Raises
    ------
    ValueError
        If values are not finite numbers, columns differ from those of ``fit``, or the parts of a
        dict have different lengths. The message names the column or key.
    """
    check_is_table(X)
    X_table = as_table(X)
    check_unique_names(X_table)
    _check_not_empty(X_table)
    # A dok_matrix is a mapping too.
    if isinstance(X_table, Mapping) and not sparse.issparse(X_table):
        return _check_inputs(estimator, X_table, reset=reset)
    if not reset and getattr(estimator, "_input_shapes", None) is not None:
        raise ValueError(
            f"X must be a dict with the inputs {list(estimator._input_shapes)}, as in fit. "
            f"Got {type(X).__name__} instead."
        )
    if reset:
        estimator._input_shapes = None
    if goes_to_encoder:
        return _check_for_encoder(estimator, X_table, reset=reset, is_raw=is_raw)
    if are_texts(X_table):
        return _check_texts(estimator, X_table, reset=reset)
    return _check_numbers(estimator, X_table, reset=reset)


_COMPLEX = "Complex data not supported"
"""Beginning of scikit-learn's message for complex numbers."""


def _check_not_empty(X: Any) -> None:
    """Raise for None, and for lists and DataFrames without rows or columns.

    Arrays are checked by scikit-learn.
    """
    if X is None:
        raise ValueError("X is None. Give it as a table with one row for each sample.")
    if isinstance(X, (list, tuple)) and not X:
        raise ValueError(
            "X is empty: Found array with 0 sample(s) while a minimum of 1 is required."
        )
    if not hasattr(X, "columns") or (X.shape[0] and X.shape[1]):
        return
    if not X.shape[1]:
        raise ValueError(f"X has 0 columns (shape={X.shape}), but at least 1 is required.")
    raise ValueError(
        f"X has 0 rows: Found array with 0 sample(s) (shape={X.shape}) while a minimum of 1 is "
        "required."
    )


def _check_for_encoder(estimator: Any, X: Any, *, reset: bool, is_raw: bool) -> Any:
    """Return a table for an encoder, which checks the values itself; columns are compared."""
    if is_raw and not hasattr(X, "columns"):
        check_is_one_input(X)
        rows = rows_of_list(X)
        if getattr(rows, "dtype", None) is not None and rows.dtype.kind == "c":
            raise ValueError(f"{_COMPLEX}: column 0 of X. Split it into two columns.")
        return validate_data(estimator, rows, reset=reset, dtype=None, ensure_all_finite=False)
    if not is_raw and are_samples(X):
        if reset:
            vars(estimator).pop("feature_names_in_", None)
            estimator.n_features_in_ = 1
        return as_samples(X)
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return X if hasattr(X, "shape") else np.asarray(rows_of_list(X))


def _check_texts(estimator: Any, X: Any, *, reset: bool) -> np.ndarray:
    """Return texts as an array of str objects, for a network with an input of dtype string."""
    texts = np.asarray(X, dtype=object)
    unlike = [position for position, text in enumerate(texts) if not isinstance(text, str)]
    if unlike:
        raise ValueError(
            f"X holds texts, but row {unlike[0]} is {shown(texts[unlike[0]])}. Replace it by a "
            "text, such as '' for a missing one."
        )
    if reset:
        vars(estimator).pop("feature_names_in_", None)
        estimator.n_features_in_ = 1
        estimator._row_shape = ()
    elif estimator._row_shape != ():
        raise ValueError("X holds texts, but in fit it had numbers. Give X as in fit.")
    return texts


def _check_numbers(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return a dense or sparse table as finite numbers."""
    if not reset and getattr(estimator, "_row_shape", None) == ():
        raise ValueError("X must be a list, Series or array of texts, as in fit.")
    X_numbers = as_numbers(X)
    options: dict[str, Any] = {"accept_sparse": "csr", "allow_nd": True, "ensure_all_finite": False}
    shape = getattr(X_numbers, "shape", ())
    with _bad_column_named(X):
        if not reset and len(shape) > 2 and _fits(shape[1:], estimator):
            # The first axis of a row can have any length, so that it is no number of columns.
            X_checked = check_array(X_numbers, dtype="numeric", estimator=estimator, **options)
        elif _is_numeric_array(X_numbers):
            X_checked = validate_data(estimator, X_numbers, reset=reset, skip_check_array=True)
        else:
            X_checked = validate_data(estimator, X_numbers, reset=reset, dtype="numeric", **options)
        if X_checked.dtype == object:
            # scikit-learn does not convert objects that float() does not take, such as dates.
            X_checked = X_checked.astype(np.float64)
    if sparse.issparse(X_checked):
        X_checked = sparse.csr_array(X_checked)
        _check_finite_entries(X_checked)
        return X_checked
    if X_checked.dtype == np.float16:
        # A scaler would compute in half precision.
        X_checked = X_checked.astype(np.float32)
    _check_finite(X_checked, getattr(estimator, "feature_names_in_", None))
    if not reset and X_checked.ndim > 2 and not _fits(X_checked.shape[1:], estimator):
        raise ValueError(
            f"X must have rows of shape {estimator._row_shape}, as in fit. "
            f"Got {X_checked.shape[1:]} instead."
        )
    if reset:
        estimator._row_shape = X_checked.shape[1:]
    return X_checked


def _is_numeric_array(X: Any) -> bool:
    """Return whether X is an array that scikit-learn's ``check_array`` returns unchanged."""
    return type(X) is np.ndarray and X.dtype.kind in "fiub" and X.ndim > 1 and 0 not in X.shape


def _fits(row_shape: tuple[int, ...], estimator: Any) -> bool:
    """Return whether rows have the shape of ``fit``, apart from axes of any length."""
    if row_shape == estimator._row_shape:
        return True
    network = getattr(estimator, "_network", None)
    if network is None or len(row_shape) != len(estimator._row_shape):
        return False
    inputs = getattr(network.compiled_model.model, "inputs", None) or []
    return len(inputs) == 1 and all(
        wanted is None or wanted == size
        for wanted, size in zip(inputs[0].shape[1:], row_shape, strict=True)
    )


def _check_inputs(estimator: Any, X: Mapping[str, Any], *, reset: bool) -> dict[str, np.ndarray]:
    if not X:
        raise ValueError("X is a dict without inputs. Give an array for each input by name.")
    known = None if reset else getattr(estimator, "_input_shapes", None)
    if known is None and not reset:
        raise ValueError("X is a dict, but in fit it was one table. Give it as in fit.")
    for name in known or ():
        if name not in X:
            raise ValueError(
                f"X lacks the input {name!r}. In fit it had {list(known or ())}; "
                f"now it has {list(X)}."
            )
    checked, lengths = {}, {}
    for name in known or X:
        names = getattr(X[name], "columns", None)
        with _bad_column_named(X[name]):
            part = check_array(
                as_numbers(as_table(X[name])),
                dtype="numeric",
                allow_nd=True,
                ensure_2d=False,
                ensure_all_finite=False,
                input_name=f"X[{name!r}]",
            )
        part = part[:, np.newaxis] if part.ndim == 1 else part
        _check_finite(part, None if names is None else list(names), f"X[{name!r}]")
        if known is not None and part.shape[1:] != known[name]:
            raise ValueError(
                f"X[{name!r}] must have rows of shape {known[name]}, as in fit. "
                f"Got {part.shape[1:]} instead."
            )
        checked[str(name)], lengths[str(name)] = part, len(part)
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The inputs of X must have the same number of rows. Got {lengths}.")
    if reset:
        vars(estimator).pop("feature_names_in_", None)
        estimator._input_shapes = {name: part.shape[1:] for name, part in checked.items()}
        estimator.n_features_in_ = sum(part.shape[1] for part in checked.values())
    return checked


def with_names(estimator: Any, X: Any) -> Any:
    """Return checked rows as a DataFrame if the table of ``fit`` had column names."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or hasattr(X, "columns") or not isinstance(X, np.ndarray):
        return X
    import pandas as pd

    return pd.DataFrame(X, columns=names)


def to_picklable(X: Any) -> Any:
    """Return a table that can be pickled. polars cannot pickle columns of Python objects."""
    holds_objects = hasattr(X, "get_columns") and "Object" in map(str, X.dtypes)
    return X.to_pandas() if holds_objects else X


@contextmanager
def _bad_column_named(X: Any) -> Iterator[None]:
    """Name the column in an error about its values."""
    try:
        yield
    except (TypeError, ValueError) as error:
        rows_of_list(X)  # raises if the rows have unequal lengths
        better = _name_bad_column(X, error)
        if better is None:
            raise
        raise better from error


def _name_bad_column(X: Any, error: Exception) -> Exception | None:
    """Return an error that names the first column without numbers, or None."""
    if not hasattr(X, "columns"):
        return _name_bad_position(X, error)
    for position, name in enumerate(X.columns):
        column = X.iloc[:, position] if hasattr(X, "iloc") else X[name]
        if not _are_numbers(column):
            message = _no_numbers(f"column {name!r}", f"{column.dtype} values", column, error)
            return ValueError(message)
    return None


def _name_bad_position(X: Any, error: Exception) -> Exception | None:
    """Return an error of the same class that names the position of the column, or None."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    try:
        values = np.asarray(X, dtype=object)
    except ValueError:  # rows of unequal shapes
        return None
    if values.ndim != 2:
        return None
    for position, column in enumerate(values.T):
        if not _are_numbers(column):
            what = "values that are no numbers"
            return kind(_no_numbers(f"column {position}", what, column, error))
    if any(isinstance(value, (str, bytes)) for value in values.flat):
        return ValueError("X holds numbers as text. Convert them before: X.astype(float).")
    return None


def _are_numbers(column: Any) -> bool:
    if getattr(column.dtype, "kind", "") == "c":
        return False
    try:
        np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _no_numbers(which: str, what: str, column: Any, error: Exception) -> str:
    reason = str(error).splitlines()[0]  # further lines show the whole table
    if reason == _COMPLEX:
        return f"{reason}: {which}. Split it into two columns."
    examples = [value for value in list(column)[:50] if isinstance(value, str)]
    example = f", such as {shown(examples[0])}" if examples else ""
    return (
        f"The {which} of X holds {what}{example}, but the network takes numbers. Encode it before, "
        f"for example with OneHotEncoder in a ColumnTransformer, or with encoder=. ({reason})"
    )


def _check_finite_entries(X_checked: sparse.csr_array) -> None:
    """Raise a ValueError that names the first column of a sparse table with non-finite values."""
    if np.isfinite(X_checked.data).all():
        return
    entry = int(np.flatnonzero(~np.isfinite(X_checked.data))[0])
    value = "NaN" if np.isnan(X_checked.data[entry]) else "inf"
    raise ValueError(
        f"Input X contains {value} in column {int(X_checked.indices[entry])}, but the "
        "network takes finite numbers. Impute it before."
    )


def _check_finite(X_checked: np.ndarray, names: Any | None, name: str = "X") -> None:
    """Raise a ValueError that names the first column with NaN or infinite values."""
    if X_checked.dtype.kind != "f" or are_finite(X_checked):
        return
    rows, columns = np.nonzero(~np.isfinite(X_checked))[:2]
    column = columns[0]
    n_bad = int(np.sum(columns == column))
    is_nan = bool(np.isnan(X_checked[rows[0], column]).any())
    what = "NaN" if is_nan else "inf"
    which = f"column {int(column)}" if names is None else f"the column {names[column]!r}"
    fix = (
        "Impute it before, for example with SimpleImputer."
        if is_nan
        else "Replace it, or clip the column."
    )
    raise ValueError(
        f"Input {name} contains {what} in {which} ({n_bad} row(s), the first is row "
        f"{int(rows[0])}), but the network takes finite numbers. {fix}"
    )
