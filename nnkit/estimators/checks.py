"""Parameters and weights that are not what they must be, in one clear sentence."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import get_scorer, get_scorer_names

from nnkit._messages import shown
from nnkit._suggestions import did_you_mean
from nnkit.builders import PRESETS, find_builder

__all__ = [
    "check_parameters",
    "check_predict_arguments",
    "check_weights",
    "checked_groups",
    "checked_weights",
]


def check_parameters(estimator: Any) -> None:
    """Raise a ValueError for the first setting of a fit that is out of its range."""
    _check_count("epochs", estimator.epochs, also="'auto' or ", or_auto=True)
    _check_count("n_iter_no_change", estimator.n_iter_no_change, also="'auto' or ", or_auto=True)
    _check_count("background_size", estimator.background_size, at_least=0)
    _check_count("n_estimators", estimator.n_estimators, also="'auto' or ", or_auto=True)
    if not _is_one_of(estimator.batch_size, ("auto", -1, None)):
        _check_count("batch_size", estimator.batch_size, also="'auto', -1 for all rows, None or ")
    _check_choice("engine", estimator.engine, ("auto", "graph", "xla", "keras"))
    _check_choice("verbose", estimator.verbose, (0, 1, 2, "auto", False, True))
    _check_preset(estimator)
    if hasattr(estimator, "calibration"):
        _check_choice("calibration", estimator.calibration, ("auto", "temperature", None))
    _check_flags(estimator)
    if not isinstance(estimator.tol, numbers.Real) or not 0 <= float(estimator.tol) < np.inf:
        raise ValueError(
            f"tol must be a finite number, at least 0. Got {shown(estimator.tol)} instead."
        )
    _check_validation_split(estimator)
    limit = estimator.time_limit
    if limit is not None and not (isinstance(limit, numbers.Real) and float(limit) > 0):
        raise ValueError(
            f"time_limit must be seconds above 0, or None. Got {shown(limit)} instead."
        )
    _check_count("initial_epoch", estimator.initial_epoch, at_least=0)
    _check_random_state(estimator.random_state)
    _check_placement(estimator.device, estimator.dtype_policy)
    _check_scoring(estimator.scoring)
    if estimator.model is not None and not (
        isinstance(estimator.model, str) or callable(estimator.model)
    ):
        raise ValueError(
            "model must be a function that returns a keras.Model, a keras.Model, or the "
            f"name of a ready-made builder. Got {shown(estimator.model)} instead."
        )
    if estimator.model is None:
        raise ValueError(
            "model=None gives no network. Give a function that returns a keras.Model, "
            "a keras.Model, or the name of a ready-made builder such as 'mlp'."
        )
    if isinstance(estimator.model, str):
        find_builder(estimator.model)


def _check_random_state(random_state: Any) -> None:
    is_seed = isinstance(random_state, numbers.Integral) and not isinstance(random_state, bool)
    if is_seed and not 0 <= int(random_state) < 2**32:
        raise ValueError(
            "random_state must be an integer from 0 to 2**32 - 1 = 4294967295. "
            f"Got {random_state} instead."
        )
    is_numpy = isinstance(random_state, np.random.RandomState) or random_state is np.random
    if not (is_seed or is_numpy or random_state is None):
        raise ValueError(
            "random_state must be an integer, a numpy RandomState or None. "
            f"Got {shown(random_state)} instead."
        )


def _check_placement(device: Any, dtype_policy: Any) -> None:
    if not (device is None or isinstance(device, str)):
        raise ValueError(
            "device must be the name of a TensorFlow device, such as '/GPU:0' or 'cpu', or None. "
            f"Got {shown(device)} instead."
        )
    # Keras' policies are told by what they have: to import Keras takes seconds.
    is_policy = hasattr(dtype_policy, "compute_dtype") and not callable(dtype_policy)
    if not (dtype_policy is None or isinstance(dtype_policy, str) or is_policy):
        raise ValueError(
            "dtype_policy must be a policy that Keras knows, such as 'mixed_bfloat16', or None. "
            f"Got {shown(dtype_policy)} instead."
        )


def check_predict_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise a ValueError if the arguments of ``predict`` are not what they must be.

    Parameters
    ----------
    arguments : mapping
        ``batch_size`` may be among them.
    """
    batch_size = arguments.get("batch_size")
    if batch_size is None or _is(batch_size, "auto"):
        return
    is_count = isinstance(batch_size, numbers.Integral) and not isinstance(batch_size, bool)
    if not is_count or (batch_size < 1 and batch_size != -1):
        raise ValueError(
            "The batch_size of predict must be an integer of at least 1, -1 for all rows, or None "
            f"to choose it by memory. Got {shown(batch_size)} instead."
        )


def _check_scoring(scoring: Any) -> None:
    is_name = isinstance(scoring, str)
    # A scorer is called with an estimator, X and y, a type or a method without one never.
    if not (scoring is None or is_name or (callable(scoring) and not isinstance(scoring, type))):
        raise ValueError(
            "scoring must be 'loss', the name of a scikit-learn scorer, a function of (estimator, "
            f"X, y), or None. Got {shown(scoring)} instead."
        )
    if is_name and scoring != "loss":
        try:
            get_scorer(scoring)
        except ValueError as error:
            nearest = did_you_mean(scoring, get_scorer_names())
            raise ValueError(
                f"scoring must be 'loss' or the name of a scikit-learn scorer. "
                f"Got {shown(scoring)} instead. {nearest}".strip()
            ) from error


def _check_preset(estimator: Any) -> None:
    _check_choice("preset", estimator.preset, PRESETS)
    if estimator.preset != "default" and not _is(estimator.model, "auto"):
        raise ValueError(
            f"preset={shown(estimator.preset)} chooses the settings of model='auto', but model is "
            f"{shown(estimator.model)}. Leave out preset, or set model='auto'."
        )


def _check_flags(estimator: Any) -> None:
    for name in ("early_stopping", "shuffle", "warm_start"):
        if name == "early_stopping" and _is(estimator.early_stopping, "auto"):
            continue
        if not isinstance(getattr(estimator, name), (bool, np.bool_)):
            raise ValueError(
                f"{name} must be True or False. Got {shown(getattr(estimator, name))} instead."
            )


def _check_validation_split(estimator: Any) -> None:
    split = estimator.validation_split
    is_number = isinstance(split, numbers.Real) and not isinstance(split, bool)
    is_text = isinstance(split, (str, bytes))
    is_splitter = hasattr(split, "split") and not is_text and not isinstance(split, type)
    is_iterable = isinstance(split, Iterable) and not is_text and getattr(split, "ndim", 1) != 0
    if not (
        split is None
        or is_splitter
        or is_iterable
        or (is_number and 0 <= float(split) < 1)
        or (is_number and isinstance(split, numbers.Integral) and int(split) >= 2)
    ):
        raise ValueError(
            "validation_split must be a fraction of the rows in [0, 1), a number of folds of at "
            f"least 2, a scikit-learn splitter, or None. Got {shown(split)} instead."
        )
    stops = isinstance(estimator.early_stopping, (bool, np.bool_)) and estimator.early_stopping
    if stops and is_number and split == 0:
        raise ValueError(
            "early_stopping=True needs rows to validate on, but validation_split=0. "
            "Set validation_split=None for a tenth of the rows."
        )


def _is_one_of(value: Any, choices: tuple[Any, ...]) -> bool:
    # Arrays, Series and pandas.NA have no truth value to compare by.
    is_plain = value is None or isinstance(value, (str, numbers.Integral, np.bool_))
    return is_plain and value in choices


def _is(value: Any, word: str) -> bool:
    return isinstance(value, str) and value == word


def _check_count(
    name: str, value: Any, *, at_least: int = 1, also: str = "", or_auto: bool = False
) -> None:
    if or_auto and _is(value, "auto"):
        return
    is_count = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_count or value < at_least:
        raise ValueError(
            f"{name} must be {also}an integer of at least {at_least}. Got {shown(value)} instead."
        )


def _check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if not _is_one_of(value, choices):
        known = [choice for choice in choices if not isinstance(choice, bool)]
        raise ValueError(f"{name} must be one of {known}. Got {shown(value)} instead.")


def check_weights(sample_weight: np.ndarray) -> None:
    """Raise a ValueError if weights are negative or all of them are zero."""
    if (sample_weight < 0).any():
        row = int(np.argwhere(sample_weight < 0)[0, 0])
        raise ValueError(
            f"sample_weight must be at least 0. Got {np.min(sample_weight[row])} in row {row} "
            "instead."
        )
    if not (sample_weight > 0).any():
        raise ValueError(
            "The weight of every row (sample_weight times class_weight) is zero, so that there is "
            "nothing to learn from. Give at least one row a positive weight."
        )


def checked_weights(sample_weight: Any, y_shape: tuple[int, ...]) -> np.ndarray:
    """Return the weights of rows as float64: of shape (n_samples,), or leading axes of y's.

    Parameters
    ----------
    sample_weight : array-like
    y_shape : tuple of int
        Shape of the target.

    Raises
    ------
    ValueError
        If they have another shape, are not finite or negative, or are all zero.
    """
    weight = _as_numbers(sample_weight)
    if not weight.ndim or weight.shape != y_shape[: weight.ndim]:
        steps = f", or {y_shape}, one for each step" if len(y_shape) > 1 else ""
        raise ValueError(
            f"sample_weight must have the shape ({y_shape[0]},), one weight for each row{steps}. "
            f"Got the shape {weight.shape} instead."
        )
    if not np.isfinite(weight).all():
        raise ValueError("sample_weight must be finite. Got NaN or inf instead.")
    check_weights(weight)
    return weight


def _as_numbers(sample_weight: Any) -> np.ndarray:
    """Return weights as float64, of whatever shape they have."""
    try:
        given = np.asarray(sample_weight)
        if given.dtype.kind != "c":
            return given.astype(np.float64)
        reason = "Got complex numbers"
    except (TypeError, ValueError) as error:
        reason = f"Got {type(sample_weight).__name__} that is not an array of numbers ({error})"
    hint = (
        " Weights of classes are the parameter class_weight."
        if isinstance(sample_weight, str)
        else ""
    )
    raise ValueError(f"sample_weight must be numbers, one for each row. {reason} instead.{hint}")


def checked_groups(groups: Any, n_samples: int) -> np.ndarray:
    """Return the groups of rows as an array of shape (n_samples,).

    Raises
    ------
    ValueError
        If they have another shape, or a value is missing.
    """
    grouping = np.asarray(groups)
    if grouping.shape != (n_samples,):
        raise ValueError(
            f"groups must have the shape ({n_samples},). Got {grouping.shape} instead."
        )
    if pd.isna(grouping).any():
        row = int(np.flatnonzero(pd.isna(grouping))[0])
        raise ValueError(f"groups has no value in row {row}. Give each row a group.")
    return grouping
