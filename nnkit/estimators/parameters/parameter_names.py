"""Names and values of an estimator's parameters: in the signature, and routed by prefix."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nnkit.estimators.parameters.routing import (
    PREFIXES,
    builder_defaults,
    model_of,
)
from nnkit.estimators.parameters.unknown_names import unknown_name

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator

__all__ = [
    "check_routed",
    "deep_parameters",
    "names_of_all_signatures",
    "parameter_names",
    "routed_parameters",
    "set_parameters",
    "store_arguments",
]


def parameter_names(cls: Any) -> tuple[str, ...]:
    """Return the sorted parameters in the signature of a class.

    A constructor with ``**kwargs`` of a user's subclass also has the parameters of its base.

    Parameters
    ----------
    cls : type
    """
    return _parameter_names(cls)


# Signatures are read often: by every fit, clone and search.
@functools.cache
def _parameter_names(cls: Any) -> tuple[str, ...]:
    names: set[str] = set()
    for base in _with_constructor(cls):
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        names |= {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - {"self"}
        is_complete = base.__module__.startswith("nnkit.")
        if is_complete or not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return tuple(sorted(names))


def names_of_all_signatures(cls: Any) -> frozenset[str]:
    """Return the parameters of a class and its bases, also those that a subclass fixes.

    Parameters
    ----------
    cls : type
    """
    return _names_of_all_signatures(cls)


@functools.cache
def _names_of_all_signatures(cls: Any) -> frozenset[str]:
    names: set[str] = set()
    for base in _with_constructor(cls):
        names |= set(inspect.signature(vars(base)["__init__"]).parameters)
        if base.__module__.startswith("nnkit."):
            break
    return frozenset(names - {"self", "routed"})


def _with_constructor(cls: Any) -> list[Any]:
    """Return those classes of an estimator that take its parameters, the class itself first."""
    return [
        base
        for base in cls.__mro__
        if "__init__" in vars(base) and hasattr(base, "_get_param_names") and base is not object
    ]


def store_arguments(estimator: KerasEstimator, given: dict[str, Any]) -> None:
    """Store the arguments of a constructor, each as the attribute of its name.

    Parameters
    ----------
    estimator : estimator
    given : dict
        ``locals()`` of the constructor: ``self``, arguments, and ``routed`` for ``**routed``.

    Raises
    ------
    TypeError
        If a routed parameter is unknown. The message suggests the nearest valid one.
    """
    for name, value in given.items():
        if name not in ("self", "routed", "__class__"):
            setattr(estimator, name, value)
    _store_routed(estimator, given["routed"], error_type=TypeError)


def routed_parameters(estimator: KerasEstimator) -> dict[str, Any]:
    """Return the parameters outside the signature, such as ``model__units``.

    A name is one of them if it came through the constructor or ``set_params``, or has one of the
    prefixes. Other attributes that a user sets are no parameters.

    Parameters
    ----------
    estimator : estimator
    """
    own, stored = names_of_all_signatures(type(estimator)), estimator._routed_names
    return {
        name: value
        for name, value in vars(estimator).items()
        # The separator is looked for first, since few attributes have one.
        if name in stored or ("__" in name and name not in own and _is_prefixed(name))
    }


def deep_parameters(estimator: KerasEstimator, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters together with the defaults of the builder's own arguments.

    Parameters
    ----------
    estimator : estimator
    own : mapping
        Its parameters by name.
    """
    defaults = {
        name: value
        for name, value in builder_defaults(model_of(estimator)).items()
        if name.removeprefix("model__") not in own
    }
    return {**defaults, **own}


def set_parameters(estimator: KerasEstimator, params: dict[str, Any]) -> None:
    """Set parameters of an estimator: own, nested and routed ones.

    Parameters
    ----------
    estimator : estimator
    params : dict
        Values by name. It is emptied.

    Raises
    ------
    ValueError
        If a name is unknown. The message suggests the nearest valid one.
    """
    own = set(estimator._get_param_names())
    for name in [name for name in params if name in own]:
        setattr(estimator, name, params.pop(name))
    for name in list(params):
        prefix, _, rest = name.partition("__")
        # Keras callbacks have a set_params of another kind.
        is_nested = rest and prefix in own and prefix not in PREFIXES
        if is_nested and hasattr(getattr(estimator, prefix), "set_params"):
            getattr(estimator, prefix).set_params(**{rest: params.pop(name)})
    _store_routed(estimator, params, error_type=ValueError)


def check_routed(estimator: KerasEstimator) -> None:
    """Raise if a routed parameter has an unknown name, or names an argument twice.

    Parameters
    ----------
    estimator : estimator

    Raises
    ------
    ValueError
    """
    routed = routed_parameters(estimator)
    for name in routed:
        if f"model__{name}" in routed:
            raise ValueError(
                f"{type(estimator).__name__}: {name} and model__{name} are one argument of the "
                "builder. Set one of them."
            )
        reason = _reason_against(estimator, name)
        if reason is not None:
            raise ValueError(f"{type(estimator).__name__}: {reason}")


def _store_routed(
    estimator: KerasEstimator, routed: Mapping[str, Any], error_type: type[Exception]
) -> None:
    for name, value in routed.items():
        reason = _reason_against(estimator, name)
        # The contract checks set every name in the signature, also that of **routed itself.
        if reason is not None and name != "routed":
            raise error_type(f"{type(estimator).__name__}: {reason}")
        setattr(estimator, name, value)
    if routed:
        own = names_of_all_signatures(type(estimator))
        estimator._routed_names = estimator._routed_names | (routed.keys() - own)


def _reason_against(estimator: KerasEstimator, name: str) -> str | None:
    return unknown_name(
        name,
        estimator._get_param_names(),
        model_of(estimator),
        estimator.optimizer,
        getattr(estimator, "encoder", None),
    )


def _is_prefixed(name: str) -> bool:
    """Return whether an attribute can only be a parameter: ``clf.model__units = (8,)``."""
    prefix, separator, rest = name.partition("__")
    return bool(separator and rest) and prefix in PREFIXES and not name.endswith("_")
