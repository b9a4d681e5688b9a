"""The ready-made builders for sequences, with their encoders and training settings."""

from __future__ import annotations

from collections.abc import Mapping

from nnkit.builders.builder_spec import BuilderSpec

__all__ = ["SEQUENCE_BUILDERS"]

SEQUENCE_BUILDERS: Mapping[str, BuilderSpec] = {}
"""The specification of each builder for sequences, by the name that ``model=`` takes."""
