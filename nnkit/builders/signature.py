"""The arguments that a builder accepts, and the values with which it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

__all__ = [
    "INJECTED_ARGUMENTS",
    "accepted_arguments",
    "builder_arguments",
    "is_told_of_data",
    "takes_any_argument",
    "tunable_defaults",
]

INJECTED_ARGUMENTS = ("meta", "compile_kwargs", "params", "X", "y", "n_steps")
"""The arguments that the estimator passes to a builder that has them."""


def _parameters(builder: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(builder).parameters
    except ValueError:  # a callable written in C may have no signature
        return {}


def accepted_arguments(builder: Callable[..., Any]) -> list[str]:
    """Return the names of the hyperparameters that a builder accepts."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        name
        for name, parameter in _parameters(builder).items()
        if parameter.kind in kinds and name not in INJECTED_ARGUMENTS
    ]


def is_told_of_data(builder: Callable[..., Any]) -> bool:
    """Return whether a builder accepts facts about the data, from which it can size its layers."""
    asks = {"meta", "params", "X", "y"} & set(_parameters(builder))
    return bool(asks) or (takes_any_argument(builder) and not inspect.isclass(builder))


def takes_any_argument(builder: Callable[..., Any]) -> bool:
    """Return whether a builder accepts ``**kwargs``."""
    return any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD
        for parameter in _parameters(builder).values()
    )


def tunable_defaults(builder: Callable[..., Any]) -> dict[str, Any]:
    """Return the defaults of a builder's hyperparameters, by name."""
    parameters = _parameters(builder)
    return {
        name: parameters[name].default
        for name in accepted_arguments(builder)
        if parameters[name].default is not inspect.Parameter.empty
    }


def builder_arguments(
    builder: Callable[..., Any],
    hyperparameters: Mapping[str, Any],
    injected: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the keyword arguments with which to call a builder.

    Parameters
    ----------
    builder : callable
        Returns a ``keras.Model``.
    hyperparameters : mapping
        Values that the user set, by argument name.
    injected : mapping
        Values from the estimator, by names of `INJECTED_ARGUMENTS`. The builder receives those
        that are in its signature. A function with ``**kwargs`` also receives ``meta``,
        ``compile_kwargs`` and ``params``.

    Returns
    -------
    arguments : dict

    Raises
    ------
    ValueError
        If an argument of the builder has neither a value nor a default.
    """
    parameters = _parameters(builder)
    # The **kwargs of a class are passed to its base class, which does not accept these facts.
    takes_any = takes_any_argument(builder) and not inspect.isclass(builder)
    arguments = {
        name: value
        for name, value in injected.items()
        if name in parameters or (takes_any and name in ("meta", "compile_kwargs", "params"))
    }
    arguments.update(hyperparameters)
    unfilled = [
        name
        for name in accepted_arguments(builder)
        if name not in arguments and parameters[name].default is inspect.Parameter.empty
    ]
    if unfilled:
        raise ValueError(
            f"The builder {_name_of(builder)} needs the argument {unfilled[0]!r}. "
            f"Set model__{unfilled[0]}, or give it a default."
        )
    return arguments


def _name_of(builder: Callable[..., Any]) -> str:
    return getattr(builder, "__name__", type(builder).__name__)
