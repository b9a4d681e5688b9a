"""Messages for unknown names of parameters, with the name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nnkit._suggestions import did_you_mean, from_elsewhere, nearest, remark_on
from nnkit.builders.registry import spec_of
from nnkit.builders.signature import (
    INJECTED_ARGUMENTS,
    accepted_arguments,
    takes_any_argument,
)
from nnkit.encoding.features import parameter_names_of_default
from nnkit.estimators.parameters.continuation import FIXED_PARAMETERS
from nnkit.estimators.parameters.routing import (
    FIT_ARGUMENTS,
    PREDICT_ARGUMENTS,
    PREFIXES,
    resolve_builder,
)

__all__ = ["KnownNames", "unknown_name"]

_TABULAR_ONLY = {
    "preset": "TabularClassifier and TabularRegressor",
    "cv": "TabularClassifier and TabularRegressor",
    "calibration": "TabularClassifier",
    "quantiles": "KerasRegressor and TabularRegressor",
}
"""Parameters that other estimators do not have, and the estimators that have them."""


def unknown_name(
    name: str, own_names: Iterable[str], model: Any, optimizer: Any = None, encoder: Any = None
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
    encoder : "auto", transformer or None, default=None
        The estimator's ``encoder``. That of a ready-made builder takes parameters.
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
        owner = _TABULAR_ONLY.get(name)
        hint = known.hint(name) if owner is None else f"It is a parameter of {owner}."
        return f"{name} is not a parameter. {hint}"
    if prefix == "encoder" and isinstance(encoder, str) and isinstance(model, str):
        names = parameter_names_of_default(spec_of(model).encoder)
        hint = did_you_mean(rest, names, "encoder__")
        return None if rest in names else f"{name}: the encoder has no parameter {rest!r}. {hint}"
    if prefix == "fine_tune":
        return _not_for_second_phase(name, rest, known, model, optimizer)
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


def _not_for_second_phase(
    name: str, rest: str, known: KnownNames, model: Any, optimizer: Any
) -> str | None:
    """Return what is wrong with a parameter of the second phase of a training."""
    first = rest.partition("__")[0]
    if first in (*FIXED_PARAMETERS, "warm_start", "n_estimators", "fine_tune"):
        return f"{name}: {first} is the same in both phases of a training. Leave it out."
    if rest in known.own_names:
        return None
    reason = unknown_name(rest, known.own_names, model, optimizer)
    return None if reason is None else f"{name}: {reason}"


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
    """The valid names of an estimator: its parameters, and the arguments of its builder."""

    own_names: frozenset[str]
    accepted: Sequence[str]

    def hint(
        self,
        name: str,
        candidates: Iterable[str] = (),
        prefix: str = "",
        shown: Iterable[str] | None = None,
    ) -> str:
        """Return a sentence that suggests the name that was probably meant, or lists the names.

        Parameters
        ----------
        name : str
            The unknown name, without the prefix.
        candidates : iterable of str, default=()
            Valid names after the prefix; all parameters if it is empty.
        prefix : str, default=""
            Prefix of the name, such as "model__".
        shown : iterable of str or None, default=None
            Names to list if none is similar; None lists the valid names.
        """
        # Arguments of the builder are first, since a long list is cut.
        near = list(candidates) if prefix else [*self.accepted, *sorted(self.own_names)]
        if prefix and name in self.own_names:
            return f"Did you mean {name}?"
        meant = from_elsewhere(name, lambda other: other in near or self._takes(other))
        if meant is None:
            remark = remark_on(name, None).strip() or (
                not prefix and self._with_one_underscore(name)
            )
            return remark or did_you_mean(name, near, prefix, shown)
        # fit__nb_epoch -> fit__epochs
        right = f"{prefix}{meant}" if meant in near else meant
        return f"Did you mean {right}?{remark_on(name, meant)}"

    def _with_one_underscore(self, name: str) -> str:
        """Return a sentence about a routed name without a second underscore, such as model_units."""
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
