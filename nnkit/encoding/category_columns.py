"""Codecs of columns of categories: levels to codes or one-hot columns, and back."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from nnkit.encoding.containers import nested_values_error
from nnkit.encoding.kinds import warn_of_unknown_values
from nnkit.encoding.scaling import Scaling

__all__ = ["CategoryEncoding", "LevelColumn", "level_texts"]

# Up to this number of rows, a lookup of each row is faster than factorizing the column.
_FEW_ROWS = 16

# A column has identifiers if this fraction of at least so many rows has distinct values.
_MIN_ROWS, _MIN_FRACTION = 20, 0.95

# Codes from which the statistics of one-hot columns are computed, if only counts are known.
_MAX_CODES = 1_000_000

# Results of infer_dtype for levels that can be sorted. Other levels are sorted as text.
_SORTABLE = {
    "string",
    "integer",
    "floating",
    "mixed-integer-float",
    "decimal",
    "boolean",
    "datetime64",
    "timedelta64",
    "interval",
}
_BOOLEAN_KEYS = {"0": "False", "1": "True", "false": "False", "true": "True"}


@dataclass(frozen=True)
class LevelColumn:
    """Codec of a column of categories: codes 1 to C of levels, 0 for missing and unknown values.

    Parameters
    ----------
    label : str
        Name of the column in messages.
    levels : Index of length C
        Levels in ascending order. Numbers stay numbers; a mixture of types is text.
    keys : Index of str of length C
        Text of each level, with which values are compared.
    """

    label: str
    levels: pd.Index
    keys: pd.Index

    @classmethod
    def of(cls, column: pd.Series, label: str) -> LevelColumn:
        """Create the codec of a column in ``fit``, with the levels that occur in it."""
        codes, levels, keys = _distinct(column, label)
        # A Categorical may have levels that do not occur, from which nothing can be learnt.
        occurring = np.unique(codes[codes >= 0])
        levels, keys = levels[occurring], keys[occurring]
        inferred = pd.api.types.infer_dtype(levels)
        if inferred == "boolean":
            levels = levels.astype(bool)
        if not keys.is_unique or inferred not in _SORTABLE:
            keys = keys.unique()
            levels = keys
        order = levels.argsort()
        return cls(label, levels[order], keys[order])

    def read(self, column: pd.Series) -> np.ndarray:
        """Return the codes of a column.

        Values are compared as text, integers without decimals, so that "1", 1 and 1.0 are the same
        level. If the levels are Boolean, 0 and 1 are accepted too, and "true" and "false" in any
        case.

        Returns
        -------
        codes : ndarray of int, shape (n_samples,)
            0 where a value is missing or did not occur in ``fit``.
        """
        if len(column) <= _FEW_ROWS and self.levels.dtype != bool:
            values = column.tolist()
            if set(map(type, values)) == {str}:
                return np.array([self._codes.get(value, 0) for value in values], dtype=np.intp)
        codes, _, keys = _distinct(column, self.label)
        if self.levels.dtype == bool:
            keys = keys.map(lambda key: _BOOLEAN_KEYS.get(key.lower(), key))
        known = self.keys.get_indexer(keys) + 1
        # Missing values have the code -1, which selects the 0 that is appended.
        return np.append(known, 0)[codes]

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {key: code for code, key in enumerate(self.keys.tolist(), start=1)}

    def without_rare(self, counts: np.ndarray, min_frequency: int) -> LevelColumn:
        """Return a codec without the levels that occur in fewer than ``min_frequency`` rows.

        Parameters
        ----------
        counts : ndarray of int of shape (C,)
            Number of rows of each level.
        min_frequency : int
        """
        is_frequent = counts >= min_frequency
        if is_frequent.all():
            return self
        return replace(self, levels=self.levels[is_frequent], keys=self.keys[is_frequent])

    def restore(self, codes: np.ndarray) -> pd.Series:
        """Return the levels of codes (n_samples,), missing for code 0."""
        levels = pd.Series(self.levels.to_numpy())
        return levels.reindex(codes - 1).reset_index(drop=True)


@dataclass(frozen=True)
class CategoryEncoding:
    """Encoded features of a column of categories: scaled one-hot columns, or one column of codes.

    Parameters
    ----------
    column : LevelColumn
        Codec of the column.
    table : ndarray of shape (1 + C, n_columns), or None
        Encoded features of each code, in float32. None for a column of codes.
    warns : bool
        Whether to warn if no value of a table occurred in ``fit``.
    """

    column: LevelColumn
    table: np.ndarray | None
    warns: bool

    @classmethod
    def of(
        cls,
        values: pd.Series,
        label: str,
        *,
        max_one_hot: int,
        min_frequency: int,
        scaling: str | None,
        clip: float | None,
        counts: pd.Series | None = None,
    ) -> CategoryEncoding:
        """Create the encoding of a column in ``fit``.

        Parameters
        ----------
        values : Series
            The column.
        label : str
            Name of the column in messages.
        max_one_hot : int
            Largest number of levels that are encoded as one-hot columns.
        min_frequency : int
            Smallest number of rows of a level of a column of codes.
        scaling, clip
            As for `Scaling`, for one-hot columns.
        counts : Series of int or None, default=None
            Distinct values of the whole column as the index, a missing value included, and the
            number of rows of each, if ``values`` are a sample.
        """
        if counts is None:
            column = LevelColumn.of(values, label)
            codes = column.read(values)
            n_of_codes = np.bincount(codes, minlength=len(column.levels) + 1)
        else:
            distinct = counts.index.to_series().reset_index(drop=True)
            column = LevelColumn.of(distinct, label)
            n_of_codes = np.bincount(
                column.read(distinct), counts.to_numpy(), minlength=len(column.levels) + 1
            ).astype(np.int64)
            codes = _in_proportion(n_of_codes)
        n_levels = len(column.levels)
        is_identifier = _has_distinct_values(int(n_of_codes[1:].sum()), n_levels)
        if is_identifier:
            _warn_of_distinct_values(values, label)
        if n_levels > max_one_hot:
            frequent = column.without_rare(n_of_codes[1:], min_frequency)
            # Without rare levels, a few rows may well have unknown values only.
            return cls(frequent, None, warns=not is_identifier and frequent is column)
        one_hot = _one_hot_rows(n_levels)
        scaled = Scaling.of(one_hot[codes], scaling, clip).encode(one_hot)
        return cls(column, scaled.astype(np.float32), warns=not is_identifier)

    @property
    def n_columns(self) -> int:
        """Number of encoded features."""
        return 1 if self.table is None else self.table.shape[1]

    def feature_names(self, name: str) -> list[str]:
        """Return the names of the encoded features of a column with this name."""
        if self.table is None:
            return [name]
        keys = self.column.keys.tolist()[: self.n_columns]
        return [f"{name}_{key}" for key in keys] or [name]

    def encode(self, values: pd.Series) -> np.ndarray:
        """Return the encoded features of a column, of shape (n_samples, n_columns)."""
        codes = self.column.read(values)
        if self.warns and not codes.any() and len(codes) > 1:
            warn_of_unknown_values(values, self.column.label, self.column.levels)
        return codes[:, np.newaxis] if self.table is None else self.table[codes]

    def decode(self, encoded: np.ndarray) -> pd.Series:
        """Return the levels of encoded features (n_samples, n_columns)."""
        if self.table is None:
            return self.column.restore(np.round(encoded[:, 0]).astype(np.int64))
        return self.column.restore(_nearest_rows(encoded, self.table))


def _one_hot_rows(n_levels: int) -> np.ndarray:
    """Return the unscaled one-hot columns of the codes 0 to ``n_levels``.

    Parameters
    ----------
    n_levels : int
        Number of levels. Two levels are one column, with +1 for the first and -1 for the second.

    Returns
    -------
    table : ndarray of shape (1 + n_levels, n_columns)
        At least one column. The row of code 0 is 0.
    """
    if n_levels == 2:
        return np.array([[0.0], [1.0], [-1.0]])
    return np.eye(n_levels + 1, max(n_levels, 1), k=-1)


def _nearest_rows(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return the position of the row of a table that is nearest to each row of values.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_columns)
        Rows to look up.
    table : ndarray of shape (n_rows, n_columns)
        Rows to choose from. Of equally near rows, the first one is chosen, and row 0 the last.

    Returns
    -------
    rows : ndarray of shape (n_samples,)
    """
    distances = [np.square(values - row).sum(axis=1) for row in np.roll(table, -1, axis=0)]
    return (np.argmin(distances, axis=0) + 1) % len(table)


def _in_proportion(n_of_codes: np.ndarray) -> np.ndarray:
    """Return codes in ascending order, each as often as given, or in proportion to it.

    Statistics of one-hot columns are computed from them.
    """
    n_rows = int(n_of_codes.sum())
    if n_rows > _MAX_CODES:
        n_of_codes = np.ceil(n_of_codes * (_MAX_CODES / n_rows)).astype(np.int64)
    return np.repeat(np.arange(len(n_of_codes)), n_of_codes)


def _has_distinct_values(n_present: int, n_levels: int) -> bool:
    """Return whether nearly every value of a column is distinct, as for identifiers."""
    return n_present >= _MIN_ROWS and n_levels >= _MIN_FRACTION * n_present


def _warn_of_distinct_values(column: pd.Series, label: str) -> None:
    example = str(column.dropna().iloc[0])
    shown = example if len(example) <= 40 else f"{example[:40]}..."
    warnings.warn(
        f"Nearly every value of column {label} is distinct, such as {shown!r}, so that little can "
        "be learnt from it as a category. Drop it if it holds identifiers. If it holds text, "
        "encode it, for example with a TfidfVectorizer in a ColumnTransformer.",
        UserWarning,
        stacklevel=5,
    )


def level_texts(column: pd.Series, label: str, missing: str) -> np.ndarray:
    """Return the text with which each value of a column is compared.

    Parameters
    ----------
    column : Series
        Column in the form of `plain_column`.
    label : str
        Name of the column in messages.
    missing : str
        Text for missing values.

    Returns
    -------
    texts : ndarray of str objects of shape (n_samples,)
    """
    codes, _, keys = _distinct(column, label)
    # Missing values have the code -1, which selects the text that is appended.
    return np.append(keys.to_numpy(dtype=object), missing)[codes]


def _distinct(column: pd.Series, label: str) -> tuple[np.ndarray, pd.Index, pd.Index]:
    """Return the distinct values of a column.

    Returns
    -------
    codes : ndarray of int, shape (n_samples,)
        Position of each row's value among the distinct values, -1 for missing.
    levels : Index
        Distinct values.
    keys : Index of str
        Text of each distinct value.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        levels = column.cat.categories
        return column.cat.codes.to_numpy(), levels, _keys(levels, label)
    values = column
    if _is_mixture(column):
        # factorize treats True and 1 as equal, and cannot hash lists.
        values = column.map(lambda value: _key(value, label), na_action="ignore")
    codes, levels = pd.factorize(values)
    return codes, pd.Index(levels), _keys(pd.Index(levels), label)


def _keys(levels: pd.Index, label: str) -> pd.Index:
    if pd.api.types.infer_dtype(levels) == "string":
        return levels.astype(object)
    return pd.Index([_key(level, label) for level in levels.tolist()], dtype=object)


def _is_mixture(column: pd.Series) -> bool:
    if not pd.api.types.is_object_dtype(column.dtype):
        return False
    found = pd.api.types.infer_dtype(column, skipna=True)
    return found.startswith("mixed") and found != "mixed-integer-float"


def _key(value: Any, label: str) -> str:
    """Return the text with which a value is compared: "1" for 1, 1.0 and "1"."""
    if isinstance(value, (dict, list, set, tuple, np.ndarray)):
        raise nested_values_error(label, repr(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (float, np.floating, Decimal)) and abs(float(value)) < 2**63:
        return str(int(value)) if value == int(value) else str(value)
    # Python, NumPy and pandas have different texts for the same date.
    if isinstance(value, (date, np.datetime64)):
        return str(pd.Timestamp(value))
    if isinstance(value, (timedelta, np.timedelta64)):
        return str(pd.Timedelta(value))
    return str(value)
