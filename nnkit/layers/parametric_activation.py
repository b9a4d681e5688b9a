"""An activation that each unit mixes with the identity."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["ParametricActivation"]


@keras.saving.register_keras_serializable(package="nnkit")
class ParametricActivation(keras.layers.Layer):
    """A parametric activation: each unit mixes an activation with the identity.

    **Shape**

    - Input: (n_batch, ..., n_units)
    - Output: (n_batch, ..., n_units)

    Parameters
    ----------
    activation : str or callable
        Any argument of ``keras.activations.get``, such as "selu" or "mish".
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Attributes
    ----------
    alpha : keras.Variable of shape (n_units,)
        Weight of the activation for each unit. 1 is the activation, which is the initial value, and
        0 is the identity.

    Notes
    -----
    y_j = z_j + alpha_j (f(z_j) - z_j) = (1 - alpha_j) z_j + alpha_j f(z_j).

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted
    Trees on Tabular Data", NeurIPS 2024, section 3 (parametric activation functions).

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import ParametricActivation
    >>> ParametricActivation("relu")(np.array([[-1.0, 2.0]])).numpy().tolist()
    [[0.0, 2.0]]
    """

    # The output of a row depends on this row only.
    is_rowwise = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Create the weights of the activation."""
        self.alpha = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="alpha")
        self.built = True

    def call(self, z: Any) -> Any:
        """Return the mixture of activation and identity for each unit."""
        return z + self.alpha * (self.activation(z) - z)  # [z + a (f(z) - z)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
        }
