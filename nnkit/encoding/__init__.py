"""Raw columns and labels to numbers, and back: numpy, pandas and scikit-learn, no tensors.

- ``labels``: class labels to codes and back, and the weights of classes.
- ``targets``: targets of every kind to what the network learns, and back.
- ``features``: which transformer stands before the network, and what comes out of it.
- ``rows``: the rows held out for validation, and the sample kept for explanations.
"""

from nnkit.encoding.features import encode, make_encoder
from nnkit.encoding.labels import ClassLabels, class_weights
from nnkit.encoding.rows import background_rows, holdout_rows, split_rows
from nnkit.encoding.targets import ClassTarget, ContinuousTarget

__all__ = [
    "ClassLabels",
    "ClassTarget",
    "ContinuousTarget",
    "background_rows",
    "class_weights",
    "encode",
    "holdout_rows",
    "make_encoder",
    "split_rows",
]
