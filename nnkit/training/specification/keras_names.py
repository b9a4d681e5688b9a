"""Suggestions for misspelt names of Keras losses, metrics, optimizers and callbacks."""

from __future__ import annotations

import inspect
from typing import Any

from nnkit._suggestions import nearest

__all__ = ["hint_of_class", "hint_of_name"]

_SHORT = ("accuracy", "crossentropy", "mse", "mae", "mape", "msle", "bce", "bfce")

# Names that scikit-learn, XGBoost and LightGBM use.
_ELSEWHERE = {
    "squarederror": "mean_squared_error",
    "regsquarederror": "mean_squared_error",
    "l2": "mean_squared_error",
    "absoluteerror": "mean_absolute_error",
    "l1": "mean_absolute_error",
    "rmse": "RootMeanSquaredError",
    "f1": "F1Score",
    "rocauc": "AUC",
    "r2": "R2Score",
    "logloss": "crossentropy",
    "deviance": "crossentropy",
}

# Base classes, wrappers and functions of the modules, which are not suggested.
_NO_PIECES = (
    "Callback", "CallbackList", "Loss", "Mean", "MeanMetricWrapper", "Metric", "Optimizer", "Sum",
    "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap", "deserialize", "get", "serialize",
)  # fmt: skip


def hint_of_name(module: Any, name: str) -> str:
    """Return a sentence that suggests a name in place of a misspelt one; empty without one.

    Parameters
    ----------
    module : module
        ``keras.losses``, ``keras.metrics`` or ``keras.optimizers``.
    name : str
        The misspelt name.
    """
    letters = "".join(letter for letter in name.lower() if letter.isalnum())
    elsewhere, known = _ELSEWHERE.get(letters), _names_in(module)
    if module.__name__.endswith("losses") and letters in ("crossentropy", "logloss", "deviance"):
        return " Leave loss=None, which takes the cross-entropy that fits the last layer."
    suggestion = elsewhere if elsewhere in known else nearest(name, known)
    return "" if suggestion is None else f" Did you mean {suggestion!r}?"


def hint_of_class(module: Any, name: Any) -> str:
    """Return a sentence that suggests a class in place of its name; empty without one.

    Parameters
    ----------
    module : module
        A module of classes, such as ``keras.callbacks``.
    name : object
        The invalid value. There is a suggestion only for strings.
    """
    if not isinstance(name, str):
        return ""
    suggestion = nearest(name, _classes_in(module))
    return "" if suggestion is None else f" Did you mean {module.__name__}.{suggestion}?"


def _classes_in(module: Any) -> list[str]:
    return [
        name
        for name in dir(module)
        if inspect.isclass(getattr(module, name)) and name not in _NO_PIECES
    ]


def _names_in(module: Any) -> list[str]:
    """Return the names that ``module.get`` accepts, lower-case names first."""
    names = [
        name
        for name in (*_SHORT, *dir(module))
        if not name.startswith("_") and name not in _NO_PIECES
    ]
    names += [name.lower() for name in _classes_in(module)]
    # Keras documents "adam" and "accuracy" in lower case.
    in_order = sorted(set(names), key=lambda name: (not name.islower(), name))
    return [name for name in in_order if _is_known(module, name)]


def _is_known(module: Any, name: str) -> bool:
    if name in ("accuracy", "crossentropy"):
        return module.__name__.endswith("metrics")
    try:
        module.get(name)
    except (ValueError, TypeError):
        return False
    return True
