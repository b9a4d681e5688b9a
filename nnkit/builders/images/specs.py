"""The ready-made builders for images, with their encoders and training settings."""

from __future__ import annotations

from collections.abc import Mapping

from nnkit.builders.builder_spec import BuilderSpec

__all__ = ["IMAGE_BUILDERS"]

IMAGE_BUILDERS: Mapping[str, BuilderSpec] = {}
"""The specification of each builder for images, by the name that ``model=`` takes."""
