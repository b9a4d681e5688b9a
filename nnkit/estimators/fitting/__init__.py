"""The stages of a fit, as functions.

- ``stages``: the order of the stages: check, divide, encode, build, train, store.
- ``fine_tuning``: a second phase of training with other parameters.
- ``building``: networks from a builder: its arguments, and how they are compiled.
- ``member_training``: the networks of an ensemble are trained side by side.
- ``calibration``: the temperature of probabilities, learnt from held-out rows.
- ``convergence``: a warning if the network is no better than a constant prediction.
- ``constant_predictions``: losses of the best constant prediction.
- ``epoch_scoring``: scikit-learn's scorers and callbacks at the end of an epoch.
- ``transaction``: a fit succeeds as a whole, or leaves the estimator unchanged.
"""
