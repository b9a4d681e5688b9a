"""Functions and classes that a stored file can refer to by name."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from typing import Any

from sklearn.base import BaseEstimator

__all__ = ["check_import_path", "check_is_no_internal", "has_import_path"]

# Subpackages whose classes and functions users give to estimators.
_PUBLIC_PARTS = ("nnkit.builders.", "nnkit.layers.", "nnkit.losses.", "nnkit.optimizers.")


def check_import_path(value: Any) -> None:
    """Raise if a function or class cannot be imported by its name.

    Parameters
    ----------
    value : object
        A ``functools.partial`` is checked by the function that it calls, and a callback of Keras by
        its attributes. Other values are ignored.

    Raises
    ------
    TypeError
        If it is a lambda, or defined in a function or a class.

    Warns
    -----
    UserWarning
        If it is defined in ``__main__``.
    """
    if isinstance(value, functools.partial):
        check_import_path(value.func)
        return
    if hasattr(value, "on_epoch_end") and not inspect.isclass(value):
        for attribute in vars(value).values():
            check_import_path(attribute)
        return
    if not inspect.isfunction(value) and not inspect.isclass(value):
        return
    if not has_import_path(value, is_main_included=True):
        raise TypeError(
            f"{value.__qualname__} of the module {value.__module__} has no import path, by which a "
            "file without pickled code could refer to it. Define it at the top level of a module, or "
            "store the estimator with pickle or joblib, which hold the code."
        )
    if value.__module__ == "__main__":
        warnings.warn(
            f"{value.__name__} is defined in __main__, so that the file can be loaded only where "
            "__main__ defines it too. Move it to a module that can be imported, or store the "
            "estimator with pickle or joblib, which hold the code.",
            UserWarning,
            stacklevel=2,
        )


def check_is_no_internal(value: Any) -> None:
    """Raise if an object of a file is a part of nnkit that estimators never store as an object.

    A file that is not trusted could have data of its own in it, or call it with such data.

    Parameters
    ----------
    value : object
        An object, class or function of the file.

    Raises
    ------
    ValueError
        If it is an object, class or function of nnkit that is neither an estimator or encoder nor a
        builder, a layer or an optimizer.
    """
    if isinstance(value, functools.partial):
        check_is_no_internal([value.func, *value.args, *value.keywords.values()])
        return
    if isinstance(value, (list, tuple, set, dict)):
        for entry in value.values() if isinstance(value, dict) else value:
            check_is_no_internal(entry)
        return
    if inspect.ismethod(value):
        check_is_no_internal(value.__self__)
    part = value if inspect.isroutine(value) or inspect.isclass(value) else type(value)
    module = str(getattr(part, "__module__", None))
    is_estimator = inspect.isclass(part) and issubclass(part, BaseEstimator)
    if module.startswith("nnkit.") and not module.startswith(_PUBLIC_PARTS) and not is_estimator:
        raise ValueError(
            f"The stored state refers to {module}.{part.__name__}, which nnkit never stores. Do not "
            "use the file."
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
