"""Parameters and tables that are not what they must be, in one clear sentence."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

__all__ = ["check_encoded", "check_finite", "check_parameters", "check_weights", "name_bad_column"]


def check_parameters(estimator: Any) -> None:
    """Raise a ValueError for the first parameter of an estimator that is out of its range."""
    _check_count("epochs", estimator.epochs)
    _check_count("n_iter_no_change", estimator.n_iter_no_change)
    _check_count("n_background", estimator.n_background, at_least=0)
    if estimator.batch_size not in ("auto", -1):
        _check_count("batch_size", estimator.batch_size, also="'auto', -1 for all rows, or ")
    _check_choice("engine", estimator.engine, ("auto", "compiled", "keras"))
    _check_choice("verbose", estimator.verbose, (0, 1, 2, False, True))
    for name in ("early_stopping", "shuffle"):
        if not isinstance(getattr(estimator, name), (bool, np.bool_)):
            raise ValueError(
                f"{name} must be True or False. Got {getattr(estimator, name)!r} instead."
            )
    if not isinstance(estimator.tol, numbers.Real) or not 0 <= float(estimator.tol) < np.inf:
        raise ValueError(f"tol must be a finite number, at least 0. Got {estimator.tol!r} instead.")
    fraction = estimator.validation_split
    if fraction is not None and not (
        isinstance(fraction, numbers.Real)
        and not isinstance(fraction, bool)
        and 0 <= float(fraction) < 1
    ):
        raise ValueError(
            "validation_split must be a fraction of the rows in [0, 1), or None. "
            f"Got {fraction!r} instead."
        )
    if estimator.early_stopping and fraction == 0:
        raise ValueError(
            "early_stopping=True needs rows to validate on, but validation_split=0. "
            "Set validation_split=None for a tenth of the rows."
        )
    if estimator.model is None:
        raise ValueError(
            "model=None gives no network. Give a function that returns a keras.Model, "
            "a keras.Model, or the name of a ready-made builder such as 'mlp'."
        )


def _check_count(name: str, value: Any, *, at_least: int = 1, also: str = "") -> None:
    is_count = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_count or value < at_least:
        raise ValueError(
            f"{name} must be {also}an integer of at least {at_least}. Got {value!r} instead."
        )


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        known = [choice for choice in choices if not isinstance(choice, bool)]
        raise ValueError(f"{name} must be one of {known}. Got {value!r} instead.")


def name_bad_column(X: Any, error: Exception) -> ValueError | None:
    """Return an error that names the first column of a DataFrame that holds no numbers.

    Returns None if ``X`` has no columns with names, or all of them hold numbers.
    """
    if not hasattr(X, "columns") or not hasattr(X, "iloc"):
        return None
    for position, name in enumerate(X.columns):
        column = X.iloc[:, position]
        try:
            np.asarray(column, dtype=np.float64)
        except (TypeError, ValueError):
            examples = [value for value in column.head(50) if isinstance(value, str)]
            shown = f", such as {examples[0]!r}" if examples else ""
            return ValueError(
                f"The column {name!r} of X holds {column.dtype} values{shown}, but the network "
                "takes numbers. Encode it before, for example with OneHotEncoder in a "
                f"ColumnTransformer, or with encoder=. ({error})"
            )
    return None


def check_finite(X_checked: np.ndarray, names: Any | None) -> None:
    """Raise a ValueError that names the first column with NaN or infinite values."""
    if X_checked.dtype.kind != "f" or np.isfinite(X_checked).all():
        return
    rows, columns = np.nonzero(~np.isfinite(X_checked))
    column = columns[0]
    n_bad = int(np.sum(columns == column))
    is_nan = np.isnan(X_checked[rows[0], column])
    what = "NaN" if is_nan else "inf"
    which = f"column {int(column)}" if names is None else f"the column {names[column]!r}"
    fix = (
        "Impute it before, for example with SimpleImputer."
        if is_nan
        else "Replace it, or clip the column."
    )
    raise ValueError(
        f"Input X contains {what} in {which} ({n_bad} row(s), the first is row {int(rows[0])}), "
        f"but the network takes finite numbers. {fix}"
    )


def check_encoded(X_encoded: np.ndarray) -> None:
    """Raise a ValueError if the encoded table has no columns or is not two-dimensional."""
    if X_encoded.ndim != 2 or X_encoded.shape[1] == 0:
        raise ValueError(
            f"encoder must give a table with at least one column. Got {X_encoded.shape} instead."
        )


def check_weights(sample_weight: np.ndarray) -> None:
    """Raise a ValueError if weights are negative or all of them are zero."""
    if (sample_weight < 0).any():
        row = int(np.flatnonzero(sample_weight < 0)[0])
        raise ValueError(
            f"sample_weight must be at least 0. Got {sample_weight[row]} in row {row} instead."
        )
    if not (sample_weight > 0).any():
        raise ValueError(
            "The weight of every row (sample_weight times class_weight) is zero, so that there is "
            "nothing to learn from. Give at least one row a positive weight."
        )
