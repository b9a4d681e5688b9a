"""Layers for sequences that are padded with zeros at the end: masks, pooling, positions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from nnkit._validation import as_count

__all__ = [
    "MaskedAveragePooling1D",
    "MaskedBatchNormalization",
    "MaskedMaxPooling1D",
    "SinusoidalPositions",
    "StepMask",
    "StepValues",
]

# Wavelengths of positions are a geometric series up to 2 pi times this number.
_LONGEST = 10_000.0
# Lowest finite value by dtype, which is below all others.
_LOWEST = {"float16": -65504.0, "float32": -3.0e38}


@keras.saving.register_keras_serializable(package="nnkit")
class StepMask(keras.layers.Layer):
    """The mask of steps: 1 for a step of a sequence, 0 for padding.

    **Shape**

    - Input: (n_batch, n_steps, n_channels)
    - Output: (n_batch, n_steps, 1)

    Parameters
    ----------
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Notes
    -----
    A step is padding if it is 0 in all channels. `nnkit.encoding.SequenceEncoder` encodes sequences
    so that this holds for padding only.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import StepMask
    >>> StepMask()(np.array([[[0.0, 2.0], [0.0, 0.0]]])).numpy().tolist()
    [[[1.0], [0.0]]]
    """

    # The output of a row depends on this row only.
    is_rowwise = True

    def __init__(self, **kwargs: Any) -> None:
        # Without autocast=False, mixed precision could round small values to 0.
        super().__init__(autocast=False, **kwargs)

    def call(self, x: Any) -> Any:
        """Return the mask in the compute dtype."""
        return ops.cast(ops.any(ops.not_equal(x, 0), axis=-1, keepdims=True), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape with one channel."""
        return (*input_shape[:-1], 1)


class _MaskedPooling(keras.layers.Layer):
    """A pooling of the steps of a sequence that are not padding, to one value a channel."""

    # The output of a row depends on this row only.
    is_rowwise = True

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """Return None, because the output has no steps. A mask of Keras is accepted."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape without steps."""
        n_batch, _, n_channels = input_shape[0]
        return (n_batch, n_channels)


@keras.saving.register_keras_serializable(package="nnkit")
class MaskedAveragePooling1D(_MaskedPooling):
    """The mean of each channel over the steps that are not padding.

    **Shape**

    - Inputs: a list of (n_batch, n_steps, n_channels) and the mask (n_batch, n_steps, 1)
    - Output: (n_batch, n_channels)

    Parameters
    ----------
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Notes
    -----
    y = Σ mₜ xₜ / max(1, Σ mₜ), with the mask m from `StepMask`. A sequence of padding only has the
    mean 0, where ``keras.layers.GlobalAveragePooling1D`` has NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import MaskedAveragePooling1D
    >>> x, mask = np.array([[[2.0], [4.0], [9.0]]]), np.array([[[1.0], [1.0], [0.0]]])
    >>> MaskedAveragePooling1D()([x, mask]).numpy().tolist()
    [[3.0]]
    """

    def call(self, inputs: Any) -> Any:
        """Return the means."""
        x, mask = inputs
        # [y = sum m x / sum m]: (n_batch, n_steps, n_channels) -> (n_batch, n_channels)
        return ops.sum(x * mask, axis=1) / ops.maximum(ops.sum(mask, axis=1), 1.0)


@keras.saving.register_keras_serializable(package="nnkit")
class MaskedMaxPooling1D(_MaskedPooling):
    """The maximum of each channel over the steps that are not padding.

    **Shape**

    - Inputs: a list of (n_batch, n_steps, n_channels) and the mask (n_batch, n_steps, 1)
    - Output: (n_batch, n_channels), or (n_batch, n_steps, n_channels) with ``pool_size``

    Parameters
    ----------
    pool_size : int or None, default=None
        Width of a window that moves by one step, with as many steps in the output as in the input.
        None is the whole sequence.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Notes
    -----
    Padding and windows without any step have the value 0.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import MaskedMaxPooling1D
    >>> x, mask = np.array([[[-2.0], [-4.0], [9.0]]]), np.array([[[1.0], [1.0], [0.0]]])
    >>> MaskedMaxPooling1D()([x, mask]).numpy().tolist()
    [[-2.0]]
    >>> MaskedMaxPooling1D(pool_size=3)([x, mask]).numpy().tolist()
    [[[-2.0], [-2.0], [0.0]]]
    """

    def __init__(self, pool_size: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size = (
            None
            if pool_size is None
            else as_count("pool_size", pool_size, alternatives=", or None")
        )

    def call(self, inputs: Any) -> Any:
        """Return the maxima."""
        x, mask = inputs
        is_step = mask > 0
        filled = ops.where(is_step, x, _LOWEST.get(self.compute_dtype, _LOWEST["float32"]))
        if self.pool_size is None:
            return ops.where(ops.any(is_step, axis=1), ops.max(filled, axis=1), 0.0)
        pooled = ops.max_pool(filled, self.pool_size, strides=1, padding="same")
        return ops.where(is_step, pooled, 0.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape without steps, or that of the input with ``pool_size``."""
        if self.pool_size is None:
            return super().compute_output_shape(input_shape)
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {**super().get_config(), "pool_size": self.pool_size}


@keras.saving.register_keras_serializable(package="nnkit")
class MaskedBatchNormalization(keras.layers.BatchNormalization):
    """BatchNormalization with the statistics of the steps that are not padding.

    **Shape**

    - Inputs: a list of (n_batch, n_steps, n_channels) and the mask (n_batch, n_steps, 1)
    - Output: (n_batch, n_steps, n_channels)

    Notes
    -----
    It computes what ``keras.layers.BatchNormalization`` computes with the argument ``mask``, but
    the mask is an input. An argument would be passed on to the next layer, and convolutions warn of
    masks.

    References
    ----------
    S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
    Internal Covariate Shift", ICML 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import MaskedBatchNormalization
    >>> x, mask = np.array([[[2.0], [4.0], [9.0]]]), np.array([[[1.0], [1.0], [0.0]]])
    >>> MaskedBatchNormalization()([x, mask], training=True).numpy().round(2)[0, :2].tolist()
    [[-1.0], [1.0]]
    """

    def build(self, input_shape: Any) -> None:
        """Create the statistics and the learnt scale and offset of the channels."""
        super().build(input_shape[0])
        self.input_spec = None  # that of a single input

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the normalised steps. Values of padding are normalised too."""
        x, mask = inputs
        # (n_batch, n_steps, 1) -> (n_batch, n_steps)
        return super().call(x, training=training, mask=ops.squeeze(mask, axis=-1))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the steps."""
        return tuple(input_shape[0])


@keras.saving.register_keras_serializable(package="nnkit")
class StepValues(keras.layers.Layer):
    """One value for each step, without the axis of channels and without a mask.

    **Shape**

    - Input: (n_batch, n_steps, 1)
    - Output: (n_batch, n_steps)

    Parameters
    ----------
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import StepValues
    >>> StepValues()(np.zeros((2, 5, 1))).shape
    TensorShape([2, 5])
    """

    # The output of a row depends on this row only.
    is_rowwise = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x: Any) -> Any:
        """Return the values."""
        return ops.squeeze(x, axis=-1)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        """Return None: losses of values have one weight a row, and take no mask of steps."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape without channels."""
        return tuple(input_shape[:-1])


@keras.saving.register_keras_serializable(package="nnkit")
class SinusoidalPositions(keras.layers.Layer):
    r"""Adds sines and cosines of the position of a step to its channels.

    **Shape**

    - Input: (n_batch, n_steps, n_channels)
    - Output: (n_batch, n_steps, n_channels)

    Parameters
    ----------
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Notes
    -----
    Step :math:`t = 0, 1, \dots` adds :math:`\sin(t / 10000^{2 i / d})` to channel :math:`2 i`, and
    the cosine of the same angle to channel :math:`2 i + 1`, with :math:`d` channels.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.5.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import SinusoidalPositions
    >>> SinusoidalPositions()(np.zeros((1, 2, 2))).numpy().round(3).tolist()
    [[[0.0, 1.0], [0.8410000205039978, 0.5400000214576721]]]
    """

    # The output of a row depends on this row only.
    is_rowwise = True

    def build(self, input_shape: Any) -> None:
        """Compute the positions."""
        self._table = _positions(int(input_shape[1]), int(input_shape[2]))
        self.built = True

    def call(self, x: Any) -> Any:
        """Return the channels with positions."""
        return x + ops.cast(self._table, x.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return tuple(input_shape)


def _positions(n_steps: int, n_channels: int) -> np.ndarray:
    """Return the table of sines and cosines: (n_steps, n_channels)."""
    channels = np.arange(n_channels)
    # [t / 10000^(2 i / d)]
    angles = np.arange(n_steps)[:, np.newaxis] / _LONGEST ** (channels // 2 * 2 / n_channels)
    table: np.ndarray = np.where(channels % 2 == 0, np.sin(angles), np.cos(angles))
    return table.astype(np.float32)
