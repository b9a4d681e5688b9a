"""Keras layers for tables, which any Keras model may use; all of them can be saved.

``keras.models.load_model`` knows them once this package is imported.

- ``scale``: a factor for each column.
- ``dense``: the linear layer in the parametrisation of the neural tangent kernel.
- ``activation``: an activation that each unit mixes with the identity.
- ``periodic``: numeric columns as learnt cosines.
- ``categories``: codes of categories as learnt vectors, and as terms of a linear model.
- ``dropout``: dropout that fades out in the course of a training.
- ``column_slice``: a range of the columns.
- ``initialization``: initializers by name.
"""

from __future__ import annotations

from nnkit.layers.activation import ParametricActivation
from nnkit.layers.categories import CategoryBias, CategoryEmbeddings
from nnkit.layers.column_slice import ColumnSlice
from nnkit.layers.dense import NTKDense
from nnkit.layers.dropout import ScheduledDropout
from nnkit.layers.periodic import PeriodicEmbedding
from nnkit.layers.scale import Scale

__all__ = [
    "CategoryBias",
    "CategoryEmbeddings",
    "ColumnSlice",
    "NTKDense",
    "ParametricActivation",
    "PeriodicEmbedding",
    "Scale",
    "ScheduledDropout",
]
