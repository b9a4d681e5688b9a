"""Parameters by prefix, such as ``model__units``: which names are right."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nnkit.builders import (
    INJECTED_ARGUMENTS,
    accepted_arguments,
    find_builder,
    takes_any_argument,
    tunable_defaults,
)

__all__ = [
    "FIT_ARGUMENTS",
    "PREDICT_ARGUMENTS",
    "PREFIXES",
    "builder_defaults",
    "builder_hyperparameters",
    "resolve_builder",
    "routed_to",
    "unknown_name",
]

PREFIXES = ("model", "optimizer", "loss", "metrics", "callbacks", "compile", "fit", "predict")
"""Where a parameter ``prefix__name`` can go."""

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
"""The arguments that ``fit`` takes as SciKeras' does; they win over parameters."""

PREDICT_ARGUMENTS = ["batch_size", "verbose"]
"""The arguments that ``predict`` takes; it shows no progress, whatever ``verbose`` says."""


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


def routed_to(prefix: str, routed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters routed to a prefix, by their names behind it."""
    start = f"{prefix}__"
    return {name[len(start) :]: value for name, value in routed.items() if name.startswith(start)}


def builder_hyperparameters(routed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the builder's arguments: unprefixed ones, and over them ``model__`` ones."""
    plain = {name: value for name, value in routed.items() if "__" not in name}
    return {**plain, **routed_to("model", routed)}


def unknown_name(name: str, own_names: Iterable[str], model: Any) -> str | None:
    """Return why a name outside the signature is wrong; None if it is right.

    Parameters
    ----------
    name : str
        With or without a prefix.
    own_names : iterable of str
        The parameters in the estimator's signature.
    model : str, callable or keras.Model
        The estimator's ``model``, whose arguments are right names too.
    """
    try:
        builder = resolve_builder(model)
    except ValueError:
        builder = None  # an unknown name of a builder has its own message, in fit
        if isinstance(model, str):
            return None
    accepted = [] if builder is None else accepted_arguments(builder)
    takes_any = builder is not None and takes_any_argument(builder)
    prefix, separator, rest = name.partition("__")
    taken = {"fit": FIT_ARGUMENTS, "predict": PREDICT_ARGUMENTS}
    if separator and prefix in taken:
        # A callback of fit has arguments of its own: fit__callbacks__patience.
        if rest.partition("__")[0] in taken[prefix]:
            return None
        return (
            f"{name}: {prefix} has no argument {rest!r}.{_hint(rest, taken[prefix], f'{prefix}__')}"
        )
    if separator and prefix in PREFIXES and prefix != "model":
        return None
    if name == "build_fn":
        return "build_fn is called model here. Use model=."
    if separator and prefix == "model":
        if rest in accepted or (takes_any and rest not in INJECTED_ARGUMENTS):
            return None
        if builder is None:
            return f"{name} has nobody to take it: model={model!r} is not a builder function."
        return f"{name}: the builder has no argument {rest!r}.{_hint(rest, accepted, 'model__')}"
    if not separator and (name in accepted or (takes_any and name not in INJECTED_ARGUMENTS)):
        return None
    right = [*own_names, *accepted, *(f"model__{known}" for known in accepted)]
    if separator:
        right += [f"{known}__{rest}" for known in PREFIXES]
    return f"{name} is not a parameter.{_hint(name, right, '')}"


def _hint(name: str, right: Iterable[str], prefix: str) -> str:
    candidates = list(right)
    nearest = difflib.get_close_matches(name, candidates, n=1)
    if nearest:
        return f" Did you mean {prefix}{nearest[0]}?"
    return f" There are {sorted(f'{prefix}{known}' for known in candidates)}."
