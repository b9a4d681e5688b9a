"""The Inception network for sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_count, as_counts, as_fraction
from nnkit.builders.optimization import compile_with_schedule
from nnkit.builders.sequences.padding import Padding, finished, sequence_input

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["inception_time"]


def inception_time(
    meta: Meta,
    n_modules: int = 6,
    n_filters: int = 32,
    kernel_sizes: Sequence[int] = (40, 20, 10),
    bottleneck_size: int = 32,
    dropout_rate: float = 0.0,
    learning_rate: float = 0.002,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a network of InceptionTime, compiled with its optimizer.

    InceptionTime is the mean of five such networks, which ``model="inception_time"`` trains.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    n_modules : int, default=6
        Number of Inception modules, at least 1. A residual connection goes over every third one.
    n_filters : int, default=32
        Filters of each convolution of a module, at least 1.
    kernel_sizes : sequence of int, default=(40, 20, 10)
        Widths in steps of the parallel convolutions of a module, each at least 1.
    bottleneck_size : int, default=32
        Channels to which a convolution of width 1 reduces the input of the parallel convolutions,
        at least 1. An input of one channel is not reduced.
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
    A module concatenates the parallel convolutions and a convolution of width 1 of the maxima of
    three steps, followed by BatchNormalization and ReLU.

    If ``meta.has_padding_``, padding is 0 before each convolution, and is left out of the statistics
    of BatchNormalization and of the mean, so that the outputs of a sequence do not depend on its
    padding.

    References
    ----------
    H. Ismail Fawaz et al., "InceptionTime: Finding AlexNet for Time Series Classification", Data
    Mining and Knowledge Discovery 34, 2020, section 3. The source has a constant learning rate that
    is halved on plateaus.

    Examples
    --------
    >>> from nnkit.builders import Meta, inception_time
    >>> meta = Meta(X_shape_=(60, 150, 1), target_type_="multiclass", n_output_units_=3)
    >>> inception_time(meta, n_modules=3).output_shape
    (None, 3)
    """
    sizes = as_counts("kernel_sizes", kernel_sizes)
    n_modules, n_filters = as_count("n_modules", n_modules), as_count("n_filters", n_filters)
    bottleneck_size = as_count("bottleneck_size", bottleneck_size)
    dropout_rate = as_fraction("dropout_rate", dropout_rate)
    x = inputs = sequence_input(meta)
    padding = Padding.of(meta, inputs)
    start = x
    for position in range(1, n_modules + 1):
        x = _module(padding, x, n_filters, sizes, bottleneck_size)
        if position % 3 == 0:
            x = start = _with_shortcut(padding, start, x)
    model = finished(meta, inputs, padding.mean(x), dropout_rate)
    compile_with_schedule(model, learning_rate, weight_decay, n_steps)
    return model


def _module(
    padding: Padding, x: Any, n_filters: int, sizes: tuple[int, ...], bottleneck_size: int
) -> Any:
    import keras

    def convolution(values: Any, n: int, size: int) -> Any:
        layer = keras.layers.Conv1D(n, size, padding="same", use_bias=False)
        return layer(padding.removed(values))

    narrow = convolution(x, bottleneck_size, 1) if x.shape[-1] > 1 else x
    branches = [convolution(narrow, n_filters, size) for size in sizes]
    branches.append(convolution(padding.largest(x, 3), n_filters, 1))
    joined = keras.layers.Concatenate()(branches)
    return keras.layers.ReLU()(padding.normalized(joined))


def _with_shortcut(padding: Padding, start: Any, x: Any) -> Any:
    import keras

    shortcut = padding.convolved(start, x.shape[-1], 1, activation=None)
    return keras.layers.ReLU()(keras.layers.Add()([shortcut, x]))
