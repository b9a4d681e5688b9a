"""What the user gets.

- ``assembly``: from attributions to explanations, in the shapes that the plots of shap take.
- ``result``: a ``shap.Explanation`` with a summary for notebooks.
- ``feature_importance``: mean absolute values of feature groups, with standard errors.
- ``progress``: a progress bar.
"""
