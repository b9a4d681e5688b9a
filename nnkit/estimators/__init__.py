"""Estimators with scikit-learn's contract: parameters, fit, predict, persistence.

- ``classifier``: KerasClassifier.
- ``regressor``: KerasRegressor.
- ``transformer``: KerasTransformer.
- ``tabular_estimators``: TabularClassifier and TabularRegressor.
- ``keras_estimator``: the base class of the estimators.
- ``parameters``: names and values of parameters, and the settings of a fit.
- ``rows``: tables, weights and groups, checked, and divided into training and validation rows.
- ``targets``: the steps of a fit that depend on the kind of target.
- ``fitting``: the stages of a fit, as functions.
- ``prediction``: outputs of the networks, and the decoder of a fitted estimator.
- ``network_function``: predictions for encoded rows, for explanations.
- ``persistence``: stored states of estimators, for pickles and for files without code.
"""

from nnkit.estimators.classifier import KerasClassifier
from nnkit.estimators.regressor import KerasRegressor
from nnkit.estimators.tabular_estimators import TabularClassifier, TabularRegressor
from nnkit.estimators.transformer import KerasTransformer

__all__ = [
    "KerasClassifier",
    "KerasRegressor",
    "KerasTransformer",
    "TabularClassifier",
    "TabularRegressor",
]
