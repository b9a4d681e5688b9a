"""A raw table of numbers, dates and categories to the numbers a network takes, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from nnkit.encoding.column_codecs import (
    DateColumn,
    LevelColumn,
    NumberColumn,
    nearest_rows,
    one_hot_rows,
)
from nnkit.encoding.containers import (
    array_of_rows,
    as_table,
    check_unique_names,
    column_at,
    is_dataframe,
    numeric_matrix,
)
from nnkit.encoding.encoder_parameters import check_encoder_parameters
from nnkit.encoding.kinds import category_mask, kind_of_feature
from nnkit.encoding.scaling import Scaling
from nnkit.encoding.unknown_values import (
    has_distinct_values,
    warn_of_distinct_values,
    warn_of_unknown_values,
)

__all__ = ["TabularEncoder"]


class TabularEncoder(TransformerMixin, BaseEstimator):
    r"""Encode a raw table as one float32 array that a network can take.

    Numbers are scaled by their median and quartiles and clipped smoothly, missing ones filled
    and flagged, dates read as numbers, short categories as one-hot columns and long ones as
    integer codes for an embedding.

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Which columns are categories. "from_dtype": text, pandas and polars categoricals, and
        mixtures of text and numbers are categories; truth values are categories with two
        levels. An array names columns, gives their positions, or is a mask of shape
        (n_features,): these are categories whatever their dtype, and all others must be
        numbers, truth values (then 0 and 1), durations or dates. None is the empty array.
    max_one_hot : int, default=8
        Most levels, 0 or more, for which a category is encoded as one-hot columns. A category
        with more becomes one column of codes.
    min_frequency : int, default=1
        Rows of ``fit``, at least 1, that a level of a column of codes must have. Rarer levels
        count as unseen, so that what they have in common is learnt as the vector of code 0.
    scaling : {"robust", "standard", "quantile"} or None, default="robust"
        Units of numbers and one-hot columns. "robust": median and quartiles, see Notes;
        "standard": mean and standard deviation; "quantile": quantiles to a normal
        distribution, one-hot columns as they are; None: everything as it is.
    clip : float or None, default=3.0
        Bound of the encoded values, above 0, in scaled units; None for no bound. It does not
        act with ``scaling=None``, nor on one-hot columns with ``scaling="quantile"``.
    missing_indicator : bool, default=True
        Whether each column of numbers or dates that has some missing values in ``fit`` gets a
        column that is 1 where the value is missing and 0 elsewhere.
    dates : {"parts", "number"}, default="parts"
        "number": a date is the days since 1970. "parts": it is also the year, month, weekday
        and hour, as far as they vary in ``fit``, each encoded as a number.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of the raw table.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where all are text.
    feature_kinds_ : ndarray of shape (n_features_in_,)
        What each is: "number" (durations too), "boolean", "category" or "date".
    n_numeric_ : int
        Number of leading encoded columns that are scaled numbers, without indicators.
    cardinalities_ : tuple of int
        For each trailing column of codes its number of levels plus one for the code 0.
    categories_ : dict of str to ndarray
        The levels of each category and column of truth values in order, by column name.

    Notes
    -----
    *Layout.* From left to right: numbers and dates in the order of the columns, missing
    indicators, one-hot columns, columns of codes.

    *Numbers.* A missing value takes the median :math:`m` of those that are not missing in
    ``fit``; all statistics are of these. With the quartiles :math:`q_1, q_3`, extremes
    :math:`a, b` and :math:`c` = ``clip``,

    .. math::

        x' = (x - m)\,s, \qquad z = \frac{x'}{\sqrt{1 + (x' / c)^2}}, \qquad
        s = \begin{cases}
            1 / (q_3 - q_1) & q_3 > q_1 \\
            2 / (b - a) & q_3 = q_1,\ b > a \\
            0 & a = b.
        \end{cases}

    A column that is constant, or all missing, becomes 0 (with ``scaling=None`` a constant
    stays). Values further than :math:`1000\,c` from the centre, in scaled units, are taken as
    that far, which float32 could not tell apart.

    *Categories.* The levels that occur in ``fit`` are sorted and have the codes 1 to :math:`C`;
    the code 0 is for missing values and levels that were not in ``fit``, which is no error.
    :math:`C \le` ``max_one_hot``: :math:`C` columns with a 1 for their level; two levels are
    one column, +1 for the first and -1 for the second; the code 0 is 0 in all of them. They
    are then scaled and clipped as numbers are. More levels: one column of codes, exact in
    float32 up to :math:`2^{24}`. Values are recognised by their text, whole numbers without
    decimals, so the levels 1, 1.0 and "1" are one: a column of text in ``fit`` may be a column
    of numbers later. A column of numbers in ``fit`` takes no text later, not even "3.5".

    *Dates.* Days, with their fraction, since 1970-01-01 (in UTC if the column has a time zone)
    are scaled in float64. Parts are taken in the time zone of ``fit``.

    References
    ----------
    D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by Default: Strong Pre-Tuned MLPs and
    Boosted Trees on Tabular Data", NeurIPS 2024, section 3 (preprocessing) and appendix A. Its
    numbers may not be missing: filling and indicators are additions, as are dates.

    Examples
    --------
    >>> import pandas as pd
    >>> from nnkit.encoding import TabularEncoder
    >>> X = pd.DataFrame(
    ...     {
    ...         "age": [20.0, 30.0, None, 40.0],
    ...         "city": ["Rome", "Paris", "Oslo", None],
    ...         "paid": [True, False, True, True],
    ...     }
    ... )
    >>> encoder = TabularEncoder().fit(X)
    >>> encoder.feature_kinds_.tolist()
    ['number', 'category', 'boolean']
    >>> encoder.get_feature_names_out().tolist()
    ['age', 'age_missing', 'city_Oslo', 'city_Paris', 'city_Rome', 'paid_False']
    >>> encoder.transform(X).shape
    (4, 6)
    >>> encoder.inverse_transform(encoder.transform(X))["city"].tolist()
    ['Rome', 'Paris', 'Oslo', nan]

    Categories with more levels are codes for an embedding:

    >>> coder = TabularEncoder(max_one_hot=2).fit(X)
    >>> coder.transform(X)[:, -1].tolist(), coder.cardinalities_
    ([3.0, 2.0, 1.0, 0.0], (4,))
    """

    n_features_in_: int
    n_numeric_: int
    feature_kinds_: np.ndarray
    cardinalities_: tuple[int, ...]
    categories_: dict[str, np.ndarray]

    def __init__(
        self,
        *,
        categorical_features: Any = "from_dtype",
        max_one_hot: int = 8,
        min_frequency: int = 1,
        scaling: str | None = "robust",
        clip: float | None = 3.0,
        missing_indicator: bool = True,
        dates: str = "parts",
    ) -> None:
        self.categorical_features = categorical_features
        self.max_one_hot = max_one_hot
        self.min_frequency = min_frequency
        self.scaling = scaling
        self.clip = clip
        self.missing_indicator = missing_indicator
        self.dates = dates

    def fit(self, X: Any, y: Any = None) -> TabularEncoder:  # noqa: ARG002
        """Learn the kinds, levels and statistics of the columns.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The raw table.
        y : None
            Ignored.

        Returns
        -------
        self : TabularEncoder

        Raises
        ------
        ValueError
            If a parameter is out of its range, a column name occurs twice, numbers are
            infinite, or cells are lists; if ``categorical_features`` leaves out a column of text.
        """
        check_encoder_parameters(self)
        X_checked = self._check_table(X, reset=True)
        self._learn_columns(X_checked)
        numbers = self._read_numbers(X_checked)
        self._scaling = Scaling.of(numbers, self.scaling, self.clip)
        self._learn_indicators(np.isnan(numbers))
        self._learn_levels(X_checked)
        return self

    def _columns_without_effect(self, X: Any) -> list[str]:
        """Return the labels of columns that were constant in ``fit`` and have other values here."""
        constant = {
            position: (reader, self._scaling.center[block])
            for position, (reader, block) in self._numeric.items()
            if (self._scaling.factor[block] == 0).all()
        }
        levels = {at: column for at, column in self._categories.items() if len(column.levels) < 2}
        if not constant and not levels:
            return []
        X_checked = self._check_table(X, reset=False)
        found = []
        for position, (reader, center) in constant.items():
            numbers = reader.read(column_at(X_checked, position, reader.label))
            if (~np.isnan(numbers) & (numbers != center)).any():
                found.append(reader.label)
        for position, column in levels.items():
            values = column_at(X_checked, position, column.label)
            if (values.notna().to_numpy() & (column.read(values) == 0)).any():
                found.append(column.label)
        return found

    def transform(self, X: Any) -> np.ndarray:
        """Return the table as numbers.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The raw table, with the columns of ``fit``.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out)
            Finite, in float32.

        Raises
        ------
        ValueError
            If columns or their order are not those of ``fit``, numbers are infinite, or a
            column of numbers, durations or dates holds something else.
        """
        check_is_fitted(self)
        X_checked = self._check_table(X, reset=False)
        numbers = self._read_numbers(X_checked)
        start = self.n_numeric_ + len(self._indicated)
        n_out = start + sum(block.stop - block.start for block in self._blocks.values())
        X_encoded = np.empty((len(numbers), n_out), dtype=np.float32)
        X_encoded[:, : self.n_numeric_] = self._scaling.encode(numbers)
        X_encoded[:, self.n_numeric_ : start] = np.isnan(numbers[:, self._indicated])
        for position, column in self._categories.items():
            values = column_at(X_checked, position, column.label)
            codes = column.read(values)
            if position in self._is_comparable and not codes.any() and len(codes) > 1:
                warn_of_unknown_values(values, column.label, column.levels)
            table = self._tables.get(position)
            X_encoded[:, self._blocks[position]] = (
                codes[:, np.newaxis] if table is None else table[codes]
            )
        return X_encoded

    def inverse_transform(self, X_encoded: Any) -> pd.DataFrame:
        """Return the table that encoded values come from.

        Numbers come back as float64, in the precision of float32; the further a value is from
        the centre, the coarser the smooth clip makes it. Dates are as exact as their days, to
        some seconds. What does not come back: missing numbers without an indicator (they are
        medians), levels that were not in ``fit`` (they are missing), values of a column that
        was constant in ``fit`` (they are the constant), and dtypes of integers.

        Parameters
        ----------
        X_encoded : array-like of shape (n_samples, n_features_out)
            As from ``transform``.

        Returns
        -------
        X : DataFrame of shape (n_samples, n_features_in_)

        Raises
        ------
        ValueError
            If the number of columns is not that of ``transform``.
        """
        check_is_fitted(self)
        values = check_array(X_encoded, dtype=np.float64, input_name="X_encoded")
        n_out = len(self.get_feature_names_out())
        if values.shape[1] != n_out:
            raise ValueError(
                f"X_encoded must have the {n_out} columns that transform gives. "
                f"Got {values.shape[1]} instead."
            )
        numbers = self._scaling.decode(values[:, : self.n_numeric_])
        start = self.n_numeric_ + len(self._indicated)
        is_missing = np.zeros(numbers.shape, dtype=bool)
        is_missing[:, self._indicated] = values[:, self.n_numeric_ : start] > 0.5
        numbers[is_missing] = np.nan
        restored: dict[int, pd.Series] = {}
        for position, (reader, block) in self._numeric.items():
            restored[position] = reader.restore(numbers[:, block])
        for position, column in self._categories.items():
            encoded, table = values[:, self._blocks[position]], self._tables.get(position)
            codes = (
                np.round(encoded[:, 0]).astype(np.int64)
                if table is None
                else nearest_rows(encoded, table)
            )
            restored[position] = column.restore(codes)
        names = self._names
        return pd.DataFrame({names[position]: restored[position] for position in sorted(restored)})

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the encoded columns.

        A number has the name of its column, "age"; its indicator is "age_missing", a one-hot
        column "city_Paris" (of two levels the one that is +1), a part of a date "date_year",
        and a column of codes has the name of its column again. Where two were the same, the
        later one has an underscore and a number behind it.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of the raw table, which must be ``feature_names_in_`` if there
            are such; None takes these, or "x0", "x1", ...

        Returns
        -------
        feature_names_out : ndarray of str objects of shape (n_features_out,)

        Raises
        ------
        ValueError
            If there are too few or too many, or others than in ``fit``.
        """
        check_is_fitted(self)
        names = self._names if input_features is None else self._check_names(input_features)
        numeric, first = [], {}
        for position, (reader, block) in self._numeric.items():
            numeric += [f"{names[position]}{suffix}" for suffix in reader.suffixes]
            first[block.start] = names[position]
        indicators = [f"{first[column]}_missing" for column in self._indicated]
        one_hot, codes = [], []
        for position, column in self._categories.items():
            if position not in self._tables:
                codes.append(names[position])
                continue
            width = self._tables[position].shape[1]
            keys = column.keys.tolist()[:width]
            one_hot += [f"{names[position]}_{key}" for key in keys] or [names[position]]
        return np.array(_distinct_names([*numeric, *indicators, *one_hot, *codes]), dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _names(self) -> list[str]:
        if hasattr(self, "feature_names_in_"):
            return self.feature_names_in_.tolist()
        return [f"x{position}" for position in range(self.n_features_in_)]

    def _check_names(self, input_features: Any) -> list[str]:
        names = np.asarray(input_features, dtype=object)
        known = getattr(self, "feature_names_in_", None)
        if known is not None and not np.array_equal(names, known):
            raise ValueError("input_features is not equal to feature_names_in_. Leave it out.")
        if len(names) != self.n_features_in_:
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({self.n_features_in_}), got {len(names)}."
            )
        return names.tolist()

    def _check_table(self, X: Any, *, reset: bool) -> Any:
        """Return a DataFrame as it is and everything else as an array with two axes."""
        X = as_table(X)
        if not is_dataframe(X):
            X_array = array_of_rows(X) if isinstance(X, (list, tuple)) else X
            return validate_data(self, X_array, reset=reset, dtype=None, ensure_all_finite=False)
        check_unique_names(X)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if 0 in X.shape:
            # The message for empty tables, from an array of that shape without memory.
            check_array(np.broadcast_to(0.0, X.shape), estimator=self)
        return X

    def _learn_columns(self, X: Any) -> None:
        has_names = hasattr(self, "feature_names_in_")
        labels = [
            repr(name) if has_names else str(position) for position, name in enumerate(self._names)
        ]
        is_category = category_mask(
            self.categorical_features, self.n_features_in_, self._names if has_names else None
        )
        kinds = []
        self._numeric: dict[int, tuple[NumberColumn | DateColumn, slice]] = {}
        self._categories: dict[int, LevelColumn] = {}
        self.n_numeric_ = 0
        for position, label in enumerate(labels):
            column = column_at(X, position, label)
            listed = None if is_category is None else bool(is_category[position])
            kind = kind_of_feature(column, label, listed)
            kinds.append(kind)
            if kind in ("category", "boolean"):
                self._categories[position] = LevelColumn.of(column, label)
                continue
            reader: NumberColumn | DateColumn
            if column.isna().all():
                reader = NumberColumn(label, "empty")
            elif kind == "date":
                reader = DateColumn.of(column, label, with_parts=self.dates == "parts")
            else:
                reader = NumberColumn.of(column, label)
            stop = self.n_numeric_ + len(reader.suffixes)
            self._numeric[position] = (reader, slice(self.n_numeric_, stop))
            self.n_numeric_ = stop
        self.feature_kinds_ = np.array(kinds, dtype=object)
        self._is_all_numbers = not self._categories and all(
            isinstance(reader, NumberColumn) and reader.unit in ("number", "empty")
            for reader, _ in self._numeric.values()
        )

    def _read_numbers(self, X: Any) -> np.ndarray:
        """Return numbers and dates (n_samples, n_numeric_) in float64, NaN where missing."""
        numbers = numeric_matrix(X) if self._is_all_numbers else None
        if numbers is None:
            numbers = np.empty((X.shape[0], self.n_numeric_))
            for position, (reader, block) in self._numeric.items():
                numbers[:, block] = reader.read(column_at(X, position, reader.label))
        if not np.isfinite(numbers).all():
            self._check_no_infinity(numbers)
        return numbers

    def _check_no_infinity(self, numbers: np.ndarray) -> None:
        for reader, block in self._numeric.values():
            if np.isinf(numbers[:, block]).any():
                raise ValueError(
                    f"The numbers of column {reader.label} must be finite. Got infinity. "
                    "Replace it, for example with NaN, which counts as missing."
                )

    def _learn_indicators(self, is_missing: np.ndarray) -> None:
        # The first column of each block: parts of a date are missing where the date is.
        firsts = np.array([block.start for _, block in self._numeric.values()], dtype=np.intp)
        missing = is_missing[:, firsts]
        varies = missing.any(axis=0) & ~missing.all(axis=0)
        self._indicated = firsts[varies] if self.missing_indicator else firsts[:0]

    def _learn_levels(self, X: Any) -> None:
        """Learn the encoded values of each level, of which a code picks a row, and their place."""
        self._tables: dict[int, np.ndarray] = {}
        how = None if self.scaling == "quantile" else self.scaling
        # Where values that are all unknown later are a fault: not where rare ones are dropped.
        self._is_comparable: set[int] = set()
        for position, column in self._categories.items():
            values = column_at(X, position, column.label)
            codes = column.read(values)
            kept = column
            if len(column.levels) > self.max_one_hot:
                kept = column.without_rare(codes, self.min_frequency)
            if has_distinct_values(codes, len(column.levels)):
                warn_of_distinct_values(values, column.label)
            elif kept is column:
                self._is_comparable.add(position)
            if len(column.levels) > self.max_one_hot:
                self._categories[position] = kept
            else:
                table = one_hot_rows(len(column.levels))
                scaling = Scaling.of(table[codes], how, self.clip)
                self._tables[position] = scaling.encode(table).astype(np.float32)
        coded = [position for position in self._categories if position not in self._tables]
        self._blocks: dict[int, slice] = {}
        start = self.n_numeric_ + len(self._indicated)
        for position in (*self._tables, *coded):
            width = self._tables[position].shape[1] if position in self._tables else 1
            self._blocks[position] = slice(start, start + width)
            start += width
        names = self._names
        self.cardinalities_ = tuple(
            len(self._categories[position].levels) + 1 for position in coded
        )
        self.categories_ = {
            names[position]: column.levels.to_numpy()
            for position, column in self._categories.items()
        }


def _distinct_names(names: Sequence[str]) -> list[str]:
    taken: set[str] = set()
    distinct = []
    for name in names:
        candidate, number = name, 2
        while candidate in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(candidate)
        distinct.append(candidate)
    return distinct
