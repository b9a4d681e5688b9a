"""Shapley values of any fitted scikit-learn estimator, in the columns the user started from.

- ``explain``: the public function, which checks, hands over and makes the ``shap.Explanation``.
- ``outputs``: which function of the estimator is explained, and the names of its outputs.
- ``tables``: X and the background checked against each other, and the hybrids of their rows.
- ``players``: which columns play together, and what is displayed of them.
- ``game``: the worth of coalitions, in calls of bounded size.
- ``exact``: Shapley values by all coalitions.
- ``permutation``: Shapley values by paired antithetic permutations, with standard errors.
"""

from nnkit.explanation.explain import explain

__all__ = ["explain"]
