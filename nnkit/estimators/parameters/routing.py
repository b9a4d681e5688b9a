"""Parameters by prefix, such as ``model__units``: valid names and their receivers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnkit._suggestions import did_you_mean, from_elsewhere, nearest, remark_on
from nnkit.builders.presets import PRESET_BUILDER
from nnkit.builders.registry import find_builder
from nnkit.builders.signature import (
    INJECTED_ARGUMENTS,
    accepted_arguments,
    takes_any_argument,
    tunable_defaults,
)

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator

__all__ = [
    "FIT_ARGUMENTS",
    "PREDICT_ARGUMENTS",
    "PREFIXES",
    "KnownNames",
    "as_python",
    "builder_defaults",
    "builder_hyperparameters",
    "model_of",
    "resolve_builder",
    "routed_to",
    "unknown_name",
]

PREFIXES = ("model", "optimizer", "loss", "metrics", "callbacks", "compile", "fit", "predict")
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


def unknown_name(
    name: str, own_names: Iterable[str], model: Any, optimizer: Any = None
) -> str | None:
    """Return what is wrong with a name outside the signature; None if it is valid.

    Parameters
    ----------
    name : str
        With or without a prefix.
    own_names : iterable of str
        The parameters in the estimator's signature.
    model : str, callable or keras.Model
        The network of the estimator. Arguments of a builder are valid names.
    optimizer : str, class or keras.optimizers.Optimizer or None, default=None
        The estimator's ``optimizer``. Keras' own are strings, and their arguments are checked.
    """
    try:
        builder = resolve_builder(model)
    except ValueError:
        return None  # `fit` reports an unknown name of a builder
    prefix, separator, rest = name.partition("__")
    if separator and not (prefix and rest):
        return (
            f"{name} names no argument: write PREFIX__ARGUMENT, such as optimizer__learning_rate."
        )
    accepted = [] if builder is None else accepted_arguments(builder)
    known = KnownNames(frozenset(own_names), accepted)
    takes_any = builder is not None and takes_any_argument(builder)
    argument = rest if separator else name
    if (prefix == "model" or not separator) and (
        argument in accepted or (takes_any and argument not in INJECTED_ARGUMENTS)
    ):
        return None
    if not separator:
        return f"{name} is not a parameter. {known.hint(name)}"
    if prefix in _TAKEN:
        # Callbacks of fit have arguments of their own: fit__callbacks__patience.
        if rest.partition("__")[0] in _TAKEN[prefix]:
            return None
        hint = known.hint(rest, _TAKEN[prefix], f"{prefix}__")
        return f"{name}: {prefix} has no argument {rest!r}. {hint}"
    if prefix == "model":
        if builder is None:
            return f"{name} has no receiver: model={model!r} is not a builder function."
        return (
            f"{name}: the builder has no argument {rest!r}. {known.hint(rest, accepted, 'model__')}"
        )
    if prefix in PREFIXES:
        is_named = prefix == "optimizer" and isinstance(optimizer, str)
        return _not_of_optimizer(name, rest) if is_named else None
    return _unknown_prefix(name, prefix, rest, known)


def _not_of_optimizer(name: str, rest: str) -> str | None:
    """Return what is wrong with an argument that other packages call by this name."""
    right = from_elsewhere(rest, lambda other: other.startswith("optimizer__"))
    if right is None or right == name:
        return None
    return (
        f"{name}: Keras' optimizers have no argument {rest!r}. Did you mean {right}?"
        f"{remark_on(rest, right)}"
    )


def _unknown_prefix(name: str, prefix: str, rest: str, known: KnownNames) -> str:
    if prefix in known.own_names:
        return (
            f"{name} is not a parameter yet. Set {prefix} to an object that has {rest!r}; "
            f"set_params then takes {name}."
        )
    right_prefix = nearest(prefix, [*PREFIXES, *known.own_names])
    if right_prefix is not None:
        return f"{name} is not a parameter. Did you mean {right_prefix}__{rest}?"
    return (
        f"{name} is not a parameter: there is no prefix {prefix!r}. "
        f"There are {[f'{one}__' for one in PREFIXES]}."
    )


_TAKEN = {"fit": FIT_ARGUMENTS, "predict": PREDICT_ARGUMENTS}


@dataclass(frozen=True)
class KnownNames:
    """The right names of an estimator: its parameters, and the arguments of its builder."""

    own_names: frozenset[str]
    accepted: Sequence[str]

    def hint(self, name: str, candidates: Iterable[str] = (), prefix: str = "") -> str:
        """Return a sentence with what was meant by a name, or with what there is.

        Parameters
        ----------
        name : str
            As it was typed, behind the prefix.
        candidates : iterable of str, default=()
            What is right behind the prefix; all parameters if it is empty.
        prefix : str, default=""
            With which the name was typed, such as "model__".
        """
        # The builder's own come first: of a long list the rest is cut.
        near = list(candidates) if prefix else [*self.accepted, *sorted(self.own_names)]
        if prefix and name in self.own_names:
            return f"Did you mean {name}?"
        meant = from_elsewhere(name, lambda other: other in near or self._takes(other))
        if meant is None:
            remark = remark_on(name, None).strip() or (
                not prefix and self._with_one_underscore(name)
            )
            return remark or did_you_mean(name, near, prefix)
        # fit__nb_epoch was meant to be fit__epochs.
        right = f"{prefix}{meant}" if meant in near else meant
        return f"Did you mean {right}?{remark_on(name, meant)}"

    def _with_one_underscore(self, name: str) -> str:
        """Return a sentence on a routed name that lacks an underscore, such as model_units."""
        for prefix in PREFIXES:
            rest = name.removeprefix(f"{prefix}_")
            is_argument = prefix != "model" or rest in self.accepted
            if rest != name and is_argument and nearest(name, self.own_names) is None:
                return f"Did you mean {prefix}__{rest}?"
        return ""

    def _takes(self, name: str) -> bool:
        if name.startswith("model__"):
            return name.removeprefix("model__") in self.accepted
        return name in self.own_names or name.startswith(("optimizer__", "loss__"))
