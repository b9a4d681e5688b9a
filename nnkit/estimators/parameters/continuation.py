"""Parameters that were changed before a training is resumed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["FIXED_PARAMETERS", "changed_parameters", "check_changes", "parameters_of_network"]

# After a change of these, the network is rebuilt and compiled, and keeps its weights.
_OF_NETWORK = ("model", "device", "optimizer", "loss", "metrics")
# A change of these would have no effect on a resumed training, and raises an error.
FIXED_PARAMETERS = {
    "task": "the network learns what it was built for",
    "encoder": "the columns are encoded as in the first fit",
    "random_state": "the initial weights and the orders of rows follow from that of the first fit",
    "dtype_policy": "the weights have their dtypes",
    "quantiles": "the network has an output for each of them",
    "background_size": "the background rows are those of the first fit",
}
# These are read by each fit.
_EACH_TIME = ("callbacks", "fit", "predict", "fine_tune")


def parameters_of_network(own: Mapping[str, Any], routed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the present values of the parameters that are used by the first of several fits.

    Parameters
    ----------
    own : mapping
        The parameters in the signature of an estimator, by name.
    routed : mapping
        The other ones, such as ``model__units``.
    """
    of_first = {name: own[name] for name in (*_OF_NETWORK, *FIXED_PARAMETERS) if name in own}
    of_network = {
        name: value for name, value in routed.items() if name.partition("__")[0] not in _EACH_TIME
    }
    return {
        # Parameters of an encoder can be set in place.
        name: copy.copy(value) if hasattr(value, "get_params") else value
        for name, value in {**of_first, **of_network}.items()
    }


def changed_parameters(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the names of parameters whose values differ.

    Parameters
    ----------
    before, now : mapping
        From `parameters_of_network`.
    """
    missing = object()
    return [
        name
        for name in {**before, **now}
        if not _are_same(before.get(name, missing), now.get(name, missing))
    ]


def check_changes(changed: list[str]) -> None:
    """Raise if a parameter was changed that only has an effect on the first fit.

    Parameters
    ----------
    changed : list of str
        From `changed_parameters`.

    Raises
    ------
    ValueError
    """
    for name in changed:
        fixed = name.partition("__")[0]
        if fixed in FIXED_PARAMETERS:
            raise ValueError(
                f"{name} was changed, but has no effect on a resumed training: "
                f"{FIXED_PARAMETERS[fixed]}. Set it back, or fit anew with warm_start=False."
            )


def _are_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if hasattr(one, "get_params") and not isinstance(one, type):
        return not changed_parameters(one.get_params(deep=False), other.get_params(deep=False))
    if isinstance(one, Mapping):
        return not changed_parameters(one, other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_are_same, one, other))
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return isinstance(one, _VALUES) and bool(one == other)


_VALUES = (bool, int, float, complex, str, bytes, np.generic)
