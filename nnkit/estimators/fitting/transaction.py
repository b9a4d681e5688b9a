"""A fit that succeeds as a whole, or leaves the estimator as it was.

A fit works on a draft, a copy of the estimator, and the estimator takes over all that was learnt
by one assignment. Other threads that predict meanwhile see the estimator of before or the fitted
one. Methods that read several fitted attributes read them from one `shared_copy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from nnkit._forks import check_not_forked

__all__ = ["completed", "draft_of", "shared_copy"]


T = TypeVar("T")


def shared_copy(estimator: Any) -> Any:
    """Return a copy of an estimator that shares all that it holds."""
    copied: Any = object.__new__(type(estimator))
    # One call, during which no other thread can assign the attributes.
    vars(copied).update(vars(estimator))
    return copied


@contextmanager
def draft_of(estimator: Any) -> Iterator[Any]:
    """Yield a copy of an estimator to be fitted, whose attributes the estimator takes over.

    After an error the estimator is as it was.
    """
    check_not_forked()
    draft = shared_copy(estimator)
    # scikit-learn's callbacks know the estimator itself, before and after its fit.
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
    # Parameters that were set in the meantime stay.
    kept = {name: value for name, value in vars(estimator).items() if name not in removed}
    estimator.__dict__ = {**kept, **learnt}


def completed(step: Callable[[], T]) -> tuple[T, KeyboardInterrupt | None]:
    """Return the result of a short step after a training, and the interrupt that came meanwhile.

    The step is done again after an interrupt, so that the training is not lost. The caller raises
    the interrupt once the fit is complete.
    """
    try:
        return step(), None
    except KeyboardInterrupt as interrupt:
        return step(), interrupt
