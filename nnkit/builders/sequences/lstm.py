"""The LSTM network for sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnkit.builders.sequences.recurrence import recurrent_network

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["lstm"]


def lstm(
    meta: Meta,
    units: int | Sequence[int] = 64,
    bidirectional: bool = True,
    dropout_rate: float = 0.2,
    return_sequences: bool = False,
    learning_rate: float = 0.005,
    weight_decay: float = 0.01,
    n_steps: int | None = None,
) -> keras.Model:
    """Return a network of LSTM layers, compiled with its optimizer.

    Parameters
    ----------
    meta : Meta
        Facts about the data. The estimator passes them.
    units : int or sequence of int, default=64
        Units of each LSTM layer, at least 1, in each direction.
    bidirectional : bool, default=True
        Whether a second LSTM in each layer goes through the steps in reverse.
    dropout_rate : float, default=0.2
        Fraction in [0, 1) of the outputs of each LSTM layer that is dropped in training.
    return_sequences : bool, default=False
        Whether the network has an output for each step, for a target of shape (n_samples, n_steps).
        Padding is left out of the loss of class labels, not of that of values.
    learning_rate : float, default=0.005
        Peak of the learning rate, above 0. It follows one cycle if ``n_steps`` is given.
    weight_decay : float, default=0.01
        Decoupled decay of the kernels per unit of the learning rate, at least 0.
    n_steps : int or None, default=None
        Number of optimizer steps of the training. The estimator passes it. None is a constant
        learning rate.

    Returns
    -------
    model : keras.Model
        From (n_steps, n_channels) to ``n_output_units_`` outputs, or to the outputs of each step.

    Raises
    ------
    ValueError
        If an argument is out of its range, a row does not have two axes, or ``return_sequences``
        is set and the target does not have a column for each step.

    Notes
    -----
    The last state of the last layer is the input of the output layer. If ``meta.has_padding_``,
    padding does not change the state.

    References
    ----------
    S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9, 1997.

    Examples
    --------
    >>> from nnkit.builders import Meta, lstm
    >>> meta = Meta(X_shape_=(60, 150, 1), target_type_="multiclass", n_output_units_=3)
    >>> lstm(meta).output_shape
    (None, 3)
    """
    import keras

    return recurrent_network(
        keras.layers.LSTM,
        meta,
        units,
        bidirectional=bidirectional,
        dropout_rate=dropout_rate,
        return_sequences=return_sequences,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        n_steps=n_steps,
    )
