"""Inputs of networks for sequences, and layers that leave padding out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nnkit._validation import as_count, as_counts
from nnkit.builders.hidden_and_output_layers import output_layers

if TYPE_CHECKING:
    import keras

    from nnkit.builders.meta import Meta

__all__ = ["Padding", "filters_of", "finished", "kernel_sizes_of", "sequence_input", "step_outputs"]

# Keras' default of 0.99 needs some 500 steps, which small sets may not have.
_MOMENTUM = 0.9


def sequence_input(meta: Meta) -> Any:
    """Return the input of a network for sequences.

    Parameters
    ----------
    meta : Meta
        Facts about the data.

    Raises
    ------
    ValueError
        If a row does not have the shape (n_steps, n_channels).
    """
    import keras

    shape = tuple(meta.X_shape_[1:])
    if len(shape) != 2:
        raise ValueError(
            f"Networks for sequences need rows of shape (n_steps, n_channels). Got {shape} instead. "
            "Use nnkit.encoding.SequenceEncoder as the encoder, or X[:, :, numpy.newaxis]."
        )
    return keras.Input(shape=shape)


@dataclass(frozen=True)
class Padding:
    """The padding of a batch of sequences. Without padding, all methods use plain layers.

    Parameters
    ----------
    mask : keras tensor of shape (n_batch, n_steps, 1) or None
        1 for steps and 0 for padding. None if no sequence has padding.
    """

    mask: Any | None

    @classmethod
    def of(cls, meta: Meta, inputs: Any) -> Padding:
        """Return the padding of the input, none if ``meta`` has no true ``has_padding_``."""
        if not meta.get("has_padding_", False):
            return cls(None)
        from nnkit.layers import StepMask

        return cls(StepMask(name="step_mask")(inputs))

    @cached_property
    def is_step(self) -> Any | None:
        """Mask of shape (n_batch, n_steps), as Keras' layers take it; None without padding."""
        import keras

        if self.mask is None:
            return None
        return keras.layers.Reshape((self.mask.shape[1],), name="is_step")(self.mask)

    def recurrent(self, layer: Any, x: Any) -> Any:
        """Return the result of a recurrent layer, whose state padding does not change."""
        return layer(x) if self.is_step is None else layer(x, mask=self.is_step)

    def removed(self, x: Any) -> Any:
        """Return the steps with 0 for padding, as a convolution pads at the ends of a sequence."""
        import keras

        return x if self.mask is None else keras.layers.Multiply()([x, self.mask])

    def normalized(self, x: Any) -> Any:
        """Return the steps after BatchNormalization with the statistics of steps only."""
        import keras

        if self.mask is None:
            return keras.layers.BatchNormalization(momentum=_MOMENTUM)(x)
        from nnkit.layers import MaskedBatchNormalization

        return MaskedBatchNormalization(momentum=_MOMENTUM)([x, self.mask])

    def mean(self, x: Any) -> Any:
        """Return the mean over the steps: (n_batch, n_channels)."""
        import keras

        if self.mask is None:
            return keras.layers.GlobalAveragePooling1D()(x)
        from nnkit.layers import MaskedAveragePooling1D

        return MaskedAveragePooling1D()([x, self.mask])

    def largest(self, x: Any, pool_size: int) -> Any:
        """Return the maxima of windows that move by one step."""
        import keras

        if self.mask is None:
            return keras.layers.MaxPooling1D(pool_size, strides=1, padding="same")(x)
        from nnkit.layers import MaskedMaxPooling1D

        return MaskedMaxPooling1D(pool_size)([x, self.mask])

    def convolved(
        self, x: Any, n_filters: int, kernel_size: int, activation: str | None = "relu"
    ) -> Any:
        """Return convolution, BatchNormalization and activation.

        Parameters
        ----------
        x : keras tensor of shape (n_batch, n_steps, n_channels)
        n_filters, kernel_size : int
            Of the convolution, which has no bias of its own.
        activation : str or None, default="relu"
        """
        import keras

        layer = keras.layers.Conv1D(
            n_filters, kernel_size, padding="same", use_bias=False, kernel_initializer="he_uniform"
        )
        hidden = self.normalized(layer(self.removed(x)))
        return hidden if activation is None else keras.layers.Activation(activation)(hidden)


def filters_of(filters: Any) -> tuple[int, ...]:
    """Return the filters of each convolution.

    Parameters
    ----------
    filters : sequence of int

    Raises
    ------
    ValueError
        If there are none, or a number is below 1.
    """
    checked = as_counts("filters", filters)
    if not checked:
        raise ValueError("filters must have at least one entry. Got none.")
    return checked


def kernel_sizes_of(kernel_sizes: Any, filters: tuple[int, ...]) -> tuple[int, ...]:
    """Return the width of each convolution.

    Parameters
    ----------
    kernel_sizes : int or sequence of int
        A single width is that of all convolutions.
    filters : tuple of int
        Filters of each convolution.

    Raises
    ------
    ValueError
        If a width is below 1, or the numbers of widths and filters differ.
    """
    if not isinstance(kernel_sizes, (list, tuple)):
        return (as_count("kernel_sizes", kernel_sizes),) * len(filters)
    checked = as_counts("kernel_sizes", kernel_sizes)
    if len(checked) != len(filters):
        raise ValueError(
            f"kernel_sizes must be one integer, or one for each of the {len(filters)} filters. "
            f"Got {len(checked)} integers instead."
        )
    return checked


def step_outputs(meta: Meta, x: Any) -> Any:
    """Return output layers for a target with a label or a value for each step.

    Parameters
    ----------
    meta : Meta
        Facts about the data.
    x : keras tensor of shape (n_batch, n_steps, n_units)

    Returns
    -------
    outputs : keras tensor
        Class probabilities (n_batch, n_steps, n_classes), or values (n_batch, n_steps).

    Raises
    ------
    ValueError
        If the target does not have one column for each step.
    """
    import keras

    n_steps, kind = int(x.shape[1]), meta.target_type_
    if meta.get("n_outputs_", n_steps) != n_steps or kind not in (
        "multiclass-multioutput", "multilabel-indicator", "continuous-multioutput"
    ):  # fmt: skip
        raise ValueError(
            f"return_sequences=True needs y of shape (n_samples, {n_steps}), with a label or a value "
            f"for each encoded step. Got {meta.get('n_outputs_', 1)} column(s) of kind {kind!r}."
        )
    if kind != "continuous-multioutput":
        is_binary = kind == "multilabel-indicator"
        labels = {0, 1} if is_binary else {part for of in meta.classes_ for part in of.tolist()}
        return keras.layers.Dense(len(labels), activation="softmax")(x)
    from nnkit.layers import StepValues

    return StepValues()(keras.layers.Dense(1)(x))


def finished(meta: Meta, inputs: Any, hidden: Any, dropout_rate: float = 0.0) -> keras.Model:
    """Return the uncompiled model with output layers, after dropout of the last hidden layer."""
    import keras

    if dropout_rate > 0:
        hidden = keras.layers.Dropout(dropout_rate)(hidden)
    return keras.Model(inputs, output_layers(meta, hidden))
