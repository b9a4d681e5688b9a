"""Any value to plain parts, and back, without running code of the stored file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from nnkit.persistence import tables
from nnkit.persistence.scalars import SCALARS, zone_of_name

__all__ = ["KIND", "PlainParts"]

KIND = "nnkit"
"""Key of the entry that names how a part is restored. Keys of other dicts do not begin with it."""

_SAME = (type(None), bool, int, float, str, bytes)
_SCALAR_KINDS = {scalar.cls: kind for kind, scalar in SCALARS.items()}
_COLLECTIONS = {"frozenset": frozenset, "set": set, "tuple": tuple}
# Lists of at least so many floats are stored as an array.
_MIN_FLOATS = 8
# Arrays of at most so many numbers are stored as lists, because a file has a header for each array.
_MAX_SHORT = 64
# Classes of time zones, by their modules.
_ZONE_MODULES = ("datetime", "zoneinfo", "pytz", "dateutil.tz.tz")


class PlainParts:
    """Conversion of values to plain parts and back, for a closed set of classes.

    Parameters
    ----------
    classes : mapping of str to type
        The classes of nnkit that the state holds, by the name with which they are stored. A dataclass
        is stored by its fields, other classes by ``__getstate__`` and ``__setstate__``.
    keep : callable
        Function of a value of any other class. It returns what is stored in its place.
    restore : mapping of str to callable, default={}
        For each further kind of part that ``keep`` returns, a function of the part's entries, which
        are restored already.
    check_dict : callable or None, default=None
        Function of each restored dict, which raises if the dict must not be in a state.
    """

    def __init__(
        self,
        classes: Mapping[str, type],
        keep: Callable[[Any], Any],
        restore: Mapping[str, Callable[[dict[str, Any]], Any]] | None = None,
        check_dict: Callable[[dict[Any, Any]], None] | None = None,
    ) -> None:
        self.classes, self.keep, self.restore = classes, keep, restore or {}
        self.check_dict = check_dict
        self._names = {cls: name for name, cls in classes.items()}

    def of(self, value: Any) -> Any:
        """Return the plain parts of a value."""
        cls = type(value)
        if cls in _SAME:
            return value
        if isinstance(value, np.generic):
            array = np.asarray(value)
            is_number = array.dtype.kind in "biuf" and array.dtype.itemsize <= 8
            return {KIND: "number", **_array_fields(array)} if is_number else value
        if cls in (np.ndarray, np.memmap):
            return self._of_array(np.asarray(value))
        if cls is list:
            return self._of_list(value)
        if cls is tuple:
            return {KIND: "tuple", "entries": [self.of(entry) for entry in value]}
        if cls in (set, frozenset):
            return {KIND: cls.__name__, "entries": [self.of(entry) for entry in value]}
        if cls is dict:
            return self._of_dict(value)
        if cls in self._names:
            return {KIND: self._names[cls], **self._of_fields(value)}
        return self._of_scalar(value)

    def _of_scalar(self, value: Any) -> Any:
        cls = type(value)
        if cls in _SCALAR_KINDS:
            kind = _SCALAR_KINDS[cls]
            return {KIND: kind, "fields": SCALARS[kind].to_fields(value)}
        if cls is slice:
            return {KIND: "slice", "fields": [value.start, value.stop, value.step]}
        if isinstance(value, np.dtype) and value.names is None and value.metadata is None:
            return {KIND: "dtype", "name": value.str}
        if cls.__module__.startswith(_ZONE_MODULES) and _is_named_zone(value):
            return {KIND: "zone", "name": str(value)}
        found = tables.to_fields(value)
        if found is not None:
            kind, fields = found
            return {KIND: kind, **{name: self.of(part) for name, part in fields.items()}}
        return self.keep(value)

    def _of_fields(self, value: Any) -> dict[str, Any]:
        """Return the plain parts of an instance of one of the classes."""
        if dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
            return {name: self.of(getattr(value, name)) for name in names}
        return {name: self.of(part) for name, part in value.__getstate__().items()}

    def _of_list(self, values: list[Any]) -> Any:
        kinds = set(map(type, values))
        if kinds == {float} and len(values) >= _MIN_FLOATS:
            return {KIND: "floats", "values": self.of(np.array(values))}
        if kinds <= {np.ndarray, np.memmap} and len(values) > 1:
            dtypes = {array.dtype for array in values}
            if len(dtypes) == 1 and dtypes.pop().kind != "O":
                # One array, because a file has a header for each of them.
                flat = np.concatenate([array.ravel() for array in values])
                shapes = [list(array.shape) for array in values]
                return {KIND: "arrays", "shapes": shapes, "flat": self.of(flat)}
        return [self.of(entry) for entry in values]

    def _of_dict(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str and not key.startswith(KIND) for key in value):
            return {key: self.of(part) for key, part in value.items()}
        keys, parts = [self.of(key) for key in value], [self.of(part) for part in value.values()]
        return {KIND: "dict", "keys": keys, "values": parts}

    def _of_array(self, array: np.ndarray) -> Any:
        if array.dtype == object:
            parts = [self.of(entry) for entry in array.ravel().tolist()]
            return {KIND: "objects", "shape": list(array.shape), "values": parts}
        if array.size > _MAX_SHORT or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            return array
        return {KIND: "array", **_array_fields(array)}

    def restored(self, part: Any) -> Any:
        """Return the value of plain parts.

        Raises
        ------
        ValueError
            If a part is of an unknown kind, or has other entries than were stored.
        """
        if type(part) is list:
            return [self.restored(entry) for entry in part]
        if type(part) is not dict:
            return part
        if KIND not in part:
            return self._checked({key: self.restored(entry) for key, entry in part.items()})
        kind = part[KIND]
        fields = {name: self.restored(entry) for name, entry in part.items() if name != KIND}
        try:
            return self._restored_kind(kind, fields)
        except (LookupError, TypeError, AttributeError, OSError) as error:
            raise ValueError(
                f"The stored state is damaged: a part of kind {kind!r} cannot be restored "
                f"({type(error).__name__}: {error})."
            ) from error

    def _checked(self, restored: dict[Any, Any]) -> dict[Any, Any]:
        if self.check_dict is not None:
            self.check_dict(restored)
        return restored

    def _restored_kind(self, kind: Any, fields: dict[str, Any]) -> Any:
        if kind in self.classes:
            return _instance(self.classes[kind], fields)
        if kind in self.restore:
            return self.restore[kind](fields)
        if kind in SCALARS:
            return SCALARS[kind].from_fields(fields["fields"])
        if kind in tables.KINDS:
            return tables.from_fields(kind, fields)
        if kind in _COLLECTIONS:
            return _COLLECTIONS[kind](fields["entries"])
        if kind in ("array", "number"):
            array = np.array(fields["values"], dtype=fields["dtype"]).reshape(fields["shape"])
            return array if kind == "array" else array[()]
        if kind == "objects":
            return _object_array(fields)
        if kind == "arrays":
            return _arrays(fields)
        if kind == "floats":
            return fields["values"].tolist()
        if kind == "dict":
            return self._checked(dict(zip(fields["keys"], fields["values"], strict=True)))
        if kind == "slice":
            return slice(*fields["fields"])
        if kind == "dtype":
            return np.dtype(str(fields["name"]))
        if kind == "zone":
            return zone_of_name(fields["name"])
        raise ValueError(
            f"The stored state has a part of kind {kind!r}, which this version of nnkit does not "
            "know. Load it with the version that stored it."
        )


def _instance(cls: type, fields: dict[str, Any]) -> Any:
    """Return an instance of a class of nnkit with stored fields, which must be those of the class.

    Files of earlier versions lack fields with ``is_missing_in_old_files`` in their metadata.
    """
    if dataclasses.is_dataclass(cls):
        names = {field.name for field in dataclasses.fields(cls)}
        required = {
            field.name
            for field in dataclasses.fields(cls)
            if not field.metadata.get("is_missing_in_old_files")
        }
        if not required <= set(fields) <= names:
            raise ValueError(
                f"The stored state is damaged: a {cls.__name__} has the entries {sorted(names)}. "
                f"Got {sorted(fields)} instead."
            )
        return cls(**fields)
    made: Any = object.__new__(cls)
    made.__setstate__(fields)
    return made


def _array_fields(array: np.ndarray) -> dict[str, Any]:
    """Return the fields of a short array of numbers. Python's floats represent them exactly."""
    values = array.ravel().tolist()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "values": values}


def _object_array(fields: dict[str, Any]) -> np.ndarray:
    values = fields["values"]
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(fields["shape"])


def _arrays(fields: dict[str, Any]) -> list[np.ndarray]:
    flat, shapes = fields["flat"], fields["shapes"]
    ends = np.cumsum([int(np.prod(shape, dtype=np.int64)) for shape in shapes])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _is_named_zone(value: Any) -> bool:
    """Return whether a time zone is restored from its name."""
    try:
        restored = zone_of_name(str(value))
    except (TypeError, ValueError, KeyError):
        return False
    # Zones of different libraries are unequal, although their names are equal.
    moments = pd.to_datetime(["2000-01-15", "2020-07-15"])
    here = moments.tz_localize(value).tz_convert("UTC")
    return bool((here == moments.tz_localize(restored).tz_convert("UTC")).all())
