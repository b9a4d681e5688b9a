"""Checks of parameter values, each with one clear sentence as its error."""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names

from nnkit._messages import shown
from nnkit._suggestions import did_you_mean
from nnkit._validation import as_choice, as_count, as_flag, as_number
from nnkit.builders.registry import find_builder
from nnkit.builders.tables.presets import PRESETS
from nnkit.encoding.quantiles import as_quantiles
from nnkit.estimators.parameters.fit_settings import GivenSettings, is_auto

__all__ = ["check_parameters", "check_predict_arguments"]


def check_parameters(given: GivenSettings) -> None:
    """Raise a ValueError for the first setting of a fit that is out of its range."""
    for name in ("epochs", "n_iter_no_change", "n_estimators"):
        if not is_auto(getattr(given, name)):
            as_count(name, getattr(given, name), alternatives=", or 'auto'")
    as_count("background_size", given.background_size, minimum=0)
    as_count("initial_epoch", given.initial_epoch, minimum=0)
    if not _is_one_of(given.batch_size, ("auto", -1, None)):
        as_count("batch_size", given.batch_size, alternatives=", 'auto', -1 for all rows, or None")
    as_choice("engine", given.engine, ("auto", "graph", "xla", "keras"))
    if not isinstance(given.verbose, (bool, np.bool_)):
        as_choice("verbose", given.verbose, (0, 1, 2, "auto"))
    as_choice("calibration", given.calibration, ("auto", "temperature", None))
    for name in ("shuffle", "warm_start"):
        as_flag(name, getattr(given, name))
    if not is_auto(given.early_stopping):
        as_flag("early_stopping", given.early_stopping)
    if not isinstance(given.tol, numbers.Real) or not 0 <= float(given.tol) < np.inf:
        raise ValueError(
            f"tol must be a finite number, at least 0. Got {shown(given.tol)} instead."
        )
    _check_validation_split(given)
    _check_cv(given.cv)
    limit = given.time_limit
    if limit is not None and not (isinstance(limit, numbers.Real) and float(limit) > 0):
        raise ValueError(
            f"time_limit must be seconds above 0, or None. Got {shown(limit)} instead."
        )
    _check_checkpoint(given)
    _check_random_state(given.random_state)
    _check_placement(given.device, given.dtype_policy)
    _check_scoring(given.scoring)
    _check_model(given)
    _check_quantiles(given)


def _check_checkpoint(given: GivenSettings) -> None:
    if given.checkpoint is not None and not isinstance(given.checkpoint, (str, os.PathLike)):
        raise ValueError(
            f"checkpoint must be the path of a folder, or None. Got {shown(given.checkpoint)} "
            "instead."
        )
    as_number("checkpoint_seconds", given.checkpoint_seconds, "[0, inf)")


def _check_model(given: GivenSettings) -> None:
    """Raise for a model that is no network, and for a preset of another network."""
    model = given.model
    if model is None:
        raise ValueError(
            "model=None gives no network. Give a function that returns a keras.Model, "
            "a keras.Model, or the name of a ready-made builder such as 'mlp'."
        )
    if not (isinstance(model, str) or callable(model)):
        raise ValueError(
            "model must be a function that returns a keras.Model, a keras.Model, or the "
            f"name of a ready-made builder. Got {shown(model)} instead."
        )
    if given.is_tabular:
        as_choice("preset", given.preset, PRESETS)
        if given.preset != "default" and not is_auto(model):
            raise ValueError(
                f"preset={shown(given.preset)} chooses the settings of model='auto', but model is "
                f"{shown(model)}. Leave out preset, or set model='auto'."
            )
    if is_auto(model):
        if not given.is_tabular:
            raise ValueError(
                "model='auto' is the network of TabularClassifier and TabularRegressor. Use one of "
                "these, or give a network such as 'mlp'."
            )
    elif isinstance(model, str):
        find_builder(model)


def _check_quantiles(given: GivenSettings) -> None:
    if given.quantiles is None:
        return
    if not given.is_loss_of_quantiles:
        raise ValueError(
            f"quantiles={shown(given.quantiles)} has an effect with loss='quantile' only, but loss "
            f"is {shown(given.loss)}. Set loss='quantile', or quantiles=None."
        )
    as_quantiles(given.quantiles)


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
    if batch_size is None or is_auto(batch_size):
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


def _check_validation_split(given: GivenSettings) -> None:
    split = given.validation_split
    is_number = isinstance(split, numbers.Real) and not isinstance(split, bool)
    if not (split is None or _are_splits(split) or (is_number and 0 <= float(split) < 1)):
        is_count = is_number and isinstance(split, numbers.Integral) and int(split) >= 2
        fix = " A number of folds is cv of TabularClassifier and TabularRegressor."
        raise ValueError(
            "validation_split must be a fraction of the rows in [0, 1), a scikit-learn splitter, a "
            f"pair of training and validation rows in a list, or None. Got {shown(split)} instead."
            f"{fix if is_count else ''}"
        )
    stops = isinstance(given.early_stopping, (bool, np.bool_)) and given.early_stopping
    if stops and is_number and split == 0:
        raise ValueError(
            "early_stopping=True needs rows to validate on, but validation_split=0. "
            "Set validation_split=None for a tenth of the rows."
        )


def _check_cv(cv: Any) -> None:
    is_count = isinstance(cv, numbers.Integral) and not isinstance(cv, bool)
    if not (cv is None or _are_splits(cv) or (is_count and int(cv) >= 2)):
        raise ValueError(
            "cv must be a number of folds of at least 2, a scikit-learn splitter, an iterable of "
            f"pairs of training and validation rows, or None. Got {shown(cv)} instead."
        )


def _are_splits(value: Any) -> bool:
    """Return whether a value is a splitter, or an iterable that may hold splits."""
    if isinstance(value, (str, bytes, type)):
        return False
    is_iterable = isinstance(value, Iterable) and getattr(value, "ndim", 1) != 0
    return hasattr(value, "split") or is_iterable


def _is_one_of(value: Any, choices: tuple[Any, ...]) -> bool:
    # Arrays, Series and pandas.NA have no truth value to compare by.
    is_plain = value is None or isinstance(value, (str, numbers.Integral, np.bool_))
    return is_plain and value in choices
