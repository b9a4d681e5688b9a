"""Shapley values and gradient attributions of fitted estimators, in the columns of the user.

- ``explain``: the public function.
- ``options``: its arguments, checked.
- ``explanation_task``: rows, feature groups and background of one call.
- ``pipelines``: the steps of an estimator, and the outputs of its last one.
- ``masking``: rows in which some columns come from the background.
- ``attribution``: from predictions to attributions.
- ``results``: what the user gets.
"""

from nnkit.explanation.explain import explain
from nnkit.explanation.results.feature_importance import feature_importance

__all__ = ["explain", "feature_importance"]
