"""Shapley values of any fitted scikit-learn estimator, in the columns the user started from.

The way of a call:

- ``explain``: the public function, which hands over from one to the next.
- ``arguments``: what the user asks for beside the estimator and its rows, checked.
- ``outputs``: which predictions are explained, and the names of the outputs.
- ``subject``: rows, players and background of one call, put together.

From what the user gives to rows whose columns can be exchanged:

- ``layout``: a table, an array of more axes or several inputs as one flat table, and back.
- ``tables``: X and the background checked against each other, and pools of their rows.
- ``background``: the rows that stand for not knowing a column.
- ``players``, ``regions``: which columns, or cells of images and sequences, play together.
- ``steps``: an estimator taken apart, into what transforms and what predicts.
- ``columnwise``: which raw column each transformed column is made from.
- ``encoded``: the fast path, on rows as the last step sees them.
- ``hybrids``: rows mixed of explained and background rows, and what is predicted for them.

From there to values:

- ``methods``: which method makes the values.
- ``game``: the worth of coalitions, in calls of bounded size.
- ``exact``: Shapley values and interactions by all coalitions.
- ``permutation``: Shapley values by paired antithetic permutations, with standard errors.
- ``walks``: permutations of many columns, step by step through the first linear layer.
- ``words``: Shapley values of the words of texts.
- ``values``: hands a subject to a game, or to derivatives of its network.
- ``gradient``, ``lines``: attributions by gradients, and the points they are taken at.
- ``deep``: attributions by shap's DeepExplainer, inside a guard.

And to the user:

- ``assembly``: from values to explanations, in the shapes that the plots of shap take.
- ``result``: a ``shap.Explanation`` with a summary for notebooks.
- ``importance``: mean absolute values of players, with standard errors.
- ``progress``: a progress bar, which only long work shows.
"""

from nnkit.explanation.explain import explain
from nnkit.explanation.importance import importance

__all__ = ["explain", "importance"]
