"""Augmentation of images by the argument ``augment`` of the builders for images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnkit._messages import shown
from nnkit._suggestions import nearest
from nnkit._validation import as_choice, as_count, as_number

__all__ = ["augmented"]

_PRESETS = ("auto", "light", "photos")
_CHANGES = ("cutout", "flip", "rotation", "shift", "zoom")


def augmented(x: Any, augment: str | Mapping[str, Any] | None) -> Any:
    """Apply the layers that change images at random in training.

    Parameters
    ----------
    x : keras tensor of shape (n_batch, height, width, n_channels)
        The images.
    augment : {"auto", "light", "photos"}, mapping of str to object, or None
        The changes. None changes nothing.

        - "light" does not flip: shifts by up to 1/14 of the shorter side (2 of 28 pixels, none of
          8), rotations by up to 10 degrees, zoom by up to 10 %. For characters, signs and
          everything that has a direction.
        - "photos": horizontal flips, and shifts by up to 1/8 of the shorter side (4 of 32 pixels).
          For photographs of things and scenes.
        - "auto" is "photos" for images with 3 channels or more, else "light".
        - A mapping of "shift" (pixels), "rotation" (degrees), "zoom" (fraction in [0, 1)),
          "flip" ("horizontal", "vertical", "both" or None) and "cutout" (side of a square in
          pixels, smaller than the image). Changes that are not named are left out.

    Returns
    -------
    x : keras tensor of shape (n_batch, height, width, n_channels)

    Raises
    ------
    ValueError
        If the preset or a change is unknown, or a number is out of its range.
    """
    from nnkit.layers import RandomAffine, RandomCutout

    changes = _changes(augment, x.shape)
    cutout = changes.pop("cutout")
    if any(changes.values()):
        x = RandomAffine(**changes, name="augment_affine")(x)
    if cutout:
        x = RandomCutout(cutout, name="augment_cutout")(x)
    return x


def _changes(augment: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the checked changes of images of a shape, by name."""
    _, height, width, n_channels = shape
    shorter = min(height, width)
    if augment is None:
        augment = {}
    if isinstance(augment, str):
        as_choice("augment", augment, _PRESETS)
        if augment == "auto":
            augment = "photos" if n_channels >= 3 else "light"
        if augment == "photos":
            augment = {"shift": shorter // 8, "flip": "horizontal"}
        else:
            augment = {"shift": shorter // 14, "rotation": 10.0, "zoom": 0.1}
    if not isinstance(augment, Mapping):
        raise ValueError(
            f"augment must be one of {list(_PRESETS)}, a mapping such as "
            f"{{'shift': 2, 'rotation': 10}}, or None. Got {shown(augment)} instead."
        )
    for name in augment:
        if name not in _CHANGES:
            suggestion = nearest(str(name), _CHANGES)
            hint = "" if suggestion is None else f" Did you mean {suggestion!r}?"
            raise ValueError(
                f"augment has the unknown change {shown(name)}; there are {list(_CHANGES)}.{hint}"
            )
    shift = as_count("augment['shift']", augment.get("shift", 0), minimum=0)
    cutout = as_count("augment['cutout']", augment.get("cutout", 0), minimum=0)
    for name, pixels in (("shift", shift), ("cutout", cutout)):
        if pixels >= shorter:
            raise ValueError(
                f"augment[{name!r}] must be smaller than the images, which have {height} x {width} "
                f"pixels. Got {pixels} instead."
            )
    flips = ("horizontal", "vertical", "both", None)
    return {
        "shift": shift,
        "rotation": as_number("augment['rotation']", augment.get("rotation", 0), "[0, 180]"),
        "zoom": as_number("augment['zoom']", augment.get("zoom", 0), "[0, 1)"),
        "flip": as_choice("augment['flip']", augment.get("flip"), flips),
        "cutout": cutout,
    }
