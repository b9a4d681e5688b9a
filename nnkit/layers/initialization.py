"""Initializers by name, and copies of initializers with another seed."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["find_initializer", "reseeded"]


def find_initializer(specification: Any) -> Any:
    """Return an initializer for a name, a configuration or an initializer.

    Parameters
    ----------
    specification : str, dict, keras.initializers.Initializer or callable
        "standard_normal" is N(0, 1). Anything else is passed to ``keras.initializers.get``, whose
        "random_normal" has the standard deviation 0.05.
    """
    if specification == "standard_normal":
        return keras.initializers.RandomNormal(stddev=1.0)
    return keras.initializers.get(specification)


def reseeded(initializer: Any, position: int) -> Any:
    """Return a copy of an initializer with another seed.

    An instance draws the same numbers in each call, so that all weights that share it would be
    equal.

    Parameters
    ----------
    initializer : keras.initializers.Initializer or callable
        Initializer of several weights. A function is returned unchanged.
    position : int
        Position of the weight among those that share the initializer. The initializer of position
        0 is returned unchanged.
    """
    if position == 0 or not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = dict(initializer.get_config())
    if isinstance(config.get("seed"), int):
        config["seed"] += position
    return type(initializer).from_config(config)
