"""Copies of parameters for ``sklearn.base.clone``, with Keras objects of any class."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from nnkit.estimators.keras_estimator import KerasEstimator

__all__ = ["cloned"]


def cloned(estimator: KerasEstimator) -> Any:
    """Return an unfitted estimator with copies of the parameters.

    ``clone`` copies values deeply. Keras does this through configurations, which fails for
    classes that are not registered with it. Callbacks share what is not plain data: a trial or a
    queue that a copy reports to belongs to the user.

    Parameters
    ----------
    estimator : estimator
    """
    # Without Keras there are no Keras objects to copy, and its import takes seconds.
    if "keras" not in sys.modules:
        return BaseEstimator.__sklearn_clone__(estimator)
    source: Any = object.__new__(type(estimator))
    vars(source).update(
        {
            name: value if name.startswith("_") or name.endswith("_") else _copied(name, value)
            for name, value in vars(estimator).items()
        }
    )
    return BaseEstimator.__sklearn_clone__(source)


class _Copied:
    """A value whose deep copy is that of the value, with Keras objects of any class in it."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from nnkit.training.copying.copies import deep_copy_of

        return deep_copy_of(self.value)


class _CopiedCallbacks(_Copied):
    """Callbacks, or arguments of them, whose deep copy shares what is not plain data."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from nnkit.training.copying.callback_copies import copy_of_callbacks

        return copy_of_callbacks(self.value)


def _copied(name: str, value: Any) -> Any:
    """Return the value of a parameter for scikit-learn to clone."""
    is_of_callbacks = name.removeprefix("fit__").partition("__")[0] == "callbacks"
    return (
        _CopiedCallbacks(value) if is_of_callbacks and value is not None else _copied_deeply(value)
    )


def _copied_deeply(value: Any) -> Any:
    """Return a value for scikit-learn to clone: other estimators in it are cloned as ever."""
    if type(value) in (list, tuple):
        return type(value)(_copied_deeply(part) for part in value)
    if type(value) is dict:
        return {name: _copied_deeply(part) for name, part in value.items()}
    is_plain = value is None or isinstance(value, (bool, int, float, str, type))
    return value if is_plain or hasattr(value, "get_params") else _Copied(value)
