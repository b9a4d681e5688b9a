"""Exceptions of nnkit."""

from __future__ import annotations

__all__ = ["NonFiniteLossError"]


class NonFiniteLossError(FloatingPointError):
    """The training or validation loss became NaN or infinite."""
