"""Ready-made networks: sizes and hyperparameters in, ``keras.Model`` out.

- ``meta``: what a builder is told about the data.
- ``signature``: which arguments a builder takes, and how they are filled.
- ``size``: how large a network may be on this machine.
- ``encoded_inputs``: the columns of an encoded table within a network, and a linear model of them.
- ``mlp``: the multilayer perceptron.
- ``realmlp``: RealMLP, the multilayer perceptron tuned for tables, and its simplified form.
- ``presets``: what trains a ready-made network well, by the size and kind of the table.
- ``autoencoder``: a network with a bottleneck, which learns its input or a target.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnkit._messages import shown
from nnkit._suggestions import nearest
from nnkit.builders.autoencoder import autoencoder
from nnkit.builders.meta import Meta
from nnkit.builders.mlp import mlp
from nnkit.builders.presets import PRESETS, TableFacts, training_settings
from nnkit.builders.realmlp import realmlp, realmlp_simplified
from nnkit.builders.signature import (
    INJECTED_ARGUMENTS,
    accepted_arguments,
    builder_arguments,
    is_told_of_data,
    takes_any_argument,
    tunable_defaults,
)
from nnkit.builders.size import check_size

__all__ = [
    "INJECTED_ARGUMENTS",
    "PRESETS",
    "READY_MADE",
    "Meta",
    "TableFacts",
    "accepted_arguments",
    "autoencoder",
    "builder_arguments",
    "check_size",
    "find_builder",
    "is_told_of_data",
    "mlp",
    "realmlp",
    "realmlp_simplified",
    "takes_any_argument",
    "training_settings",
    "tunable_defaults",
]

READY_MADE: dict[str, Callable[..., Any]] = {
    "auto": realmlp,
    "autoencoder": autoencoder,
    "mlp": mlp,
    "realmlp": realmlp,
    "realmlp_simplified": realmlp_simplified,
}


def find_builder(name: str) -> Callable[..., Any]:
    """Return the ready-made builder of that name.

    Raises
    ------
    ValueError
        If there is none; the message names the nearest one.
    """
    if name not in READY_MADE:
        suggestion = nearest(name, READY_MADE)
        hint = "" if suggestion is None else f" Did you mean {suggestion!r}?"
        raise ValueError(
            f"model={shown(name)} is not a ready-made builder; there are {sorted(READY_MADE)}.{hint} "
            "Or give a function that returns a keras.Model."
        )
    return READY_MADE[name]
