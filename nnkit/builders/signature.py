"""The arguments that a builder accepts, and the values with which it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

__all__ = [
    "INJECTED_ARGUMENTS",
    "accepted_arguments",
    "builder_arguments",
    "depends_on_data",
    "injected_arguments",
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
    return _accepted(_parameters(builder))


def _accepted(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        name
        for name, parameter in parameters.items()
        if parameter.kind in kinds and name not in INJECTED_ARGUMENTS
    ]


def injected_arguments(builder: Callable[..., Any]) -> list[str]:
    """Return the names of `INJECTED_ARGUMENTS` that a builder receives.

    They are those in its signature. A function with ``**kwargs`` also receives ``meta``,
    ``compile_kwargs`` and ``params``; the ``**kwargs`` of a class are passed to its base class,
    which does not accept them.
    """
    parameters = _parameters(builder)
    takes_any = _takes_any(parameters) and not inspect.isclass(builder)
    return [
        name
        for name in INJECTED_ARGUMENTS
        if name in parameters or (takes_any and name in ("meta", "compile_kwargs", "params"))
    ]


def depends_on_data(builder: Callable[..., Any]) -> bool:
    """Return whether a builder accepts facts about the data, from which it can size its layers."""
    asks = {"meta", "params", "X", "y"} & set(_parameters(builder))
    return bool(asks) or (takes_any_argument(builder) and not inspect.isclass(builder))


def takes_any_argument(builder: Callable[..., Any]) -> bool:
    """Return whether a builder accepts ``**kwargs``."""
    return _takes_any(_parameters(builder))


def _takes_any(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())


def tunable_defaults(builder: Callable[..., Any]) -> dict[str, Any]:
    """Return the defaults of a builder's hyperparameters, by name."""
    parameters = _parameters(builder)
    return {
        name: parameters[name].default
        for name in _accepted(parameters)
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
        Values from the estimator, by the names of `injected_arguments`.

    Returns
    -------
    arguments : dict

    Raises
    ------
    ValueError
        If an argument of the builder has neither a value nor a default.
    """
    parameters = _parameters(builder)
    arguments = {**injected, **hyperparameters}
    unfilled = [
        name
        for name in _accepted(parameters)
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
