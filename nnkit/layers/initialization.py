"""Initializers by name, and copies of them that draw other numbers."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["find_initializer", "reseeded"]


def find_initializer(specification: Any) -> Any:
    """Return an initializer from its name, its configuration or itself.

    Parameters
    ----------
    specification : str, dict, keras.initializers.Initializer or callable
        "standard_normal" is N(0, 1); anything else goes to ``keras.initializers.get``, whose
        own "random_normal" has a standard deviation of 0.05.
    """
    if specification == "standard_normal":
        return keras.initializers.RandomNormal(stddev=1.0)
    return keras.initializers.get(specification)


def reseeded(initializer: Any, position: int) -> Any:
    """Return an initializer that draws other numbers than the one at position 0.

    An initializer gives the same numbers at each call, which would make equal weights of one
    that two weights share.

    Parameters
    ----------
    initializer : keras.initializers.Initializer or callable
        A function is returned as it is.
    position : int
        Of the weight among those that share the initializer; 0 keeps it.
    """
    if position == 0 or not isinstance(initializer, keras.initializers.Initializer):
        return initializer
    config = dict(initializer.get_config())
    if isinstance(config.get("seed"), int):
        config["seed"] += position
    return type(initializer).from_config(config)
