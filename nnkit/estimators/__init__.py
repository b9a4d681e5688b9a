"""The scikit-learn contract: check, hand over, remember.

- ``classifier``: KerasClassifier.
- ``regressor``: KerasRegressor.
- ``keras_estimator``: what both share, above all the way of the data through ``fit``.
- ``routing``: parameters by prefix, such as ``model__units``: which names are right.
- ``checks``: parameters and tables that are not what they must be, in one clear sentence.
- ``monitoring``: scikit-learn scorers on the outputs of one validation pass.
"""

from nnkit.estimators.classifier import KerasClassifier
from nnkit.estimators.regressor import KerasRegressor

__all__ = ["KerasClassifier", "KerasRegressor"]
