"""`InputDict`: the inputs of a network by name, as one container whose rows can be selected."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from nnkit._compat import rows_of
from nnkit._messages import shown
from nnkit.encoding.rows import n_samples_of

__all__ = ["InputDict"]


class InputDict(Mapping[str, Any]):
    """The inputs of a network by name, with rows that scikit-learn can select.

    scikit-learn reads the number of samples of a dict as its number of keys, and cannot select its
    rows. An ``InputDict`` has the same parts, and works in ``cross_val_score``, ``GridSearchCV``,
    ``train_test_split`` and ``Pipeline``.

    Parameters
    ----------
    inputs : mapping of str to array-like with n_samples rows
        The data of each input: arrays, DataFrames, Series, sparse matrices or lists with one
        object for each row.

    Attributes
    ----------
    shape : tuple of int
        Number of rows and number of inputs.

    Raises
    ------
    ValueError
        If there is no input, or the inputs have unequal numbers of rows.
    TypeError
        If ``inputs`` is not a mapping with strings as names.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.encoding import InputDict
    >>> X = InputDict({"left": np.zeros((6, 2)), "right": np.zeros((6, 3))})
    >>> len(X), X.shape, list(X)
    (6, (6, 2), ['left', 'right'])
    >>> X[[0, 3]]["right"].shape
    (2, 3)
    """

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        if not isinstance(inputs, Mapping) or not all(isinstance(name, str) for name in inputs):
            raise TypeError(
                "inputs must be a dict of data by the names of the network's inputs. "
                f"Got {shown(inputs)} instead."
            )
        if not inputs:
            raise ValueError("inputs is empty. Give the data of each input by its name.")
        parts = dict(inputs.items())
        lengths = {name: n_samples_of(part) for name, part in parts.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"The inputs must have the same number of rows. Got {lengths}.")
        self._inputs = parts
        self.shape = (next(iter(lengths.values())), len(parts))

    def __getitem__(self, key: Any) -> Any:
        """Return the data of an input by its name, or some rows of all inputs.

        Parameters
        ----------
        key : str, array-like of int or bool, or slice
            Name, positions, mask or range.
        """
        if isinstance(key, str):
            return self._inputs[key]
        rows = key[0] if isinstance(key, tuple) else key  # scikit-learn adds an Ellipsis
        return InputDict({name: rows_of(part, rows) for name, part in self._inputs.items()})

    def __contains__(self, name: object) -> bool:
        return name in self._inputs

    def __iter__(self) -> Iterator[str]:
        return iter(self._inputs)

    def __len__(self) -> int:
        return self.shape[0]

    # The views of Mapping take the number of rows for the number of names.
    def keys(self) -> KeysView[str]:
        """Return the names of the inputs."""
        return self._inputs.keys()

    def values(self) -> ValuesView[Any]:
        """Return the data of the inputs."""
        return self._inputs.values()

    def items(self) -> ItemsView[str, Any]:
        """Return the names and the data of the inputs."""
        return self._inputs.items()

    def __repr__(self) -> str:
        return f"InputDict of {self.shape[0]} rows: {list(self._inputs)}"
