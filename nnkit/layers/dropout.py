"""Dropout whose rate decreases during training."""

from __future__ import annotations

from typing import Any

import keras

from nnkit._schedule_shapes import flat_cosine
from nnkit._validation import as_count, as_fraction

__all__ = ["ScheduledDropout"]

# The counter of steps is float32, which represents integers exactly up to this number.
_MAX_STEPS = 2**24


@keras.saving.register_keras_serializable(package="nnkit")
class ScheduledDropout(keras.layers.Layer):
    """Dropout whose rate is constant and then decreases to 0 along a cosine ("flat_cos").

    **Shape**

    - Input: (n_batch, ...)
    - Output: (n_batch, ...)

    Parameters
    ----------
    rate : float
        Initial fraction in [0, 1) of the values that are dropped.
    n_steps : int
        Number of steps of the whole training, at least 1: epochs times batches per epoch. Later
        steps drop nothing.
    flat_fraction : float, default=0.5
        Fraction in [0, 1) of the training in which the rate is constant.
    seed : int or None, default=None
        Seed of the draws. None draws a seed when the layer is created.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Attributes
    ----------
    steps_done, step_count : keras.Variable of shape ()
        Number of calls in training so far, and of the whole training. They are weights that are
        not trainable, and are saved with the model.

    Notes
    -----
    At progress t = steps_done / n_steps, with the flat fraction f, the rate is r(t) = rate for
    t < f, and r(t) = rate (1 + cos(pi (t - f) / (1 - f))) / 2 for f <= t <= 1. The other values are
    divided by 1 - r(t), so that the mean is preserved. In inference, the layer is the identity.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted
    Trees on Tabular Data", NeurIPS 2024, section 3 (scheduled dropout), with f = 1/2.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import ScheduledDropout
    >>> ScheduledDropout(rate=0.15, n_steps=1000)(np.ones((1, 3))).numpy().tolist()
    [[1.0, 1.0, 1.0]]
    """

    # The output of a row depends on this row only.
    is_rowwise = True
    # Its value is that of a variable, so that compiled programs do not depend on it.
    variable_arguments = ("n_steps",)

    def __init__(
        self,
        rate: float,
        n_steps: int,
        flat_fraction: float = 0.5,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = as_fraction("rate", rate)
        self.n_steps = as_count("n_steps", n_steps)
        if self.n_steps > _MAX_STEPS:
            raise ValueError(f"n_steps must be at most {_MAX_STEPS:,}. Got {n_steps:,} instead.")
        self.flat_fraction = as_fraction("flat_fraction", flat_fraction)
        self.seed = seed
        if self.rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:  # noqa: ARG002
        """Create the counter of steps, and the number of all steps."""
        if self.rate > 0:
            self.steps_done = self._add_number("steps_done", 0)
            self.step_count = self._add_number("step_count", self.n_steps)
        self.built = True

    def _add_number(self, name: str, value: int) -> keras.Variable:
        # TensorFlow keeps int32 variables on the CPU. float16 ends at 65,504, so that the dtype
        # does not follow the dtype policy.
        return self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(value),
            dtype="float32",
            trainable=False,
            autocast=False,
            name=name,
        )

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the values. In training, drop some of them and count the step."""
        if not training or self.rate == 0:
            return x
        rate = self._current_rate()
        self.steps_done.assign(self.steps_done + 1.0)
        draws = keras.random.uniform(keras.ops.shape(x), dtype="float32", seed=self.seed_generator)
        factor = keras.ops.cast(1 / (1 - rate), x.dtype)
        return keras.ops.where(draws >= rate, x * factor, keras.ops.zeros_like(x))

    def _current_rate(self) -> Any:
        progress = keras.ops.minimum(self.steps_done / self.step_count, 1.0)
        return self.rate * flat_cosine(progress, self.flat_fraction)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {
            **super().get_config(),
            "rate": self.rate,
            "n_steps": self.n_steps,
            "flat_fraction": self.flat_fraction,
            "seed": self.seed,
        }
