"""A range of the columns."""

from __future__ import annotations

from typing import Any

import keras

from nnkit._validation import as_count

__all__ = ["ColumnSlice"]


@keras.saving.register_keras_serializable(package="nnkit")
class ColumnSlice(keras.layers.Layer):
    """A range of the columns, in the dtype of the input.

    **Shape**

    - Input: (n_batch, ..., n_columns)
    - Output: (n_batch, ..., stop - start)

    Parameters
    ----------
    start : int, default=0
        Position of the first column, at least 0.
    stop : int or None, default=None
        Position after the last column, above ``start``. None is the number of columns.
    **kwargs : object
        Arguments of ``keras.layers.Layer``.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.layers import ColumnSlice
    >>> ColumnSlice(1, 3)(np.array([[0.0, 1.0, 2.0, 3.0]])).numpy().tolist()
    [[1.0, 2.0]]
    """

    # The output of a row depends on this row only.
    is_rowwise = True

    def __init__(self, start: int = 0, stop: int | None = None, **kwargs: Any) -> None:
        # Without autocast=False, mixed precision would round codes among the columns.
        super().__init__(autocast=False, **kwargs)
        self.start = as_count("start", start, minimum=0)
        self.stop = None if stop is None else as_count("stop", stop, minimum=self.start + 1)

    def build(self, input_shape: Any) -> None:
        """Check that the input has these columns."""
        n_columns = input_shape[-1]
        last = self.start + 1 if self.stop is None else self.stop
        if last > n_columns:
            raise ValueError(
                f"The input of ColumnSlice must have at least {last} columns for "
                f"start={self.start} and stop={self.stop}. Got {n_columns} instead."
            )
        self.built = True

    def call(self, x: Any) -> Any:
        """Return the columns."""
        return x[..., self.start : self.stop]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input with ``stop - start`` columns."""
        stop = input_shape[-1] if self.stop is None else self.stop
        return (*input_shape[:-1], stop - self.start)

    def compute_output_spec(self, x: Any) -> Any:
        """Return the symbolic output, which has the dtype of the input."""
        return keras.KerasTensor(self.compute_output_shape(x.shape), dtype=x.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor by name, in serialised form."""
        return {**super().get_config(), "start": self.start, "stop": self.stop}
