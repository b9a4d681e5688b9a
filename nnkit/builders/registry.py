"""The registry of ready-made builders: each with its encoder and its training settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nnkit._messages import shown
from nnkit._suggestions import nearest
from nnkit.builders.autoencoder import autoencoder
from nnkit.builders.builder_spec import BuilderSpec, TableFacts, TrainingSettings
from nnkit.builders.images.specs import IMAGE_BUILDERS
from nnkit.builders.mlp import mlp
from nnkit.builders.multimodal import multimodal
from nnkit.builders.realmlp import realmlp, realmlp_simplified
from nnkit.builders.realmlp_initialization import initialize_from_rows
from nnkit.builders.sequences.specs import SEQUENCE_BUILDERS
from nnkit.builders.texts.specs import TEXT_BUILDERS

__all__ = [
    "READY_MADE",
    "find_builder",
    "initializer_of",
    "search_space",
    "spec_of",
]


# RealMLP as published trains for all its epochs and keeps the best one.
_REALMLP = TrainingSettings(
    epochs=256,
    batch_size=256,
    early_stopping=True,
    n_iter_no_change=None,
    validation_split=0.2,
    is_clipped=True,
)
_REALMLP_SIMPLIFIED = replace(_REALMLP, is_clipped=False)

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
    # An autoencoder reproduces its columns, which codes of categories cannot be.
    "autoencoder": BuilderSpec(autoencoder, encoder="standard", is_autoencoder=True),
    "mlp": BuilderSpec(mlp),
    "realmlp": BuilderSpec(realmlp, training=_REALMLP, initialize=initialize_from_rows),
    "realmlp_simplified": BuilderSpec(realmlp_simplified, training=_REALMLP_SIMPLIFIED),
    "multimodal": BuilderSpec(multimodal, encoder=None, training=_multimodal_training),
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


def search_space(name: str) -> dict[str, Any]:
    """Return parameters of a ready-made network that are worth a search, with their values.

    Parameters
    ----------
    name : str
        Name of the network, as for ``model=``.

    Returns
    -------
    space : dict of str to list or distribution
        Lists, and distributions of ``scipy.stats``, by the names of the parameters of an estimator
        with this network, as ``RandomizedSearchCV`` takes them.

    Raises
    ------
    ValueError
        If there is no network of that name, or it has no search space.

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
    space = spec_of(name).search_space
    if not space:
        there_are = sorted(other for other, spec in READY_MADE.items() if spec.search_space)
        raise ValueError(f"model={name!r} has no search space; there are those of {there_are}.")
    return dict(space)


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
