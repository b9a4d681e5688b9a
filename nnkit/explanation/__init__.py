"""Shapley values and gradient attributions of fitted estimators, by the columns of X.

- ``explain``: the public function.
- ``options``: the validated arguments of ``explain``.
- ``explanation_task``: rows, feature groups and background of one call.
- ``pipelines``: the steps of a pipeline, and the explained output of its last step.
- ``masking``: masked samples, in which some columns come from the background.
- ``attribution``: methods that compute attributions from predictions or gradients.
- ``results``: the ``Explanation`` that is returned, its summary and feature importances.
"""

from nnkit.explanation.explain import explain
from nnkit.explanation.results.feature_importance import feature_importance

__all__ = ["explain", "feature_importance"]
