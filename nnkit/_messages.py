"""How messages show what a user gave."""

from __future__ import annotations

from typing import Any

__all__ = ["shown"]

_MAX_CHARACTERS = 100


def shown(value: Any) -> str:
    """Return a value as a message shows it: on one line, and no longer than that.

    Parameters
    ----------
    value : object
        Tables and arrays of several lines are shown by type and shape, and what is longer than
        a line by its beginning.
    """
    text = repr(value)
    if "\n" in text and hasattr(value, "shape"):
        return f"a {type(value).__name__} of shape {tuple(value.shape)}"
    text = " ".join(text.split())
    if len(text) <= _MAX_CHARACTERS:
        return text
    return f"{text[:_MAX_CHARACTERS]}... ({type(value).__name__}, {len(text)} characters)"
