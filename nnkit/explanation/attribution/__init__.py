"""Methods that compute attributions from predictions or gradients.

- ``shapley``: the choice between exact values and permutations, and the estimate.
- ``value_function``: the value of a coalition, in calls of bounded size.
- ``exact``: Shapley values and interactions by all coalitions.
- ``permutation``: Shapley values by paired antithetic permutations, with standard errors.
- ``walks``: incremental predictions along permutations through a first linear layer.
- ``text``: Shapley values of the words of texts.
- ``gradient``, ``lines``: attributions by gradients, and their integration points.
- ``deep``: attributions by shap's DeepExplainer, with checks.
- ``dispatch``: the attributions of an explanation task, by its method.
"""
