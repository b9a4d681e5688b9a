"""Initial weights of RealMLP, which depend on the training rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    import keras

__all__ = ["initialize_from_rows"]

# Number of rows from which the initial weights are computed. The relative standard error of a
# standard deviation is then about one percent (1 / sqrt(2 n)).
_MAX_ROWS_FOR_INIT = 4096
# Number of training rows in the random convex combination that determines a bias.
_N_ROWS_PER_BIAS = 5
# Rows of one call have about this many values in the largest layer. The cosines of a column are
# taken as 64 values, so that calls are small for tables with many columns.
_MAX_VALUES_PER_CALL, _VALUES_PER_COLUMN = 2**24, 64


def initialize_from_rows(model: keras.Model, X: Any, rng: np.random.Generator) -> None:
    """Initialise kernels and biases from the outputs of training rows, layer by layer.

    Parameters
    ----------
    model : keras.Model
        Network of `realmlp`, whose weights are assigned.
    X : ndarray or sparse array of shape (n_samples, n_columns)
        Encoded training rows. Without rows, the weights are not changed.
    rng : Generator
        Generator of the random draws.
    """
    if X.shape[0] == 0:
        return
    rows = X
    if X.shape[0] > _MAX_ROWS_FOR_INIT:
        rows = X[rng.choice(X.shape[0], _MAX_ROWS_FOR_INIT, replace=False)]
    hidden = _scaled_features(model, rows)
    for layer in model.layers:
        name = layer.name.partition("_")[0]
        if name == "activation":
            hidden = _numpy(layer(hidden))
        elif name in ("hidden", "scores"):
            z = _initialize_dense(layer, hidden, rng)
            if name == "hidden":
                hidden = z


def _scaled_features(model: keras.Model, rows: Any) -> np.ndarray:
    """Return the outputs of the layer "scale" for rows, computed in chunks of rows."""
    import keras

    to_scale = keras.Model(model.input, model.get_layer("scale").output)
    size = max(16, _MAX_VALUES_PER_CALL // (_VALUES_PER_COLUMN * rows.shape[1]))
    chunks = []
    for start in range(0, rows.shape[0], size):
        chunk = rows[start : start + size]
        dense = chunk.toarray() if sparse.issparse(chunk) else chunk
        chunks.append(_numpy(to_scale(dense.astype(np.float32), training=False)))
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def _numpy(tensor: Any) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(tensor)


def _initialize_dense(layer: Any, hidden: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Initialise a linear layer, so that its units have standard deviation 1 on training rows.

    The bias of a unit is minus a random convex combination of its values in a few rows.

    Parameters
    ----------
    layer : NTKDense
        The layer, whose weights are assigned.
    hidden : ndarray of shape (n_rows, n_inputs)
        Inputs of the layer for training rows.
    rng : Generator
        Generator of the random draws.

    Returns
    -------
    z : ndarray of shape (n_rows, n_units)
        Outputs of the layer for these rows.
    """
    n_inputs, n_units = layer.kernel.shape
    normal = rng.standard_normal((n_inputs, n_units), dtype=np.float32)
    z = hidden @ normal / math.sqrt(n_inputs)  # (n_rows, n_inputs) -> (n_rows, n_units)
    deviation = np.std(z, axis=0)
    # A single row, or constant rows, have a deviation of 0.
    deviation = np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)
    z /= deviation
    # [b_j = -sum_i w_ij z_(r_ij) j] with random rows r_ij and weights w_ij that sum to 1.
    picked = rng.integers(len(z), size=(_N_ROWS_PER_BIAS, n_units))
    share = rng.dirichlet(np.ones(_N_ROWS_PER_BIAS), size=n_units).T
    bias = -np.sum(share * z[picked, np.arange(n_units)], axis=0)
    layer.kernel.assign(normal / deviation)
    layer.bias.assign(bias)
    return z + bias.astype(np.float32)
