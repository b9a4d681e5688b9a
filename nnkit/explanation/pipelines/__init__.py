"""What is explained: the steps of an estimator, and the outputs of its last one.

- ``steps``: an estimator as transformers and a final predictor.
- ``outputs``: which predictions are explained, and their names.
- ``columnwise``: the raw column that each transformed column is made from.
- ``preprocessing``: the fitted preprocessing before a network, and rows as the network sees them.
"""
