"""Images of any container as arrays of pixels: arrays, images of Pillow, files and tables.

`images_of` finds the images of a container, without reading them. `ImageFacts` are the size and the
channels of one of them, which a file has in its header. `pixels_of` reads one.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt, prod
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nnkit._messages import shown
from nnkit.encoding.containers import as_table, check_unique_names, is_dataframe

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "LUMA",
    "ImageFacts",
    "complete_shape",
    "facts_of",
    "images_of",
    "is_picture",
    "pixels_of",
    "resized",
    "with_channels",
]

_EXPECTED = (
    "X must be an array of shape (n_samples, height, width) or (n_samples, height, width, "
    "n_channels), or a list, a Series or a column of images"
)

# Modes of Pillow whose arrays are pixels: of 1, 2, 3 and 4 channels.
_PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "F", "I", "I;16", "I;16B", "I;16L", "I;16N")
_CONVERTED_MODES = {"1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"}

# Values of the tag "Orientation" (EXIF) that exchange height and width.
_ORIENTATION = 0x0112
_EXCHANGING = (5, 6, 7, 8)

# Weights of red, green and blue in the luma of ITU-R BT.601, as in Pillow.
LUMA = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class ImageFacts:
    """The size, the channels and the kind of pixels of an image.

    Parameters
    ----------
    height, width, n_channels : int
    kind : {"bool", "uint8", "uint16", "number"}
        Kind of the pixels. "number" is any other dtype of numbers.
    """

    height: int
    width: int
    n_channels: int
    kind: str

    @classmethod
    def of_array(cls, shape: Sequence[int], dtype: np.dtype) -> ImageFacts:
        """Return the facts of an array of shape (height, width) or (height, width, n_channels)."""
        return cls(shape[0], shape[1], shape[2] if len(shape) > 2 else 1, kind_of(dtype))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


def kind_of(dtype: np.dtype) -> str:
    """Return the kind of pixels of a dtype of numbers."""
    return dtype.name if dtype.name in ("bool", "uint8", "uint16") else "number"


def images_of(X: Any, columns: Any, shape: tuple[int, ...] | None) -> np.ndarray | list[Any]:
    """Return the images of a container.

    Parameters
    ----------
    X : object
        The container.
    columns : str, sequence of str, or None
        Columns of a DataFrame.
    shape : tuple of int, or None
        Axes of the pixels of a row, if each pixel is a column.

    Returns
    -------
    images : ndarray of shape (n_samples, height, width[, n_channels]), or list
        One array of numbers, or a list of arrays, images of Pillow and files.

    Raises
    ------
    ValueError
        If X has no images, or they cannot be found without ``columns`` or ``shape``.
    """
    X = as_table(X)
    if is_dataframe(X):
        return _images_of_frame(X, columns, shape)
    if columns is not None:
        raise ValueError(
            f"columns={shown(columns)} names columns of a DataFrame, but X is a "
            f"{type(X).__name__}. Leave columns=None."
        )
    if hasattr(X, "toarray"):
        raise TypeError(
            "Sparse data was passed for X, but dense data is required. Use '.toarray()' to "
            "convert to a dense numpy array."
        )
    if is_picture(X):
        raise ValueError(f"{_EXPECTED}. Got a single image instead; give it in a list: [image].")
    if isinstance(X, pd.Series):
        return _images_of_items(X.tolist(), shape)
    if isinstance(X, (list, tuple)):
        return _images_of_items(list(X), shape)
    if not hasattr(X, "__array__"):
        raise ValueError(f"{_EXPECTED}. Got {shown(X)} instead.")
    X_array = np.asarray(X)
    if X_array.dtype.kind in "OSUT":
        if X_array.dtype.kind == "O" and X_array.ndim > 2:
            # Numbers in an array of objects.
            return _checked_array(_as_numbers(X_array), shape)
        if X_array.ndim == 2 and shape is not None and X_array.shape[1] > 1:
            return _checked_array(_as_numbers(X_array), shape)
        if X_array.ndim == 2 and X_array.shape[1] == 1:
            X_array = X_array[:, 0]
        if X_array.ndim != 1:
            raise ValueError(f"{_EXPECTED}. Got an array of shape {X_array.shape} instead.")
        return _images_of_items(X_array.tolist(), shape)
    return _checked_array(X_array, shape)


def _images_of_frame(
    frame: Any, columns: Any, shape: tuple[int, ...] | None
) -> np.ndarray | list[Any]:
    check_unique_names(frame)
    names = list(frame.columns)
    if columns is None:
        chosen = names
    else:
        chosen = [columns] if isinstance(columns, str) else list(columns)
        unknown = [name for name in chosen if name not in names]
        if unknown or not chosen:
            raise ValueError(
                f"columns must name columns of X, which has {shown(names)}. "
                f"Got {shown(columns)} instead."
            )
    if len(chosen) == 1:
        items = _values_of(frame[chosen[0]])
        # A single column of numbers is a table of one pixel.
        if shape is None or not items or not isinstance(items[0], Real):
            return _images_of_items(items, shape)
    if shape is None:
        raise ValueError(
            f"X has {len(chosen)} columns ({shown(chosen)}). Give columns= the name of the column "
            "of images or, if each pixel is a column, give shape=(height, width)."
        )
    pixels = frame[chosen].to_numpy()
    return _checked_array(_as_numbers(pixels) if pixels.dtype == object else pixels, shape)


def _values_of(column: Any) -> list[Any]:
    """Return the values of a column of pandas or polars."""
    return column.tolist() if isinstance(column, pd.Series) else column.to_list()


def _as_numbers(array: np.ndarray) -> np.ndarray:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Pixels must be numbers. Got {error}.") from error


def _images_of_items(items: list[Any], shape: tuple[int, ...] | None) -> np.ndarray | list[Any]:
    if items and all(isinstance(item, (list, tuple)) for item in items):
        # Nested lists are one array if they are of one size.
        try:
            return _checked_array(np.asarray(items), shape)
        except ValueError as error:
            if "inhomogeneous" not in str(error):
                raise
    if shape is not None:
        items = [_reshaped(item, shape, row) for row, item in enumerate(items)]
    return items


def _reshaped(item: Any, shape: tuple[int, ...], row: int) -> Any:
    """Return a row of pixels in their shape, and any other image unchanged."""
    if np.isscalar(item) or not (hasattr(item, "__array__") or isinstance(item, (list, tuple))):
        return item
    if _is_pillow(item):
        return item
    pixels = np.asarray(item)
    if pixels.ndim != 1:
        return pixels
    _check_n_pixels(len(pixels), shape, f"Image {row}")
    return pixels.reshape(shape)


def _checked_array(images: np.ndarray, shape: tuple[int, ...] | None) -> np.ndarray:
    """Return an array of numbers with the axes of images."""
    if images.dtype.kind not in "biuf":
        what = "Complex data not supported: pixels" if images.dtype.kind == "c" else "Pixels"
        raise ValueError(f"{what} must be real numbers. Got the dtype {images.dtype} instead.")
    if images.ndim == 2:
        if shape is None:
            raise ValueError(f"{_EXPECTED}. Got an array of shape {images.shape} instead; "
                             f"{_fix_of_table(images.shape[1])}.")  # fmt: skip
        _check_n_pixels(images.shape[1], shape, "A row of X")
        return images.reshape(-1, *complete_shape(shape, images.shape[1]))
    if images.ndim not in (3, 4):
        raise ValueError(
            f"{_EXPECTED}. Got an array with {images.ndim} axes instead: {images.shape}. "
            "Reshape your data."
        )
    n_seconds, *others = images.shape[1:]
    if images.ndim == 4 and shape is None and n_seconds in (1, 3, 4) and min(others) > 4:
        raise ValueError(
            "The channels must be the last axis of X. Got the shape "
            f"{images.shape}, whose second axis looks like the channels. Use np.moveaxis(X, 1, -1), "
            f"or confirm the shape by shape={images.shape[1:]}."
        )
    return images


def _fix_of_table(n_columns: int) -> str:
    """Return what to do with a table of pixels."""
    side = isqrt(n_columns)
    example = (side, side) if side * side == n_columns else ("height", "width")
    return (
        "if each pixel is a column, give the axes of the pixels, such as "
        f"shape=({example[0]}, {example[1]})"
    )


def complete_shape(shape: tuple[int, ...], n_pixels: int) -> tuple[int, ...]:
    """Return a shape with the axis -1 computed from the number of pixels."""
    if -1 not in shape:
        return shape
    others = -prod(shape)
    return tuple(n_pixels // others if axis == -1 else axis for axis in shape)


def _check_n_pixels(n_pixels: int, shape: tuple[int, ...], what: str) -> None:
    product = prod(shape)
    if product != n_pixels if product > 0 else (n_pixels == 0 or n_pixels % -product):
        raise ValueError(
            f"{what} must have the pixels of shape={shape}"
            f"{f', which are {product}' if product > 0 else ''}. Got {n_pixels} values instead."
        )


def _is_pillow(item: Any) -> bool:
    """Return whether an object is an image of Pillow, without an import of Pillow."""
    return any(cls.__module__ == "PIL.Image" for cls in type(item).__mro__)


def _pillow(what: str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            f"{what} requires Pillow, which is not installed. Install it with: pip install pillow"
        ) from error
    return Image


def _opened(item: Any, row: int) -> Image.Image:
    """Return the image of Pillow for a file, the bytes of a file, or an image of Pillow."""
    if _is_pillow(item):
        return item
    pillow = _pillow("Reading image files")
    name = f"{len(item)} bytes" if isinstance(item, bytes) else shown(os.fspath(item))
    try:
        return pillow.open(io.BytesIO(item) if isinstance(item, bytes) else item)
    except FileNotFoundError as error:
        raise ValueError(f"Image {row} must be an existing file. Got {name} instead.") from error
    except (OSError, ValueError, pillow.DecompressionBombError) as error:
        reason = "is not an image file" if "cannot identify" in str(error) else f"failed: {error}"
        raise ValueError(f"Image {row} cannot be read: {name} {reason}.") from error


def is_picture(item: Any) -> bool:
    """Return whether an image is a file, the bytes of a file, or an image of Pillow."""
    return isinstance(item, (str, bytes, os.PathLike)) or _is_pillow(item)


def facts_of(item: Any, row: int) -> ImageFacts:
    """Return the facts about one image. Of a file, the header is read.

    Parameters
    ----------
    item : array-like of shape (height, width[, n_channels]), image of Pillow, path or bytes
        The image.
    row : int
        Its row, for messages.

    Raises
    ------
    ValueError
        If it is no image, is empty, or cannot be read.
    """
    if not is_picture(item):
        pixels = _array_of(item, row)
        return ImageFacts.of_array(pixels.shape, pixels.dtype)
    image = _opened(item, row)
    try:
        width, height = image.size
        if image.getexif().get(_ORIENTATION) in _EXCHANGING:
            width, height = height, width
        mode = _target_mode(image)
    finally:
        if image is not item:
            image.close()
    kind = "uint16" if mode.startswith("I;16") else "number" if mode in "IF" else "uint8"
    return ImageFacts(height, width, {"LA": 2, "RGB": 3, "RGBA": 4}.get(mode, 1), kind)


def _target_mode(image: Image.Image) -> str:
    """Return the mode whose array is read: of grey values, or of red, green and blue."""
    mode = image.mode
    if mode in _PLAIN_MODES:
        return mode
    if mode == "P":
        return "RGBA" if "transparency" in image.info else "RGB"
    return _CONVERTED_MODES.get(mode, "RGB")


def pixels_of(item: Any, row: int) -> np.ndarray:
    """Return the pixels of one image, of shape (height, width, n_channels).

    Parameters
    ----------
    item : array-like, image of Pillow, path or bytes
        The image.
    row : int
        Its row, for messages.

    Raises
    ------
    ValueError
        If it is no image, is empty, or cannot be read.
    """
    if not is_picture(item):
        pixels = _array_of(item, row)
        return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
    from PIL import ImageOps

    image = _opened(item, row)
    try:
        upright = ImageOps.exif_transpose(image)
        mode = _target_mode(upright)
        pixels = np.asarray(upright if upright.mode == mode else upright.convert(mode))
    except (OSError, ValueError, SyntaxError) as error:
        name = shown(os.fspath(item)) if isinstance(item, (str, os.PathLike)) else "its data"
        raise ValueError(f"Image {row} cannot be read: {name} failed: {error}.") from error
    finally:
        if image is not item:
            image.close()
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def _array_of(item: Any, row: int) -> np.ndarray:
    """Return an image that is an array of numbers with 2 or 3 axes."""
    what = f"Image {row} must be an array of shape (height, width) or (height, width, n_channels)"
    if item is None or np.isscalar(item) or item is pd.NA:
        raise ValueError(f"{what}, an image of Pillow or a path. Got {shown(item)} instead.")
    try:
        pixels = np.asarray(item)
        if pixels.dtype == object:
            pixels = pixels.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} of numbers. Got {shown(item)} instead.") from error
    if pixels.ndim not in (2, 3) or pixels.dtype.kind not in "biuf":
        raise ValueError(
            f"{what} of numbers. Got the shape {pixels.shape} and the dtype {pixels.dtype} instead."
        )
    if 0 in pixels.shape:
        raise ValueError(f"{what} with at least one pixel. Got the shape {pixels.shape} instead.")
    return pixels


def with_channels(pixels: np.ndarray, color_mode: str | None) -> np.ndarray:
    """Return images as grey values or as red, green and blue.

    Parameters
    ----------
    pixels : ndarray of shape (..., n_channels)
        1 channel of grey values, 2 with an alpha channel, 3 or, with an alpha channel, 4. Alpha
        channels are left out.
    color_mode : {"grayscale", "rgb"} or None
        None returns the pixels unchanged.

    Returns
    -------
    converted : ndarray of shape (..., 1) or (..., 3)
        In the dtype of the pixels.
    """
    n_channels = pixels.shape[-1]
    if color_mode is None:
        return pixels
    if color_mode == "rgb":
        return pixels[..., :3] if n_channels > 2 else np.repeat(pixels[..., :1], 3, axis=-1)
    if n_channels < 3:
        return pixels[..., :1]
    # [L = 0.299 R + 0.587 G + 0.114 B]: (..., 3) -> (..., 1)
    luma = pixels[..., :3] @ LUMA
    if pixels.dtype.kind in "biu":
        luma = np.round(luma)
    return luma[..., np.newaxis].astype(pixels.dtype)


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image in another size, by bilinear interpolation with antialiasing.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, n_channels)
        The image.
    size : tuple of two int
        Height and width of the result.

    Returns
    -------
    resized : ndarray of shape (*size, n_channels)
        In float32.

    Raises
    ------
    ImportError
        If Pillow is not installed.
    """
    pillow = _pillow("size=")
    height, width = size
    channels = []
    for channel in range(pixels.shape[-1]):
        plane = np.ascontiguousarray(pixels[..., channel], dtype=np.float32)
        image = pillow.fromarray(plane).resize((width, height), pillow.Resampling.BILINEAR)
        channels.append(np.asarray(image))
    return np.stack(channels, axis=-1)
