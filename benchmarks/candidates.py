"""How each library trains the standard network."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import scikeras.wrappers
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neural_network import MLPClassifier

import nnkit
from benchmarks.networks import N_FEATURES, dense, dense_of_two_outputs

EPOCHS, BATCH_SIZE = 20, 32
NNKIT = "nnkit"
HAS_SKORCH = all(importlib.util.find_spec(name) for name in ("torch", "skorch"))


@dataclass(frozen=True)
class Candidate:
    """A way to train the standard network.

    Parameters
    ----------
    name : str
    make : callable
        Returns an estimator.
    rate_parameter : str
        The parameter with the learning rate.
    as_rate : callable, default=float
        From a learning rate to the value of that parameter.
    fit_arguments : dict
        What its ``fit`` is to be told.
    has_cache : bool, default=False
        Whether later fits use what earlier ones compiled; it is emptied before a first fit.
    is_slow : bool, default=False
        Whether it is to be timed less often.
    """

    name: str
    make: Callable[[], Any]
    rate_parameter: str
    as_rate: Callable[[float], Any] = float
    fit_arguments: dict[str, Any] = field(default_factory=dict)
    has_cache: bool = False
    is_slow: bool = False

    def fit(self, X, y):
        """Return an estimator, fitted."""
        return self.make().fit(X, y, **self.fit_arguments)


class RawKeras(ClassifierMixin, BaseEstimator):
    """Keras' own ``fit`` and ``predict``, and just enough for scikit-learn to search with.

    Parameters
    ----------
    build : callable, default=dense
        Returns a network, uncompiled.
    loss : str, default="binary_crossentropy"
    epochs, batch_size : int
    learning_rate : float, default=0.001
    """

    def __init__(
        self,
        build=dense,
        loss="binary_crossentropy",
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        learning_rate=0.001,
    ):
        self.build = build
        self.loss = loss
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate

    def fit(self, X, y):
        """Build and train."""
        self.classes_ = [0, 1]
        self.model_ = self.build()
        self.model_.compile(keras.optimizers.Adam(self.learning_rate), self.loss)
        self.model_.fit(X, y, epochs=self.epochs, batch_size=self.batch_size, verbose=0)
        return self

    def predict_proba(self, X):
        """Return the probability of label 1, shape (n_samples, 1)."""
        return self.model_.predict(X, verbose=0)

    def predict(self, X):
        """Return labels 0 and 1."""
        return (self.predict_proba(X)[:, 0] > 0.5).astype(int)


def of_nnkit(build=dense, **parameters):
    """Return nnkit's classifier for a builder."""
    return nnkit.KerasClassifier(
        build, **{"epochs": EPOCHS, "batch_size": BATCH_SIZE, **parameters}
    )


def of_scikeras(**parameters):
    """Return SciKeras' classifier for the standard network."""
    return scikeras.wrappers.KerasClassifier(
        dense,
        loss="binary_crossentropy",
        optimizer="adam",
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        verbose=0,
        **parameters,
    )


def of_mlp(units=64, epochs=EPOCHS, batch_size=BATCH_SIZE):
    """Return scikit-learn's classifier, which trains for all epochs."""
    return MLPClassifier(
        (units, units), max_iter=epochs, batch_size=batch_size, n_iter_no_change=epochs
    )


def _compiled(X, y, learning_rate=0.001):  # noqa: ARG001 - Keras' wrapper gives both to a builder
    model = dense_of_two_outputs()
    model.compile(keras.optimizers.Adam(learning_rate), "categorical_crossentropy")
    return model


def _torch_network():
    import torch

    return torch.nn.Sequential(
        torch.nn.Linear(N_FEATURES, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 2),
    )


def _of_skorch():
    import skorch
    import torch

    return skorch.NeuralNetClassifier(
        _torch_network,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.001,
        max_epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )


def candidates():
    """Return all candidates, nnkit first; skorch only where it is installed."""
    rate = "optimizer__learning_rate"
    found = [
        Candidate(NNKIT, of_nnkit, rate, has_cache=True),
        Candidate("nnkit, engine='graph'", partial(of_nnkit, engine="graph"), rate, has_cache=True),
        Candidate("nnkit, engine='xla'", partial(of_nnkit, engine="xla"), rate, has_cache=True),
        Candidate("nnkit, engine='keras'", partial(of_nnkit, engine="keras"), rate, is_slow=True),
        Candidate("raw Keras", RawKeras, "learning_rate", is_slow=True),
        Candidate(
            "Keras' SKLearnClassifier",
            lambda: keras.wrappers.SKLearnClassifier(_compiled),
            "model_kwargs",
            as_rate=lambda learning_rate: {"learning_rate": learning_rate},
            # Not as fit_kwargs: clone drops those.
            fit_arguments={"epochs": EPOCHS, "batch_size": BATCH_SIZE, "verbose": 0},
            is_slow=True,
        ),
        Candidate("SciKeras", of_scikeras, rate, is_slow=True),
        Candidate("scikit-learn MLP", of_mlp, "learning_rate_init"),
    ]
    if HAS_SKORCH:
        found.append(Candidate("skorch", _of_skorch, "lr"))
    return found
