"""An estimator taken apart: what transforms rows, and what predicts."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

__all__ = ["last_step", "steps_of", "unwrapped"]


def unwrapped(estimator: Any) -> Any:
    """Return the best estimator of a search, or the estimator itself.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    """
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    return estimator


def steps_of(estimator: Any) -> tuple[list[Any], Any]:
    """Return the transformers of an estimator in their order, and what predicts behind them.

    Parameters
    ----------
    estimator : estimator
        Fitted; a pipeline, perhaps of pipelines and searches, or not.

    Returns
    -------
    transformers : list of transformer
        Without those that do nothing.
    final : estimator
        The last step.
    """
    transformers: list[Any] = []
    estimator = unwrapped(estimator)
    while isinstance(estimator, Pipeline):
        transformers += [step for _, step in estimator.steps[:-1] if not _is_nothing(step)]
        estimator = unwrapped(estimator[-1])
    return transformers, estimator


def last_step(estimator: Any) -> Any:
    """Return what predicts, behind the transformers of an estimator.

    Parameters
    ----------
    estimator : estimator
        As for `steps_of`.
    """
    return steps_of(estimator)[1]


def _is_nothing(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")
