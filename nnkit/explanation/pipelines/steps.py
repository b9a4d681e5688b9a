"""Transformers and final predictor of a fitted estimator, pipeline or search."""

from __future__ import annotations

from inspect import getattr_static
from typing import Any

from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

__all__ = ["does_nothing", "last_step", "predicts_as", "steps_of", "through", "unwrapped"]

_METHODS = ("predict", "predict_proba", "decision_function")


def predicts_as(estimator: Any, kind: type) -> bool:
    """Return whether an estimator is an instance of a class and overrides none of its predictions.

    Parameters
    ----------
    estimator : object
        An instance of any class.
    kind : type
        The class whose ``predict``, ``predict_proba`` and ``decision_function`` must be
        inherited unchanged.
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
        A fitted estimator, or a fitted search, which may be nested.

    Raises
    ------
    ValueError
        If a search was fitted with ``refit=False``.
    """
    while predicts_as(estimator, GridSearchCV) or predicts_as(estimator, RandomizedSearchCV):
        if not hasattr(estimator, "best_estimator_"):
            raise ValueError(
                f"estimator must have a best_estimator_, but this {type(estimator).__name__} was "
                "fitted with refit=False. Fit it with refit=True."
            )
        estimator = estimator.best_estimator_
    return estimator


def steps_of(estimator: Any) -> tuple[list[Any], Any]:
    """Return the transformers of an estimator in their order, and its final predictor.

    Parameters
    ----------
    estimator : estimator
        Fitted. Pipelines and searches may be nested. An instance of a subclass that overrides
        a prediction method is not decomposed.

    Returns
    -------
    transformers : list of transformer
        Without the steps that pass rows through unchanged in prediction.
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
    """Return the final predictor of an estimator.

    Parameters
    ----------
    estimator : estimator
        As for `steps_of`.
    """
    return steps_of(estimator)[1]


def through(transformers: list[Any], X: Any) -> Any:
    """Return rows transformed by a sequence of transformers.

    Parameters
    ----------
    transformers : list of transformer
        Fitted, applied in this order.
    X : DataFrame, array or dict with n_samples rows
        The input of the first transformer.
    """
    transformed = X
    for step in transformers:
        transformed = step.transform(transformed)
    return transformed


def _is_pipeline(estimator: Any) -> bool:
    # imbalanced-learn's Pipeline overrides the prediction methods only to skip samplers.
    is_imbalanced = type(estimator).__module__ == "imblearn.pipeline"
    return isinstance(estimator, Pipeline) and (is_imbalanced or predicts_as(estimator, Pipeline))


def does_nothing(step: Any) -> bool:
    """Return whether a step passes rows through unchanged when a pipeline predicts.

    Parameters
    ----------
    step : transformer, sampler, "passthrough" or None
        A step of a pipeline. A sampler of imbalanced-learn acts in ``fit`` only.
    """
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return True
    return hasattr(step, "fit_resample") and not hasattr(step, "transform")
