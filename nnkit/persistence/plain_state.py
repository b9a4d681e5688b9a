"""`PlainStateMixin`: the pickled state of an encoder as plain parts, for files without code."""

from __future__ import annotations

from typing import Any, ClassVar

from nnkit.persistence.plain_parts import PlainParts
from nnkit.persistence.stored_state import attributes_of_state, state_of_attributes

__all__ = ["PlainStateMixin"]


class PlainStateMixin:
    """Mixin that stores the attributes of an estimator as plain parts.

    It is to the left of ``BaseEstimator``, whose state it converts.

    Attributes
    ----------
    _plain_parts : PlainParts
        The conversion of the attributes. Subclasses with attributes of nnkit's classes override it.
    """

    _plain_parts: ClassVar[PlainParts] = PlainParts({}, keep=lambda value: value)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes as plain parts, so that files without code can hold the encoder."""
        attributes: Any = super().__getstate__()
        to_plain = self._plain_parts.of
        return state_of_attributes({name: to_plain(part) for name, part in attributes.items()})

    def __setstate__(self, state: dict[str, Any]) -> None:
        attributes = attributes_of_state(type(self), state)
        restored = self._plain_parts.restored
        self.__dict__.update({name: restored(part) for name, part in attributes.items()})
