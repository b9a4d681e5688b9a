"""A fit that succeeds as a whole, or leaves the estimator as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["all_or_nothing"]

_OF_CALLBACKS = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")


@contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """Put the attributes of an estimator back as they were if anything fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        # By these scikit-learn ends its callbacks, after the fit.
        noted = {name: vars(estimator)[name] for name in _OF_CALLBACKS if name in vars(estimator)}
        vars(estimator).clear()
        vars(estimator).update(before | noted)
        raise
