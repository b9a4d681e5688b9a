"""A fit either succeeds as a whole, or leaves the estimator unchanged.

A fit works on a draft, a copy of the estimator. The estimator gets all learnt attributes in one
assignment, so that other threads see the estimator either before or after the fit. Methods that
read several fitted attributes read them from one `shared_copy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from nnkit._forks import check_not_forked

__all__ = ["completed", "draft_of", "shared_copy"]


T = TypeVar("T")


def shared_copy(estimator: Any) -> Any:
    """Return a copy of an estimator that shares all attributes."""
    copied: Any = object.__new__(type(estimator))
    # A single call, during which no other thread can assign attributes.
    vars(copied).update(vars(estimator))
    return copied


@contextmanager
def draft_of(estimator: Any) -> Iterator[Any]:
    """Yield a copy of an estimator to be fitted, and store its attributes in the estimator.

    After an error, the estimator is unchanged.
    """
    check_not_forked()
    draft = shared_copy(estimator)
    # scikit-learn's callbacks refer to the estimator, not to the draft.
    draft._drafted_from = estimator
    before = dict(vars(draft))
    try:
        yield draft
        learnt = {
            name: value
            for name, value in vars(draft).items()
            if name not in before or before[name] is not value
        }
        removed = before.keys() - vars(draft).keys()
    except BaseException:
        for member in before.get("_members", []):
            member.take_back_live_model()
        raise
    # Parameters that were set during the fit are kept.
    kept = {name: value for name, value in vars(estimator).items() if name not in removed}
    estimator.__dict__ = {**kept, **learnt}


def completed(step: Callable[[], T]) -> tuple[T, KeyboardInterrupt | None]:
    """Return the result of a short step after a training, and an interrupt during the step.

    After an interrupt the step is repeated, so that the training is not lost. The caller raises the
    interrupt when the fit is complete.
    """
    try:
        return step(), None
    except KeyboardInterrupt as interrupt:
        return step(), interrupt
