"""Codes of categories as learnt vectors, and as terms of a linear model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from nnkit._validation import as_count, as_counts, as_fraction
from nnkit.layers.initialization import find_initializer, reseeded

__all__ = ["CategoryBias", "CategoryEmbeddings"]

# Codes come among the other columns as float32, which counts without gaps up to here.
_MAX_ROWS = 2**24


@keras.saving.register_keras_serializable(package="nnkit")
class CategoryEmbeddings(keras.layers.Layer):
    """A learnt vector for each category of each column of codes.

    **Shape**

    - Input: (n_batch, n_columns), codes as floats or integers
    - Output: (n_batch, n_columns * n_units), or the sum of ``n_units`` if they differ; the
      vectors of a row side by side in the order of the columns

    Parameters
    ----------
    cardinalities : sequence of int
        Codes of each column: 0, ..., cardinality - 1. Code 0 stands for missing and unseen
        categories, and for every code outside of this range.
    n_units : int or sequence of int, default=8
        Length of the vectors, for all columns or for each.
    initializer : str or keras.initializers.Initializer, default="standard_normal"
        First values of the vectors; "standard_normal" is N(0, 1).
    regularizer : str or keras.regularizers.Regularizer or None, default=None
        Penalty of all vectors.
    missing_rate : float, default=0.0
        Fraction in [0, 1) of the codes that are 0 in training, drawn anew for each code of
        each batch, so that the vector of missing and unseen categories is learnt, too.
    seed : int or None, default=None
        Of these draws; None takes one at random when the layer is made.
    **kwargs : object
        Of ``keras.layers.Layer``.

    Attributes
    ----------
    tables : list of keras.Variable of shape (sum of cardinalities, n_units)
        The vectors of neighbouring columns whose vectors are of one length, column by column;
        a single table if all are.

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
        # Codes above 2,048 have no exact float16, to which mixed precision would turn them.
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
        # Neighbours of one width share a table: (first column, column after the last, width)
        self._runs: list[tuple[int, int, int]] = []
        for width, columns in itertools.groupby(range(len(self._widths)), self._widths.__getitem__):
            run = list(columns)
            self._runs.append((run[0], run[-1] + 1, width))
        self._initializers = [reseeded(self.initializer, i) for i in range(len(self._runs))]

    def build(self, input_shape: Any) -> None:
        """Make the tables."""
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
        """Return the vectors of each row, side by side."""
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
        """Return the shape with the vectors side by side."""
        return (input_shape[0], sum(self._widths))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make a layer like this one."""
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
    """The sum of what the categories of a row add to each output: a linear map of one-hot rows.

    **Shape**

    - Input: (n_batch, n_columns), codes as floats or integers
    - Output: (n_batch, units)

    Parameters
    ----------
    cardinalities : sequence of int
        Codes of each column, as for `CategoryEmbeddings`.
    units : int
        Outputs, at least 1.
    initializer : str or keras.initializers.Initializer, default="zeros"
        First values of all terms.
    regularizer : str or keras.regularizers.Regularizer or None, default=None
        Penalty of all terms.
    **kwargs : object
        Of ``keras.layers.Layer``.

    Attributes
    ----------
    table : keras.Variable of shape (sum of cardinalities, units)
        The terms of the first column's codes, then those of the second, and so on.

    Notes
    -----
    y = sum over the columns j of T_j[x_j], which equals the one-hot rows times the stacked
    tables, at the cost of a lookup for each column.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import CategoryBias
    >>> codes = np.array([[0.0, 4.0], [2.0, 1.0]])
    >>> CategoryBias(cardinalities=(3, 5), units=1)(codes).numpy().tolist()
    [[0.0], [0.0]]
    """

    def __init__(
        self,
        cardinalities: Sequence[int],
        units: int,
        initializer: Any = "zeros",
        regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        # As in CategoryEmbeddings.
        super().__init__(autocast=False, **kwargs)
        self.cardinalities = _checked_cardinalities(cardinalities)
        self.units = as_count("units", units)
        self.initializer = find_initializer(initializer)
        self.regularizer = keras.regularizers.get(regularizer)

    def build(self, input_shape: Any) -> None:
        """Make the table."""
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
        """Return the arguments that make a layer like this one."""
        return {
            **super().get_config(),
            "cardinalities": self.cardinalities,
            "units": self.units,
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
        }


def _looked_up(table: Any, codes: Any, cardinalities: Sequence[int]) -> Any:
    """Return the rows (n_batch, n_columns, width) of a table of all columns, one below the other.

    What is no code of a column, NaN included, counts as its code 0.
    """
    codes = keras.ops.cast(codes, "float32")
    sizes = np.asarray(cardinalities, dtype=np.float32)
    starts = np.cumsum([0, *cardinalities[:-1]]).astype(np.float32)
    is_known = keras.ops.logical_and(codes >= 0, codes < sizes)
    # Added as floats: GPUs would send sums of int32 to the host and back.
    rows = keras.ops.cast(keras.ops.where(is_known, codes, 0.0) + starts, "int32")
    # The reshape changes nothing but the gradient, which behind it is dense. Of a sparse one,
    # Keras' Adam squares the parts of each row before they are summed (3.15).
    return keras.ops.take(keras.ops.reshape(table, table.shape), rows, axis=0)


def _checked_cardinalities(cardinalities: Any) -> tuple[int, ...]:
    checked = as_counts("cardinalities", cardinalities)
    if not checked:
        raise ValueError("cardinalities must have an entry for each column of codes. Got none.")
    if sum(checked) > _MAX_ROWS:
        raise ValueError(
            f"cardinalities must sum to at most {_MAX_ROWS:,}, up to where float32 counts without "
            f"gaps. Got {sum(checked):,}: merge rare categories."
        )
    return checked


def _checked_widths(n_units: Any, n_columns: int) -> int | tuple[int, ...]:
    if not isinstance(n_units, Sequence):
        return as_count("n_units", n_units)
    widths = as_counts("n_units", n_units)
    if len(widths) != n_columns:
        raise ValueError(
            f"n_units must be one number, or one for each of the {n_columns} columns of codes. "
            f"Got {len(widths)} numbers."
        )
    return widths


def _check_columns(layer: Any, input_shape: Any, cardinalities: Sequence[int]) -> None:
    if len(input_shape) != 2 or input_shape[1] != len(cardinalities):
        raise ValueError(
            f"{type(layer).__name__} has cardinalities of {len(cardinalities)} columns, and needs "
            f"codes of the shape (n_batch, {len(cardinalities)}). Got {tuple(input_shape)} instead."
        )
