"""Parameters of an encoder that are out of their range."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

__all__ = ["check_encoder_parameters"]

_SCALINGS = ("robust", "standard", "quantile", None)
_DATES = ("parts", "number")


def check_encoder_parameters(encoder: Any) -> None:
    """Raise a ValueError for the first parameter of a TabularEncoder that is out of its range."""
    for name, least in (("max_one_hot", 0), ("min_frequency", 1)):
        count = getattr(encoder, name)
        if not isinstance(count, Integral) or isinstance(count, bool) or count < least:
            raise ValueError(
                f"{name} must be an integer of {least} or more. Got {count!r} instead."
            )
    if encoder.scaling not in _SCALINGS:
        raise ValueError(
            "scaling must be 'robust', 'standard', 'quantile' or None. "
            f"Got {encoder.scaling!r} instead."
        )
    clip = encoder.clip
    if clip is not None and (
        not isinstance(clip, Real) or isinstance(clip, bool) or not 0 < float(clip) < np.inf
    ):
        raise ValueError(f"clip must be a finite number above 0, or None. Got {clip!r} instead.")
    if not isinstance(encoder.missing_indicator, (bool, np.bool_)):
        raise ValueError(
            f"missing_indicator must be True or False. Got {encoder.missing_indicator!r} instead."
        )
    if encoder.dates not in _DATES:
        raise ValueError(f"dates must be 'parts' or 'number'. Got {encoder.dates!r} instead.")
