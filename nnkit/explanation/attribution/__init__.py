"""Methods that compute attributions from predictions or gradients.

- ``methods``: the choice of a method.
- ``value_function``: the value of a coalition, in calls of bounded size.
- ``exact``: Shapley values and interactions by all coalitions.
- ``permutation``: Shapley values by paired antithetic permutations, with standard errors.
- ``walks``: incremental predictions along permutations through a first linear layer.
- ``text``: Shapley values of the words of texts.
- ``gradient``, ``lines``: attributions by gradients, and their integration points.
- ``deep``: attributions by shap's DeepExplainer, with checks.
- ``values``: the attributions of an explanation task.
"""
