"""Encoding of raw columns and labels as numbers, and the inverse, without tensors.

- ``features``: the transformer of a network's columns, and checks of the encoded features.
- ``tabular``: `TabularEncoder`, which encodes numbers, dates and categories of a raw table.
- ``kinds``: kinds of columns, and changes of a column since ``fit``.
- ``numeric_columns``: codecs of columns of numbers, durations and dates.
- ``category_columns``: codecs of columns of categories.
- ``scaling``: scaling and smooth clipping of numbers.
- ``containers``: tables and columns of pandas, polars, Arrow and NumPy in common forms.
- ``rows``: number, selection and random samples of rows.
- ``target_values``: conversion of targets in any container to arrays.
- ``targets``: codecs of class labels and of continuous targets.
- ``weights``: weights of classes, and products of weights.
- ``splits``: splits of rows into training rows and validation rows.
- ``temperature``: temperature scaling of probabilities.
"""

from nnkit.encoding.containers import array_of_rows, as_table, check_unique_names
from nnkit.encoding.features import (
    EncoderKind,
    as_numbers,
    columns_of,
    encode,
    encode_first,
    in_range_of,
    make_encoder,
    warn_of_columns_without_effect,
)
from nnkit.encoding.rows import background_rows, n_encoded_rows, n_samples_of, rows_at, rows_of
from nnkit.encoding.splits import fold_rows, holdout_rows, split_rows
from nnkit.encoding.tabular import TabularEncoder
from nnkit.encoding.target_values import comparable_codes, target_array
from nnkit.encoding.targets import ClassLabels, ClassTarget, ContinuousTarget
from nnkit.encoding.temperature import fit_temperature, temperature_scaled
from nnkit.encoding.weights import class_weights, product_of_weights

__all__ = [
    "ClassLabels",
    "ClassTarget",
    "ContinuousTarget",
    "EncoderKind",
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
    "in_range_of",
    "make_encoder",
    "n_encoded_rows",
    "n_samples_of",
    "product_of_weights",
    "rows_at",
    "rows_of",
    "split_rows",
    "target_array",
    "temperature_scaled",
    "warn_of_columns_without_effect",
]
