"""Piecewise linear embeddings of numeric columns."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from nnkit._validation import as_count

__all__ = ["PiecewiseLinearEmbedding", "bin_edges"]

# Ends of the equal bins of a layer that is not adapted: the range of clipped standardised columns.
_RANGE = 3.0


def bin_edges(X: Any, n_bins: int) -> np.ndarray:
    """Return the edges of the bins of each column: its distinct quantiles.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_columns)
        Finite numbers.
    n_bins : int
        Largest number of bins, at least 1.

    Returns
    -------
    edges : ndarray of shape (n_columns, n_bins + 1), float32
        In ascending order. Of a column with fewer bins, the last edge is repeated.

    Examples
    --------
    >>> from nnkit.layers.piecewise_linear import bin_edges
    >>> bin_edges([[0.0], [1.0], [2.0], [3.0], [4.0]], 2).tolist()
    [[0.0, 2.0, 4.0]]
    >>> bin_edges([[0.0], [1.0], [0.0], [1.0]], 3).tolist()
    [[0.0, 1.0, 1.0, 1.0]]
    """
    columns = np.asarray(X, dtype=np.float32).T
    fractions = np.linspace(0, 1, n_bins + 1)
    edges = np.empty((len(columns), n_bins + 1), dtype=np.float32)
    for column, values in enumerate(columns):
        distinct = np.unique(np.quantile(values, fractions).astype(np.float32))
        edges[column, : len(distinct)] = distinct
        edges[column, len(distinct) :] = distinct[-1]
    return edges


@keras.saving.register_keras_serializable(package="nnkit")
class PiecewiseLinearEmbedding(keras.layers.Layer):
    """Piecewise linear embedding: a linear map of each column that changes at the bins' edges.

    Call `adapt` with the training rows, which sets the edges to their quantiles.

    **Shape**

    - Input: (n_batch, n_columns)
    - Output: (n_batch, n_columns * n_units), the values of each column in the order of the columns.

    Parameters
    ----------
    n_bins : int, default=48
        Largest number of bins of a column, at least 1. Columns with fewer distinct quantiles have
        fewer bins.
    n_units : int, default=16
        Number of embedded values of each column, at least 1.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Attributes
    ----------
    edges : keras.Variable of shape (n_columns, n_bins + 1)
        Edges of the bins, which are not trained. Before `adapt`, they divide [-3, 3] equally.
    scale, bias : keras.Variable of shape (n_columns, n_units)
        Weights of the linear part, initialised from U(-1 / sqrt(n_units), 1 / sqrt(n_units)).
    kernel : keras.Variable of shape (n_columns, n_bins, n_units)
        Weights of the piecewise linear part, initialised with 0.

    Notes
    -----
    For a column x with the edges b_0 < ... < b_T, the encoding has the components
    PLE_t = (x - b_{t-1}) / (b_t - b_{t-1}), limited to [0, 1]; below 0 it is not limited for t = 1,
    and above 1 not for t = T, so that the function goes on outside of the bins. The embedding is
    e = x w + c + PLE(x) V, without an activation. Thus the network begins with a linear embedding.
    A constant column has no bins.

    References
    ----------
    Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
    NeurIPS 2022, section 3.1, equation 1. The linear part and the zeros in V are version "B" of the
    authors' package rtdl_num_embeddings.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import PiecewiseLinearEmbedding
    >>> layer = PiecewiseLinearEmbedding(n_bins=4, n_units=3)
    >>> layer.adapt(np.random.default_rng(0).normal(size=(100, 2)))
    >>> layer(np.ones((5, 2))).shape
    TensorShape([5, 6])
    """

    # The output of a row depends on this row only.
    is_rowwise = True

    def __init__(self, n_bins: int = 48, n_units: int = 16, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_bins = as_count("n_bins", n_bins)
        self.n_units = as_count("n_units", n_units)
        # One initializer for each weight, because an instance draws the same numbers in each call.
        limit = 1 / math.sqrt(self.n_units)
        self._scale_initializer = keras.initializers.RandomUniform(-limit, limit)
        self._bias_initializer = keras.initializers.RandomUniform(-limit, limit)

    def build(self, input_shape: Any) -> None:
        """Create the edges and the weights."""
        if len(input_shape) != 2:
            raise ValueError(
                "The input of PiecewiseLinearEmbedding must have the shape (n_batch, n_columns). "
                f"Got {tuple(input_shape)} instead. Add a Flatten layer before it."
            )
        n_columns = input_shape[1]
        self.edges = self.add_weight(
            shape=(n_columns, self.n_bins + 1),
            initializer=self._equal_edges,
            trainable=False,
            name="edges",
        )
        self.scale = self.add_weight(
            shape=(n_columns, self.n_units), initializer=self._scale_initializer, name="scale"
        )
        self.bias = self.add_weight(
            shape=(n_columns, self.n_units), initializer=self._bias_initializer, name="bias"
        )
        self.kernel = self.add_weight(
            shape=(n_columns, self.n_bins, self.n_units), initializer="zeros", name="kernel"
        )
        self.built = True

    def _equal_edges(self, shape: Any, dtype: Any = None) -> Any:
        edges = np.linspace(-_RANGE, _RANGE, self.n_bins + 1)
        return keras.ops.cast(np.broadcast_to(edges, shape), dtype)

    def adapt(self, X: Any) -> None:
        """Set the edges of the bins to quantiles of the columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_columns)
            Training rows, finite.

        Raises
        ------
        ValueError
            If X does not have two axes and at least one row, or has NaN or infinite values.
        """
        values = np.asarray(X)
        if values.ndim != 2 or 0 in values.shape or not np.isfinite(values).all():
            raise ValueError(
                "X must be a table of finite numbers, with a row at least. Got the shape "
                f"{values.shape} instead, or values that are NaN or infinite."
            )
        if not self.built:
            self.build((None, values.shape[1]))
        self.edges.assign(bin_edges(values, self.n_bins))

    def call(self, x: Any) -> Any:
        """Return the embedded values of all columns."""
        ops = keras.ops
        # (n_columns, 1, n_bins)
        lower, upper = self.edges[:, None, :-1], self.edges[:, None, 1:]
        width = upper - lower
        is_bin = width > 0
        slope = ops.where(is_bin, 1 / ops.where(is_bin, width, ops.ones_like(width)), 0.0)
        # With the columns as the first axis, as in `PeriodicEmbedding`.
        columns = ops.transpose(x)[:, :, None]
        # (n_columns, n_batch, n_bins): [PLE_t = (x - b_{t-1}) / (b_t - b_{t-1})]
        parts = (columns - lower) * slope
        is_first = np.arange(self.n_bins) == 0
        is_last = ops.logical_and(is_bin, upper >= self.edges[:, None, -1:])
        parts = ops.where(ops.logical_or(is_first, parts > 0), parts, 0.0)
        parts = ops.where(ops.logical_or(is_last, parts < 1), parts, 1.0)
        # -> (n_columns, n_batch, n_units): [e = x w + c + PLE(x) V]
        linear = columns * self.scale[:, None, :] + self.bias[:, None, :]
        embedded = linear + ops.matmul(parts, self.kernel)
        # -> (n_batch, n_columns * n_units)
        return ops.reshape(
            ops.transpose(embedded, (1, 0, 2)), (-1, embedded.shape[0] * self.n_units)
        )

    @property
    def n_intermediate_values(self) -> int:
        """Number of components of the encoding of a row."""
        return int(self.edges.shape[0]) * self.n_bins if self.built else 0

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the embedded values."""
        return (input_shape[0], input_shape[1] * self.n_units)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {**super().get_config(), "n_bins": self.n_bins, "n_units": self.n_units}
