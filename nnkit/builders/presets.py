"""What trains a ready-made network well, by the size and kind of the table.

Whatever a user leaves to nnkit ("auto") is looked up here; a user's own builder has the defaults
of scikit-learn's multilayer perceptron. The rules were chosen on real tables (docs/tables.rst).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PRESETS", "TableFacts", "training_settings"]

PRESETS = ("fast", "default", "best")
"""The settings among which ``preset`` chooses."""


@dataclass(frozen=True)
class TableFacts:
    """What the choice of settings looks at.

    Parameters
    ----------
    n_samples : int
        Rows that weigh anything.
    n_features : int
        Columns as the user gave them.
    is_classification : bool
    """

    n_samples: int
    n_features: int
    is_classification: bool


_OF_ANY_BUILDER: dict[str, Any] = {
    "optimizer": "adam",
    "epochs": 100,
    "early_stopping": False,
    "n_iter_no_change": 10,
    "n_estimators": 1,
    "calibration": None,
}

# RealMLP as published trains all its epochs and keeps the best.
_OF_REALMLP = {
    "epochs": 256,
    "batch_size": 256,
    "early_stopping": True,
    "n_iter_no_change": None,
    "validation_split": 0.2,
    "is_clipped": True,
}


def training_settings(model: Any, preset: str, table: TableFacts) -> Mapping[str, Any]:
    """Return the settings of a training by parameter of the estimators.

    Parameters
    ----------
    model : str, callable or keras.Model
        As the estimators take it.
    preset : {"fast", "default", "best"}
        Which settings ``model="auto"`` has.
    table : TableFacts

    Returns
    -------
    settings : mapping
        Values of ``optimizer``, ``epochs``, ``batch_size``, ``early_stopping``,
        ``n_iter_no_change`` (None is all epochs), ``validation_split``, ``n_estimators`` and
        ``calibration``, arguments of the builder as ``model__name``, and as ``is_clipped``
        whether predicted values stay in the range of the training target.
    """
    generic = {
        **_OF_ANY_BUILDER,
        "batch_size": min(200, table.n_samples),
        "validation_split": None,
    }
    if model == "realmlp":
        return {**generic, **_OF_REALMLP}
    if model == "realmlp_simplified":
        return {**generic, **_OF_REALMLP, "is_clipped": False}
    if model == "auto":
        return {**generic, **_of_preset(preset, table)}
    return generic


# Multiplications of a forward pass over all rows, epochs and networks that a preset spends at
# most: for "default" about a minute of CPU, which is 10,000 rows of 20 columns for 128 epochs.
_BUDGETS = {"fast": 1.5e10, "default": 2.8e11, "best": 2.4e12}
_MAX_EPOCHS = {"fast": 64, "default": 128, "best": 256}
_MIN_EPOCHS = 16
_UNITS = (128, 128, 128)
_N_FOLDS = 5
_N_ESTIMATORS = {"fast": 1, "default": 5, "best": 10}
# Each number is four columns after its embedding.
_COLUMNS_PER_FEATURE = 4


def _of_preset(preset: str, table: TableFacts) -> dict[str, Any]:
    """Return the settings of an ensemble whose networks validate on another fold each."""
    widths = [_COLUMNS_PER_FEATURE * table.n_features, *_UNITS]
    per_row = sum(above * below for above, below in itertools.pairwise(widths))
    n_estimators = _N_ESTIMATORS[preset]
    per_epoch = per_row * table.n_samples
    # On large tables fewer networks are trained for long enough.
    while n_estimators > 1 and _BUDGETS[preset] < _MIN_EPOCHS * per_epoch * n_estimators:
        n_estimators -= 1
    epochs = int(_BUDGETS[preset] / (per_epoch * n_estimators))
    epochs = min(max(epochs, _MIN_EPOCHS), _MAX_EPOCHS[preset])
    # Folds of a single row choose the epoch by chance, and hold out rows that a network needs.
    has_folds = table.n_samples >= 2 * _N_FOLDS
    return {
        "model__units": _UNITS,
        "model__dropout_rate": 0.0,
        "model__linear_skip": True,
        "epochs": epochs,
        "batch_size": _batch_size(table.n_samples),
        "early_stopping": has_folds,
        "n_iter_no_change": None,
        "validation_split": _N_FOLDS if has_folds else 0,
        "n_estimators": n_estimators,
        "calibration": "temperature" if table.is_classification and has_folds else None,
        "is_clipped": True,
    }


def _batch_size(n_samples: int) -> int:
    """Return the rows of a step: few on small tables, which would have few steps otherwise."""
    for most, size in ((2_000, 64), (12_000, 128), (50_000, 256)):
        if n_samples <= most:
            return size
    return 512
