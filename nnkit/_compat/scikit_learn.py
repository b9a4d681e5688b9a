"""Private parts of scikit-learn: callbacks and row selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

__all__ = ["rows_of", "with_callbacks"]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def with_callbacks(method: _Method) -> _Method:
    """Return a ``fit`` method that manages scikit-learn's callbacks.

    Reason: scikit-learn's own decorator discards the type of the method (1.9).
    """
    from sklearn.callback import with_callbacks as decorated

    managed: _Method = decorated(method)
    return managed


def rows_of(X: Any, rows: np.ndarray) -> Any:
    """Select rows of an array, table or list, or of a dict of them, by position.

    The container keeps its type.

    Reason: scikit-learn's row selection for any container has no public name (1.9).
    """
    from sklearn.utils import _safe_indexing

    if type(X) is np.ndarray:
        return X[rows]
    if isinstance(X, Mapping):
        return {name: _safe_indexing(part, rows) for name, part in X.items()}
    return _safe_indexing(X, rows)
