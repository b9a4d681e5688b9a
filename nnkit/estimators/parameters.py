"""Parameters of the estimators: in the signature, by prefix, and as arguments of ``fit``."""

from __future__ import annotations

import functools
import inspect
import sys
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from nnkit.estimators.routing import (
    FIT_ARGUMENTS,
    PREFIXES,
    KnownNames,
    as_python,
    builder_defaults,
    routed_to,
    unknown_name,
)

__all__ = ["KerasParameters"]

_NAMED_IN_FIT = ("sample_weight", "X_val", "y_val", "sample_weight_val", "groups")


# Signatures are read often: by every fit, clone and search.
@functools.cache
def _parameter_names(cls: Any) -> tuple[str, ...]:
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base) or not issubclass(base, KerasParameters):
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        names |= {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - {"self"}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return tuple(sorted(names))


@functools.cache
def _names_of_all_signatures(cls: Any) -> frozenset[str]:
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" in vars(base) and issubclass(base, KerasParameters):
            names |= set(inspect.signature(vars(base)["__init__"]).parameters)
    return frozenset(names - {"self", "routed"})


def _is_prefixed(name: str) -> bool:
    """Return whether an attribute can only be a parameter: ``clf.model__units = (8,)``."""
    prefix, separator, rest = name.partition("__")
    return bool(separator and rest) and prefix in PREFIXES and not name.endswith("_")


class KerasParameters(BaseEstimator):
    """Base of the estimators that keeps their parameters, of whatever name.

    A parameter outside the signature, such as ``model__units``, is an attribute like the
    others. It is told from attributes of the user's own by the way it came: through the constructor
    or ``set_params``, or with one of the prefixes in its name.
    """

    _names_taken: frozenset[str] = frozenset()

    @classmethod
    def _get_param_names(cls) -> list[str]:
        """Return the parameters in the signature, and behind ``**kwargs`` in the base's."""
        own: Any = cls  # whose instances need no hash
        return list(_parameter_names(own))

    @classmethod
    def _attribute_names(cls) -> frozenset[str]:
        """Return the parameters of all signatures, also those that a subclass fixes."""
        own: Any = cls
        return _names_of_all_signatures(own)

    def _routed(self) -> dict[str, Any]:
        """Return the parameters outside the signature."""
        own, taken = self._attribute_names(), self._names_taken
        return {
            name: value
            for name, value in vars(self).items()
            if name in taken or (_is_prefixed(name) and name not in own)
        }

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to add the parameters of an encoder, and the defaults of the builder's
            own arguments as ``model__name``.

        Returns
        -------
        params : dict
            Values by name, routed parameters included.
        """
        params = {**super().get_params(deep=deep), **self._routed()}
        if not deep:
            return params
        defaults = {
            name: value
            for name, value in builder_defaults(self.model).items()
            if name.removeprefix("model__") not in params
        }
        return {**defaults, **params}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also routed ones that were never set before.

        Parameters
        ----------
        **params : object
            Values by name, such as ``epochs=5``, ``optimizer__learning_rate=0.01``,
            ``model__units=(32,)``, or an argument of the builder.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If a name is unknown; the message names the nearest right one.
        """
        own = set(self._get_param_names())
        for name in [name for name in params if name in own]:
            setattr(self, name, params.pop(name))
        for name in list(params):
            prefix, _, rest = name.partition("__")
            # A Keras callback has a set_params too, of another kind.
            is_nested = rest and prefix in own and prefix not in PREFIXES
            if is_nested and hasattr(getattr(self, prefix), "set_params"):
                getattr(self, prefix).set_params(**{rest: params.pop(name)})
        self._take_routed(params, error_type=ValueError)
        return self

    def __sklearn_clone__(self) -> Any:
        """Return an unfitted estimator with copies of the parameters.

        scikit-learn copies values deeply, which Keras does through configurations and fails for
        classes that are not registered with it. Callbacks share what is not plain data: a trial or
        a queue that a copy reports to is the user's own.
        """
        # Without Keras there is nothing of Keras to copy, and loading it takes seconds.
        if "keras" not in sys.modules:
            return super().__sklearn_clone__()
        source: Any = object.__new__(type(self))
        vars(source).update(
            {
                name: value if name.startswith("_") or name.endswith("_") else _copied(name, value)
                for name, value in vars(self).items()
            }
        )
        return BaseEstimator.__sklearn_clone__(source)

    def _take_routed(self, routed: Mapping[str, Any], error_type: type[Exception]) -> None:
        for name, value in routed.items():
            reason = self._reason_against(name)
            # The contract checks set every name in the signature, **routed's own included.
            if reason is not None and name != "routed":
                raise error_type(f"{type(self).__name__}: {reason}")
            setattr(self, name, value)
        if routed:
            self._names_taken = self._names_taken | (routed.keys() - self._attribute_names())

    def _reason_against(self, name: str) -> str | None:
        return unknown_name(name, self._get_param_names(), self.model, self.optimizer)

    def _check_routed(self) -> None:
        routed = self._routed()
        for name in routed:
            if f"model__{name}" in routed:
                raise ValueError(
                    f"{type(self).__name__}: {name} and model__{name} are one argument of the "
                    "builder. Set one of them."
                )
            reason = self._reason_against(name)
            if reason is not None:
                raise ValueError(f"{type(self).__name__}: {reason}")

    def _settings(self, fit_arguments: Mapping[str, Any]) -> SimpleNamespace:
        """Return what a fit goes by: parameters, under ``fit__*``, under arguments of fit.

        Raises
        ------
        TypeError
            If an argument is unknown; the message names the nearest right one.
        """
        names = self._attribute_names()
        own = {name: value for name, value in vars(self).items() if name in names}
        # A regressor has no class_weight, as parameter or as argument.
        known = [name for name in FIT_ARGUMENTS if name != "class_weight" or name in own]
        by_prefix = routed_to("fit", self._routed())
        for name in [*fit_arguments, *(name.partition("__")[0] for name in by_prefix)]:
            if name not in known:
                right = {*known, *_NAMED_IN_FIT, *self._get_param_names()}
                hint = KnownNames(frozenset(right), ()).hint(name)
                if hint.startswith("There are"):
                    hint = f"There are {[*known, *_NAMED_IN_FIT]}."
                raise TypeError(
                    f"{type(self).__name__}.fit has no argument {name!r}. {hint} "
                    "Other settings are parameters: use set_params."
                )
        settings = {
            "validation_data": None,
            "initial_epoch": 0,
            # Where a time limit begins.
            "started_at": time.monotonic(),
            **own,
            **by_prefix,
            **fit_arguments,
        }
        # Rows to validate on may be long lists, which are not gone through.
        return SimpleNamespace(
            **{
                name: as_python(value) if isinstance(value, np.generic) else value
                for name, value in settings.items()
            }
        )


class _Copied:
    """A value whose deep copy is that of the value, with Keras objects of any class in it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from nnkit.training.copying.copies import deep_copy_of

        return deep_copy_of(self.value)


class _CopiedCallbacks(_Copied):
    """Callbacks, or arguments of them, whose deep copy shares what is not plain data."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from nnkit.training.copying.callback_copies import copy_of_callbacks

        return copy_of_callbacks(self.value)


def _copied(name: str, value: Any) -> Any:
    """Return the value of a parameter for scikit-learn to clone."""
    is_of_callbacks = name.removeprefix("fit__").partition("__")[0] == "callbacks"
    return (
        _CopiedCallbacks(value) if is_of_callbacks and value is not None else _copied_deeply(value)
    )


def _copied_deeply(value: Any) -> Any:
    """Return a value for scikit-learn to clone: other estimators in it are cloned as ever."""
    if type(value) in (list, tuple):
        return type(value)(_copied_deeply(part) for part in value)
    if type(value) is dict:
        return {name: _copied_deeply(part) for name, part in value.items()}
    is_plain = value is None or isinstance(value, (bool, int, float, str, type))
    return value if is_plain or hasattr(value, "get_params") else _Copied(value)
