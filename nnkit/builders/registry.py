"""The registry of ready-made builders: each with its encoder and its training settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from scipy.stats import loguniform, uniform

from nnkit._messages import shown
from nnkit._suggestions import nearest
from nnkit._validation import as_choice
from nnkit.builders.builder_spec import BuilderSpec, TableFacts, TrainingSettings
from nnkit.builders.images.specs import IMAGE_BUILDERS
from nnkit.builders.multimodal import multimodal
from nnkit.builders.optuna_distributions import optuna_distribution
from nnkit.builders.sequences.specs import SEQUENCE_BUILDERS
from nnkit.builders.tables.specs import TABLE_BUILDERS
from nnkit.builders.texts.specs import TEXT_BUILDERS

__all__ = [
    "READY_MADE",
    "find_builder",
    "initializer_of",
    "search_space",
    "spec_of",
]


# With fewer rows, a hold-out of a tenth says little about an epoch.
_MIN_ROWS_FOR_HOLD_OUT = 500


def _multimodal_training(table: TableFacts) -> TrainingSettings:
    """Return one cycle of the learning rate; the best epoch on held-out rows is kept."""
    has_held_out = table.n_samples >= _MIN_ROWS_FOR_HOLD_OUT
    return TrainingSettings(
        epochs=min(60, max(15, round(30_000 / max(1, table.n_samples)))),
        early_stopping=has_held_out,
        n_iter_no_change=None,
        validation_split=0.1 if has_held_out else None,
    )


READY_MADE: Mapping[str, BuilderSpec] = {
    **TABLE_BUILDERS,
    "multimodal": BuilderSpec(
        multimodal,
        encoder=None,
        training=_multimodal_training,
        search_space={
            "model__units": [(32,), (64,), (128,), (64, 64)],
            "model__branch_units": [32, 64, 128],
            "model__filters": [(8, 16, 32), (16, 32, 64), (32, 64, 128)],
            "model__token_units": [16, 32, 64],
            "model__dropout_rate": uniform(0.0, 0.5),
            "model__learning_rate": loguniform(1e-3, 2e-2),
            "model__weight_decay": loguniform(1e-3, 1e-1),
        },
    ),
    **IMAGE_BUILDERS,
    **SEQUENCE_BUILDERS,
    **TEXT_BUILDERS,
}
"""The specification of each ready-made builder, by the name that ``model=`` takes."""


def spec_of(name: str) -> BuilderSpec:
    """Return the specification of a ready-made builder.

    Parameters
    ----------
    name : str

    Raises
    ------
    ValueError
        If there is no builder of that name. The message suggests the nearest one.
    """
    if name not in READY_MADE:
        suggestion = nearest(name, READY_MADE)
        hint = "" if suggestion is None else f" Did you mean {suggestion!r}?"
        raise ValueError(
            f"model={shown(name)} is not a ready-made builder; there are {sorted(READY_MADE)}.{hint} "
            "Or give a function that returns a keras.Model."
        )
    return READY_MADE[name]


def search_space(
    name: str, library: Literal["scikit-learn", "optuna"] = "scikit-learn"
) -> dict[str, Any]:
    """Return parameters of a ready-made network that are worth a search, with their values.

    Parameters
    ----------
    name : str
        Name of the network, as for ``model=``.
    library : {"scikit-learn", "optuna"}, default="scikit-learn"
        Package of the search: scikit-learn's ``RandomizedSearchCV`` and halving searches, or
        Optuna's studies and ``OptunaSearchCV``.

    Returns
    -------
    space : dict of str to list or distribution
        Lists, and distributions of ``scipy.stats``, by the names of the parameters of an estimator
        with this network; or distributions of ``optuna.distributions``.

    Raises
    ------
    ValueError
        If there is no network or no library of that name.
    ModuleNotFoundError
        If Optuna is asked for and is not installed.

    Notes
    -----
    The space of "realmlp" is that of its authors, in parts; the space of "mlp" follows Gorishniy et
    al., "Revisiting Deep Learning Models for Tabular Data", NeurIPS 2021. In a persistent storage
    of Optuna, a tuple would come back as a list, so that all sequences are lists there.

    Examples
    --------
    >>> from sklearn.model_selection import RandomizedSearchCV
    >>> from nnkit import KerasClassifier
    >>> from nnkit.builders import search_space
    >>> space = search_space("fcn")
    >>> search = RandomizedSearchCV(KerasClassifier("fcn"), space, n_iter=10)
    >>> space["model__kernel_sizes"]
    [(5, 5, 3), (8, 5, 3), (15, 9, 5)]
    """
    space = dict(spec_of(name).search_space)
    if as_choice("library", library, ("scikit-learn", "optuna")) == "optuna":
        return {parameter: optuna_distribution(values) for parameter, values in space.items()}
    return space


def find_builder(name: str) -> Callable[..., Any]:
    """Return the ready-made builder of that name.

    Parameters
    ----------
    name : str

    Raises
    ------
    ValueError
        If there is no builder of that name. The message suggests the nearest one.
    """
    return spec_of(name).builder


def initializer_of(
    builder: Callable[..., Any],
) -> Callable[[Any, Any, np.random.Generator], None] | None:
    """Return the function that initialises the weights of a ready-made builder from rows.

    Parameters
    ----------
    builder : callable

    Returns
    -------
    initialize : callable or None
        None for other builders.
    """
    return next((spec.initialize for spec in READY_MADE.values() if spec.builder is builder), None)
