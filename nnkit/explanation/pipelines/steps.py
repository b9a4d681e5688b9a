"""Transformers and final predictor of a fitted estimator, pipeline or search."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from inspect import getattr_static
from typing import Any

from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from nnkit.estimators.network_function import NetworkFunction

__all__ = ["DecomposedPipeline", "does_nothing", "predicts_as", "unwrapped"]

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


@dataclass(frozen=True)
class DecomposedPipeline:
    """A fitted estimator with its transformers and its final predictor.

    Parameters
    ----------
    estimator : estimator
        The whole estimator; the best estimator of a search.
    transformers : list of transformer
        The steps before the last step in their order, without steps that pass rows through
        unchanged in prediction.
    final : estimator
        The last step; the estimator itself if it is not a pipeline.
    """

    estimator: Any
    transformers: list[Any]
    final: Any

    @classmethod
    def of(cls, estimator: Any) -> DecomposedPipeline:
        """Return the steps of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted. Pipelines and searches may be nested. An instance of a subclass that
            overrides a prediction method is not decomposed.

        Raises
        ------
        ValueError
            If a search was fitted with ``refit=False``.
        """
        whole = final = unwrapped(estimator)
        transformers: list[Any] = []
        while _is_pipeline(final):
            transformers += [step for _, step in final.steps[:-1] if not does_nothing(step)]
            final = unwrapped(final.steps[-1][1])
        return cls(whole, transformers, final)

    @property
    def last_step(self) -> DecomposedPipeline:
        """The last step alone, as an estimator without transformers."""
        return DecomposedPipeline(self.final, [], self.final)

    @cached_property
    def network(self) -> NetworkFunction:
        """The raw outputs of the networks of the last step, which must be an nnkit estimator."""
        return NetworkFunction(self.final, is_raw=True)

    def transformed(self, X: Any) -> Any:
        """Return the input rows of the last step.

        Parameters
        ----------
        X : DataFrame, array or dict with n_samples rows
            The input of the estimator.
        """
        transformed = X
        for step in self.transformers:
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
