"""Keras networks as scikit-learn estimators.

Public names are imported on first use, so that ``import nnkit`` loads neither TensorFlow nor SHAP.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import nnkit._forks  # noqa: F401  # registers a function that is called after a fork

__version__ = "0.1.0"

__all__ = [
    "KerasClassifier",
    "KerasRegressor",
    "KerasTransformer",
    "TabularClassifier",
    "TabularRegressor",
    "batched_training",
    "builders",
    "callbacks",
    "clear_compiled_cache",
    "encoding",
    "exceptions",
    "explain",
    "explanation",
    "export",
    "layers",
    "losses",
    "optimizers",
]

_SUBPACKAGES = (
    "builders",
    "callbacks",
    "encoding",
    "exceptions",
    "explanation",
    "export",
    "layers",
    "losses",
    "optimizers",
)
_MODULES = {
    "KerasClassifier": "nnkit.estimators",
    "KerasRegressor": "nnkit.estimators",
    "KerasTransformer": "nnkit.estimators",
    "TabularClassifier": "nnkit.estimators",
    "TabularRegressor": "nnkit.estimators",
    "batched_training": "nnkit.training",
    "clear_compiled_cache": "nnkit.training",
    "explain": "nnkit.explanation",
}

if TYPE_CHECKING:
    from nnkit import (
        builders,
        callbacks,
        encoding,
        exceptions,
        explanation,
        export,
        layers,
        losses,
        optimizers,
    )
    from nnkit.estimators import (
        KerasClassifier,
        KerasRegressor,
        KerasTransformer,
        TabularClassifier,
        TabularRegressor,
    )
    from nnkit.explanation.explain import explain
    from nnkit.training import batched_training, clear_compiled_cache


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return importlib.import_module(f"nnkit.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module 'nnkit' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
