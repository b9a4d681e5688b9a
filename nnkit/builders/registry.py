"""The registry of ready-made builders: each with its encoder and its training settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from nnkit._messages import shown
from nnkit._suggestions import nearest
from nnkit.builders.autoencoder import autoencoder
from nnkit.builders.mlp import mlp
from nnkit.builders.realmlp import realmlp, realmlp_simplified
from nnkit.builders.realmlp_initialization import initialize_from_rows

__all__ = [
    "READY_MADE",
    "BuilderSpec",
    "TrainingSettings",
    "find_builder",
    "initializer_of",
    "spec_of",
]


@dataclass(frozen=True)
class TrainingSettings:
    """Values of the parameters that an estimator leaves to its builder.

    The defaults are those of Keras.

    Parameters
    ----------
    optimizer : str, default="adam"
        Optimizer of a network that its builder does not compile.
    epochs : int, default=100
        Passes over the training rows.
    batch_size : int, default=32
        Rows of an optimizer step.
    early_stopping : bool, default=False
        Whether training stops by the score on held-out rows and keeps the best epoch.
    n_iter_no_change : int or None, default=10
        Epochs without improvement after which training stops. None trains all epochs.
    validation_split : float or None, default=None
        Fraction of the rows that is held out. None is 0.1 with early stopping, else 0.
    n_estimators : int, default=1
        Networks of the ensemble.
    is_clipped : bool, default=False
        Whether predicted values stay in the range of the training target.
    builder_arguments : mapping of str to object, default={}
        Arguments of the builder, by name.
    """

    optimizer: str = "adam"
    epochs: int = 100
    batch_size: int = 32
    early_stopping: bool = False
    n_iter_no_change: int | None = 10
    validation_split: float | None = None
    n_estimators: int = 1
    is_clipped: bool = False
    builder_arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BuilderSpec:
    """A ready-made builder, and what an estimator needs to know to use it.

    Parameters
    ----------
    builder : callable
        Returns a ``keras.Model`` from ``meta`` and its hyperparameters.
    encoder : {"tabular", "standard"}
        Encoder of the columns: `nnkit.encoding.TabularEncoder` or ``StandardScaler``.
    training : TrainingSettings
        Values of parameters that are "auto".
    is_autoencoder : bool, default=False
        Whether the network reconstructs its columns unless a target is asked for.
    initialize : callable or None, default=None
        Function of a built network, the encoded training rows and a generator, which assigns
        initial weights that depend on the rows. The estimator calls it instead of giving the
        builder the rows as ``X``, so that fits on other rows share the built network.
    """

    builder: Callable[..., Any]
    encoder: Literal["tabular", "standard"] = "tabular"
    training: TrainingSettings = field(default_factory=TrainingSettings)
    is_autoencoder: bool = False
    initialize: Callable[[Any, Any, np.random.Generator], None] | None = None


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

READY_MADE: Mapping[str, BuilderSpec] = {
    # An autoencoder reproduces its columns, which codes of categories cannot be.
    "autoencoder": BuilderSpec(autoencoder, encoder="standard", is_autoencoder=True),
    "mlp": BuilderSpec(mlp),
    "realmlp": BuilderSpec(realmlp, training=_REALMLP, initialize=initialize_from_rows),
    "realmlp_simplified": BuilderSpec(realmlp_simplified, training=_REALMLP_SIMPLIFIED),
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
