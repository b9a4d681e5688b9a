"""From predictions to attributions.

- ``methods``: the choice of a method.
- ``value_function``: the value of a coalition, in calls of bounded size.
- ``exact``: Shapley values and interactions by all coalitions.
- ``permutation``: Shapley values by paired antithetic permutations, with standard errors.
- ``walks``: permutations of many columns, step by step through the first linear layer.
- ``text``: Shapley values of the words of texts.
- ``gradient``, ``lines``: attributions by gradients, and the points at which they are taken.
- ``deep``: attributions by shap's DeepExplainer, with checks.
- ``values``: the attributions of an explanation task.
"""
