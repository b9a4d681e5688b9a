"""An estimator taken apart: what transforms rows, and what predicts."""

from __future__ import annotations

from inspect import getattr_static
from typing import Any

from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

__all__ = ["does_nothing", "last_step", "predicts_as", "steps_of", "through", "unwrapped"]

_METHODS = ("predict", "predict_proba", "decision_function")


def predicts_as(estimator: Any, kind: type) -> bool:
    """Return whether an estimator is of a kind, and none of its predictions are its own.

    Parameters
    ----------
    estimator : object
        Perhaps of a subclass.
    kind : type
        Whose ways of predicting are known.
    """
    return isinstance(estimator, kind) and all(
        getattr_static(type(estimator), name, None) is getattr_static(kind, name, None)
        for name in _METHODS
    )


def unwrapped(estimator: Any) -> Any:
    """Return the best estimator of a search, or the estimator itself.

    Parameters
    ----------
    estimator : estimator
        Fitted.

    Raises
    ------
    ValueError
        If a search was fitted without a best estimator.
    """
    while predicts_as(estimator, GridSearchCV) or predicts_as(estimator, RandomizedSearchCV):
        if not hasattr(estimator, "best_estimator_"):
            raise ValueError(
                f"{type(estimator).__name__} was fitted with refit=False, so that there is no "
                "best estimator to explain. Fit it with refit=True."
            )
        estimator = estimator.best_estimator_
    return estimator


def steps_of(estimator: Any) -> tuple[list[Any], Any]:
    """Return the transformers of an estimator in their order, and what predicts behind them.

    Parameters
    ----------
    estimator : estimator
        Fitted; a pipeline, perhaps of pipelines and searches, or not. One that predicts in a way
        of its own is not taken apart.

    Returns
    -------
    transformers : list of transformer
        Without those that do nothing when it predicts.
    final : estimator
        The last step.
    """
    transformers: list[Any] = []
    estimator = unwrapped(estimator)
    while _is_pipeline(estimator):
        transformers += [step for _, step in estimator.steps[:-1] if not does_nothing(step)]
        estimator = unwrapped(estimator.steps[-1][1])
    return transformers, estimator


def last_step(estimator: Any) -> Any:
    """Return what predicts, behind the transformers of an estimator.

    Parameters
    ----------
    estimator : estimator
        As for `steps_of`.
    """
    return steps_of(estimator)[1]


def through(transformers: list[Any], X: Any) -> Any:
    """Return rows as they come out of transformers.

    Parameters
    ----------
    transformers : list of transformer
        Applied one after the other.
    X : DataFrame, array or dict with n_samples rows
    """
    transformed = X
    for step in transformers:
        transformed = step.transform(transformed)
    return transformed


def _is_pipeline(estimator: Any) -> bool:
    # That of imbalanced-learn has methods of its own, which leave out samplers.
    is_imbalanced = type(estimator).__module__ == "imblearn.pipeline"
    return isinstance(estimator, Pipeline) and (is_imbalanced or predicts_as(estimator, Pipeline))


def does_nothing(step: Any) -> bool:
    """Return whether a step hands on rows as they are when a pipeline predicts.

    Parameters
    ----------
    step : transformer, sampler, "passthrough" or None
    """
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return True
    return hasattr(step, "fit_resample") and not hasattr(step, "transform")
