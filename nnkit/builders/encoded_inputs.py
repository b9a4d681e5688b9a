"""The columns of an encoded table within a network, and a linear model of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnkit.builders.meta import Meta

__all__ = ["Columns", "concatenated"]


@dataclass(frozen=True)
class Columns:
    """The inputs of a network, split into dense columns and codes of categories.

    Parameters
    ----------
    dense : keras tensor of shape (n_batch, n_dense) or None
        Columns that are used as numbers, one-hot columns included. None if there are none.
    codes : keras tensor of shape (n_batch, n_codes) or None
        Columns of integer codes of categories. None if there are none.
    cardinalities : tuple of int
        Number of codes of each column of ``codes``.
    """

    dense: Any | None
    codes: Any | None
    cardinalities: tuple[int, ...]

    @classmethod
    def of(cls, meta: Meta, inputs: Any) -> Columns:
        """Split the inputs of a network into dense columns and codes.

        Raises
        ------
        ValueError
            If ``meta.cardinalities_`` has more entries than there are columns.
        """
        cardinalities = tuple(meta.get("cardinalities_", None) or ())
        n_columns = inputs.shape[-1]
        if len(cardinalities) > n_columns:
            raise ValueError(
                f"meta.cardinalities_ must have an entry for each column of codes, at most "
                f"{n_columns}. Got {len(cardinalities)} entries."
            )
        if not cardinalities:
            return cls(inputs, None, ())
        from nnkit.layers import ColumnSlice

        n_dense = n_columns - len(cardinalities)
        dense = ColumnSlice(0, n_dense, name="dense_columns")(inputs) if n_dense else None
        return cls(dense, ColumnSlice(n_dense, name="codes")(inputs), cardinalities)

    @property
    def n_dense(self) -> int:
        """Number of dense columns."""
        return 0 if self.dense is None else int(self.dense.shape[-1])

    def numbers(self, n_numeric: int) -> Any:
        """Return the leading dense columns, which are numeric features.

        Parameters
        ----------
        n_numeric : int
            Number of these columns, at least 1.
        """
        if n_numeric == self.n_dense:
            return self.dense
        from nnkit.layers import ColumnSlice

        return ColumnSlice(0, n_numeric, name="numbers")(self.dense)

    def linear_terms(self, n_units: int, position: int, regularizer: Any = None) -> list[Any]:
        """Return the terms of a linear model of all columns, without an intercept.

        The weights are initialised with zeros. Each category has a weight of its own.

        Parameters
        ----------
        n_units : int
            Units of the output to which the terms are added.
        position : int
            Position of this output. It is part of the layer names "skip_0" and "skip_codes_0".
        regularizer : keras.regularizers.Regularizer or None, default=None
            Penalty of all weights.

        Returns
        -------
        terms : list of keras tensors of shape (n_batch, n_units)
        """
        import keras

        from nnkit.layers import CategoryBias

        terms = []
        if self.dense is not None:
            linear = keras.layers.Dense(
                n_units,
                use_bias=False,
                kernel_initializer="zeros",
                kernel_regularizer=regularizer,
                name=f"skip_{position}",
            )
            terms.append(linear(self.dense))
        if self.codes is not None:
            bias = CategoryBias(
                self.cardinalities, n_units, regularizer=regularizer, name=f"skip_codes_{position}"
            )
            terms.append(bias(self.codes))
        return terms


def concatenated(parts: Sequence[Any | None]) -> Any:
    """Concatenate tensors along the columns, without the entries that are None.

    Parameters
    ----------
    parts : sequence of keras tensors of shape (n_batch, n_columns) or None
        At least one is a tensor.
    """
    import keras

    present = [part for part in parts if part is not None]
    if len(present) == 1:
        return present[0]
    return keras.layers.Concatenate(name="features")(present)
