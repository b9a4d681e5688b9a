"""Functions and classes that a stored file can refer to by name."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import Any

__all__ = ["check_import_path", "has_import_path"]


def check_import_path(value: Any) -> None:
    """Raise if a function or class cannot be imported by its name. Other values are ignored.

    Parameters
    ----------
    value : object
        A ``functools.partial`` is checked by the function that it calls.

    Raises
    ------
    TypeError
        If it is a lambda, or defined in a function or a class.
    """
    if isinstance(value, functools.partial):
        check_import_path(value.func)
        return
    if not inspect.isfunction(value) and not inspect.isclass(value):
        return
    if has_import_path(value, is_main_included=True):
        return
    raise TypeError(
        f"{value.__qualname__} of the module {value.__module__} has no import path, by which a file "
        "without pickled code could refer to it. Define it at the top level of a module, or store "
        "the estimator with pickle or joblib, which hold the code."
    )


def has_import_path(value: Any, *, is_main_included: bool = False) -> bool:
    """Return whether a function or class is an attribute of its module.

    Parameters
    ----------
    value : function or class
    is_main_included : bool, default=False
        Whether the module ``__main__`` counts, which is another one in each process.
    """
    if value.__module__ == "__main__" and not is_main_included:
        return False
    return getattr(sys.modules.get(value.__module__), value.__name__, None) is value
