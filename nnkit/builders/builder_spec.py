"""The specification of a ready-made builder: its encoder, training settings and search space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

__all__ = ["BuilderSpec", "TableFacts", "TrainingSettings"]


@dataclass(frozen=True)
class TableFacts:
    """Facts about training rows that settings depend on.

    Parameters
    ----------
    n_samples : int
        Rows with a weight above 0.
    n_features : int
        Columns before encoding.
    """

    n_samples: int
    n_features: int


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
    encoder : {"tabular", "standard"}, transformer or None, default="tabular"
        Encoder of X: `nnkit.encoding.TabularEncoder`, ``StandardScaler``, or an unfitted
        transformer of other data, such as `nnkit.encoding.ImageEncoder`, which is cloned. None is
        no encoder.
    training : TrainingSettings or callable, default=TrainingSettings()
        Values of parameters that are "auto", or a function of `TableFacts` that returns them.
    is_autoencoder : bool, default=False
        Whether the network reconstructs its columns unless a target is asked for.
    initialize : callable or None, default=None
        Function of a built network, the encoded training rows and a generator, which assigns
        initial weights that depend on the rows. The estimator calls it instead of giving the
        builder the rows as ``X``, so that fits on other rows share the built network.
    search_space : mapping of str to distribution or list, default={}
        Values of parameters of the estimator that are worth a search, by name, as
        ``RandomizedSearchCV`` takes them.
    """

    builder: Callable[..., Any]
    encoder: Literal["tabular", "standard"] | Any = "tabular"
    training: TrainingSettings | Callable[[TableFacts], TrainingSettings] = field(
        default_factory=TrainingSettings
    )
    is_autoencoder: bool = False
    initialize: Callable[[Any, Any, np.random.Generator], None] | None = None
    search_space: Mapping[str, Any] = field(default_factory=dict)

    def training_for(self, table: TableFacts) -> TrainingSettings:
        """Return the values of parameters that are "auto" for a table of this size."""
        return (
            self.training if isinstance(self.training, TrainingSettings) else self.training(table)
        )
