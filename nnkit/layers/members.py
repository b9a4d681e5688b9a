"""Layers of several networks in one, the members of TabM, which share most of their weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from nnkit._validation import as_count, as_counts

__all__ = ["MemberDense", "MemberScale"]


@keras.saving.register_keras_serializable(package="nnkit")
class MemberScale(keras.layers.Layer):
    """The first layer of several members: each multiplies the columns by factors of its own.

    In training, a row goes through one member: row i of a batch through member i mod n_members. In
    prediction, a row goes through all of them.

    **Shape**

    - Input: (n_batch, n_columns)
    - Output: (n_batch, n_columns) in training; in prediction (n_batch * n_members, n_columns), the
      members of a row one after the other.

    Parameters
    ----------
    n_members : int
        Number of members, at least 1.
    chunk_sizes : sequence of int or None, default=None
        Number of columns of each feature. The initial factors of a feature are equal. None is a
        feature for each column.
    is_random_sign : bool, default=False
        Whether initial factors are -1 or 1, instead of draws from N(0, 1).
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Attributes
    ----------
    factors : keras.Variable of shape (n_members, n_columns)
        Factors of the columns for each member.

    Notes
    -----
    y = r_k ⊙ x for the member k. Everything between this layer and `MemberDense` is shared. For
    embedded features, the authors draw r from N(0, 1), otherwise random signs.

    References
    ----------
    Y. Gorishniy, A. Kotelnikov, A. Babenko, "TabM: Advancing Tabular Deep Learning with
    Parameter-Efficient Ensembling", ICLR 2025 (arXiv:2410.24210), section 3.3 (TabM-mini).

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import MemberScale
    >>> layer = MemberScale(n_members=4)
    >>> layer(np.ones((6, 3)), training=True).shape
    TensorShape([6, 3])
    >>> layer(np.ones((6, 3)), training=False).shape
    TensorShape([24, 3])
    """

    # Rows of a batch do not depend on each other's values.
    is_rowwise = True

    def __init__(
        self,
        n_members: int,
        chunk_sizes: Sequence[int] | None = None,
        is_random_sign: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_members = as_count("n_members", n_members)
        self.chunk_sizes = None if chunk_sizes is None else as_counts("chunk_sizes", chunk_sizes)
        self.is_random_sign = is_random_sign
        self._initializer = keras.initializers.RandomNormal(stddev=1.0)

    def build(self, input_shape: Any) -> None:
        """Create the factors."""
        n_columns = input_shape[-1]
        if self.chunk_sizes is not None and sum(self.chunk_sizes) != n_columns:
            raise ValueError(
                f"chunk_sizes must have the sum {n_columns}, the number of columns. "
                f"Got {self.chunk_sizes} instead."
            )
        self.factors = self.add_weight(
            shape=(self.n_members, n_columns), initializer=self._initial, name="factors"
        )
        self.built = True

    def _initial(self, shape: Any, dtype: Any = None) -> Any:
        ops = keras.ops
        sizes = self.chunk_sizes or (1,) * shape[1]
        drawn = self._initializer((self.n_members, len(sizes)), dtype=dtype)
        if self.is_random_sign:
            drawn = ops.where(drawn < 0, -ops.ones_like(drawn), ops.ones_like(drawn))
        return ops.take(drawn, np.repeat(np.arange(len(sizes)), sizes), axis=1)

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the scaled columns of the member of each row, or of all members."""
        ops = keras.ops
        if training:
            # A product, because the gradient of a lookup is sparse.
            return x * ops.matmul(_one_hot_members(x, self.n_members), self.factors)
        # (n_batch, 1, n_columns) * (n_members, n_columns) -> (n_batch * n_members, n_columns)
        return ops.reshape(x[:, None, :] * self.factors, (-1, x.shape[-1]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the scaled columns, with any number of rows."""
        return (None, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {
            **super().get_config(),
            "n_members": self.n_members,
            "chunk_sizes": self.chunk_sizes,
            "is_random_sign": self.is_random_sign,
        }


@keras.saving.register_keras_serializable(package="nnkit")
class MemberDense(keras.layers.Layer):
    """The last layer of several members: a linear layer and an activation for each.

    Its input comes from `MemberScale`. In prediction, it returns the mean over the members.

    **Shape**

    - Input: (n_batch, n_columns) in training; in prediction (n_batch * n_members, n_columns)
    - Output: (n_batch, n_units)

    Parameters
    ----------
    n_members : int
        Number of members, at least 1, as in `MemberScale`.
    n_units : int
        Number of output units, at least 1.
    activation : str, callable or None, default=None
        Activation of the units, before the mean.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Attributes
    ----------
    kernel : keras.Variable of shape (n_members, n_columns, n_units)
        Weights, initialised from U(-1 / sqrt(n_columns), 1 / sqrt(n_columns)).
    bias : keras.Variable of shape (n_members, n_units)
        Biases, from the same distribution.

    Notes
    -----
    For the member k, y = f(x W_k + b_k). The loss of a training row is that of its member: the mean
    of the losses of members is minimised, and not the loss of their mean.

    References
    ----------
    Y. Gorishniy, A. Kotelnikov, A. Babenko, "TabM: Advancing Tabular Deep Learning with
    Parameter-Efficient Ensembling", ICLR 2025 (arXiv:2410.24210), section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import MemberDense
    >>> layer = MemberDense(n_members=4, n_units=2, activation="softmax")
    >>> layer(np.ones((6, 3)), training=True).shape
    TensorShape([6, 2])
    >>> layer(np.ones((24, 3)), training=False).shape
    TensorShape([6, 2])
    """

    is_rowwise = True

    def __init__(self, n_members: int, n_units: int, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_members = as_count("n_members", n_members)
        self.n_units = as_count("n_units", n_units)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Create the weights."""
        n_columns = input_shape[-1]
        limit = 1 / math.sqrt(n_columns)
        # One initializer for each weight, because an instance draws the same numbers in each call.
        self.kernel = self.add_weight(
            shape=(self.n_members, n_columns, self.n_units),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.n_members, self.n_units),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="bias",
        )
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the outputs of the member of each row, or the mean of all members."""
        ops = keras.ops
        if training:
            return self.activation(self._of_own_member(x))
        # (n_batch * n_members, n_columns) -> (n_members, n_batch, n_columns)
        by_member = ops.reshape(x, (-1, self.n_members, x.shape[-1]))
        scores = ops.matmul(ops.transpose(by_member, (1, 0, 2)), self.kernel)
        return ops.mean(self.activation(scores + self.bias[:, None, :]), axis=0)

    def _of_own_member(self, x: Any) -> Any:
        """Return the scores of row i by the member i mod n_members."""
        ops = keras.ops
        # One product with the kernels of all members is faster than a kernel for each row.
        kernels = ops.reshape(ops.transpose(self.kernel, (1, 0, 2)), (x.shape[-1], -1))
        # (n_batch, n_members * n_units) -> (n_batch, n_members, n_units)
        scores = ops.reshape(ops.matmul(x, kernels), (-1, self.n_members, self.n_units)) + self.bias
        is_own = _one_hot_members(x, self.n_members)
        return ops.sum(scores * is_own[:, :, None], axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:  # noqa: ARG002
        """Return the shape of the outputs, with any number of rows."""
        return (None, self.n_units)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {
            **super().get_config(),
            "n_members": self.n_members,
            "n_units": self.n_units,
            "activation": keras.activations.serialize(self.activation),
        }


def _one_hot_members(x: Any, n_members: int) -> Any:
    """Return 1 for the member of each row of a training batch, (n_batch, n_members)."""
    ops = keras.ops
    return ops.one_hot(ops.arange(ops.shape(x)[0]) % n_members, n_members, dtype=x.dtype)
