"""Specification of a model: a builder with its arguments, seed and compilation."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from nnkit._compat import fresh_names
from nnkit._messages import shown
from nnkit.encoding.features import in_range_of
from nnkit.training.copying.ownership import (
    owned_copy,
    owned_model,
    variables_made,
    with_copies,
)
from nnkit.training.specification.compilation import Compilation

__all__ = ["ModelSpec", "as_inputs", "parts_inside", "seeded_build"]

# Keras draws seeds from Python's random state, which the whole process shares.
_SEED_LOCK = threading.RLock()


@dataclass(frozen=True)
class ModelSpec:
    """A builder with everything that determines the model it builds.

    Parameters
    ----------
    builder : callable or keras.Model
        A callable returns the model; a model is copied with its weights.
    arguments : mapping
        Keyword arguments of the builder, except ``compile_kwargs``.
    compilation : Compilation
        Optimizer, loss and metrics.
    wants_compile_kwargs : bool
        Whether the builder takes ``compile_kwargs``.
    seed : int
        Seed of initial weights and random layers.
    dtype_policy : str, keras.DTypePolicy or None
        Keras' default dtype policy during the build. None keeps the current policy.
    is_rebuildable : bool, default=True
        Whether the arguments may be stored for a second build. Training data may not.
    """

    builder: Callable[..., Any] | Any
    arguments: Mapping[str, Any]
    compilation: Compilation
    wants_compile_kwargs: bool = False
    seed: int = 0
    dtype_policy: Any = None
    is_rebuildable: bool = True

    @property
    def _is_given(self) -> bool:
        """Whether the user gave a model in place of a builder."""
        return isinstance(self.builder, keras.Model)

    def build(self, X_example: Any) -> Any:
        """Return a fresh model, built for rows of the shape and dtype of an example.

        Parameters
        ----------
        X_example : ndarray of shape (n_rows, ...), or dict or list of ndarray
            Encoded rows, at least one. A model without an input layer is called on them.

        Returns
        -------
        model : keras.Model

        Raises
        ------
        TypeError
            If the builder does not return a ``keras.Model``.
        ValueError
            If the model does not take rows of this shape.
        MemoryError
            If the model does not fit into memory.
        """
        try:
            with fresh_names():
                model = self._build(X_example)
        except ValueError as error:
            # A model may contain layers that exist already, with the names that Keras gives first.
            if "unique" not in str(error):
                raise
            model = self._build(X_example)
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            raise MemoryError(
                "The builder's model does not fit into memory. Give it fewer units. "
                f"({str(error).splitlines()[0]})"
            ) from error
        _check_input_shapes(model, X_example, is_given=self._is_given)
        return model

    def _build(self, X_example: Any) -> Any:
        with (
            seeded_build(self.seed),
            dtype_policy(self.dtype_policy),
            variables_made() as made,
        ):
            if self._is_given:
                model = owned_copy(self.builder)
            else:
                builder, arguments = with_copies(self.builder, self.arguments)
                if self.wants_compile_kwargs:
                    arguments["compile_kwargs"] = self.compilation.compile_kwargs()
                model = builder(**arguments)
            if not isinstance(model, keras.Model):
                raise TypeError(
                    "The builder must return a keras.Model. "
                    f"Got {type(model).__name__} instead. Does it end with 'return model'?"
                )
            if not all(layer.built for layer in parts_inside(model, keras.layers.Layer)):
                # Nested layers, such as activations, are built when they are called.
                _check_input_shapes(model, X_example, is_given=self._is_given)
                first = keras.tree.map_structure(lambda part: part[:1], X_example)
                model(as_inputs(model, first))
            return owned_model(model, made)


def parts_inside(part: Any, kind: type, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield all objects of a type in the attributes of a layer and its sublayers, in order.

    Parameters
    ----------
    part : keras.layers.Layer
        A layer or a model. It is yielded itself if it is of the type.
    kind : type
        For example ``keras.layers.Layer`` or ``keras.initializers.Initializer``.
    seen : set of int or None, default=None
        Identities of objects that were visited.
    """
    seen = set() if seen is None else seen
    if id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, kind):
        yield part
    if isinstance(part, keras.layers.Layer):
        for name, value in vars(part).items():
            if name != "_tracker":
                yield from parts_inside(value, kind, seen)
    elif isinstance(part, (list, tuple, dict)):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from parts_inside(inner, kind, seen)


@contextmanager
def dtype_policy(policy: Any) -> Iterator[None]:
    """Make a dtype policy Keras' default in this context."""
    if policy is None:
        yield
        return
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "dtype_policy must be a policy that Keras knows, such as 'mixed_bfloat16', or None. "
            f"Got {shown(policy)} instead."
        ) from error
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def as_inputs(model: Any, X: Any) -> Any:
    """Return encoded rows in the dtypes of a model's inputs.

    Parameters
    ----------
    model : keras.Model
    X : ndarray, csr_array, or dict or list of ndarray
        Encoded rows.
    """
    dtypes = _input_dtypes(model, X)
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) == 1 and not isinstance(X, (Mapping, list)) and X.ndim == 1:
        # One text for each row: (n_samples,) -> (n_samples, 1) for keras.Input((1,)).
        X = X.reshape(len(X), *[1] * (len(inputs[0].shape) - 1))
    if isinstance(X, Mapping):
        return {name: _in_dtype(dtypes[name], part, name) for name, part in X.items()}
    if isinstance(X, list):
        return [_in_dtype(dtype, part, "X") for part, dtype in zip(X, dtypes, strict=True)]
    return _in_dtype(dtypes, X, "X")


def _in_dtype(dtype: str, values: Any, name: str) -> Any:
    """Return numbers or texts in the dtype of an input."""
    are_texts = values.dtype == object
    if are_texts and dtype != "string":
        raise ValueError(
            f"{name} holds texts, but the input of the model has the dtype {dtype}. Use a model for "
            "texts such as model='text_cnn', encoder=nnkit.encoding.TextEncoder(), or "
            "keras.Input((), dtype='string') and keras.layers.TextVectorization in the builder."
        )
    if dtype == "string" and not are_texts:
        raise ValueError(
            f"The input of the model has the dtype string, but {name} holds numbers. Give texts as "
            "a list or a Series, and encoder=None."
        )
    return values if are_texts else in_range_of(dtype, values, name)


def _input_dtypes(model: Any, X: Any) -> Any:
    inputs = getattr(model, "inputs", None)
    compute_dtype = "float32" if "float16" in model.compute_dtype else str(model.compute_dtype)
    compute_dtype = "float32" if model.compute_dtype == "bfloat16" else compute_dtype
    if isinstance(X, Mapping):
        named = {tensor.name: str(tensor.dtype) for tensor in inputs or []}
        return {name: named.get(name, compute_dtype) for name in X}
    if isinstance(X, list):
        if not inputs or len(inputs) != len(X):
            return [compute_dtype] * len(X)
        return [str(tensor.dtype) for tensor in inputs]
    if not inputs:
        return compute_dtype
    return str(inputs[0].dtype)


def _check_input_shapes(model: Any, X_example: Any, *, is_given: bool) -> None:
    """Raise if a model does not take rows of this shape.

    ``is_given`` says that the user gave the model in place of a builder.
    """
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return
    if isinstance(X_example, Mapping):
        names = [tensor.name for tensor in inputs]
        missing = sorted(set(names) - set(X_example))
        if missing:
            raise ValueError(
                f"The model has the input {missing[0]!r}, which X does not have. "
                f"The model takes {names}; X has {list(X_example)}."
            )
        unused = [name for name in X_example if name not in names]
        if unused:
            raise ValueError(
                f"X has the input {unused[0]!r}, which the model lacks. The model takes {names}; X "
                f"has {list(X_example)}. Add keras.Input(..., name={unused[0]!r}), or leave the "
                "input out of X."
            )
        pairs = [(tensor, X_example[tensor.name]) for tensor in inputs]
    else:
        parts = X_example if isinstance(X_example, list) else [X_example]
        if len(inputs) != len(parts):
            raise ValueError(
                f"The model has {len(inputs)} inputs, but X is "
                f"{'one table' if len(parts) == 1 else f'{len(parts)} arrays'}. Give a model "
                f"with {len(parts)} input(s), or X as a dict of arrays by input name."
            )
        pairs = list(zip(inputs, parts, strict=True))
    advice = "Size the input layer with meta.X_shape_[1:]."
    if is_given:
        advice = (
            "A keras.Model keeps the size of its input layer: give X with its columns, or a "
            "function that builds a model of the size meta.X_shape_[1:]."
        )
    for tensor, part in pairs:
        _in_dtype(str(tensor.dtype), part, "X" if len(pairs) == 1 else tensor.name)
        shape, given = tuple(tensor.shape)[1:], part.shape[1:]
        if part.dtype == object and shape == (1,):
            continue  # `as_inputs` adds the axis
        if len(shape) != len(given) or any(
            expected not in (None, came) for expected, came in zip(shape, given, strict=True)
        ):
            where = f" in the input {tensor.name!r}" if len(pairs) > 1 else ""
            raise ValueError(
                f"The model takes rows of shape {shape}{where}, but the encoded rows of X have "
                f"the shape {given}. {advice}"
            )


@contextmanager
def seeded_build(seed: int) -> Iterator[None]:
    """Seed the initializers and random layers that are built in this context.

    Keras draws the seeds of initializers and random layers without a ``seed`` from Python's
    ``random`` module. Its state is replaced in this context and restored afterwards. Contexts in
    several threads run one after the other.

    Parameters
    ----------
    seed : int
        At least 0.
    """
    with _SEED_LOCK:
        state = random.getstate()
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(state)
