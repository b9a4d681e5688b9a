"""Feature groups of images and sequences: patches, timesteps, features, elements, regions."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnkit.explanation.masking.feature_groups import FeatureGroups
from nnkit.explanation.masking.input_layout import InputLayout

__all__ = ["REGIONS", "label_map_groups", "region_groups"]

REGIONS = ("elements", "timesteps", "features", "patches")

# The largest number of patches on a side of an image if ``patch`` is None.
_PATCHES_PER_SIDE = 8


def region_groups(region: str, patch: Any, layout: InputLayout) -> FeatureGroups:
    """Return the feature groups of an array of more than two axes.

    Parameters
    ----------
    region : {"input", "elements", "timesteps", "features", "patches"}
        As in :func:`nnkit.explain`.
    patch : tuple of two int, or None
        Height and width of a patch; None gives at most 8 patches on a side.
    layout : InputLayout
        The layout of the array.

    Raises
    ------
    ValueError
        If the array does not have such feature groups, or ``patch`` is invalid.
    """
    row_shape = layout.row_shape
    n_axes = len(row_shape)
    if region == "input":
        region = "timesteps" if n_axes == 2 else "patches" if n_axes == 3 else "elements"
    if patch is not None and region != "patches":
        raise ValueError(
            "patch needs images of shape (n_samples, height, width, channels). "
            f"Got rows of shape {row_shape} instead."
        )
    if region == "elements":
        return label_map_groups(np.arange(layout.parts[0].n_columns).reshape(row_shape), layout)
    if region == "patches":
        if n_axes != 3:
            raise ValueError(
                "feature_groups='patches' needs images of shape (n_samples, height, width, "
                f"channels). Got rows of shape {row_shape} instead."
            )
        return label_map_groups(_patches(row_shape[:2], patch), layout)
    if n_axes != 2:
        raise ValueError(
            f"feature_groups={region!r} needs sequences of shape (n_samples, timesteps, "
            f"features). Got rows of shape {row_shape} instead."
        )
    axis, letter = (0, "t") if region == "timesteps" else (1, "f")
    names = [f"{letter}{i}" for i in range(row_shape[axis])]
    of_column = np.indices(row_shape)[axis]
    return FeatureGroups(names, of_column.ravel(), is_averaged=True)


def label_map_groups(labels: Any, layout: InputLayout) -> FeatureGroups:
    """Return one feature group for each label of a label map.

    Parameters
    ----------
    labels : array-like of int
        The label of each element of a row; or of each pixel, for all its channels.
    layout : InputLayout
        The layout of the array.

    Raises
    ------
    ValueError
        If the map is not of integers, or has another shape than a row.
    """
    labels, row_shape = np.asarray(labels), layout.row_shape
    if labels.dtype.kind not in "iu" or labels.shape not in (row_shape, row_shape[:-1]):
        raise ValueError(
            "feature_groups, as a map of regions, must be an array of integers of shape "
            f"{row_shape} or {row_shape[:-1]}, like a row of X. "
            f"Got shape {labels.shape} of dtype {labels.dtype} instead."
        )
    known, numbers = np.unique(labels, return_inverse=True)
    numbers = numbers.reshape(labels.shape)
    if labels.shape != row_shape:
        numbers = np.broadcast_to(numbers[..., np.newaxis], row_shape)
    names = [f"region {label}" for label in known.tolist()]
    return FeatureGroups(names, np.ascontiguousarray(numbers).ravel(), row_shape=row_shape)


def _patches(shape: tuple[int, ...], patch: Any) -> np.ndarray:
    """Return a label map of patches, numbered row by row. Patches at the end may be smaller."""
    if patch is None:
        patch = tuple(-(-side // _PATCHES_PER_SIDE) for side in shape)
    is_pair = isinstance(patch, (tuple, list)) and len(patch) == 2
    if not is_pair or not all(isinstance(side, int | np.integer) and side > 0 for side in patch):
        raise ValueError(
            f"patch must be a pair of positive integers, height and width. Got {patch!r} instead."
        )
    row, column = np.indices(shape)
    n_across = -(-shape[1] // patch[1])
    labels: np.ndarray = row // patch[0] * n_across + column // patch[1]
    return labels
