"""The returned ``Explanation``, feature importances and the progress bar.

- ``assembly``: conversion of estimates to explanations, in the shapes that plots of shap take.
- ``result``: a ``shap.Explanation`` with a summary for notebooks.
- ``feature_importance``: mean absolute values of feature groups, with standard errors.
- ``progress``: a progress bar.
"""
