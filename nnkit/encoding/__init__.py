"""Raw columns and labels to numbers, and back: numpy, pandas and scikit-learn, no tensors.

- ``labels``: class labels to codes and back, and the weights of classes.
- ``targets``: the target of a regression to standard units and back.
- ``features``: which transformer stands before the network, and what comes out of it.
- ``rows``: the rows held out for validation, and the sample kept for explanations.
"""

from nnkit.encoding.features import encode, make_encoder
from nnkit.encoding.labels import ClassLabels, class_weight_of_rows
from nnkit.encoding.rows import background_rows, holdout_rows
from nnkit.encoding.targets import ContinuousTarget

__all__ = [
    "ClassLabels",
    "ContinuousTarget",
    "background_rows",
    "class_weight_of_rows",
    "encode",
    "holdout_rows",
    "make_encoder",
]
