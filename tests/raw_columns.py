"""Columns of raw tables, and the formula of the smooth clip."""

import numpy as np

CLIP = 3.0


def clipped(x):
    return x / np.sqrt(1 + np.square(np.divide(x, CLIP)))


def as_objects(values):
    """Return an array of objects. Lists are objects of it, not rows."""
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def origin_of(column):
    library = type(column).__module__.split(".")[0]
    return f"{library}-{column.dtype}-{type(column[0]).__name__}"
