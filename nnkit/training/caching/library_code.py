"""Recognition of library code, which its module and name identify."""

from __future__ import annotations

import sys
import types
from operator import is_
from typing import Any

__all__ = [
    "LIBRARIES",
    "has_own_code",
    "is_genuine",
    "is_keras_function",
    "is_of_package",
    "replaced_members",
    "root_of",
    "runs_library_code_only",
]

# The code of these packages does not change while a process runs, apart from replaced methods.
_PACKAGES = frozenset({"keras", "tensorflow", "numpy", "scipy", "sklearn", "pandas", "nnkit"})
# Modules of the standard library whose functions depend only on their arguments.
_PURE_MODULES = frozenset(
    {
        "_collections", "_functools", "_operator", "abc", "base64", "bisect", "builtins", "cmath",
        "collections", "contextlib", "copy", "dataclasses", "decimal", "enum", "fractions",
        "functools", "hashlib", "heapq", "inspect", "itertools", "json", "logging", "math",
        "numbers", "operator", "re", "statistics", "string", "struct", "textwrap", "types",
        "typing", "warnings",
    }
)  # fmt: skip
LIBRARIES = _PACKAGES | _PURE_MODULES | {"__future__"}


def root_of(name: str | None) -> str:
    """Return the top-level package of a dotted name; empty for None."""
    return (name or "").partition(".")[0]


def is_of_package(value: Any, *packages: str) -> bool:
    """Return whether the ``__module__`` of a function or class is in one of the packages."""
    return root_of(getattr(value, "__module__", None)) in packages


def is_genuine(value: Any) -> bool:
    """Return whether a function or class is the object that a library has under its name.

    The ``__module__`` alone is not sufficient: decorated functions have the module and name of the
    function that they wrap, and any class can set its ``__module__``.
    """
    module = getattr(value, "__module__", None)
    names = getattr(value, "__qualname__", None)  # an instance has none
    if not isinstance(module, str) or root_of(module) not in LIBRARIES or names is None:
        return False
    found: Any = sys.modules.get(module)
    for name in names.split("."):
        found = getattr(found, name, None)
    return found is value


# Compiled programs do not run these methods of Keras' classes. Other packages replace some of them.
_NOT_IN_PROGRAMS = frozenset(
    {
        "__copy__", "__deepcopy__", "__getstate__", "__reduce__", "__reduce_ex__", "__setstate__",
        "compile", "evaluate", "fit", "get_config", "from_config", "predict", "save", "summary",
    }
)  # fmt: skip


_members_seen: dict[type, tuple[list[Any], dict[str, Any]]] = {}


def replaced_members(cls: type) -> dict[str, Any]:
    """Return the methods of a library class and its bases that other code has replaced."""
    members: list[Any] = []
    for base in cls.__mro__:
        members += vars(base).values()
    seen, replaced = _members_seen.get(cls, ([], {}))
    if len(seen) == len(members) and all(map(is_, seen, members)):
        return replaced
    replaced = {
        f"{base.__qualname__}.{name}": member
        for base in cls.__mro__
        for name, member in vars(base).items()
        if name not in _NOT_IN_PROGRAMS and _is_replacement(member)
    }
    _members_seen[cls] = members, replaced
    return replaced


def _is_replacement(member: Any) -> bool:
    function = getattr(member, "__func__", getattr(member, "fget", member))
    if type(function) is not types.FunctionType:
        return False
    root = root_of(function.__globals__.get("__name__"))
    return root not in LIBRARIES and root not in sys.stdlib_module_names


def runs_library_code_only(part: Any) -> bool:
    """Return whether a layer, a model or a loss only has code of Keras or nnkit.

    Parameters
    ----------
    part : object
        No method may be replaced in its class or in the instance.
    """
    cls = type(part)
    return (
        is_genuine(cls)
        and is_of_package(cls, "keras", "nnkit")
        and not replaced_members(cls)
        and "call" not in vars(part)
    )


def is_keras_function(function: Any) -> bool:
    """Return whether an activation is a function of Keras or None.

    Parameters
    ----------
    function : callable or None
    """
    return function is None or (is_of_package(function, "keras") and is_genuine(function))


_KNOWN_MODULES = ("keras.", "nnkit.layers.", "nnkit.losses.", "nnkit.optimizers.")


def has_own_code(config: Any) -> bool:
    """Return whether a Keras configuration refers to custom functions or classes.

    The configuration determines objects of Keras, and the layers, losses and optimizers of nnkit.
    """
    if isinstance(config, dict):
        module = config.get("module")
        is_known = isinstance(module, str) and (module + ".").startswith(_KNOWN_MODULES)
        is_registered = config.get("registered_name") is not None
        if "class_name" in config and not is_known and (module is not None or is_registered):
            return True
        if config.get("class_name") in ("function", "__lambda__"):
            return True
        return any(has_own_code(part) for part in config.values())
    if isinstance(config, (list, tuple)):
        return any(has_own_code(part) for part in config)
    return False
