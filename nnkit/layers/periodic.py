"""Numeric columns as learnt cosines."""

from __future__ import annotations

import math
from typing import Any

import keras

from nnkit._validation import as_count, as_number

__all__ = ["PeriodicEmbedding"]


@keras.saving.register_keras_serializable(package="nnkit")
class PeriodicEmbedding(keras.layers.Layer):
    """Each column as a linear map of its own cosines, beside the column itself (PBLD).

    **Shape**

    - Input: (n_batch, n_columns)
    - Output: (n_batch, n_columns * n_units + n_columns), or without the last term if
      ``keeps_input`` is false. The learnt values come first, ``n_units`` for each column in
      the order of the columns; then the columns as they came.

    Parameters
    ----------
    n_frequencies : int, default=16
        Cosines of each column, at least 1.
    n_units : int, default=3
        Learnt values of each column, at least 1.
    sigma : float, default=0.1
        Standard deviation of the first frequencies, in periods per unit of a column; above 0.
        Larger values let the network tell smaller differences apart, and overfit them.
    keeps_input : bool, default=True
        Whether the columns themselves are among the outputs.
    **kwargs : object
        Of ``keras.layers.Layer``.

    Attributes
    ----------
    frequency : keras.Variable of shape (n_columns, n_frequencies)
        Begins as N(0, sigma^2).
    phase : keras.Variable of shape (n_columns, n_frequencies)
        Begins as U(-pi, pi).
    kernel : keras.Variable of shape (n_columns, n_frequencies, n_units)
        Begins as U(-1 / sqrt(n_frequencies), 1 / sqrt(n_frequencies)).
    bias : keras.Variable of shape (n_columns, n_units)
        Begins as the kernel does.

    Notes
    -----
    For column j with frequencies w, phases p, kernel V and bias c:
    h_j = cos(2 pi x_j w_j + p_j) and e_j = h_j V_j + c_j, without an activation. The names of
    the four letters are Periodic, Bias (in the cosine), Linear, DenseNet (the input is kept).

    References
    ----------
    Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep
    Learning", NeurIPS 2022, section 3.3 (periodic embeddings, there with sines and cosines).
    Holzmüller, Grinsztajn, Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted
    Trees on Tabular Data", NeurIPS 2024, section 3 (the PBLD variant).

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import PeriodicEmbedding
    >>> PeriodicEmbedding(n_units=3)(np.ones((5, 2))).shape
    TensorShape([5, 8])
    """

    def __init__(
        self,
        n_frequencies: int = 16,
        n_units: int = 3,
        sigma: float = 0.1,
        keeps_input: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_frequencies = as_count("n_frequencies", n_frequencies)
        self.n_units = as_count("n_units", n_units)
        self.sigma = as_number("sigma", sigma, "(0, inf)")
        self.keeps_input = keeps_input
        # Initializers of their own, since one draws the same numbers at each call.
        limit = 1 / math.sqrt(self.n_frequencies)
        self._frequency_initializer = keras.initializers.RandomNormal(stddev=self.sigma)
        self._phase_initializer = keras.initializers.RandomUniform(-math.pi, math.pi)
        self._kernel_initializer = keras.initializers.RandomUniform(-limit, limit)
        self._bias_initializer = keras.initializers.RandomUniform(-limit, limit)

    def build(self, input_shape: Any) -> None:
        """Make the weights of the cosines and of the linear maps."""
        if len(input_shape) != 2:
            raise ValueError(
                "PeriodicEmbedding needs rows of the shape (n_batch, n_columns). "
                f"Got {tuple(input_shape)} instead: put a Flatten layer before it."
            )
        n_columns = input_shape[1]
        self.frequency = self.add_weight(
            shape=(n_columns, self.n_frequencies),
            initializer=self._frequency_initializer,
            name="frequency",
        )
        self.phase = self.add_weight(
            shape=(n_columns, self.n_frequencies),
            initializer=self._phase_initializer,
            name="phase",
        )
        self.kernel = self.add_weight(
            shape=(n_columns, self.n_frequencies, self.n_units),
            initializer=self._kernel_initializer,
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(n_columns, self.n_units), initializer=self._bias_initializer, name="bias"
        )
        self.built = True

    def call(self, x: Any) -> Any:
        """Return the learnt values of all columns, then the columns."""
        # With the columns first, the linear maps are one batched product that copies nothing:
        # the fastest of four ways on CPUs, by 1.5 for 500 columns.
        angles = 2 * math.pi * keras.ops.transpose(x)[:, :, None] * self.frequency[:, None, :]
        # (n_columns, n_batch, n_frequencies): [h_j = cos(2 pi x_j w_j + p_j)]
        cosines = keras.ops.cos(angles + self.phase[:, None, :])
        # -> (n_columns, n_batch, n_units): [e_j = h_j V_j + c_j]
        learnt = keras.ops.matmul(cosines, self.kernel) + self.bias[:, None, :]
        # -> (n_batch, n_columns * n_units)
        flat = keras.ops.reshape(
            keras.ops.transpose(learnt, (1, 0, 2)), (-1, learnt.shape[0] * self.n_units)
        )
        return keras.ops.concatenate([flat, x], axis=-1) if self.keeps_input else flat

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape with all learnt values, and the columns if they are kept."""
        return (input_shape[0], input_shape[1] * (self.n_units + bool(self.keeps_input)))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this one."""
        return {
            **super().get_config(),
            "n_frequencies": self.n_frequencies,
            "n_units": self.n_units,
            "sigma": self.sigma,
            "keeps_input": self.keeps_input,
        }
