"""Initial weights of a network from a seed, without building it again.

A build draws the seeds of its initializers and random layers in sequence. The draw of each
variable is identified once, on a built model. Afterwards, the initializers are called with the
draws of another seed.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nnkit._compat import compiled, traced
from nnkit.training.loop.state import values_of
from nnkit.training.specification.model_spec import parts_inside

__all__ = ["InitialWeights"]

# Draws of a build after this number are not identified.
_MAX_DRAWS = 4096
# Number of calls after which the initializers are compiled to one call, since tracing takes longer
# than a few calls.
_CALLS_BEFORE_COMPILING = 6
_SEED_DTYPE = np.int64
# Larger networks are built again. The time is negligible compared with their training.
_MAX_PARAMETERS = 5_000_000


def _draws(seed: int, n_draws: int) -> list[int]:
    """Return the seeds that Keras draws in a build, by ``random.randint(1, 1e9)``."""
    generator = random.Random(seed)
    return [generator.randint(1, 10**9) for _ in range(n_draws)]


@dataclass(frozen=True)
class _Drawn:
    """A variable with values from an initializer, or with the state of a seed generator."""

    draw: int
    initializer: Any | None
    shape: tuple[int, ...]
    dtype: str

    def of_seed(self, seed: Any) -> Any:
        """Return the values for a seed."""
        if self.initializer is None:
            return np.array([seed, 0], dtype=self.dtype)
        initializer = copy.copy(self.initializer)
        initializer.seed = seed
        return initializer(self.shape, dtype=self.dtype)


class _TensorSeed(keras.random.SeedGenerator):
    """A seed that is an argument of a compiled function."""

    def __init__(self, seed: Any) -> None:
        self._seed = seed

    def next(self, ordered: bool = True) -> Any:  # noqa: ARG002
        """Return the pair of integers that Keras makes of a seed, (2,)."""
        return tf.stack([self._seed, tf.zeros_like(self._seed)])


class InitialWeights:
    """Initial values of a model's variables, as a function of the seed of its build.

    Parameters
    ----------
    model : keras.Model
        Model with the values of its build.
    seed : int
        Seed of that build.

    Attributes
    ----------
    is_trusted : bool
        Whether the drawn values were equal to those of a second build, with another seed.
    """

    def __init__(self, model: Any, seed: int) -> None:
        self.is_trusted = False
        variables = model.variables
        by_seed = {draw: position for position, draw in enumerate(_draws(seed, _MAX_DRAWS))}
        initializers = [
            (by_seed[found.seed], found)
            for found in parts_inside(model, keras.initializers.Initializer)
            if isinstance(getattr(found, "seed", None), int) and found.seed in by_seed
        ]
        if model.count_params() > _MAX_PARAMETERS:
            initializers = []
        self._sources: list[np.ndarray | _Drawn] = []
        for variable, value in zip(variables, values_of(model), strict=True):
            source = _source(variable, value, by_seed, initializers)
            if isinstance(source, _Drawn) and source.initializer is not None:
                # Most initializers are used once, so that the next variable is compared with the
                # next initializer first.
                last = [draw for draw, _ in initializers].index(source.draw)
                initializers = initializers[last + 1 :] + initializers[: last + 1]
            self._sources.append(source)
        drawn = [source.draw for source in self._sources if isinstance(source, _Drawn)]
        self._n_draws = 1 + max(drawn, default=-1)
        self._n_calls = 0
        self._compiled: Callable[..., Any] | None = None

    def of_seed(self, seed: int) -> list[np.ndarray]:
        """Return the initial values of all variables for a build with this seed."""
        draws = _draws(seed, self._n_draws)
        if self._compiled is not None:
            return self._in_one_call(draws)
        values = [
            keras.ops.convert_to_numpy(source.of_seed(draws[source.draw]))
            if isinstance(source, _Drawn)
            else source
            for source in self._sources
        ]
        self._n_calls += 1
        if self._n_calls == _CALLS_BEFORE_COMPILING and self._is_compilable:
            self._compile()
            if not _are_equal(values, self._in_one_call(draws)):
                self._compiled = None
        return values

    @property
    def _is_compilable(self) -> bool:
        # Custom initializers may use their seed as a Python number, which cannot be traced.
        own = [
            type(source.initializer).__module__.startswith("keras.")
            for source in self._sources
            if isinstance(source, _Drawn) and source.initializer is not None
        ]
        return self.is_trusted and bool(own) and all(own)

    def _in_one_call(self, draws: Sequence[int]) -> list[np.ndarray]:
        assert self._compiled is not None
        found = iter(self._compiled(np.array(draws, dtype=_SEED_DTYPE)))
        return [
            source
            if not isinstance(source, _Drawn)
            else source.of_seed(draws[source.draw])
            if source.initializer is None
            else next(found).numpy()
            for source in self._sources
        ]

    def _compile(self) -> None:
        by_initializer = [
            source
            for source in self._sources
            if isinstance(source, _Drawn) and source.initializer is not None
        ]

        def draw(seeds: Any) -> list[Any]:
            return [source.of_seed(_TensorSeed(seeds[source.draw])) for source in by_initializer]

        self._compiled = traced(compiled(draw), tf.TensorSpec((self._n_draws,), _SEED_DTYPE))

    def agree_with(self, model: Any, seed: int) -> bool:
        """Return whether a model built with a seed has exactly the values drawn for it.

        The result is stored in ``is_trusted``.
        """
        self.is_trusted = _are_equal(values_of(model), self.of_seed(seed))
        return self.is_trusted


def _are_equal(values: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    return len(values) == len(others) and all(
        one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
        for one, other in zip(values, others, strict=True)
    )


def _source(
    variable: Any,
    value: np.ndarray,
    by_seed: dict[int, int],
    initializers: Sequence[tuple[int, Any]],
) -> np.ndarray | _Drawn:
    shape, dtype = tuple(variable.shape), str(value.dtype)
    if shape == (2,) and value.dtype.kind in "iu" and value[1] == 0 and int(value[0]) in by_seed:
        return _Drawn(by_seed[int(value[0])], None, shape, dtype)
    if value.dtype.kind == "f" and len(np.unique(value.ravel()[:16])) > 1:
        for draw, initializer in initializers:
            if _gives(initializer, shape, dtype, value):
                return _Drawn(draw, initializer, shape, dtype)
    return value


def _gives(initializer: Callable[..., Any], shape: Any, dtype: str, value: np.ndarray) -> bool:
    try:
        found = keras.ops.convert_to_numpy(initializer(shape, dtype=dtype))
    except (ValueError, TypeError, IndexError):  # the initializer does not support the shape
        return False
    return np.array_equal(found, value)
