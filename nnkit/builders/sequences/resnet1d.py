"""The residual network for sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_counts, as_fraction
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.sequences.padding import Padding, filters_of, finished, sequence_input

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["resnet1d"]


def resnet1d(
    meta: Meta,
    filters: Sequence[int] = (64, 128, 128),
    kernel_sizes: Sequence[int] = (8, 5, 3),
    dropout_rate: float = 0.0,
    learning_rate: float = 0.002,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a residual network (ResNet) for sequences, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    filters : sequence of int, default=(64, 128, 128)
        Filters of each residual block, each at least 1.
    kernel_sizes : sequence of int, default=(8, 5, 3)
        Widths in steps of the convolutions of each block, each at least 1.
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
    A block has a convolution with BatchNormalization for each width. ReLU follows each of them, the
    last one after the input of the block is added. Where the number of channels changes, the input
    passes through a convolution of width 1 with BatchNormalization.

    If ``meta.has_padding_``, padding is 0 before each convolution, and is left out of the statistics
    of BatchNormalization and of the mean, so that the outputs of a sequence do not depend on its
    padding.

    References
    ----------
    Z. Wang, W. Yan and T. Oates, "Time Series Classification from Scratch with Deep Neural
    Networks: A Strong Baseline", IJCNN 2017, section II.C. The source has a constant learning rate.

    Examples
    --------
    >>> from nnkit.builders import Meta, resnet1d
    >>> meta = Meta(X_shape_=(60, 150, 1), target_type_="multiclass", n_output_units_=3)
    >>> resnet1d(meta).output_shape
    (None, 3)
    """
    n_filters = filters_of(filters)
    sizes = as_counts("kernel_sizes", kernel_sizes)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    x = inputs = sequence_input(meta)
    padding = Padding.of(meta, inputs)
    for n in n_filters:
        x = _block(padding, x, n, sizes)
    model = finished(meta, inputs, padding.mean(x), dropout_rate)
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model


def _block(padding: Padding, x: Any, n_filters: int, sizes: tuple[int, ...]) -> Any:
    import keras

    hidden = x
    for position, size in enumerate(sizes, start=1):
        hidden = padding.convolved(
            hidden, n_filters, size, "relu" if position < len(sizes) else None
        )
    if x.shape[-1] != n_filters:
        x = padding.convolved(x, n_filters, 1, activation=None)
    return keras.layers.ReLU()(keras.layers.Add()([x, hidden]))
