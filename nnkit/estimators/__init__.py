"""The scikit-learn contract: check, hand over, remember.

- ``classifier``: KerasClassifier.
- ``regressor``: KerasRegressor.
- ``transformer``: KerasTransformer.
- ``keras_estimator``: what classifier and regressor share: parameters, ways of fitting.
- ``fitting``: the way of the data through a fit.
- ``parameters``: parameters in the signature, by prefix, and as arguments of ``fit``.
- ``routing``: which names of parameters are right, and where they go.
- ``checks``: parameters and weights that are not what they must be, in one clear sentence.
- ``tables``: tables of every kind, checked and compared with those of the fit.
- ``transaction``: a fit that succeeds as a whole, or leaves the estimator as it was.
- ``monitoring``: scikit-learn's scorers and callbacks at the end of an epoch.
"""

from nnkit.estimators.classifier import KerasClassifier
from nnkit.estimators.regressor import KerasRegressor
from nnkit.estimators.transformer import KerasTransformer

__all__ = ["KerasClassifier", "KerasRegressor", "KerasTransformer"]
