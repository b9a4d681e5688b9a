"""Encoding of raw columns and labels as numbers, and the inverse, without tensors.

- ``features``: the transformer of a network's columns, and checks of the encoded features.
- ``tabular``: `TabularEncoder`, which encodes numbers, dates and categories of a raw table.
- ``samples``: encoders of images, sequences and texts.
- ``multi_input_encoder``: `MultiInputEncoder`, which encodes several inputs of a network.
- ``input_dict``: `InputDict`, a dict of inputs whose rows can be selected.
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

from nnkit.encoding.input_dict import InputDict
from nnkit.encoding.multi_input_encoder import MultiInputEncoder
from nnkit.encoding.samples.image_encoder import ImageEncoder
from nnkit.encoding.samples.sequence_encoder import SequenceEncoder
from nnkit.encoding.samples.text_encoder import TextEncoder
from nnkit.encoding.tabular import TabularEncoder

__all__ = [
    "ImageEncoder",
    "InputDict",
    "MultiInputEncoder",
    "SequenceEncoder",
    "TabularEncoder",
    "TextEncoder",
]
