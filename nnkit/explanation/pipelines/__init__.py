"""Decomposition of a pipeline into preprocessing and predictor, and the output to explain.

- ``steps``: the decomposed pipeline, with its transformers and its final predictor.
- ``outputs``: which predictions are explained, and their names.
- ``columnwise``: the raw column that each transformed column is computed from.
- ``preprocessing``: the fitted preprocessing of a pipeline, and encoded rows.
"""
