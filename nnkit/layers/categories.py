"""Embeddings of codes of categories, and codes of categories in a linear model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from nnkit._validation import as_count, as_counts, as_fraction
from nnkit.layers.initialization import find_initializer, reseeded

__all__ = ["CategoryBias", "CategoryEmbeddings"]

# Codes are columns of a float32 array, which represents integers exactly up to this number.
_MAX_ROWS = 2**24


@keras.saving.register_keras_serializable(package="nnkit")
class CategoryEmbeddings(keras.layers.Layer):
    """Embeddings of categories: a learnt vector for each code of each column.

    **Shape**

    - Input: (n_batch, n_columns), codes as floats or integers
    - Output: (n_batch, n_columns * n_units), or the sum of ``n_units`` if they differ: the
      concatenated vectors of a row in the order of the columns

    Parameters
    ----------
    cardinalities : sequence of int
        Number of codes of each column, which are 0, ..., cardinality - 1. Code 0 is for missing and
        unseen categories. Values that are not a code of their column are treated as code 0.
    n_units : int or sequence of int, default=8
        Length of the vectors, for all columns or for each of them.
    initializer : str or keras.initializers.Initializer, default="standard_normal"
        Initializer of the vectors. "standard_normal" is N(0, 1).
    regularizer : str or keras.regularizers.Regularizer or None, default=None
        Penalty of all vectors.
    missing_rate : float, default=0.0
        Fraction in [0, 1) of the codes that are replaced by 0 in training, drawn independently in
        each step, so that the vector of missing and unseen categories is trained.
    seed : int or None, default=None
        Seed of these draws. None draws a seed when the layer is created.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Attributes
    ----------
    tables : list of keras.Variable of shape (sum of cardinalities, n_units)
        Vectors of adjacent columns with the same ``n_units``, column by column. There is a single
        table if all columns have the same ``n_units``.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted
    Trees on Tabular Data", NeurIPS 2024, section 3 and appendix A (embeddings of length 8).

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import CategoryEmbeddings
    >>> codes = np.array([[0.0, 4.0], [2.0, 1.0]])
    >>> CategoryEmbeddings(cardinalities=(3, 5), n_units=2)(codes).shape
    TensorShape([2, 4])
    """

    # The output of a row depends on this row only.
    is_rowwise = True
    # The inputs are positions in a table, which have no gradient.
    is_lookup = True

    def __init__(
        self,
        cardinalities: Sequence[int],
        n_units: int | Sequence[int] = 8,
        initializer: Any = "standard_normal",
        regularizer: Any = None,
        missing_rate: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Without autocast=False, mixed precision would round codes above 2,048 to float16.
        super().__init__(autocast=False, **kwargs)
        self.cardinalities = _checked_cardinalities(cardinalities)
        self.n_units = _checked_widths(n_units, len(self.cardinalities))
        self._widths = (
            (self.n_units,) * len(self.cardinalities)
            if isinstance(self.n_units, int)
            else self.n_units
        )
        self.initializer = find_initializer(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.missing_rate = as_fraction("missing_rate", missing_rate)
        self.seed = seed
        if self.missing_rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)
        # Adjacent columns of the same width share a table: (first column, last column + 1, width).
        self._runs: list[tuple[int, int, int]] = []
        for width, columns in itertools.groupby(range(len(self._widths)), self._widths.__getitem__):
            run = list(columns)
            self._runs.append((run[0], run[-1] + 1, width))
        self._initializers = [reseeded(self.initializer, i) for i in range(len(self._runs))]

    def build(self, input_shape: Any) -> None:
        """Create the tables of vectors."""
        _check_columns(self, input_shape, self.cardinalities)
        self.tables = [
            self.add_weight(
                shape=(sum(self.cardinalities[start:stop]), width),
                initializer=initializer,
                regularizer=self.regularizer,
                name="table" if len(self._runs) == 1 else f"table_{start}",
            )
            for (start, stop, width), initializer in zip(
                self._runs, self._initializers, strict=True
            )
        ]
        self.built = True

    def call(self, codes: Any, training: bool = False) -> Any:
        """Return the concatenated vectors of each row."""
        if training and self.missing_rate > 0:
            draws = keras.random.uniform(
                keras.ops.shape(codes), dtype="float32", seed=self.seed_generator
            )
            codes = keras.ops.where(draws < self.missing_rate, 0, codes)
        parts = []
        for table, (start, stop, width) in zip(self.tables, self._runs, strict=True):
            # (n_batch, n_columns of the run) -> (n_batch, n_columns of the run, width)
            vectors = _looked_up(
                keras.ops.cast(table, self.compute_dtype),
                codes[:, start:stop],
                self.cardinalities[start:stop],
            )
            parts.append(keras.ops.reshape(vectors, (-1, (stop - start) * width)))
        return parts[0] if len(parts) == 1 else keras.ops.concatenate(parts, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the concatenated vectors."""
        return (input_shape[0], sum(self._widths))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {
            **super().get_config(),
            "cardinalities": self.cardinalities,
            "n_units": self.n_units,
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "missing_rate": self.missing_rate,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="nnkit")
class CategoryBias(keras.layers.Layer):
    """A linear map of one-hot encoded categories, computed by lookup.

    **Shape**

    - Input: (n_batch, n_columns), codes as floats or integers
    - Output: (n_batch, units)

    Parameters
    ----------
    cardinalities : sequence of int
        Number of codes of each column, as for `CategoryEmbeddings`.
    units : int
        Number of outputs, at least 1.
    initializer : str or keras.initializers.Initializer, default="zeros"
        Initializer of the weights.
    regularizer : str or keras.regularizers.Regularizer or None, default=None
        Penalty of the weights.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Attributes
    ----------
    table : keras.Variable of shape (sum of cardinalities, units)
        Weights of the codes of the first column, followed by those of the second, and so on.

    Notes
    -----
    y = sum over the columns j of T_j[x_j]. This equals the product of the one-hot encoded rows
    and the stacked tables, but needs only one lookup for each column.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import CategoryBias
    >>> codes = np.array([[0.0, 4.0], [2.0, 1.0]])
    >>> CategoryBias(cardinalities=(3, 5), units=1)(codes).numpy().tolist()
    [[0.0], [0.0]]
    """

    # The output of a row depends on this row only.
    is_rowwise = True
    # The inputs are positions in a table, which have no gradient.
    is_lookup = True

    def __init__(
        self,
        cardinalities: Sequence[int],
        units: int,
        initializer: Any = "zeros",
        regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        # Without autocast=False, mixed precision would round codes above 2,048 to float16.
        super().__init__(autocast=False, **kwargs)
        self.cardinalities = _checked_cardinalities(cardinalities)
        self.units = as_count("units", units)
        self.initializer = find_initializer(initializer)
        self.regularizer = keras.regularizers.get(regularizer)

    def build(self, input_shape: Any) -> None:
        """Create the table of weights."""
        _check_columns(self, input_shape, self.cardinalities)
        self.table = self.add_weight(
            shape=(sum(self.cardinalities), self.units),
            initializer=self.initializer,
            regularizer=self.regularizer,
            name="table",
        )
        self.built = True

    def call(self, codes: Any) -> Any:
        """Return the sums."""
        table = keras.ops.cast(self.table, self.compute_dtype)
        # [y = sum_j T_j[x_j]]: (n_batch, n_columns, units) -> (n_batch, units)
        return keras.ops.sum(_looked_up(table, codes, self.cardinalities), axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape with ``units`` as the last axis."""
        return (input_shape[0], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {
            **super().get_config(),
            "cardinalities": self.cardinalities,
            "units": self.units,
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }


def _looked_up(table: Any, codes: Any, cardinalities: Sequence[int]) -> Any:
    """Return the rows of a table for codes.

    Parameters
    ----------
    table : tensor of shape (sum of cardinalities, width)
        Rows of the codes of the first column, followed by those of the second, and so on.
    codes : tensor of shape (n_batch, n_columns)
        Codes. Values that are not a code of their column, NaN included, are treated as code 0.
    cardinalities : sequence of int
        Number of codes of each column.

    Returns
    -------
    rows : tensor of shape (n_batch, n_columns, width)
    """
    codes = keras.ops.cast(codes, "float32")
    sizes = np.asarray(cardinalities, dtype=np.float32)
    starts = np.cumsum([0, *cardinalities[:-1]]).astype(np.float32)
    is_known = keras.ops.logical_and(codes >= 0, codes < sizes)
    # Added as floats, because TensorFlow computes sums of int32 on the host, not on the GPU.
    rows = keras.ops.cast(keras.ops.where(is_known, codes, 0.0) + starts, "int32")
    # The reshape does not change the table, but makes its gradient dense. If a gradient is sparse,
    # Keras' Adam squares the contributions to a row before they are summed (3.15).
    return keras.ops.take(keras.ops.reshape(table, table.shape), rows, axis=0)


def _checked_cardinalities(cardinalities: Any) -> tuple[int, ...]:
    checked = as_counts("cardinalities", cardinalities)
    if not checked:
        raise ValueError("cardinalities must have an entry for each column of codes. Got none.")
    if sum(checked) > _MAX_ROWS:
        raise ValueError(
            f"cardinalities must sum to at most {_MAX_ROWS:,}, because float32 does not represent "
            f"larger codes exactly. Got {sum(checked):,} instead. Merge rare categories."
        )
    return checked


def _checked_widths(n_units: Any, n_columns: int) -> int | tuple[int, ...]:
    if not isinstance(n_units, Sequence):
        return as_count("n_units", n_units)
    widths = as_counts("n_units", n_units)
    if len(widths) != n_columns:
        raise ValueError(
            f"n_units must be one integer, or one for each of the {n_columns} columns of codes. "
            f"Got {len(widths)} integers instead."
        )
    return widths


def _check_columns(layer: Any, input_shape: Any, cardinalities: Sequence[int]) -> None:
    if len(input_shape) != 2 or input_shape[1] != len(cardinalities):
        raise ValueError(
            f"The input of {type(layer).__name__} must have the shape (n_batch, "
            f"{len(cardinalities)}), as it has {len(cardinalities)} cardinalities. "
            f"Got {tuple(input_shape)} instead."
        )
