"""From the parameters as the user gave them to the settings that a fit goes by."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from types import SimpleNamespace
from typing import Any

from nnkit.builders import TableFacts, training_settings

__all__ = ["AUTOMATIC", "chosen", "resolve"]

AUTOMATIC = (
    "optimizer",
    "epochs",
    "batch_size",
    "early_stopping",
    "n_iter_no_change",
    "n_estimators",
    "calibration",
)
"""The parameters whose value "auto" means what suits the network and the table."""


def resolve(
    settings: SimpleNamespace, table: TableFacts, routed: Mapping[str, Any]
) -> dict[str, Any]:
    """Set what the user left to nnkit, and return all that the fit goes by.

    Parameters
    ----------
    settings : SimpleNamespace
        Parameters and arguments of the fit; changed in place. It gets ``of_builder``, the
        arguments of the builder by ``model__name`` that the user did not give.
    table : TableFacts
    routed : mapping
        The arguments of the builder as the user gave them, by name.

    Returns
    -------
    resolved : dict
        The values by parameter.
    """
    found = dict(training_settings(settings.model, settings.preset, table))
    left_open = {name for name in AUTOMATIC if _is_auto(getattr(settings, name, None))}
    # Who says how to stop, or that nothing is stopped, says whether rows are held out.
    if settings.validation_split is None and "early_stopping" in left_open:
        settings.validation_split = found["validation_split"]
    for name in left_open:
        setattr(settings, name, found[name])
    if settings.n_iter_no_change is None:
        settings.n_iter_no_change = settings.epochs
    holds_out = True
    if settings.has_validation_rows:
        settings.validation_split = None
    else:
        if settings.validation_split is None:
            settings.validation_split = 0.1 if settings.early_stopping else 0
        split = settings.validation_split
        holds_out = not (isinstance(split, Real) and float(split) == 0)
    if not holds_out:
        for name, nothing in (("early_stopping", False), ("calibration", None)):
            if name in left_open:
                setattr(settings, name, nothing)
    settings.of_builder = {
        name: value
        for name, value in found.items()
        if name.startswith("model__") and name.removeprefix("model__") not in routed
    }
    settings.is_clipped = bool(found.get("is_clipped", False))
    given = {f"model__{name}": value for name, value in routed.items()}
    return {
        **chosen(settings),
        "validation_split": settings.validation_split,
        **settings.of_builder,
        **given,
    }


def chosen(settings: SimpleNamespace) -> dict[str, Any]:
    """Return the settings that may have been left to nnkit, by parameter.

    A regressor has no probabilities to calibrate.

    Parameters
    ----------
    settings : SimpleNamespace
        Of `resolve`.
    """
    return {name: getattr(settings, name) for name in AUTOMATIC if hasattr(settings, name)}


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"
