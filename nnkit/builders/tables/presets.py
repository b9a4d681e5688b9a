"""Settings of TabularClassifier and TabularRegressor by preset and size of the table.

The rules were chosen on real tables (docs/tables.rst).
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from nnkit.builders.builder_spec import TableFacts, TrainingSettings
from nnkit.builders.registry import spec_of

__all__ = ["PRESETS", "PRESET_BUILDER", "preset_settings", "training_settings"]

PRESETS = ("fast", "default", "best")
"""The values of ``preset``."""

PRESET_BUILDER = "realmlp"
"""Name of the ready-made builder that all presets train."""


def training_settings(model: Any, table: TableFacts) -> TrainingSettings:
    """Return the values of parameters that are "auto" for a network.

    Parameters
    ----------
    model : str, callable or keras.Model
        A string is the name of a ready-made builder. Other networks have Keras' defaults.
    table : TableFacts
    """
    return spec_of(model).training_for(table) if isinstance(model, str) else TrainingSettings()


# Upper bound of the multiplications of a preset: those of a forward pass times rows, epochs and
# networks. That of "default" is about a minute of CPU: 10,000 rows of 20 columns for 128 epochs.
_BUDGETS = {"fast": 1.5e10, "default": 2.8e11, "best": 2.4e12}
_MAX_EPOCHS = {"fast": 64, "default": 128, "best": 256}
_MIN_EPOCHS = 16
_UNITS = (128, 128, 128)
_N_ESTIMATORS = {"fast": 1, "default": 5, "best": 10}
# The embedding makes four columns of each number.
_COLUMNS_PER_FEATURE = 4


def preset_settings(model: Any, preset: str, table: TableFacts) -> TrainingSettings:
    """Return the settings of a preset, or those of another network in its ensemble.

    Parameters
    ----------
    model : str, callable or keras.Model
        "auto" is the network of the presets. Other networks keep their own training settings,
        with early stopping, and get the number of networks of the preset.
    preset : {"fast", "default", "best"}
    table : TableFacts
    """
    if not (isinstance(model, str) and model == "auto"):
        own = training_settings(model, table)
        return replace(own, early_stopping=True, n_estimators=_N_ESTIMATORS[preset])
    widths = [_COLUMNS_PER_FEATURE * table.n_features, *_UNITS]
    per_row = sum(above * below for above, below in itertools.pairwise(widths))
    n_estimators = _N_ESTIMATORS[preset]
    per_epoch = per_row * table.n_samples
    # Large tables: fewer networks, each with enough epochs.
    while n_estimators > 1 and _BUDGETS[preset] < _MIN_EPOCHS * per_epoch * n_estimators:
        n_estimators -= 1
    epochs = int(_BUDGETS[preset] / (per_epoch * n_estimators))
    return TrainingSettings(
        epochs=min(max(epochs, _MIN_EPOCHS), _MAX_EPOCHS[preset]),
        batch_size=_batch_size(table.n_samples),
        early_stopping=True,
        n_iter_no_change=None,
        n_estimators=n_estimators,
        is_clipped=True,
        builder_arguments={"units": _UNITS, "dropout_rate": 0.0, "linear_skip": True},
    )


def _batch_size(n_samples: int) -> int:
    """Return the rows of a step. Small tables get small steps, so that an epoch has several."""
    for most, size in ((2_000, 64), (12_000, 128), (50_000, 256)):
        if n_samples <= most:
            return size
    return 512
