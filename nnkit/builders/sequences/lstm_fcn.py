"""The fully convolutional network beside an LSTM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnkit._validation import as_count, as_fraction
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.sequences.padding import (
    Padding,
    filters_of,
    finished,
    kernel_sizes_of,
    sequence_input,
)

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["lstm_fcn"]


def lstm_fcn(
    meta: Meta,
    units: int = 8,
    filters: Sequence[int] = (128, 256, 128),
    kernel_sizes: int | Sequence[int] = (8, 5, 3),
    dropout_rate: float = 0.8,
    learning_rate: float = 0.002,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a fully convolutional network beside an LSTM (LSTM-FCN), compiled.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    units : int, default=8
        Units of the LSTM, at least 1.
    filters : sequence of int, default=(128, 256, 128)
        Filters of each convolution, each at least 1.
    kernel_sizes : int or sequence of int, default=(8, 5, 3)
        Width of each convolution in steps, at least 1.
    dropout_rate : float, default=0.8
        Fraction in [0, 1) of the outputs of the LSTM that is dropped in training.
    learning_rate : float, default=0.002
        Peak of the learning rate, above 0. It follows one cycle if ``n_steps`` is given.
    weight_decay : float, default=0.01
        Decoupled decay of the kernels per unit of the learning rate, at least 0.
    n_steps : int or None, default=None
        Number of optimizer steps of the training. The estimator passes it. None is a constant
        learning rate.

    Returns
    -------
    model : keras.Model
        From (n_steps, n_channels) to ``n_output_units_`` outputs: probabilities in classification,
        values in regression.

    Raises
    ------
    ValueError
        If an argument is out of its range, or a row does not have two axes.

    Notes
    -----
    The LSTM goes through the channels, with all steps of a channel as its input (the axes of time
    and channels are exchanged). Its last state is concatenated to the mean over the steps of the
    convolutions, see `nnkit.builders.fcn`.

    If ``meta.has_padding_``, padding is 0 before each convolution, and is left out of the statistics
    of BatchNormalization and of the mean, so that the outputs of a sequence do not depend on its
    padding.

    References
    ----------
    F. Karim, S. Majumdar, H. Darabi and S. Chen, "LSTM Fully Convolutional Networks for Time Series
    Classification", IEEE Access 6, 2018, section III.

    Examples
    --------
    >>> from nnkit.builders import Meta, lstm_fcn
    >>> meta = Meta(X_shape_=(60, 150, 1), target_type_="multiclass", n_output_units_=3)
    >>> lstm_fcn(meta).output_shape
    (None, 3)
    """
    import keras

    units = as_count("units", units)
    n_filters = filters_of(filters)
    sizes = kernel_sizes_of(kernel_sizes, n_filters)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    x = inputs = sequence_input(meta)
    padding = Padding.of(meta, inputs)
    for n, size in zip(n_filters, sizes, strict=True):
        x = padding.convolved(x, n, size)
    # (n_batch, n_steps, n_channels) -> (n_batch, n_channels, n_steps)
    state = keras.layers.LSTM(units)(keras.layers.Permute((2, 1))(inputs))
    if dropout_rate > 0:
        state = keras.layers.Dropout(dropout_rate)(state)
    model = finished(meta, inputs, keras.layers.Concatenate()([state, padding.mean(x)]))
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model
