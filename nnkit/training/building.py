"""From a builder and its arguments to a built ``keras.Model``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from nnkit.training.compilation import Compilation
from nnkit.training.seeding import seeded_build

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """How a network is built.

    Parameters
    ----------
    builder : callable or keras.Model
        A callable returns the model; a model is copied with its weights.
    arguments : mapping
        The keyword arguments of the builder, but for ``compile_kwargs``.
    compilation : Compilation
        The optimizer, loss and metrics.
    wants_compile_kwargs : bool
        Whether the builder takes ``compile_kwargs``.
    seed : int
        Seeds initial weights and random layers.
    """

    builder: Callable[..., Any] | Any
    arguments: Mapping[str, Any]
    compilation: Compilation
    wants_compile_kwargs: bool = False
    seed: int = 0
    is_rebuildable: bool = field(init=False)

    def __post_init__(self) -> None:
        # The data that a builder was given are not kept for a second build.
        object.__setattr__(self, "is_rebuildable", not {"X", "y"} & set(self.arguments))

    def build(self, X_sample: np.ndarray) -> Any:
        """Return a fresh model, built for rows like ``X_sample``.

        Parameters
        ----------
        X_sample : ndarray of shape (n_rows, ...)
            Encoded rows, at least one; a model without an input layer is called on them.

        Returns
        -------
        model : keras.Model

        Raises
        ------
        TypeError
            If the builder returns anything but a ``keras.Model``.
        ValueError
            If the model does not take rows of this shape.
        """
        with seeded_build(self.seed):
            if isinstance(self.builder, keras.Model):
                model = copy.deepcopy(self.builder)
            else:
                arguments = dict(self.arguments)
                if self.wants_compile_kwargs:
                    arguments["compile_kwargs"] = self.compilation.compile_kwargs()
                model = self.builder(**arguments)
            if not isinstance(model, keras.Model):
                raise TypeError(
                    "The builder must return a keras.Model. "
                    f"Got {type(model).__name__} instead. Does it end with 'return model'?"
                )
            if not model.built:
                model(keras.ops.convert_to_tensor(X_sample[:1], dtype=model_dtype(model)))
        _check_input_shape(model, X_sample)
        return model


def model_dtype(model: Any) -> str:
    """Return the dtype in which a model takes its rows."""
    inputs = getattr(model, "inputs", None)
    if inputs:
        return str(inputs[0].dtype)
    return str(model.compute_dtype)


def _check_input_shape(model: Any, X_sample: np.ndarray) -> None:
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return
    if len(inputs) != 1:
        raise ValueError(
            f"The builder's model has {len(inputs)} inputs, but X is one table. "
            "Give a model with one input."
        )
    shape = tuple(inputs[0].shape)[1:]
    given = X_sample.shape[1:]
    if len(shape) != len(given) or any(
        expected not in (None, came) for expected, came in zip(shape, given, strict=True)
    ):
        raise ValueError(
            f"The builder's model takes rows of shape {shape}, but the encoded rows of X have "
            f"the shape {given}. Size the input layer with meta.X_shape_[1:]."
        )
