"""Cache of the compiled models of this process, by their model specification.

A builder is called once for each distinct model specification. The specification includes the code
of the builder and what the code refers to, its arguments and the properties of the data, the
optimizer, the loss and the metrics. Seeds, learning rates and numbers of rows are not part of the
key. Different specifications that build the same network, for example builders that take a
learning rate, share one compiled model and its programs.
"""

from __future__ import annotations

import functools
import gc
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, NamedTuple

import keras
import numpy as np

from nnkit._compat import registered_objects, release_kernels, return_free_memory
from nnkit._forks import check_not_forked
from nnkit.optimizers.training_schedule import step_counts
from nnkit.training.caching.fingerprint import NoFingerprintError, fingerprint
from nnkit.training.caching.initial_weights import InitialWeights
from nnkit.training.compiled_model import CompiledModel
from nnkit.training.loop.state import learning_rate_of, values_of
from nnkit.training.specification.model_spec import ModelSpec

__all__ = ["InitialModel", "clear_compiled_cache", "initial_model_of"]

_MAX_COMPILED_MODELS = 32
_MAX_BYTES = 256 * 2**20
_MAX_MODEL_SPECS = 1024
_EVICTIONS_PER_COLLECTION = 8


class InitialModel(NamedTuple):
    """A compiled model with the initial values of one network.

    Attributes
    ----------
    compiled_model : CompiledModel
    is_shared : bool
        Whether other networks use the compiled model too.
    values : list of ndarray
        Initial values of the model's variables.
    learning_rate : float or None
        Initial learning rate; None if there is a schedule.
    n_steps : list of int
        Numbers of steps of the optimizer's schedules.
    model : keras.Model or None
        A model that was built for this network alone, if there is one.
    """

    compiled_model: CompiledModel
    is_shared: bool
    values: list[np.ndarray]
    learning_rate: float | None
    n_steps: list[int]
    model: Any = None


@dataclass
class _BuiltSpec:
    """Cache entry of a model specification that was built."""

    compiled_model: weakref.ref[CompiledModel]
    initial: InitialWeights
    seed: int
    values: list[np.ndarray]
    learning_rate: float | None
    n_steps: list[int]
    is_repeatable: bool = True

    def is_of(self, compiled_model: CompiledModel) -> bool:
        return self.compiled_model() is compiled_model


_LOCK = threading.RLock()
_compiled_models: OrderedDict[Hashable, CompiledModel] = OrderedDict()
_built_specs: OrderedDict[Hashable, _BuiltSpec | None] = OrderedDict()
_n_evicted = [0]


def clear_compiled_cache() -> None:
    """Clear the cache of compiled models and their programs.

    Fitted estimators keep their compiled models. The next fits build and compile models again,
    with the same results.

    Examples
    --------
    >>> import nnkit
    >>> nnkit.clear_compiled_cache()
    """
    with _LOCK:
        _compiled_models.clear()
        _built_specs.clear()
        _release_memory()


def _release_memory() -> None:
    """Free the memory of removed compiled models."""
    # Graphs contain reference cycles, and are too few to trigger Python's collector.
    gc.collect()
    release_kernels()
    return_free_memory()


def initial_model_of(
    model_spec: ModelSpec, task_choices: Any, X_example: Any, device: str | None
) -> InitialModel:
    """Return the compiled model of a model specification and the initial values of its variables.

    Parameters
    ----------
    model_spec : ModelSpec
    task_choices : sequence of sequences of Task
        Possible tasks of the outputs. The number of outputs selects one of the choices.
    X_example : ndarray, or dict or list of ndarray
        Encoded rows, at least one.
    device : str or None
        Device of the network.
    """
    check_not_forked()
    with _LOCK:
        key = _model_spec_key(model_spec, task_choices, X_example, device, with_rows=False)
        # An entry of None marks a builder that reads the number of rows.
        if key is not None and key in _built_specs and _built_specs[key] is None:
            key = _model_spec_key(model_spec, task_choices, X_example, device, with_rows=True)
        known = _built_specs.get(key) if key is not None else None
        compiled_model = known.compiled_model() if known is not None else None
        if known is not None and compiled_model is not None:
            _built_specs.move_to_end(key)
            _keep(compiled_model)
            initial_model = _from_earlier_build(
                known, compiled_model, model_spec, task_choices, X_example
            )
            if initial_model is not None:
                return initial_model
            key = None
        watched, was_read = _watching_rows(model_spec)
        built = CompiledModel(watched, task_choices, X_example)
        values = values_of(built.model)
        rate = learning_rate_of(built.model.optimizer)
        n_steps = step_counts(built.model.optimizer)
        shared = _known_compiled_model(built, device)
        if key is None:
            own = None if shared is built else built.model
            return InitialModel(shared, own is not None, values, rate, n_steps, own)
        if was_read():
            _built_specs[key] = None
            key = _model_spec_key(model_spec, task_choices, X_example, device, with_rows=True)
        _keep(shared)
        _built_specs[key] = _BuiltSpec(
            weakref.ref(shared),
            InitialWeights(built.model, model_spec.seed),
            model_spec.seed,
            values,
            rate,
            n_steps,
        )
        while len(_built_specs) > _MAX_MODEL_SPECS:
            _built_specs.popitem(last=False)
        return InitialModel(shared, True, values, _rate_of(model_spec, rate), n_steps)


def _from_earlier_build(
    known: _BuiltSpec,
    compiled_model: CompiledModel,
    model_spec: ModelSpec,
    task_choices: Any,
    X_example: Any,
) -> InitialModel | None:
    """Return the initial model of a cached specification; None if its builds differ."""
    rate = _rate_of(model_spec, known.learning_rate)
    if not known.is_repeatable:
        return None
    if model_spec.seed == known.seed:
        return InitialModel(compiled_model, True, known.values, rate, known.n_steps)
    if not known.initial.is_trusted:
        # Compare the drawn initial weights with those of a second build.
        second = CompiledModel(model_spec, task_choices, X_example)
        if not second.is_like(compiled_model):
            known.is_repeatable = False
            return None
        if not known.initial.agree_with(second.model, model_spec.seed):
            values = values_of(second.model)
            return InitialModel(compiled_model, True, values, rate, known.n_steps)
    values = known.initial.of_seed(model_spec.seed)
    return InitialModel(compiled_model, True, values, rate, known.n_steps)


def _known_compiled_model(built: CompiledModel, device: str | None) -> CompiledModel:
    """Return the cached compiled model of the same structure, else the given one."""
    if built.structure is None:
        return built
    found = _compiled_models.setdefault((built.structure, device), built)
    _keep(found)
    if found is built:
        _evict()
    return found


def _keep(compiled_model: CompiledModel) -> None:
    """Mark a compiled model as used, and add it if it is not in the cache."""
    for key, known in reversed(_compiled_models.items()):
        if known is compiled_model:
            _compiled_models.move_to_end(key)
            return
    _compiled_models["alone", id(compiled_model)] = compiled_model
    _evict()


def _evict() -> None:
    """Remove the least recently used compiled models beyond the limits of the cache."""
    # Programs that are traced later count when the next model is added.
    n_bytes = sum(known.n_bytes for known in _compiled_models.values())
    while len(_compiled_models) > 1 and (
        len(_compiled_models) > _MAX_COMPILED_MODELS or n_bytes > _MAX_BYTES
    ):
        _, oldest = _compiled_models.popitem(last=False)
        n_bytes -= oldest.n_bytes
        for key in [key for key, known in _built_specs.items() if known and known.is_of(oldest)]:
            del _built_specs[key]
        _n_evicted[0] += 1
        if _n_evicted[0] % _EVICTIONS_PER_COLLECTION == 0:
            del oldest
            _release_memory()


def _routed_rate(model_spec: ModelSpec) -> float | None:
    """Return the learning rate that is routed to the optimizer, if it is a number."""
    rate = model_spec.compilation.of("optimizer").get("learning_rate")
    if model_spec.wants_compile_kwargs or isinstance(rate, bool) or not isinstance(rate, Real):
        return None
    return float(rate)


def _rate_of(model_spec: ModelSpec, rate: float | None) -> float | None:
    routed = _routed_rate(model_spec)
    return rate if routed is None else routed


def _model_spec_key(
    model_spec: ModelSpec, task_choices: Any, X_example: Any, device: str | None, *, with_rows: bool
) -> Hashable | None:
    """Return the cache key of a model specification; None if it contains mutable state."""
    if not model_spec.is_rebuildable:
        return None
    compilation = model_spec.compilation
    routed = {name: dict(values) for name, values in compilation.routed.items()}
    if _routed_rate(model_spec) is not None:
        routed["optimizer"]["learning_rate"] = "a number"
    arguments = {
        name: dict(value, X_shape_=None if not with_rows else value["X_shape_"])
        if _is_meta(value)
        else value
        for name, value in model_spec.arguments.items()
    }
    is_set = model_spec.dtype_policy is not None
    policy = model_spec.dtype_policy if is_set else keras.config.dtype_policy()
    try:
        key = fingerprint(
            [
                model_spec.builder,
                arguments,
                [compilation.optimizer, compilation.loss, compilation.metrics, routed],
                model_spec.wants_compile_kwargs,
                [compilation.n_steps, compilation.wins, compilation.is_asked],
                policy if isinstance(policy, str) else policy.name,
                [keras.config.floatx(), keras.config.epsilon()],
                keras.config.image_data_format(),
                keras.tree.map_structure(lambda part: [part.shape[1:], part.dtype], X_example),
                task_choices,
                device,
            ]
        )
    except NoFingerprintError:
        return None
    # Configurations refer to registered objects by name.
    return key, tuple(registered_objects().items())


def _is_meta(value: Any) -> bool:
    return isinstance(value, Mapping) and "X_shape_" in value


class _Shape(tuple):  # type: ignore[type-arg]
    """A shape that reports reads of its number of rows."""

    on_read: Callable[[], None]

    def __getitem__(self, index: Any) -> Any:
        part = index if isinstance(index, slice) else slice(index, index + 1 or None)
        if 0 in range(len(self))[part]:
            self.on_read()
        return tuple.__getitem__(self, index)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self.on_read()
        return np.array(tuple(tuple.__iter__(self)), dtype=dtype)

    def __radd__(self, other: Any) -> Any:
        self.on_read()
        return tuple.__add__(other, self)


def _reporting(name: str) -> Callable[..., Any]:
    """Return a method of tuple that reads all entries, and reports this."""
    of_tuple = getattr(tuple, name)

    @functools.wraps(of_tuple)
    def method(self: _Shape, *arguments: Any) -> Any:
        self.on_read()
        return of_tuple(self, *arguments)

    return method


for _name in (
    "__add__", "__contains__", "__eq__", "__ge__", "__gt__", "__hash__", "__iter__", "__le__",
    "__lt__", "__mul__", "__ne__", "__repr__", "__rmul__", "count", "index",
):  # fmt: skip
    setattr(_Shape, _name, _reporting(_name))


def _watching_rows(model_spec: ModelSpec) -> tuple[ModelSpec, Callable[[], bool]]:
    """Return a specification with watched shapes, and a function that reports their reads.

    The function returns whether the builder has read the number of rows.
    """
    read: list[bool] = []

    def watched(shape: Any) -> Any:
        if isinstance(shape, dict):
            return {name: watched(part) for name, part in shape.items()}
        if isinstance(shape, list):
            return [watched(part) for part in shape]
        watched_shape = _Shape(shape)
        watched_shape.on_read = lambda: read.append(True)
        return watched_shape

    arguments = {}
    for name, value in model_spec.arguments.items():
        if _is_meta(value):
            value = type(value)(**dict(value, X_shape_=watched(value["X_shape_"])))
        arguments[name] = value
    return replace(model_spec, arguments=arguments), lambda: bool(read)
