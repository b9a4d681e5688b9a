"""The classes of nnkit that a file of skops may name."""

from __future__ import annotations

__all__ = ["TRUSTED_TYPES"]

TRUSTED_TYPES: tuple[str, ...] = (
    "nnkit.encoding.multi_input_encoder.MultiInputEncoder",
    "nnkit.encoding.samples.image_encoder.ImageEncoder",
    "nnkit.encoding.samples.sequence_encoder.SequenceEncoder",
    "nnkit.encoding.samples.text_encoder.TextEncoder",
    "nnkit.encoding.tabular.TabularEncoder",
    "nnkit.estimators.classifier.KerasClassifier",
    "nnkit.estimators.regressor.KerasRegressor",
    "nnkit.estimators.tabular_estimators.TabularClassifier",
    "nnkit.estimators.tabular_estimators.TabularRegressor",
    "nnkit.estimators.transformer.KerasTransformer",
)
"""Names to trust in files of skops: they restore data, and run no code of the file.

Examples
--------
>>> import skops.io
>>> from sklearn.datasets import load_iris
>>> from nnkit import KerasClassifier
>>> from nnkit.export import TRUSTED_TYPES
>>> X, y = load_iris(return_X_y=True)
>>> data = skops.io.dumps(KerasClassifier(epochs=2).fit(X, y))
>>> skops.io.loads(data, trusted=TRUSTED_TYPES).predict(X[:1]).shape
(1,)
"""
