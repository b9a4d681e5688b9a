"""A factor for each column."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["Scale"]


@keras.saving.register_keras_serializable(package="nnkit")
class Scale(keras.layers.Layer):
    """Multiplies each column by a factor of its own, which is learnt and begins at 1.

    **Shape**

    - Input: (n_batch, ..., n_columns)
    - Output: (n_batch, ..., n_columns)

    Parameters
    ----------
    **kwargs : object
        Of ``keras.layers.Layer``: ``name``, ``dtype``, ``trainable``.

    Attributes
    ----------
    scale : keras.Variable of shape (n_columns,)
        The factors.

    Notes
    -----
    y_j = s_j x_j: a layer before the first linear one that lets a network turn columns down.
    Adam moves every factor at the same pace, however small the gradients of its column are.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted
    Trees on Tabular Data", NeurIPS 2024, section 3 (scaling layer).

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import Scale
    >>> Scale()(np.ones((5, 3))).shape
    TensorShape([5, 3])
    """

    def build(self, input_shape: Any) -> None:
        """Make the factors."""
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        self.built = True

    def call(self, x: Any) -> Any:
        """Return the scaled columns."""
        return x * self.scale  # [y = diag(s) x]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return tuple(input_shape)
