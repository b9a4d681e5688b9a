"""The scikit-learn contract: check, hand over, remember.

- ``classifier``: KerasClassifier.
- ``regressor``: KerasRegressor.
- ``keras_estimator``: what both share, above all the way of the data through ``fit``.
- ``parameters``: parameters in the signature, by prefix, and as arguments of ``fit``.
- ``routing``: which names of parameters are right, and where they go.
- ``checks``: parameters and weights that are not what they must be, in one clear sentence.
- ``tables``: tables of every kind, checked and compared with those of the fit.
- ``monitoring``: scikit-learn's scorers and callbacks at the end of an epoch.
"""

from nnkit.estimators.classifier import KerasClassifier
from nnkit.estimators.regressor import KerasRegressor

__all__ = ["KerasClassifier", "KerasRegressor"]
