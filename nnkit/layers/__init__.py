"""Keras layers for tables, images, sequences and texts, which any Keras model can use.

The layers are registered with Keras when this package is imported, so that
``keras.models.load_model`` finds them.

- ``scale``: a learnt factor of each column.
- ``dense``: a linear layer in the neural tangent parametrization.
- ``parametric_activation``: an activation that each unit mixes with the identity.
- ``periodic``: periodic embeddings of numeric columns.
- ``piecewise_linear``: piecewise linear embeddings of numeric columns.
- ``members``: the first and the last layer of several networks that share the layers between.
- ``categories``: embeddings of categories, and categories in a linear model.
- ``dropout``: dropout whose rate decreases during training.
- ``column_slice``: a range of the columns.
- ``sequences``: masks, pooling and positions of padded sequences.
- ``augmentation``: random shifts, flips, rotations, zoom and cut-out of images in training.
- ``tokens``: vectors, masks and dropout of codes of tokens.
- ``initialization``: initializers by name.
"""

from __future__ import annotations

from nnkit.layers.augmentation import RandomAffine, RandomCutout
from nnkit.layers.categories import CategoryBias, CategoryEmbeddings
from nnkit.layers.column_slice import ColumnSlice
from nnkit.layers.dense import NTKDense
from nnkit.layers.dropout import ScheduledDropout
from nnkit.layers.members import MemberDense, MemberScale
from nnkit.layers.parametric_activation import ParametricActivation
from nnkit.layers.periodic import PeriodicEmbedding
from nnkit.layers.piecewise_linear import PiecewiseLinearEmbedding
from nnkit.layers.scale import Scale
from nnkit.layers.sequences import (
    MaskedAveragePooling1D,
    MaskedBatchNormalization,
    MaskedMaxPooling1D,
    SinusoidalPositions,
    StepMask,
    StepValues,
)
from nnkit.layers.tokens import TokenBag, TokenDropout, TokenEmbedding, TokenMask

__all__ = [
    "CategoryBias",
    "CategoryEmbeddings",
    "ColumnSlice",
    "MaskedAveragePooling1D",
    "MaskedBatchNormalization",
    "MaskedMaxPooling1D",
    "MemberDense",
    "MemberScale",
    "NTKDense",
    "ParametricActivation",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "RandomAffine",
    "RandomCutout",
    "Scale",
    "ScheduledDropout",
    "SinusoidalPositions",
    "StepMask",
    "StepValues",
    "TokenBag",
    "TokenDropout",
    "TokenEmbedding",
    "TokenMask",
]
