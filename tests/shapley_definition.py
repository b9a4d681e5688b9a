"""Shapley values and interaction values by their definition, as expected values of tests."""

from functools import cache
from itertools import combinations
from math import factorial

import numpy as np


def value_function(function, row, background, of_element):
    """Return a function from a coalition to its value: the mean output of masked samples.

    ``of_element`` has the feature group of each element of a row, in C order.
    """
    of_element = np.reshape(of_element, row.shape)

    @cache
    def value(coalition):
        masked_samples = np.where(np.isin(of_element, coalition), row, background)
        return np.asarray(function(masked_samples), dtype=np.float64).mean(axis=0)

    return value


def shapley_values(value, n_groups):
    """Return the values (n_groups, ...) of a function from sorted tuples of groups."""
    found = []
    for i in range(n_groups):
        others = [j for j in range(n_groups) if j != i]
        found.append(
            sum(
                factorial(len(s))
                * factorial(n_groups - len(s) - 1)
                / factorial(n_groups)
                * (_of(value, *s, i) - _of(value, *s))
                for s in _coalitions(others)
            )
        )
    return np.array(found)


def interaction_values(value, n_groups):
    """Return half of the interaction index off the diagonal, the rest of the value on it."""
    phi = shapley_values(value, n_groups)
    found = np.zeros((n_groups, *phi.shape))
    for i, j in combinations(range(n_groups), 2):
        others = [k for k in range(n_groups) if k not in (i, j)]
        index = sum(
            factorial(len(s))
            * factorial(n_groups - len(s) - 2)
            / factorial(n_groups - 1)
            * (_of(value, *s, i, j) - _of(value, *s, i) - _of(value, *s, j) + _of(value, *s))
            for s in _coalitions(others)
        )
        found[i, j] = found[j, i] = index / 2
    for i in range(n_groups):
        found[i, i] = phi[i] - found[i].sum(axis=0)
    return found


def _of(value, *coalition):
    return value(tuple(sorted(coalition)))


def _coalitions(groups):
    for size in range(len(groups) + 1):
        yield from combinations(groups, size)
