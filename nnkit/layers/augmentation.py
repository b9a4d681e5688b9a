"""Random changes of images in training: shifts, flips, rotations, zoom and cut-out."""

from __future__ import annotations

import math
from typing import Any

import keras

from nnkit._validation import as_choice, as_count, as_number

__all__ = ["RandomAffine", "RandomCutout"]


class _RandomImageLayer(keras.layers.Layer):
    """A layer that changes images at random in training, and is the identity in inference."""

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        """Check the axes of the input."""
        if len(input_shape) != 4 or None in input_shape[1:3]:
            raise ValueError(
                f"The input of {type(self).__name__} must have the shape (n_batch, height, width, "
                f"n_channels). Got {tuple(input_shape)} instead."
            )
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return tuple(input_shape)


@keras.saving.register_keras_serializable(package="nnkit")
class RandomAffine(_RandomImageLayer):
    r"""Shift, rotate, zoom and flip each image at random in training, in one interpolation.

    **Shape**

    - Input: (n_batch, height, width, n_channels)
    - Output: (n_batch, height, width, n_channels)

    Parameters
    ----------
    shift : int, default=0
        Largest shift along each axis in pixels, at least 0. Shifts are whole pixels.
    rotation : float, default=0.0
        Largest angle in degrees, in [0, 180].
    zoom : float, default=0.0
        Largest relative change of the size, in [0, 1): factors are from 1 - zoom to 1 + zoom.
    flip : {"horizontal", "vertical", "both"} or None, default=None
        Axes along which an image is flipped with the probability 1/2.
    fill_mode : {"nearest", "constant", "reflect", "wrap"}, default="nearest"
        Pixels beyond the edges: the nearest pixel, 0, the mirror image, or the opposite edge.
    seed : int or None, default=None
        Seed of the draws. None draws a seed when the layer is created.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Notes
    -----
    With the centre :math:`c` of the image, a shift :math:`t`, a factor :math:`z`, a rotation
    :math:`R` and a reflection :math:`S`, the pixel at :math:`p` comes from
    :math:`c + S R^{-1} (p - c - t) / z`, by bilinear interpolation. Shifts and flips alone move
    pixels without interpolation. All draws are uniform and independent for each image. In
    inference, the layer is the identity.

    Keras' RandomTranslation, RandomRotation, RandomZoom and RandomFlip interpolate one after the
    other, which takes about four times as long and blurs more. The operation runs in a TensorFlow
    graph, but has no XLA kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import RandomAffine
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> bool((RandomAffine(shift=1)(x).numpy() == x).all())
    True
    >>> RandomAffine(shift=1, rotation=10)(x, training=True).shape
    TensorShape([1, 3, 3, 1])
    """

    def __init__(
        self,
        shift: int = 0,
        rotation: float = 0.0,
        zoom: float = 0.0,
        flip: str | None = None,
        fill_mode: str = "nearest",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.shift = as_count("shift", shift, minimum=0)
        self.rotation = as_number("rotation", rotation, "[0, 180]")
        self.zoom = as_number("zoom", zoom, "[0, 1)")
        self.flip = as_choice("flip", flip, ("horizontal", "vertical", "both", None))
        self.fill_mode = as_choice(
            "fill_mode", fill_mode, ("nearest", "constant", "reflect", "wrap")
        )

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the images, changed in training."""
        if not training or not (self.shift or self.rotation or self.zoom or self.flip):
            return x
        height, width = x.shape[1:3]
        matrices = self._matrices(keras.ops.shape(x)[0], height, width)
        return keras.ops.image.affine_transform(
            x,
            matrices,
            interpolation="bilinear",
            fill_mode=self.fill_mode,
            data_format="channels_last",
        )

    def _matrices(self, n_images: Any, height: int, width: int) -> Any:
        """Return the maps from output pixels to input pixels, of shape (n_images, 8).

        A row a0, a1, a2, b0, b1, b2, 0, 0 maps (x, y) to (a0 x + a1 y + a2, b0 x + b1 y + b2).
        """
        ops = keras.ops
        # Six draws in [0, 1) for each image: shifts, angle, factor, reflections.
        draws = keras.random.uniform((n_images, 6), dtype="float32", seed=self.seed_generator)
        x_draw, y_draw, angle_draw, zoom_draw, x_flip, y_flip = ops.unstack(draws, 6, axis=1)
        n_shifts = 2 * self.shift + 1
        x_shift = ops.floor(x_draw * n_shifts) - self.shift
        y_shift = ops.floor(y_draw * n_shifts) - self.shift
        angle = (2 * angle_draw - 1) * math.radians(self.rotation)
        factor = 1 + (2 * zoom_draw - 1) * self.zoom
        one = ops.ones_like(x_draw)
        x_sign = ops.sign(x_flip - 0.5) if self.flip in ("horizontal", "both") else one
        y_sign = ops.sign(y_flip - 0.5) if self.flip in ("vertical", "both") else one
        cosine, sine = ops.cos(angle) / factor, ops.sin(angle) / factor
        x_center, y_center = (width - 1) / 2, (height - 1) / 2
        # [p_in = c + S R^-1 (p - c - t) / z]
        a0, a1 = x_sign * cosine, x_sign * sine
        b0, b1 = -y_sign * sine, y_sign * cosine
        a2 = x_center - a0 * (x_center + x_shift) - a1 * (y_center + y_shift)
        b2 = y_center - b0 * (x_center + x_shift) - b1 * (y_center + y_shift)
        zero = ops.zeros_like(one)
        return ops.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {
            **super().get_config(),
            "shift": self.shift,
            "rotation": self.rotation,
            "zoom": self.zoom,
            "flip": self.flip,
            "fill_mode": self.fill_mode,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="nnkit")
class RandomCutout(_RandomImageLayer):
    """Replace a random square of each image by 0 in training (cut-out).

    **Shape**

    - Input: (n_batch, height, width, n_channels)
    - Output: (n_batch, height, width, n_channels)

    Parameters
    ----------
    size : int
        Side of the square in pixels, at least 1. Its centre is uniform over the pixels, so that
        the part of the square inside of the image can be smaller.
    seed : int or None, default=None
        Seed of the draws. None draws a seed when the layer is created.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    References
    ----------
    T. DeVries, G. W. Taylor, "Improved Regularization of Convolutional Neural Networks with
    Cutout", 2017 (arXiv:1708.04552), section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import RandomCutout
    >>> x = np.ones((1, 5, 5, 1))
    >>> float(RandomCutout(size=1)(x, training=True).numpy().sum())
    24.0
    """

    # The output of a row depends on this row only.
    is_rowwise = True

    def __init__(self, size: int, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        self.size = as_count("size", size)

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the images, with a square of 0 in training."""
        if not training:
            return x
        ops = keras.ops
        shape = (ops.shape(x)[0], 2)
        draws = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        # (n_batch, height, 1, 1) and (n_batch, 1, width, 1)
        in_rows = self._in_square(draws[:, 0], x.shape[1])[:, :, None, None]
        in_columns = self._in_square(draws[:, 1], x.shape[2])[:, None, :, None]
        is_kept = ops.logical_not(ops.logical_and(in_rows, in_columns))
        return x * ops.cast(is_kept, x.dtype)

    def _in_square(self, draws: Any, n_pixels: int) -> Any:
        """Return whether each pixel of an axis is in the square, of shape (n_batch, n_pixels)."""
        positions = keras.ops.arange(n_pixels, dtype="float32")
        first = keras.ops.floor(draws * n_pixels)[:, None] - (self.size - 1) // 2
        return keras.ops.logical_and(positions >= first, positions < first + self.size)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {**super().get_config(), "size": self.size, "seed": self.seed}
