"""A linear layer in the neural tangent parametrization."""

from __future__ import annotations

import math
from typing import Any

import keras

from nnkit._validation import as_count
from nnkit.layers.initialization import find_initializer

__all__ = ["NTKDense"]


@keras.saving.register_keras_serializable(package="nnkit")
class NTKDense(keras.layers.Layer):
    """A linear layer in the neural tangent parametrization: weights of size 1 at any width.

    **Shape**

    - Input: (n_batch, ..., n_inputs)
    - Output: (n_batch, ..., units)

    Parameters
    ----------
    units : int
        Number of outputs, at least 1.
    use_bias : bool, default=True
        Whether to add a bias.
    kernel_initializer : str or keras.initializers.Initializer, default="standard_normal"
        Initializer of the kernel. "standard_normal" is N(0, 1).
    bias_initializer : str or keras.initializers.Initializer, default="zeros"
        Initializer of the bias. RealMLP-TD-S uses "standard_normal".
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Attributes
    ----------
    kernel : keras.Variable of shape (n_inputs, units)
        Weights before the division by the square root of ``n_inputs``.
    bias : keras.Variable of shape (units,), or None
        Bias, which is added after the division.

    Notes
    -----
    z = x W / sqrt(n_inputs) + b. Like small initial weights in the usual parametrization, the
    factor keeps the outputs at the scale of the inputs. The weights themselves have size 1, so that
    a step of Adam changes them by the same fraction in narrow and in wide layers.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted
    Trees on Tabular Data", NeurIPS 2024, section 3 (neural tangent parametrization).

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import NTKDense
    >>> NTKDense(4)(np.ones((5, 3))).shape
    TensorShape([5, 4])
    """

    # The output of a row depends on this row only.
    is_rowwise = True

    def __init__(
        self,
        units: int,
        use_bias: bool = True,
        kernel_initializer: Any = "standard_normal",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = as_count("units", units)
        self.use_bias = use_bias
        self.kernel_initializer = find_initializer(kernel_initializer)
        self.bias_initializer = find_initializer(bias_initializer)

    def build(self, input_shape: Any) -> None:
        """Create the kernel and the bias."""
        n_inputs = input_shape[-1]
        self.kernel = self.add_weight(
            shape=(n_inputs, self.units), initializer=self.kernel_initializer, name="kernel"
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.units,), initializer=self.bias_initializer, name="bias"
            )
        self.built = True

    def call(self, x: Any) -> Any:
        """Return the outputs."""
        # [z = W x / sqrt(n_inputs) + b], W stored as Keras does: (n_inputs, units)
        scores = keras.ops.matmul(x, self.kernel) / math.sqrt(self.kernel.shape[0])
        return scores if self.bias is None else scores + self.bias

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input with ``units`` as its last axis."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
