"""The columns of an encoded table within a network, and a linear model of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnkit.builders.meta import Meta

__all__ = ["Columns", "beside_each_other"]


@dataclass(frozen=True)
class Columns:
    """The inputs of a network in two parts.

    Parameters
    ----------
    dense : keras tensor of shape (n_batch, n_dense) or None
        The columns that are no codes; None if there are none.
    codes : keras tensor of shape (n_batch, n_codes) or None
        Those that are codes of categories; None if there are none.
    cardinalities : tuple of int
        How many codes each of them has.
    """

    dense: Any | None
    codes: Any | None
    cardinalities: tuple[int, ...]

    @classmethod
    def of(cls, meta: Meta, inputs: Any) -> Columns:
        """Return the columns of inputs; without codes they are the inputs themselves.

        Raises
        ------
        ValueError
            If there are fewer columns than cardinalities.
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
        """How many columns are no codes."""
        return 0 if self.dense is None else int(self.dense.shape[-1])

    def numbers(self, n_numeric: int) -> Any:
        """Return the first columns, which are numbers with an order.

        Parameters
        ----------
        n_numeric : int
            How many, at least 1.
        """
        if n_numeric == self.n_dense:
            return self.dense
        from nnkit.layers import ColumnSlice

        return ColumnSlice(0, n_numeric, name="numbers")(self.dense)

    def linear_terms(self, n_units: int, position: int, regularizer: Any = None) -> list[Any]:
        """Return the tensors whose sum is a linear model, without its constant.

        It begins at zero, and gives each category a term of its own.

        Parameters
        ----------
        n_units : int
            Of the output that they are added to.
        position : int
            Of that output; its layers are called "skip_0" and "skip_codes_0", and so on.
        regularizer : keras.regularizers.Regularizer or None, default=None
            Penalty of all that is learnt.

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


def beside_each_other(parts: Sequence[Any | None]) -> Any:
    """Return the columns of several tensors as those of one, leaving out None.

    Parameters
    ----------
    parts : sequence of keras tensors of shape (n_batch, ...) or None
        At least one is a tensor.
    """
    import keras

    present = [part for part in parts if part is not None]
    if len(present) == 1:
        return present[0]
    return keras.layers.Concatenate(name="features")(present)
