"""The scikit-learn contract: check, hand over, remember.

- ``classifier``: KerasClassifier.
- ``regressor``: KerasRegressor.
- ``transformer``: KerasTransformer.
- ``keras_estimator``: what classifier and regressor share: parameters, ways of fitting.
- ``fitting``: the way of the data through a fit.
- ``building``: the networks of a fit: what their builder is told, what they are compiled with.
- ``kind_of_target``: the steps of a fit that depend on the kind of target.
- ``classification``: those steps of a classifier: labels, their weights, probabilities.
- ``defaults``: from parameters that are left to nnkit to the settings of a fit.
- ``parts``: the rows of a fit, and what each network trains and validates on.
- ``calibration``: how sure the networks may be, learnt from the rows held out.
- ``convergence``: whether a fit has learnt more than a constant prediction knows, and why not.
- ``constants``: losses of constant predictions.
- ``parameters``: parameters in the signature, by prefix, and as arguments of ``fit``.
- ``routing``: which names of parameters are right, and where they go.
- ``checks``: parameters and weights that are not what they must be, in one clear sentence.
- ``tables``: tables of every kind, checked and compared with those of the fit.
- ``network_function``: what a fitted estimator predicts for encoded rows, for explanations.
- ``transaction``: a fit that succeeds as a whole, or leaves the estimator as it was.
- ``monitoring``: scikit-learn's scorers and callbacks at the end of an epoch.
"""

from nnkit.estimators.classifier import KerasClassifier
from nnkit.estimators.regressor import KerasRegressor
from nnkit.estimators.transformer import KerasTransformer

__all__ = ["KerasClassifier", "KerasRegressor", "KerasTransformer"]
