"""A learnt factor of each column."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["Scale"]


@keras.saving.register_keras_serializable(package="nnkit")
class Scale(keras.layers.Layer):
    """A diagonal linear layer: multiplies each column by a learnt factor, initially 1.

    **Shape**

    - Input: (n_batch, ..., n_columns)
    - Output: (n_batch, ..., n_columns)

    Parameters
    ----------
    **kwargs : object
        Arguments of ``keras.layers.Layer``: ``name``, ``dtype`` and ``trainable``.

    Attributes
    ----------
    scale : keras.Variable of shape (n_columns,)
        Factors of the columns.

    Notes
    -----
    y_j = s_j x_j. Before the first linear layer, the factors can reduce the influence of columns.
    Steps of Adam have the same size for each factor, also for columns with small gradients.

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

    # The output of a row depends on this row only.
    is_rowwise = True

    def build(self, input_shape: Any) -> None:
        """Create the factors."""
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")
        self.built = True

    def call(self, x: Any) -> Any:
        """Return the scaled columns."""
        return x * self.scale  # [y = diag(s) x]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return tuple(input_shape)
