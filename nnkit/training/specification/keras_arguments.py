"""Ranges of arguments of Keras classes that Keras does not check."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from nnkit._messages import shown

__all__ = ["check_compile_arguments", "check_ranges"]

# By name: lowest and highest value, whether the lowest is allowed, and whether None is allowed.
_RANGES: dict[str, tuple[float, float, bool, bool]] = {
    **dict.fromkeys(("beta_1", "beta_2", "rho"), (0.0, 1.0, True, False)),
    **dict.fromkeys(("ema_momentum", "label_smoothing"), (0.0, 1.0, True, False)),
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), (0.0, float("inf"), False, True)),
    **dict.fromkeys(("epsilon", "delta", "gamma"), (0.0, float("inf"), True, False)),
    "weight_decay": (0.0, float("inf"), True, True),
}


def check_ranges(cls: Any, routed: Mapping[str, Any], *, parameter: str) -> None:
    """Raise a ValueError if an argument of a Keras class is out of its range.

    Parameters
    ----------
    cls : class
        Arguments of classes outside of Keras are not checked.
    routed : mapping
        Arguments of its constructor.
    parameter : str
        The estimator's parameter, for messages.
    """
    if not cls.__module__.startswith("keras."):
        return
    for name, value in routed.items():
        low, high, is_closed, is_optional = _RANGES.get(name, (0.0, 0.0, True, True))
        if name not in _RANGES or (value is None and is_optional):
            continue
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        # Comparisons with NaN are False, so that NaN is refused.
        if not (is_number and (low <= value if is_closed else low < value) and value <= high):
            least = f"{'at least' if is_closed else 'above'} {low:g}"
            most = "" if high == float("inf") else f" and at most {high:g}"
            raise ValueError(
                f"{parameter}__{name} must be a number of {least}{most}"
                f"{', or None' if is_optional else ''}. Got {shown(value)} instead."
            )


def check_compile_arguments(routed: Mapping[str, Any]) -> None:
    """Raise a ValueError if a Boolean argument of ``keras.Model.compile`` has another type.

    Parameters
    ----------
    routed : mapping
        Arguments that are routed to ``compile``.
    """
    for name in ("auto_scale_loss", "jit_compile", "run_eagerly"):
        value = routed.get(name, False)
        is_auto = name == "jit_compile" and isinstance(value, str) and value == "auto"
        if not (isinstance(value, bool) or is_auto):
            raise ValueError(f"compile__{name} must be True or False. Got {shown(value)} instead.")
