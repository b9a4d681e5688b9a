"""The stored state of an object: its attributes, the format, and the version of nnkit.

The attributes are one JSON document, because formats such as skops take 150 bytes for each number.
Arrays, bytes and objects of other libraries are a list beside it, to which the document refers.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

__all__ = ["FORMAT", "attributes_of_state", "state_of_attributes"]

FORMAT = 1
"""Number of the format in which this version stores states. It reads this format only."""

_ENTRIES = {"nnkit_version", "format", "attributes", "parts"}
_LEAF = "nnkit part"
"""Key of the entry with the position of a part that is not in the document."""


def state_of_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the state of an object.

    Parameters
    ----------
    attributes : dict
        The attributes as plain parts.

    Returns
    -------
    state : dict
        ``nnkit_version``, ``format``, ``attributes`` (the JSON document) and ``parts``.
    """
    from nnkit import __version__

    parts: list[Any] = []
    document = json.dumps(_split(attributes, parts))
    return {
        "nnkit_version": __version__,
        "format": FORMAT,
        "attributes": document,
        "parts": parts,
    }


def _split(value: Any, parts: list[Any]) -> Any:
    """Return plain parts as JSON has them, and append the others to a list."""
    if type(value) is list:
        return [_split(entry, parts) for entry in value]
    if type(value) is dict:
        return {key: _split(entry, parts) for key, entry in value.items()}
    if type(value) in (type(None), bool, int, float, str):
        return value
    parts.append(value)
    return {_LEAF: len(parts) - 1}


def _joined(value: Any, parts: list[Any]) -> Any:
    """Return the plain parts of a document; the inverse of `_split`."""
    if type(value) is list:
        return [_joined(entry, parts) for entry in value]
    if type(value) is not dict:
        return value
    if _LEAF in value:
        return parts[value[_LEAF]]
    return {key: _joined(entry, parts) for key, entry in value.items()}


def attributes_of_state(
    cls: type, state: Any, *, may_replace_methods: bool = False
) -> dict[str, Any]:
    """Return the attributes of a stored state, as plain parts.

    Parameters
    ----------
    cls : type
        Class of the object.
    state : dict
        State from `state_of_attributes`.
    may_replace_methods : bool, default=False
        Whether attributes may have the names of methods and properties of the class, as a user may
        have set them. False for files that are not trusted.

    Raises
    ------
    ValueError
        If the state has another format or other entries, or an attribute would replace a method.
    """
    name = cls.__name__
    if not isinstance(state, dict) or not {"format", "nnkit_version"} <= set(state):
        raise ValueError(
            f"The stored state of the {name} is not one that nnkit stored. Store the estimator "
            "again, and copy the file without changes."
        )
    if state["format"] != FORMAT:
        from nnkit import __version__

        raise ValueError(
            f"The {name} was stored by nnkit {state['nnkit_version']} in the format "
            f"{state['format']!r}, but nnkit {__version__} reads the format {FORMAT}. Load it with "
            f"nnkit {state['nnkit_version']}."
        )
    if set(state) != _ENTRIES:
        raise ValueError(
            f"The stored state of the {name} must have the entries {sorted(_ENTRIES)}. "
            f"Got {sorted(map(str, state))} instead."
        )
    try:
        attributes: dict[str, Any] = _joined(json.loads(state["attributes"]), state["parts"])
        names = list(attributes.keys())
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ValueError(
            f"The stored state of the {name} is damaged ({error}). Store the estimator again."
        ) from error
    for attribute in () if may_replace_methods else names:
        if not attribute.isidentifier() or _is_of_class(inspect.getattr_static(cls, attribute, 0)):
            raise ValueError(
                f"The stored state of the {name} has the attribute {attribute!r}, which no "
                f"{name} stores. Do not use the file."
            )
    return attributes


def _is_of_class(known: Any) -> bool:
    """Return whether an attribute of a class is a method, a property or another class."""
    return callable(known) or hasattr(known, "__get__") or isinstance(known, type)
