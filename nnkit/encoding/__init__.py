"""Raw columns and labels to numbers, and back: numpy, pandas and scikit-learn, no tensors.

- ``labels``: class labels to codes and back, and the weights of classes.
- ``target_values``: targets of every container as arrays of labels or of numbers.
- ``targets``: targets of every kind to what the network learns, and back.
- ``features``: which transformer stands before the network, and what comes out of it.
- ``tabular``: a raw table of numbers, dates and categories to numbers, and back.
- ``containers``: tables and columns of every library, as pandas and NumPy hold them.
- ``kinds``, ``column_codecs``, ``scaling``: what its columns are, how each is read, and to what scale.
- ``numbers_only``: tables for a network without an encoder.
- ``splits``: the rows held out for validation, and the sample kept for explanations.
- ``temperature``: probabilities made less, or more, extreme by one number.
"""

from nnkit.encoding.containers import array_of_rows, as_table, check_unique_names
from nnkit.encoding.features import (
    columns_of,
    encode,
    encode_first,
    make_encoder,
    warn_of_columns_without_effect,
)
from nnkit.encoding.labels import ClassLabels, class_weights
from nnkit.encoding.numbers_only import as_numbers
from nnkit.encoding.splits import (
    background_rows,
    fold_rows,
    holdout_rows,
    rows_at,
    split_rows,
)
from nnkit.encoding.tabular import TabularEncoder
from nnkit.encoding.target_values import comparable_codes, target_array
from nnkit.encoding.targets import ClassTarget, ContinuousTarget
from nnkit.encoding.temperature import fit_temperature, temperature_scaled

__all__ = [
    "ClassLabels",
    "ClassTarget",
    "ContinuousTarget",
    "TabularEncoder",
    "array_of_rows",
    "as_numbers",
    "as_table",
    "background_rows",
    "check_unique_names",
    "class_weights",
    "columns_of",
    "comparable_codes",
    "encode",
    "encode_first",
    "fit_temperature",
    "fold_rows",
    "holdout_rows",
    "make_encoder",
    "rows_at",
    "split_rows",
    "target_array",
    "temperature_scaled",
    "warn_of_columns_without_effect",
]
