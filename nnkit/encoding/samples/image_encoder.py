"""`ImageEncoder`: images of any container to one array of shape (n, height, width, channels)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from math import prod
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from nnkit._documentation import ENCODER_LINK_TEMPLATE
from nnkit._messages import shown
from nnkit._validation import as_choice, as_count, as_counts
from nnkit.encoding.containers import as_table, is_dataframe
from nnkit.encoding.rows import aligned_empty
from nnkit.encoding.samples.image_reading import (
    ImageFacts,
    facts_of,
    images_of,
    is_picture,
    pixels_of,
    resized,
    with_channels,
)
from nnkit.persistence.plain_parts import PlainParts
from nnkit.persistence.plain_state import PlainStateMixin

__all__ = ["ImageEncoder"]

# Number of pixel values that are converted at once, 16 MiB in float32.
_CHUNK_VALUES = 2**22

# Largest pixel of a kind of integers.
_MAXIMA = {"bool": 1, "uint8": 255, "uint16": 65535}

# Images whose pixels are this many times larger or smaller than the range of fit are in other units.
_OTHER_UNITS = 10


class ImageEncoder(PlainStateMixin, TransformerMixin, BaseEstimator):
    r"""Encode images as one float32 array of shape (n_samples, height, width, n_channels).

    Images are arrays, images of Pillow or files, in an array, a list, a Series or a column of a
    DataFrame. A table in which each pixel is a column is another form of them.

    Parameters
    ----------
    columns : str, sequence of str or None, default=None
        Column of a DataFrame that contains images, or the columns of pixels with ``shape``. None
        takes all columns.
    size : int, tuple of two int or None, default=None
        Height and width to which images are resized, each at least 1. An integer is both of them.
        The aspect ratio is not kept. None requires images of one size. Resizing needs Pillow.
    shape : tuple of int or None, default=None
        Axes (height, width) or (height, width, n_channels) of the pixels if each pixel is a
        column, in the order of ``numpy.reshape``. One of them may be -1.
    color_mode : {"grayscale", "rgb"} or None, default=None
        Channels to which images are converted, without an alpha channel. None keeps the channels,
        which then must be those of the first image.
    scaling : {"range", "standard"} or None, default="range"
        "range" maps the range of the pixels to [0, 1], see Notes. "standard" also subtracts the
        mean of each channel and divides by its standard deviation. None keeps the pixel values,
        for networks with preprocessing of their own.

    Attributes
    ----------
    image_shape_ : tuple of int
        Height, width and number of channels of the encoded images.
    pixel_range_ : tuple of float
        The pixel values that ``scaling="range"`` maps to 0 and 1.
    mean_, scale_ : ndarray of shape (n_channels,)
        Mean and standard deviation of each channel, of pixels in [0, 1]. The scale of a constant
        channel is 1. Defined only with ``scaling="standard"``.
    n_features_in_ : int
        Number of columns of a DataFrame, length of the second axis of an array, 1 for images in a
        list or a Series.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns. Defined only for a DataFrame whose names are all strings.

    Notes
    -----
    *Range.* The range depends on the dtype, and for most dtypes on the values in ``fit``:

    ================= ============================== ==================
    dtype             values in ``fit``              range
    ================= ============================== ==================
    bool              all                            [0, 1]
    uint8, uint16     within [0, 1]                  [0, 1]
    uint8             any other                      [0, 255]
    uint16            any other                      [0, 65535]
    any other number  within [0, 1]                  [0, 1]
    any other number  at least 0, largest m          [0, m]; [0, 255] for
                                                     m in (127, 255], and [0, 65535] for
                                                     m in (32767, 65535]
    any other number  some below 0                   [smallest, largest]
    ================= ============================== ==================

    With the range :math:`[a, b]`, a pixel :math:`x` is encoded as :math:`(x - a) / (b - a)`. Later
    values outside of the range are not clipped. A range of length 0 has :math:`b = a + 1`. Images
    of another dtype than in ``fit`` are in the same units: a warning is given if they seem to be
    in others.

    *Files* are read by Pillow: 8 bit and 16 bit grey images have one channel. Palettes become
    RGB, or RGBA if they have a transparent entry. CMYK, YCbCr, LAB and HSV become RGB. Black and
    white ("1") becomes 0 and 255. The orientation of photographs (EXIF) is applied. With
    ``scaling="range"`` or None, ``fit`` reads only their headers, and takes the range of the dtype.

    *Resizing* is bilinear, with a filter that grows with the reduction (antialiasing).

    *Grey values* of colours are 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.encoding.samples.image_encoder import ImageEncoder
    >>> X = np.array([[[0, 51], [102, 255]]], dtype=np.uint8)
    >>> X_encoded = ImageEncoder().fit_transform(X)
    >>> X_encoded.shape, X_encoded.dtype.name
    ((1, 2, 2, 1), 'float32')
    >>> (X_encoded.ravel() * 10).round().tolist()
    [0.0, 2.0, 4.0, 10.0]

    Each pixel is a column of the digits of scikit-learn, whose values are from 0 to 16:

    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits().data
    >>> encoder = ImageEncoder(shape=(8, 8)).fit(digits)
    >>> encoder.image_shape_, encoder.pixel_range_
    ((8, 8, 1), (0.0, 16.0))
    """

    _doc_link_module = "nnkit"
    _doc_link_template = ENCODER_LINK_TEMPLATE
    _plain_parts = PlainParts({"ImageFacts": ImageFacts}, keep=lambda value: value)
    # Estimators pass X unchanged; the encoder checks each image itself.
    takes_samples = True

    n_features_in_: int
    image_shape_: tuple[int, int, int]
    pixel_range_: tuple[float, float]
    mean_: np.ndarray
    scale_: np.ndarray

    def __init__(
        self,
        *,
        columns: Any = None,
        size: int | tuple[int, int] | None = None,
        shape: tuple[int, ...] | None = None,
        color_mode: str | None = None,
        scaling: str | None = "range",
    ) -> None:
        self.columns = columns
        self.size = size
        self.shape = shape
        self.color_mode = color_mode
        self.scaling = scaling

    def fit(self, X: Any, y: Any = None) -> ImageEncoder:  # noqa: ARG002
        """Learn the size, the channels and the range of the images.

        Parameters
        ----------
        X : array of shape (n_samples, height, width[, n_channels]), list, Series or DataFrame
            The images.
        y : None
            Ignored.

        Returns
        -------
        self : ImageEncoder

        Raises
        ------
        ValueError
            If a parameter is out of its range, there are no images, their sizes, channels or
            dtypes differ, pixels are missing or infinite, or a file cannot be read.
        ImportError
            If Pillow is not installed and is needed for files or for ``size``.
        """
        size, _ = self._checked_parameters()
        images = self._images_in(X, reset=True)
        facts = facts_of(images[0], 0)
        if isinstance(images, list):
            for row, image in enumerate(images):
                self._check_facts(facts_of(image, row), row, facts, "image 0 has")
        else:
            self._check_facts(facts, 0, facts, "image 0 has")
        self._facts = facts
        self._has_channel_axis = _has_channel_axis(images)
        n_channels = {"grayscale": 1, "rgb": 3, None: facts.n_channels}[self.color_mode]
        self.image_shape_ = (*(facts.size if size is None else size), n_channels)
        self.pixel_range_ = self._learnt_range(images)
        if self.scaling == "standard":
            self._learn_moments(images)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the encoded images.

        Parameters
        ----------
        X : array of shape (n_samples, height, width[, n_channels]), list, Series or DataFrame
            The images.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, height, width, n_channels)
            Finite values in float32.

        Raises
        ------
        ValueError
            If sizes (without ``size``) or channels are not those of ``fit``, pixels are missing or
            infinite, or a file cannot be read.
        """
        check_is_fitted(self)
        images = self._images_in(X, reset=False)
        X_encoded = aligned_empty((len(images), *self.image_shape_), np.float32)
        least, most, are_whole = np.inf, -np.inf, True
        for rows, pixels in self._chunks(images):
            least, most = min(least, float(pixels.min())), max(most, float(pixels.max()))
            if most <= 1 and are_whole:
                are_whole = bool((pixels == np.round(pixels)).all())
            self._scale(pixels, X_encoded[rows])
            self._check_finite(X_encoded[rows], rows)
        self._warn_of_units(least, most, are_whole=are_whole)
        return X_encoded

    def inverse_transform(self, X_encoded: Any) -> np.ndarray:
        """Return the pixels of encoded images, in the size of the encoded images.

        Pixels that are integers of 8 or 16 bits in ``fit`` are rounded, and clipped to the range of
        their dtype. Conversion to grey values and resizing are not undone. Images in columns of
        pixels are returned with the axes of images.

        Parameters
        ----------
        X_encoded : array-like of shape (n_samples, height, width, n_channels)
            Encoded images, as returned by ``transform``.

        Returns
        -------
        X : ndarray of shape (n_samples, height, width) or (n_samples, height, width, n_channels)
            In the dtype of ``fit`` if it is bool, uint8 or uint16, else in float32. Without the
            axis of channels if the images had none in ``fit``.

        Raises
        ------
        ValueError
            If the shape of the images is not that of ``transform``.
        """
        check_is_fitted(self)
        encoded = np.asarray(X_encoded)
        if encoded.ndim != 4 or encoded.shape[1:] != self.image_shape_:
            raise ValueError(
                f"X_encoded must have the shape (n_samples, "
                f"{', '.join(map(str, self.image_shape_))}), as returned by transform. "
                f"Got {encoded.shape} instead."
            )
        values = encoded.astype(np.float64)
        if self.scaling == "standard":
            values = values * self.scale_ + self.mean_
        if self.scaling is not None:
            low, high = self.pixel_range_
            values = values * (high - low) + low
        if not self._has_channel_axis and self.image_shape_[2] == 1:
            values = values[..., 0]
        if self._facts.kind == "number":
            return values.astype(np.float32)
        if self._facts.kind == "bool":
            return values > 0.5
        return np.clip(np.round(values), 0, _MAXIMA[self._facts.kind]).astype(self._facts.kind)

    def meta_facts(self) -> dict[str, Any]:
        """Return the facts about the encoded rows that builders receive in ``meta``.

        Returns
        -------
        facts : dict
            ``image_scaling_``, which is ``scaling``.
        """
        return {"image_scaling_": self.scaling}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.shape is not None
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _checked_parameters(self) -> tuple[tuple[int, int] | None, tuple[int, ...] | None]:
        """Return the checked ``size`` and ``shape``."""
        as_choice("color_mode", self.color_mode, ("grayscale", "rgb", None))
        as_choice("scaling", self.scaling, ("range", "standard", None))
        return _checked_size(self.size), _checked_shape(self.shape)

    def _images_in(self, X: Any, *, reset: bool) -> np.ndarray | list[Any]:
        """Return the images of a container, and check or learn its columns."""
        _, shape = self._checked_parameters()
        X_table = as_table(X)
        if hasattr(X_table, "__array__") and not is_dataframe(X_table):
            X_table = X_table if isinstance(X_table, pd.Series) else np.asarray(X_table)
        if is_dataframe(X_table) or getattr(X_table, "ndim", 0) == 2:
            if 0 in X_table.shape:
                # Raises scikit-learn's error for empty tables. The broadcast array needs no memory.
                check_array(np.broadcast_to(0.0, X_table.shape), estimator=self)
            validate_data(self, X_table, reset=reset, skip_check_array=True)
        elif reset:
            is_array = isinstance(X_table, np.ndarray) and X_table.ndim > 2
            self.n_features_in_ = X_table.shape[1] if is_array else 1
            self.__dict__.pop("feature_names_in_", None)
        images = images_of(X_table, self.columns, shape)
        if len(images) == 0:
            raise ValueError(
                f"Found array with 0 sample(s) (shape={getattr(X, 'shape', (0,))}) while a minimum "
                f"of 1 is required by {type(self).__name__}."
            )
        return images

    def _check_facts(
        self, facts: ImageFacts, row: int, wanted: ImageFacts, whose: str, kind: str | None = None
    ) -> None:
        """Raise if the size, the channels or the dtype of an image are not the wanted ones.

        Parameters
        ----------
        facts : ImageFacts
            Facts about the image.
        row : int
            Row of the image, for messages.
        wanted : ImageFacts
            Facts about the image it is compared with.
        whose : str
            Subject and verb of the wanted facts in messages.
        kind : str or None, default=None
            Kind of pixels that is wanted. None is that of ``wanted``.
        """
        if self.size is None and facts.size != wanted.size:
            raise ValueError(
                f"Images must have one size. Image {row} has {facts.height} x {facts.width} pixels, "
                f"{whose} {wanted.height} x {wanted.width}. Give size=(height, width), to which "
                "all images are resized."
            )
        if self.color_mode is None and facts.n_channels != wanted.n_channels:
            raise ValueError(
                f"Images must have the same channels. Image {row} has {facts.n_channels}, "
                f"{whose} {wanted.n_channels}. Give color_mode='rgb' or color_mode='grayscale', to "
                "which all images are converted."
            )
        if self.color_mode is not None and facts.n_channels > 4:
            raise ValueError(
                f"color_mode={self.color_mode!r} requires images of 1 to 4 channels. "
                f"Image {row} has {facts.n_channels}. Leave color_mode=None."
            )
        kind = wanted.kind if kind is None else kind
        if facts.kind != kind:
            raise ValueError(
                "Images must have one dtype, because it determines the range of their pixels. "
                f"Image {row} has pixels of the kind {facts.kind!r}, image 0 has {kind!r}. "
                "Convert them with astype."
            )

    def _chunks(self, images: np.ndarray | list[Any]) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield rows and their pixels with the channels and the size of the encoded images."""
        whose = "the images of fit have"
        if isinstance(images, np.ndarray):
            facts = facts_of(images[0], 0)
            self._check_facts(facts, 0, self._facts, whose, facts.kind)
        n_rows = max(1, _CHUNK_VALUES // prod(self.image_shape_))
        kind = None
        for start in range(0, len(images), n_rows):
            rows = slice(start, min(start + n_rows, len(images)))
            if isinstance(images, np.ndarray):
                pixels = images[rows] if images.ndim == 4 else images[rows][..., np.newaxis]
                yield rows, self._in_shape(pixels)
                continue
            parts = []
            for row in range(rows.start, rows.stop):
                one = pixels_of(images[row], row)
                facts = ImageFacts.of_array(one.shape, one.dtype)
                kind = facts.kind if kind is None else kind
                self._check_facts(facts, row, self._facts, whose, kind)
                parts.append(self._in_shape(one[np.newaxis])[0])
            yield rows, np.stack(parts)

    def _in_shape(self, pixels: np.ndarray) -> np.ndarray:
        """Return pixels with the channels and the size of the encoded images."""
        pixels = with_channels(pixels, self.color_mode)
        size = self.image_shape_[:2]
        if pixels.shape[1:3] == size:
            return pixels
        return np.stack([resized(image, size) for image in pixels])

    def _learnt_range(self, images: np.ndarray | list[Any]) -> tuple[float, float]:
        """Return the range of the pixels; see the table in the Notes of the class."""
        kind = self._facts.kind
        if kind == "bool":
            return 0.0, 1.0
        top = _MAXIMA.get(kind)
        if top is not None and isinstance(images, list) and any(map(is_picture, images)):
            return 0.0, float(top)
        least, most = np.inf, -np.inf
        for rows, pixels in self._chunks(images):
            self._check_finite(pixels, rows)
            least, most = min(least, float(pixels.min())), max(most, float(pixels.max()))
            if top is not None and most > 1:
                return 0.0, float(top)
        if least >= 0 and most <= 1:
            return 0.0, 1.0
        if least >= 0:
            # Brightest pixels of photographs are often a little below the largest value.
            tops = [top for top in (255.0, 65535.0) if (top + 1) / 2 - 1 < most <= top]
            return 0.0, tops[0] if tops else most
        return least, most if most > least else least + 1.0

    def _learn_moments(self, images: np.ndarray | list[Any]) -> None:
        """Learn the mean and the standard deviation of each channel, of pixels in [0, 1]."""
        n_channels = self.image_shape_[2]
        # The pixels are in [0, 1], so that the difference of the sums is exact enough in float64.
        n_pixels, total, total_of_squares = 0, np.zeros(n_channels), np.zeros(n_channels)
        for rows, pixels in self._chunks(images):
            values = np.empty(pixels.shape, dtype=np.float32)
            self._map_range(pixels, values)
            self._check_finite(values, rows)
            # (n_rows, height, width, n_channels) -> (n_rows * height * width, n_channels)
            by_channel = values.reshape(-1, n_channels).astype(np.float64)
            n_pixels += len(by_channel)
            total += by_channel.sum(axis=0)
            total_of_squares += np.square(by_channel).sum(axis=0)
        # [var = E(x^2) - E(x)^2]
        self.mean_ = total / n_pixels
        deviation = np.sqrt(np.maximum(total_of_squares / n_pixels - self.mean_**2, 0.0))
        self.scale_ = np.where(deviation > 1e-6, deviation, 1.0)

    def _map_range(self, pixels: np.ndarray, out: np.ndarray) -> None:
        """Write pixels, with their range mapped to [0, 1], into an array of float32."""
        low, high = self.pixel_range_
        # float32 does not represent integers of more than 24 bits, and is coarse for float64.
        is_exact = pixels.dtype.itemsize <= 2 or pixels.dtype == np.float32
        with np.errstate(over="ignore"):  # infinity is an error later
            values: Any = out
            if not is_exact:
                values = pixels.astype(np.float64)
            else:
                out[...] = pixels
            if low != 0:
                values -= low
            if high - low != 1:
                values /= high - low
            if not is_exact:
                out[...] = values

    def _scale(self, pixels: np.ndarray, out: np.ndarray) -> None:
        """Write encoded pixels into an array of float32."""
        if self.scaling is None:
            with np.errstate(over="ignore"):
                out[...] = pixels
            return
        self._map_range(pixels, out)
        if self.scaling == "standard":
            out -= self.mean_.astype(np.float32)
            out /= self.scale_.astype(np.float32)

    def _check_finite(self, values: np.ndarray, rows: slice) -> None:
        if values.dtype.kind != "f" or np.isfinite(values).all():
            return
        row = rows.start + int(np.nonzero(~np.isfinite(values))[0][0])
        what = "NaN" if np.isnan(values).any() else "infinity or a value too large for float32"
        raise ValueError(
            f"Pixels must be finite numbers. Image {row} contains {what}. "
            "Replace it, for example with 0, or leave out the image."
        )

    def _warn_of_units(self, least: float, most: float, *, are_whole: bool) -> None:
        """Warn if pixels are of another order of magnitude than those of ``fit``."""
        low, high = self.pixel_range_
        is_larger = max(most - low, low - least) > _OTHER_UNITS * (high - low)
        is_smaller = least >= 0 and most <= 1 and not are_whole and high > _OTHER_UNITS
        if is_larger or is_smaller:
            warnings.warn(
                f"The pixels of X go from {least:.4g} to {most:.4g}, but their range in fit was "
                f"{low:.4g} to {high:.4g}. Give all images in the same units.",
                UserWarning,
                stacklevel=3,
            )


def _has_channel_axis(images: np.ndarray | list[Any]) -> bool:
    """Return whether grey images have an axis of channels."""
    return np.ndim(images) == 4 if isinstance(images, np.ndarray) else np.ndim(images[0]) == 3


def _checked_size(size: Any) -> tuple[int, int] | None:
    """Return height and width of the encoded images, None without resizing."""
    if size is None:
        return None
    if isinstance(size, Integral):
        side = as_count("size", size)
        return side, side
    sides = as_counts("size", size)
    if len(sides) != 2:
        raise ValueError(f"size must be (height, width). Got {shown(size)} instead.")
    return sides[0], sides[1]


def _checked_shape(shape: Any) -> tuple[int, ...] | None:
    """Return the axes of the pixels of a row, None if there are none."""
    if shape is None:
        return None
    try:
        axes = tuple(shape)
        known = [as_count("shape", axis) for axis in axes if axis != -1]
    except (TypeError, ValueError):
        known, axes = [], ()
    if len(axes) not in (2, 3) or len(axes) - len(known) > 1:
        raise ValueError(
            "shape must be (height, width) or (height, width, n_channels), each an integer of at "
            f"least 1, and one of them may be -1. Got {shown(shape)} instead."
        )
    return axes
