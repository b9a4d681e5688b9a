"""The ready-made builders for texts, with their encoders and training settings."""

from __future__ import annotations

from collections.abc import Mapping

from nnkit.builders.builder_spec import BuilderSpec

__all__ = ["TEXT_BUILDERS"]

TEXT_BUILDERS: Mapping[str, BuilderSpec] = {}
"""The specification of each builder for texts, by the name that ``model=`` takes."""
