"""Representation of values in error messages."""

from __future__ import annotations

from typing import Any

__all__ = ["shown"]

_MAX_CHARACTERS = 100


def shown(value: Any) -> str:
    """Return the representation of a value in messages: on one line, at most about 100 characters.

    Parameters
    ----------
    value : object
        Any value. Tables and arrays of several lines are represented by type and shape. Other long
        representations are truncated.
    """
    text = repr(value)
    if "\n" in text and hasattr(value, "shape"):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"
    text = " ".join(text.split())
    if len(text) <= _MAX_CHARACTERS:
        return text
    return f"{text[:_MAX_CHARACTERS]}... ({type(value).__name__}, {len(text)} characters)"
