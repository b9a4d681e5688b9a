"""A network without its numbers: what all fits of the same model specification share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any

import keras
import numpy as np

from nnkit._compat import compile_arguments
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
from nnkit.training.specification.compilation import OutputSpec, compile_model
from nnkit.training.specification.metrics import read_metrics
from nnkit.training.specification.model_spec import ModelSpec, as_inputs, parts_inside

__all__ = ["CompiledModel"]

# Programs of one compiled model: batch sizes, weighted or not, training, validation, forward.
_MAX_PROGRAMS = 16

# What the largest output of a layer may take for the rows of one call.
_CHUNK_BYTES = 64 * 2**20

# Layers whose outputs for a row depend on that row alone, so that a batch may be filled up.
_ROWWISE_LAYERS = frozenset(
    {
        "Activation", "Add", "AlphaDropout", "Average", "Concatenate", "Dense", "Dropout", "ELU",
        "Embedding", "Flatten", "GaussianDropout", "GaussianNoise", "InputLayer",
        "LayerNormalization", "LeakyReLU", "Multiply", "PReLU", "ReLU", "Rescaling", "Reshape",
        "Softmax", "Subtract", "UnitNormalization",
        # of nnkit
        "CategoryBias", "CategoryEmbeddings", "ColumnSlice", "NTKDense", "ParametricActivation",
        "PeriodicEmbedding", "Scale", "ScheduledDropout",
    }
)  # fmt: skip

# Layers that many networks can have as one operation, though their weights differ.
_VECTORISED_LAYERS = _ROWWISE_LAYERS | {
    "BatchNormalization", "EinsumDense", "GlobalAveragePooling1D", "GlobalMaxPooling1D",
    "MultiHeadAttention", "Permute", "RepeatVector",
}  # fmt: skip

# Layers that hold more than their configuration and their variables say.
_WITH_HIDDEN_STATE = ("preprocessing", "tfsm_layer", "lambda_layer")


class CompiledModel:
    """A built and compiled model whose structure is shared, and never its numbers.

    Programs find their tensors under the variables of this model; the variables themselves keep
    the values of the build. Threads may run the programs of one compiled model at the same time.

    Parameters
    ----------
    model_spec : ModelSpec
    task_choices : sequence of sequences of Task
        What each output may be to learn.
    X_example : ndarray, or dict or list of ndarray
        Encoded rows, at least one.

    Attributes
    ----------
    model : keras.Model
    output_spec : OutputSpec
        What each output is to learn, and what it means.
    row : ndarray, or dict or list of ndarray
        One row of zeros in the dtypes of the model's inputs.
    layout : StateLayout
        How the variables lie in the tensors of a program.
    structure : hashable or None
        Equal for two compiled models whose programs are the same; None if that is unknown.
    """

    def __init__(self, model_spec: ModelSpec, task_choices: Any, X_example: Any) -> None:
        self._initialize(*_built(model_spec, task_choices, X_example))
        self.structure: Hashable | None = _structure_of(self)

    @classmethod
    def around(cls, model: Any, output_spec: OutputSpec, row: Any) -> CompiledModel:
        """Return the compiled model of a live model, for its network alone."""
        read_metrics(model, output_spec)
        alone = cls.__new__(cls)
        alone._initialize(model, output_spec, row)
        alone.structure = None
        return alone

    def _initialize(self, model: Any, output_spec: OutputSpec, row: Any) -> None:
        self.model, self.output_spec, self.row = model, output_spec, row
        self.lock = threading.RLock()
        self._layout: StateLayout | None = None
        self._programs: dict[Hashable, Any] = {}
        self._facts: dict[str, Any] = {}

    @property
    def layout(self) -> StateLayout:
        """How the variables lie in the tensors of a program."""
        with self.lock:
            if self._layout is None:
                self._layout = StateLayout(self.model)
            return self._layout

    def is_like(self, other: CompiledModel) -> bool:
        """Return whether another build gave the same network, as far as can be told."""
        is_same_in_numbers = _variables_of(self.model) == _variables_of(other.model)
        return is_same_in_numbers and self.structure == other.structure

    def program(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return the program of a key, made on its first use.

        Parameters
        ----------
        key : hashable
        make : callable
            Traces the program; one thread at a time.
        """
        check_not_forked()
        with self.lock:
            if key not in self._programs:
                made = make()
                while len(self._programs) >= _MAX_PROGRAMS:
                    del self._programs[next(iter(self._programs))]
                self._programs[key] = made
            else:
                # The one used last goes last.
                self._programs[key] = self._programs.pop(key)
            return self._programs[key]

    def note(self, name: str, value: Any) -> None:
        """Keep what was found out about the model."""
        self._facts[name] = value

    def fact(self, name: str, find: Callable[[], Any]) -> Any:
        """Return what was found out about the model, on its first use."""
        if name not in self._facts:
            self._facts[name] = find()
        return self._facts[name]

    @cached_property
    def looks_up_codes(self) -> bool:
        """Whether a layer picks rows of a table by codes that come from outside."""
        return any(isinstance(layer, keras.layers.Embedding) for layer in _leaves(self.model))

    @cached_property
    def target_dtype(self) -> str:
        """The dtype in which targets are compared with the outputs."""
        dtype = str(self.model.variable_dtype)
        outputs = getattr(self.model, "outputs", None)
        if outputs:
            dtype = str(outputs[0].dtype)
        return dtype if dtype in ("float32", "float64") else "float32"

    @cached_property
    def n_trainable(self) -> int:
        """The weights that are trained."""
        return sum(int(np.prod(variable.shape)) for variable in self.model.trainable_variables)

    @cached_property
    def n_bytes(self) -> int:
        """The memory that the variables take, in bytes."""
        return sum(
            int(np.prod(variable.shape)) * np.dtype(_sized(variable.dtype)).itemsize
            for variable in self.model.variables
        )

    @cached_property
    def is_rowwise(self) -> bool:
        """Whether rows may be added to a batch without any effect, if they weigh nothing."""
        model = self.model
        if type(model).__name__ not in ("Sequential", "Functional") or not runs_library_code_only(
            model
        ):
            return False
        dtypes = {str(layer.compute_dtype) for layer in model.layers}
        if not dtypes <= {"float32", "float64"}:
            return False
        return all(
            type(layer).__name__ in _ROWWISE_LAYERS
            and runs_library_code_only(layer)
            and getattr(layer, "activity_regularizer", None) is None
            and is_keras_function(getattr(layer, "activation", None))
            for layer in model.layers
        )

    @cached_property
    def draws_numbers(self) -> bool:
        """Whether a step draws random numbers."""
        return any(True for _ in parts_inside(self.model, keras.random.SeedGenerator))

    @cached_property
    def loops_over_members(self) -> bool:
        """Whether layers do not vectorise over weights: convolutions, recurrent ones, one's own."""
        return not all(
            type(layer).__name__ in _VECTORISED_LAYERS and runs_library_code_only(layer)
            for layer in _leaves(self.model)
        )

    @cached_property
    def rows_per_chunk(self) -> int:
        """How many rows go through the network at once where memory is to stay bounded."""
        sizes = [int(np.prod(part.shape[1:])) for part in keras.tree.flatten(self.row)]
        for layer in _leaves(self.model):
            shape = getattr(getattr(layer, "output", None), "shape", ())
            sizes.append(int(np.prod([size or 1 for size in tuple(shape)[1:]])))
        return int(np.clip(_CHUNK_BYTES // (4 * max(sizes)), 1, 32_768))

    @cached_property
    def step_arithmetic(self) -> float:
        """The floating-point operations of one step per row: 6 for each weight and position."""
        total = 0.0
        for layer in _leaves(self.model):
            n_weights = sum(int(np.prod(v.shape)) for v in layer.trainable_variables)
            shape = getattr(getattr(layer, "output", None), "shape", ()) if n_weights else ()
            positions = [size for size in tuple(shape)[1:-1] if size]
            total += 6.0 * n_weights * float(np.prod(positions)) if n_weights else 0.0
        return total


def _built(model_spec: ModelSpec, task_choices: Any, X_example: Any) -> tuple[Any, OutputSpec, Any]:
    """Return a fresh model, compiled; what it is to learn; and a row of zeros like its inputs."""
    model = model_spec.build(X_example)
    row = keras.tree.map_structure(
        lambda part: np.zeros((1, *part.shape[1:]), part.dtype), as_inputs(model, X_example)
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
    """Return what is equal for two compiled models whose programs are the same; None if unknown.

    Names that Keras counts up do not matter. Layers that hold more than their configuration
    says, and whatever is not Keras' own, have no such key.
    """
    model = compiled_model.model
    layers = list(parts_inside(model, keras.layers.Layer))
    if not all(runs_library_code_only(layer) for layer in layers):
        return None
    if any(part in type(layer).__module__ for layer in layers for part in _WITH_HIDDEN_STATE):
        return None
    # Their configuration is refused below too, but Keras warns of a lambda in it.
    if any(holds_own_functions(layer) for layer in layers):
        return None
    try:
        config = [type(model).__name__, model.get_config()]
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
                keras.config.epsilon(),  # in losses, as a constant
                keras.tree.map_structure(
                    lambda part: f"{part.shape} {part.dtype}", compiled_model.row
                ),
            ]
        )
    except NoFingerprintError:
        return None
    except (NotImplementedError, TypeError, ValueError, AttributeError):
        return None  # what configurations raise of which a part cannot be told


def _variables_of(model: Any) -> list[tuple[Any, ...]]:
    """Return what the variables of a model are, but for their values."""
    return [(tuple(v.shape), str(v.dtype), v.trainable) for v in model.variables]


def _leaves(model: Any) -> list[Any]:
    """Return the layers of a model, those of models inside it included."""
    leaves = []
    for layer in getattr(model, "layers", []):
        leaves += _leaves(layer) if isinstance(layer, keras.Model) else [layer]
    return leaves


def _sized(dtype: Any) -> str:
    return "float16" if str(dtype) == "bfloat16" else str(dtype)
