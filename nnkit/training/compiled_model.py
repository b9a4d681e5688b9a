"""A compiled model without weights, shared by all fits of a model specification."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any

import keras
import numpy as np

from nnkit._compat import compile_arguments, operations_counted
from nnkit._forks import check_not_forked
from nnkit.training.caching.fingerprint import (
    NoFingerprintError,
    fingerprint,
    held_by_layer,
    holds_own_functions,
    optimizer_settings,
)
from nnkit.training.caching.library_code import (
    has_own_code,
    is_keras_function,
    runs_library_code_only,
)
from nnkit.training.loop.state import StateLayout
from nnkit.training.specification.compilation import compile_model
from nnkit.training.specification.metrics import read_metrics
from nnkit.training.specification.model_spec import ModelSpec, as_inputs, parts_inside
from nnkit.training.specification.output_spec import OutputSpec

__all__ = ["CompiledModel"]

# Largest number of programs of one compiled model. They differ in their purpose (training,
# validation, prediction), batch size, and use of sample weights.
_MAX_PROGRAMS = 16

# Memory that a compiled model takes: copies of its variables (those of the model, its first values,
# and the moments of the optimizer), and bytes for each operation of its programs. Measured for
# networks of 200 to 1,400 operations (docs/performance.rst).
_COPIES_OF_VARIABLES, _OPERATION_BYTES = 5, 12_000

# Largest size of a layer's output for the rows of one call, in bytes.
_CHUNK_BYTES = 64 * 2**20

# Layers of Keras whose outputs for a row depend on that row alone, so that a batch may be padded.
# Layers of nnkit say so themselves, by an attribute `is_rowwise`.
_ROWWISE_LAYERS = frozenset(
    {
        "Activation", "Add", "AlphaDropout", "Average", "Concatenate", "Dense", "Dropout", "ELU",
        "Embedding", "Flatten", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling1D",
        "InputLayer", "LayerNormalization", "LeakyReLU", "Multiply", "PReLU", "ReLU",
        "Rescaling", "Reshape", "Softmax", "Subtract", "UnitNormalization",
    }
)  # fmt: skip

# Recurrent layers are rowwise unless they keep their state from one batch to the next. XLA runs
# their loop over the steps in about a fifth of the time of the loop of a graph.
_RECURRENT_LAYERS = frozenset({"GRU", "LSTM", "SimpleRNN"})

# Layers that tf.vectorized_map vectorises over different weights.
_VECTORISED_LAYERS = _ROWWISE_LAYERS | {
    "BatchNormalization", "EinsumDense", "GlobalMaxPooling1D", "MultiHeadAttention", "Permute",
    "RepeatVector",
}  # fmt: skip

# Modules of layers with state outside of their configuration and their variables.
_WITH_HIDDEN_STATE = ("preprocessing", "tfsm_layer", "lambda_layer")


class CompiledModel:
    """A built and compiled model that networks share, with its compiled programs.

    Programs look tensors up by the variables of this model. The variables keep the values of the
    build. Several threads may run the programs of one compiled model at the same time.

    Parameters
    ----------
    model_spec : ModelSpec
    task_choices : sequence of sequences of Task
        Possible tasks of the outputs. The number of outputs selects one of the choices.
    X_example : ndarray, or dict or list of ndarray
        Encoded rows, at least one.

    Attributes
    ----------
    model : keras.Model
    output_spec : OutputSpec
        Tasks and interpretation of the outputs.
    row : ndarray, or dict or list of ndarray
        One row of zeros in the dtypes of the model's inputs.
    layout : StateLayout
        Mapping between the variables and the tensors of a program.
    structure : hashable or None
        Key that is equal for compiled models with equal programs; None if it is unknown.
    """

    def __init__(self, model_spec: ModelSpec, task_choices: Any, X_example: Any) -> None:
        self._initialize(*_built(model_spec, task_choices, X_example))
        self.structure: Hashable | None = _structure_of(self)

    @classmethod
    def around(cls, model: Any, output_spec: OutputSpec, row: Any) -> CompiledModel:
        """Return a compiled model that wraps a live model and is not shared.

        Parameters
        ----------
        model : keras.Model
            Compiled model.
        output_spec : OutputSpec
        row : ndarray, or dict or list of ndarray
            One row of zeros in the dtypes of the model's inputs.
        """
        read_metrics(model, output_spec)
        unshared = cls.__new__(cls)
        unshared._initialize(model, output_spec, row)
        unshared.structure = None
        return unshared

    def _initialize(self, model: Any, output_spec: OutputSpec, row: Any) -> None:
        self.model, self.output_spec, self.row = model, output_spec, row
        self.lock = threading.RLock()
        self._layout: StateLayout | None = None
        self._programs: dict[Hashable, Any] = {}
        self._n_operations: dict[Hashable, int] = {}
        self._facts: dict[str, Any] = {}

    @property
    def layout(self) -> StateLayout:
        """Mapping between the variables and the tensors of a program, made on first access."""
        with self.lock:
            if self._layout is None:
                self._layout = StateLayout(self.model)
            return self._layout

    def is_like(self, other: CompiledModel) -> bool:
        """Return whether another build has the same variables and the same structure."""
        has_same_variables = _variables_of(self.model) == _variables_of(other.model)
        return has_same_variables and self.structure == other.structure

    def program(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the program of a key from the cache, or make it.

        The cache holds the programs that were used last.

        Parameters
        ----------
        key : hashable
        make : callable
            Function that traces the program. Only one thread at a time calls it.
        """
        check_not_forked()
        with self.lock:
            if key not in self._programs:
                with operations_counted() as counts:
                    made = make()
                while len(self._programs) >= _MAX_PROGRAMS:
                    oldest = next(iter(self._programs))
                    del self._programs[oldest], self._n_operations[oldest]
                self._programs[key], self._n_operations[key] = made, sum(counts)
            else:
                # Move the program to the end, so that it is evicted last.
                self._programs[key] = self._programs.pop(key)
            return self._programs[key]

    def note(self, name: str, value: Any) -> None:
        """Store a fact about the model, such as the reason why it needs Keras' fit.

        Parameters
        ----------
        name : str
        value : object
        """
        self._facts[name] = value

    def fact(self, name: str, find: Callable[[], Any]) -> Any:
        """Return a fact about the model, computed on first use.

        Parameters
        ----------
        name : str
        find : callable
            Function that returns the value.
        """
        if name not in self._facts:
            self._facts[name] = find()
        return self._facts[name]

    @cached_property
    def looks_up_codes(self) -> bool:
        """Whether the model has an embedding, which looks its inputs up by integer codes."""
        return any(isinstance(layer, keras.layers.Embedding) for layer in _leaves(self.model))

    @cached_property
    def target_dtype(self) -> str:
        """Dtype in which losses compare targets with outputs."""
        dtype = str(self.model.variable_dtype)
        outputs = getattr(self.model, "outputs", None)
        if outputs:
            dtype = str(outputs[0].dtype)
        return dtype if dtype in ("float32", "float64") else "float32"

    @cached_property
    def n_trainable(self) -> int:
        """Number of trainable weights."""
        return sum(int(np.prod(variable.shape)) for variable in self.model.trainable_variables)

    @property
    def n_bytes(self) -> int:
        """Approximate memory of the model and its programs in bytes."""
        n_operations = sum(tuple(self._n_operations.values()))
        return _COPIES_OF_VARIABLES * self._variable_bytes + _OPERATION_BYTES * n_operations

    @cached_property
    def _variable_bytes(self) -> int:
        return sum(
            int(np.prod(variable.shape)) * np.dtype(_sized(variable.dtype)).itemsize
            for variable in self.model.variables
        )

    @cached_property
    def is_rowwise(self) -> bool:
        """Whether the outputs for a row depend on that row alone."""
        model = self.model
        if type(model).__name__ not in ("Sequential", "Functional") or not runs_library_code_only(
            model
        ):
            return False
        dtypes = {str(layer.compute_dtype) for layer in model.layers}
        if not dtypes <= {"float32", "float64"}:
            return False
        return all(
            (_is_among(layer, _ROWWISE_LAYERS) or _is_rowwise_recurrent(layer))
            and runs_library_code_only(layer)
            and getattr(layer, "activity_regularizer", None) is None
            and is_keras_function(getattr(layer, "activation", None))
            for layer in model.layers
        )

    @cached_property
    def draws_numbers(self) -> bool:
        """Whether a training step draws random numbers."""
        return any(True for _ in parts_inside(self.model, keras.random.SeedGenerator))

    @cached_property
    def loops_over_members(self) -> bool:
        """Whether layers do not vectorise over weights: convolutions, recurrent, custom layers."""
        return not all(
            _is_among(layer, _VECTORISED_LAYERS) and runs_library_code_only(layer)
            for layer in _leaves(self.model)
        )

    @cached_property
    def rows_per_chunk(self) -> int:
        """Number of rows per call that bounds the memory of the layers' outputs."""
        sizes = [int(np.prod(part.shape[1:])) for part in keras.tree.flatten(self.row)]
        for layer in _leaves(self.model):
            shape = getattr(getattr(layer, "output", None), "shape", ())
            sizes.append(int(np.prod([size or 1 for size in tuple(shape)[1:]])))
            # Layers of nnkit state the size of larger intermediate values.
            sizes.append(int(getattr(layer, "n_intermediate_values", 0)))
        return int(np.clip(_CHUNK_BYTES // (4 * max(sizes)), 1, 32_768))

    @cached_property
    def step_arithmetic(self) -> float:
        """Floating-point operations of one training step per row.

        Each weight needs 6 at each position of a sequence or an image: a product and a sum in the
        forward pass, and twice as many for the gradients.
        """
        total = 0.0
        for layer in _leaves(self.model):
            n_weights = sum(int(np.prod(v.shape)) for v in layer.trainable_variables)
            shape = getattr(getattr(layer, "output", None), "shape", ()) if n_weights else ()
            positions = [size for size in tuple(shape)[1:-1] if size]
            total += 6.0 * n_weights * float(np.prod(positions)) if n_weights else 0.0
        return total


def _built(model_spec: ModelSpec, task_choices: Any, X_example: Any) -> tuple[Any, OutputSpec, Any]:
    """Return a fresh compiled model, its output specification, and a row of zeros."""
    model = model_spec.build(X_example)
    row = keras.tree.map_structure(
        lambda part: np.full((1, *part.shape[1:]), "" if part.dtype == object else 0, part.dtype),
        as_inputs(model, X_example),
    )
    output_spec = compile_model(
        model,
        model_spec.compilation,
        task_choices,
        row,
        was_handed=model_spec.wants_compile_kwargs,
    )
    return model, output_spec, row


def _structure_of(compiled_model: CompiledModel) -> Hashable | None:
    """Return a key that is equal for compiled models with equal programs; None if unknown.

    The numbers in Keras' default names do not matter. There is no key for custom layers, and for
    layers with state outside of their configuration.
    """
    model = compiled_model.model
    layers = list(parts_inside(model, keras.layers.Layer))
    if not all(runs_library_code_only(layer) for layer in layers):
        return None
    if any(part in type(layer).__module__ for layer in layers for part in _WITH_HIDDEN_STATE):
        return None
    # Custom functions in a configuration are refused below, but Keras warns about lambdas in it.
    if any(holds_own_functions(layer) for layer in layers):
        return None
    try:
        as_variables = {
            type(layer).__name__: layer.variable_arguments
            for layer in layers
            if hasattr(layer, "variable_arguments")
        }
        config = [type(model).__name__, _without_arguments(model.get_config(), as_variables)]
        if has_own_code(config):
            return None
        return fingerprint(
            [
                config,
                [held_by_layer(layer) for layer in layers],
                _variables_of(model),
                [type(model.optimizer), optimizer_settings(model.optimizer, with_rate=False)],
                {
                    name: argument
                    for name, argument in compile_arguments(model).items()
                    if name != "optimizer"
                },
                [compiled_model.output_spec.tasks, compiled_model.output_spec.heads],
                keras.config.epsilon(),  # a constant in the traced losses
                keras.tree.map_structure(
                    lambda part: f"{part.shape} {part.dtype}", compiled_model.row
                ),
            ]
        )
    except NoFingerprintError:
        return None
    except (NotImplementedError, TypeError, ValueError, AttributeError):
        return None  # the configuration of a layer is incomplete


def _without_arguments(config: Any, removed: dict[str, tuple[str, ...]]) -> Any:
    """Return a configuration without some arguments of layers.

    Parameters
    ----------
    config : object
        Configuration of a model.
    removed : dict of str to tuple of str
        Names of arguments by the class of a layer.
    """
    if isinstance(config, (list, tuple)):
        return [_without_arguments(part, removed) for part in config]
    if not isinstance(config, dict):
        return config
    inner = {name: _without_arguments(part, removed) for name, part in config.items()}
    arguments = removed.get(inner.get("class_name", ""), ())
    if arguments and isinstance(inner.get("config"), dict):
        kept = {n: part for n, part in inner["config"].items() if n not in arguments}
        inner["config"] = kept
    return inner


def _variables_of(model: Any) -> list[tuple[Any, ...]]:
    """Return shape, dtype and trainability of a model's variables."""
    return [(tuple(v.shape), str(v.dtype), v.trainable) for v in model.variables]


def _leaves(model: Any) -> list[Any]:
    """Return the layers of a model and of its nested models."""
    leaves = []
    for layer in getattr(model, "layers", []):
        leaves += _leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return leaves


def _sized(dtype: Any) -> str:
    return "float16" if str(dtype) == "bfloat16" else str(dtype)


def _is_rowwise_recurrent(layer: Any) -> bool:
    """Return whether a layer is a recurrent layer of Keras whose state begins anew for each row."""
    inner = [layer]
    if type(layer).__name__ == "Bidirectional":
        inner = [layer.forward_layer, layer.backward_layer]
    return all(
        type(part).__name__ in _RECURRENT_LAYERS
        and not part.stateful
        and runs_library_code_only(part)
        and is_keras_function(part.activation)
        for part in inner
    )


def _is_among(layer: Any, names: frozenset[str]) -> bool:
    """Return whether a layer is one of Keras' layers of these names, or a rowwise one of nnkit."""
    return type(layer).__name__ in names or bool(getattr(layer, "is_rowwise", False))
