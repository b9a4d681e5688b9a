"""The fully convolutional network for sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnkit._validation import as_fraction
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

__all__ = ["fcn"]


def fcn(
    meta: Meta,
    filters: Sequence[int] = (128, 256, 128),
    kernel_sizes: int | Sequence[int] = (8, 5, 3),
    dropout_rate: float = 0.0,
    learning_rate: float = 0.002,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a fully convolutional network (FCN), compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    filters : sequence of int, default=(128, 256, 128)
        Filters of each convolution, each at least 1.
    kernel_sizes : int or sequence of int, default=(8, 5, 3)
        Width of each convolution in steps, at least 1.
    dropout_rate : float, default=0.0
        Fraction in [0, 1) of the pooled channels that is dropped in training.
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
    Each convolution is followed by BatchNormalization and ReLU. The mean over the steps of the last
    one is the input of the output layer.

    If ``meta.has_padding_``, padding is 0 before each convolution, and is left out of the statistics
    of BatchNormalization and of the mean, so that the outputs of a sequence do not depend on its
    padding.

    References
    ----------
    Z. Wang, W. Yan and T. Oates, "Time Series Classification from Scratch with Deep Neural
    Networks: A Strong Baseline", IJCNN 2017, section II.B. The source has a constant learning rate.

    Examples
    --------
    >>> from nnkit.builders import Meta, fcn
    >>> meta = Meta(X_shape_=(60, 150, 1), target_type_="multiclass", n_output_units_=3)
    >>> fcn(meta).output_shape
    (None, 3)
    """
    n_filters = filters_of(filters)
    sizes = kernel_sizes_of(kernel_sizes, n_filters)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    x = inputs = sequence_input(meta)
    padding = Padding.of(meta, inputs)
    for n, size in zip(n_filters, sizes, strict=True):
        x = padding.convolved(x, n, size)
    model = finished(meta, inputs, padding.mean(x), dropout_rate)
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model
