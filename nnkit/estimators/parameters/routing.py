"""Parameters by prefix, such as ``model__units``, and their receivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit.builders.registry import find_builder
from nnkit.builders.signature import (
    tunable_defaults,
)
from nnkit.builders.tables.presets import PRESET_BUILDER

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator

__all__ = [
    "FIT_ARGUMENTS",
    "OF_COMPILATION",
    "PREDICT_ARGUMENTS",
    "PREFIXES",
    "as_python",
    "builder_defaults",
    "builder_hyperparameters",
    "model_of",
    "resolve_builder",
    "routed_to",
]

OF_COMPILATION = ("model", "optimizer", "loss", "metrics", "callbacks", "compile")
"""The prefixes of arguments of a network and its training."""

PREFIXES = (*OF_COMPILATION, "fit", "predict", "fine_tune")
"""The prefixes of routed parameters ``prefix__name``."""

FIT_ARGUMENTS = [
    "epochs",
    "batch_size",
    "callbacks",
    "class_weight",
    "initial_epoch",
    "shuffle",
    "validation_data",
    "validation_split",
    "verbose",
]
"""The arguments of ``fit`` that override parameters, as in SciKeras."""

PREDICT_ARGUMENTS = ["batch_size", "verbose"]
"""The arguments of ``predict``. It shows no progress, whatever the value of ``verbose``."""


def model_of(estimator: KerasEstimator) -> Any:
    """Return the network of an estimator: its ``model``, or the builder of the presets.

    Parameters
    ----------
    estimator : estimator
    """
    is_of_preset = hasattr(estimator, "preset") and isinstance(estimator.model, str)
    return PRESET_BUILDER if is_of_preset and estimator.model == "auto" else estimator.model


def resolve_builder(model: Any) -> Callable[..., Any] | None:
    """Return the builder function that ``model`` names or is; None if it is not one."""
    if isinstance(model, str):
        return find_builder(model)
    # A keras.Model is callable too, on tensors; importing Keras to ask would load TensorFlow.
    if hasattr(model, "get_weights") and not isinstance(model, type):
        return None
    return model if callable(model) else None


def builder_defaults(model: Any) -> dict[str, Any]:
    """Return the defaults of the builder's own arguments, as ``model__name``."""
    try:
        builder = resolve_builder(model)
    except ValueError:
        return {}
    if builder is None:
        return {}
    return {f"model__{name}": value for name, value in tunable_defaults(builder).items()}


def as_python(value: Any) -> Any:
    """Return a NumPy scalar, also within a list, tuple or dict, as Python's number, truth or text.

    Grids and distributions give NumPy's, which Keras does not take.

    Parameters
    ----------
    value : object
        What holds no such scalar is returned as it is.
    """
    kind = type(value)
    if isinstance(value, (np.number, np.bool_, np.str_)):
        return value.item()
    if kind is dict:
        entries = {key: as_python(entry) for key, entry in value.items()}
        return entries if any(entries[key] is not value[key] for key in value) else value
    if kind in (list, tuple):
        converted = [as_python(entry) for entry in value]
        # A builder may look for the very list that it was given.
        is_same = all(new is old for new, old in zip(converted, value, strict=True))
        return value if is_same else kind(converted)
    return value


def routed_to(prefix: str, routed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters routed to a prefix, by their names behind it."""
    start = f"{prefix}__"
    return {
        name[len(start) :]: as_python(value)
        for name, value in routed.items()
        if name.startswith(start)
    }


def builder_hyperparameters(routed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the builder's arguments: unprefixed ones, and over them ``model__`` ones."""
    plain = {name: as_python(value) for name, value in routed.items() if "__" not in name}
    return {**plain, **routed_to("model", routed)}
