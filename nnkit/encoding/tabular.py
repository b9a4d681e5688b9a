"""`TabularEncoder`: a raw table of numbers, dates and categories to one array, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from nnkit._documentation import ENCODER_LINK_TEMPLATE
from nnkit._validation import as_choice, as_count, as_flag, as_number
from nnkit.encoding.category_columns import CategoryEncoding, LevelColumn
from nnkit.encoding.containers import (
    array_of_rows,
    as_table,
    check_unique_names,
    column_at,
    columns_in_order,
    is_dataframe,
    numeric_matrix,
)
from nnkit.encoding.kinds import category_mask, check_no_free_text, kind_of_feature
from nnkit.encoding.numeric_columns import DateColumn, NumberColumn
from nnkit.encoding.rows import aligned_empty
from nnkit.encoding.scaling import Scaling
from nnkit.persistence.plain_parts import PlainParts
from nnkit.persistence.plain_state import PlainStateMixin

__all__ = ["TabularEncoder"]

# Number of values of numeric columns that are read at once, 64 MiB in float64.
_GROUP_VALUES = 2**23


class TabularEncoder(PlainStateMixin, TransformerMixin, BaseEstimator):
    r"""Encode a raw table as one float32 array for a network.

    Numbers are scaled by their median and quartiles and clipped smoothly. Missing numbers are
    imputed and marked by an indicator. Dates are converted to numbers. Categories with few levels
    are one-hot encoded, and categories with many levels are integer codes for an embedding.

    Parameters
    ----------
    categorical_features : "from_dtype", None or array-like, default="from_dtype"
        Columns that are categories.

        - "from_dtype": text, pandas and polars categoricals, and mixtures of text and numbers.
          Boolean columns are encoded as categories with two levels. A column of free text, such
          as reviews, raises an error.
        - An array of names, an array of positions, or a mask of shape (n_features,). These columns
          are categories whatever their dtype. All others must be numbers, Boolean values (encoded
          as 0 and 1), durations or dates.
        - None: no column.
    max_one_hot : int, default=8
        Largest number of levels, at least 0, for which a category is one-hot encoded. A category
        with more levels becomes one column of codes.
    min_frequency : int, default=1
        Smallest number of rows in ``fit``, at least 1, of a level of a column of codes. Rarer
        levels have the code 0, as unknown levels have, so that its embedding is trained.
    scaling : {"robust", "standard", "quantile"} or None, default="robust"
        Scaling of numbers and one-hot columns. "robust" uses the median and quartiles, see Notes.
        "standard" uses the mean and the standard deviation. "quantile" maps quantiles of numbers
        to a normal distribution, and does not scale one-hot columns. None does not scale.
    clip : float or None, default=3.0
        Bound of the absolute encoded values, above 0, in scaled units. None for no bound. It has
        no effect with ``scaling=None``, or on one-hot columns with ``scaling="quantile"``.
    missing_indicator : bool, default=True
        Whether to add an indicator for each column of numbers or dates that has some missing
        values in ``fit``. It is 1 where the value is missing and 0 elsewhere.
    dates : {"parts", "number"}, default="parts"
        "number" encodes a date as the days since 1970. "parts" also encodes the year, month,
        weekday and hour as numbers, as far as they vary in ``fit``.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of the raw table.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns. Defined only if all of them are strings.
    feature_kinds_ : ndarray of shape (n_features_in_,)
        Kind of each column: "number" (also for durations), "boolean", "category" or "date".
    n_numeric_ : int
        Number of leading encoded features that are scaled numbers, without indicators.
    cardinalities_ : tuple of int
        Number of codes of each trailing encoded feature of codes: its levels and the code 0.
    categories_ : dict of str to ndarray
        Levels of each category and Boolean column in ascending order, by column name.

    Notes
    -----
    *Layout.* From left to right: numbers and dates in the order of the columns, missing
    indicators, one-hot columns, columns of codes.

    *Numbers.* Statistics are computed from the values that are not missing in ``fit``. Missing
    values are replaced by the median :math:`m`. With the quartiles :math:`q_1, q_3`, the extremes
    :math:`a, b` and :math:`c` = ``clip``,

    .. math::

        x' = (x - m)\,s, \qquad z = \frac{x'}{\sqrt{1 + (x' / c)^2}}, \qquad
        s = \begin{cases}
            1 / (q_3 - q_1) & q_3 > q_1 \\
            2 / (b - a) & q_3 = q_1,\ b > a \\
            0 & a = b.
        \end{cases}

    A column that is constant or all missing is encoded as 0 (with ``scaling=None`` a constant is
    unchanged). :math:`x'` is first clipped to :math:`\pm 1000\,c`, beyond which :math:`z` does not
    change in float32.

    *Categories.* The levels that occur in ``fit`` are sorted and have the codes 1 to :math:`C`.
    Missing values and levels that did not occur in ``fit`` have the code 0; this is not an error.
    If :math:`C \le` ``max_one_hot``, there are :math:`C` columns with a 1 for their level. Two
    levels are one column, with +1 for the first and -1 for the second. Code 0 is 0 in all columns.
    One-hot columns are scaled and clipped like numbers. With more levels, there is one column of
    codes, which float32 represents exactly up to :math:`2^{24}`. Values are compared as text,
    integers without decimals, so that 1, 1.0 and "1" are the same level: a column of text in
    ``fit`` can be a column of numbers later. If a column has numbers in ``fit``, text raises an
    error later, also text such as "3.5".

    *Dates.* Days with their fraction since 1970-01-01 (in UTC if the column has a time zone) are
    scaled in float64. Calendar parts are computed in the time zone of ``fit``.

    References
    ----------
    D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by Default: Strong Pre-Tuned MLPs and
    Boosted Trees on Tabular Data", NeurIPS 2024, section 3 (preprocessing) and appendix A.
    Imputation, missing indicators and dates are additions to it.

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

    Categories with more levels are encoded as codes for an embedding:

    >>> coder = TabularEncoder(max_one_hot=2).fit(X)
    >>> coder.transform(X)[:, -1].tolist(), coder.cardinalities_
    ([3.0, 2.0, 1.0, 0.0], (4,))
    """

    _doc_link_module = "nnkit"
    _doc_link_template = ENCODER_LINK_TEMPLATE
    # Objects of scikit-learn stay objects.
    _plain_parts = PlainParts(
        {
            cls.__name__: cls
            for cls in (CategoryEncoding, DateColumn, LevelColumn, NumberColumn, Scaling)
        },
        keep=lambda value: value,
    )

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
        """Determine the kinds, levels and statistics of the columns.

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
            If a parameter is out of its range, a column name occurs twice, numbers are infinite,
            values are lists, a column of text is not in ``categorical_features``, or a column
            holds free text: mostly distinct values of at least 12 words on average.
        """
        return self._fit_sample(X, {})

    def _fit_sample(self, X: Any, level_counts: Mapping[str, pd.Series]) -> TabularEncoder:
        """Learn a table from a sample of its rows, and the levels of its categories.

        Parameters
        ----------
        X : DataFrame or array-like
            The sample, or the whole table.
        level_counts : mapping of str to Series of int
            By the name of a column, its distinct values as the index, a missing value included, and
            the number of rows of each. The levels of other columns are those of the sample.
        """
        self._check_parameters()
        X_checked = self._check_table(X, reset=True)
        self._learn_columns(X_checked, level_counts)
        self._learn_scaling(X_checked)
        self._arrange_categories()
        return self

    def _check_parameters(self) -> None:
        as_count("max_one_hot", self.max_one_hot, minimum=0)
        as_count("min_frequency", self.min_frequency)
        as_choice("scaling", self.scaling, ("robust", "standard", "quantile", None))
        if self.clip is not None:
            as_number("clip", self.clip, "(0, inf)", alternatives=", or None")
        as_flag("missing_indicator", self.missing_indicator)
        as_choice("dates", self.dates, ("parts", "number"))

    def _columns_without_effect(self, X: Any) -> list[str]:
        """Return the labels of columns that were constant in ``fit`` and have other values now."""
        constant = {
            position: (reader, self._scaling.center[block])
            for position, (reader, block) in self._numeric.items()
            if (self._scaling.factor[block] == 0).all()
        }
        levels = {
            position: encoding.column
            for position, encoding in self._categories.items()
            if len(encoding.column.levels) < 2
        }
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
        """Return the encoded features of a table.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The raw table, with the columns of ``fit``.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out)
            Finite values in float32.

        Raises
        ------
        ValueError
            If columns or their order are not those of ``fit``, numbers are infinite, or a
            column of numbers, durations or dates has another kind.
        """
        check_is_fitted(self)
        X_checked = self._check_table(X, reset=False)
        columns = columns_in_order(X_checked)
        start = self.n_numeric_ + len(self._indicated)
        n_out = start + sum(encoding.n_columns for encoding in self._categories.values())
        X_encoded = aligned_empty((X_checked.shape[0], n_out), np.float32)
        for positions in self._numeric_groups(len(X_encoded)):
            block, numbers = self._read_numbers(X_checked, columns, positions)
            X_encoded[:, block] = self._scaling.of_columns(block).encode(numbers)
            is_inside = (self._indicated >= block.start) & (self._indicated < block.stop)
            missing = np.isnan(numbers[:, self._indicated[is_inside] - block.start])
            X_encoded[:, self.n_numeric_ + np.flatnonzero(is_inside)] = missing
        for position, encoding in self._categories.items():
            values = column_at(columns, position, encoding.column.label)
            X_encoded[:, self._blocks[position]] = encoding.encode(values)
        return X_encoded

    def inverse_transform(self, X_encoded: Any) -> pd.DataFrame:
        """Return the table of encoded features.

        Numbers are returned as float64 with the precision of float32, which smooth clipping
        reduces for values that are far from the centre. Dates are computed from their days, with a
        precision of some seconds. The following is not restored: missing numbers without an
        indicator (they are medians), levels that did not occur in ``fit`` (they are missing),
        values of a column that was constant in ``fit`` (they are the constant), and integer dtypes.

        Parameters
        ----------
        X_encoded : array-like of shape (n_samples, n_features_out)
            Encoded features, in the layout of ``transform``.

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
                f"X_encoded must have {n_out} columns, as returned by transform. "
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
        for position, encoding in self._categories.items():
            restored[position] = encoding.decode(values[:, self._blocks[position]])
        names = self._names
        return pd.DataFrame({names[position]: restored[position] for position in sorted(restored)})

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the encoded features.

        Numbers and codes have the name of their column, such as "age". Indicators are named
        "age_missing", one-hot columns "city_Paris" (with two levels, after the level that is +1)
        and calendar parts "date_year". If two names are equal, a number is appended to the second
        one, such as "age_2".

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of the raw table. They must equal ``feature_names_in_`` if that is
            defined. None uses ``feature_names_in_``, or "x0", "x1", ...

        Returns
        -------
        feature_names_out : ndarray of str objects of shape (n_features_out,)

        Raises
        ------
        ValueError
            If the number of names, or the names, differ from those of ``fit``.
        """
        check_is_fitted(self)
        names = self._names if input_features is None else self._check_names(input_features)
        numeric, first = [], {}
        for position, (reader, block) in self._numeric.items():
            numeric += [f"{names[position]}{suffix}" for suffix in reader.suffixes]
            first[block.start] = names[position]
        indicators = [f"{first[column]}_missing" for column in self._indicated]
        categories = []
        for position in self._blocks:
            categories += self._categories[position].feature_names(names[position])
        return np.array(_distinct_names([*numeric, *indicators, *categories]), dtype=object)

    def meta_facts(self) -> dict[str, Any]:
        """Return the facts about the encoded features that builders receive in ``meta``.

        Returns
        -------
        facts : dict
            ``n_numeric_`` and ``cardinalities_``.
        """
        return {"n_numeric_": self.n_numeric_, "cardinalities_": self.cardinalities_}

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
            # The beginnings of both messages are required by scikit-learn's estimator checks.
            raise ValueError("input_features is not equal to feature_names_in_. Leave it out.")
        if len(names) != self.n_features_in_:
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({self.n_features_in_}), got {len(names)}."
            )
        return names.tolist()

    def _check_table(self, X: Any, *, reset: bool) -> Any:
        """Return a validated table: a DataFrame unchanged, and anything else as a 2d array."""
        X = as_table(X)
        if not is_dataframe(X):
            X_array = array_of_rows(X) if isinstance(X, (list, tuple)) else X
            return validate_data(self, X_array, reset=reset, dtype=None, ensure_all_finite=False)
        check_unique_names(X)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if 0 in X.shape:
            # Raises scikit-learn's error for empty tables. The broadcast array needs no memory.
            check_array(np.broadcast_to(0.0, X.shape), estimator=self)
        return X

    def _learn_columns(self, X: Any, level_counts: Mapping[str, pd.Series]) -> None:
        has_names = hasattr(self, "feature_names_in_")
        labels = [
            repr(name) if has_names else str(position) for position, name in enumerate(self._names)
        ]
        is_category = category_mask(
            self.categorical_features, self.n_features_in_, self._names if has_names else None
        )
        kinds = []
        self._numeric: dict[int, tuple[NumberColumn | DateColumn, slice]] = {}
        self._categories: dict[int, CategoryEncoding] = {}
        self.n_numeric_ = 0
        for position, label in enumerate(labels):
            column = column_at(X, position, label)
            listed = None if is_category is None else bool(is_category[position])
            kind = kind_of_feature(column, label, listed)
            kinds.append(kind)
            if kind == "category" and listed is None:
                check_no_free_text(column, label)
            if kind in ("category", "boolean"):
                self._categories[position] = CategoryEncoding.of(
                    column,
                    label,
                    max_one_hot=self.max_one_hot,
                    min_frequency=self.min_frequency,
                    scaling=None if self.scaling == "quantile" else self.scaling,
                    clip=self.clip,
                    counts=level_counts.get(self._names[position]),
                )
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

    def _numeric_groups(self, n_samples: int) -> list[list[int]]:
        """Return the positions of the numeric columns, in groups that are read at once.

        The numbers of a group in float64 take about 64 MiB, so that a table that nearly fills the
        memory is encoded with one copy of it. Quantiles are learnt from all columns at once.
        """
        positions = list(self._numeric)
        if self.scaling == "quantile" or not positions:
            return [positions] if positions else []
        size = max(1, _GROUP_VALUES // max(1, n_samples))
        return [positions[start : start + size] for start in range(0, len(positions), size)]

    def _read_numbers(
        self, X: Any, columns: Any, positions: Sequence[int]
    ) -> tuple[slice, np.ndarray]:
        """Return numbers and dates of a group of columns, NaN where missing.

        Parameters
        ----------
        X : DataFrame or ndarray
            The validated table.
        columns : object
            Its columns, from `columns_in_order`.
        positions : sequence of int
            Positions of numeric columns, in their order, at least one.

        Returns
        -------
        block : slice
            Positions of the encoded features.
        numbers : ndarray of shape (n_samples, n_features_of_group)
            In float64.
        """
        block = slice(self._numeric[positions[0]][1].start, self._numeric[positions[-1]][1].stop)
        numbers = None
        if self._is_all_numbers:
            numbers = numeric_matrix(_column_range(X, positions[0], positions[-1] + 1))
        if numbers is None:
            numbers = np.empty((X.shape[0], block.stop - block.start))
            for position in positions:
                reader, own = self._numeric[position]
                values = reader.read(column_at(columns, position, reader.label))
                numbers[:, own.start - block.start : own.stop - block.start] = values
        if not np.isfinite(numbers).all():
            self._check_no_infinity(numbers, positions, block.start)
        return block, numbers

    def _check_no_infinity(self, numbers: np.ndarray, positions: Sequence[int], start: int) -> None:
        for position in positions:
            reader, block = self._numeric[position]
            if np.isinf(numbers[:, block.start - start : block.stop - start]).any():
                raise ValueError(
                    f"The numbers of column {reader.label} must be finite. Got infinity. "
                    "Replace it, for example with NaN, which counts as missing."
                )

    def _learn_scaling(self, X: Any) -> None:
        """Learn the statistics of the numeric columns, and which of them have indicators."""
        columns = columns_in_order(X)
        parts, varies = [], []
        for positions in self._numeric_groups(X.shape[0]):
            block, numbers = self._read_numbers(X, columns, positions)
            parts.append(Scaling.of(numbers, self.scaling, self.clip))
            is_missing = np.isnan(numbers)
            for position in positions:
                # Calendar parts are missing where the date is, so that a date has one indicator.
                missing = is_missing[:, self._numeric[position][1].start - block.start]
                varies.append(bool(missing.any()) and not missing.all())
        without_columns = Scaling.of(np.empty((0, 0)), self.scaling, self.clip)
        self._scaling = Scaling.joined(parts or [without_columns])
        firsts = np.array([block.start for _, block in self._numeric.values()], dtype=np.intp)
        has_indicator = np.array(varies, dtype=bool) & self.missing_indicator
        self._indicated = firsts[has_indicator]

    def _arrange_categories(self) -> None:
        """Determine the positions of the encoded features: one-hot columns, then codes."""
        one_hot = [at for at, encoding in self._categories.items() if encoding.table is not None]
        coded = [at for at, encoding in self._categories.items() if encoding.table is None]
        self._blocks: dict[int, slice] = {}
        start = self.n_numeric_ + len(self._indicated)
        for position in (*one_hot, *coded):
            stop = start + self._categories[position].n_columns
            self._blocks[position] = slice(start, stop)
            start = stop
        self.cardinalities_ = tuple(
            len(self._categories[position].column.levels) + 1 for position in coded
        )
        names = self._names
        self.categories_ = {
            names[position]: encoding.column.levels.to_numpy()
            for position, encoding in self._categories.items()
        }


def _column_range(X: Any, start: int, stop: int) -> Any:
    """Return the columns of a table from one position to another, without a copy of all."""
    if (start, stop) == (0, X.shape[1]):
        return X
    return X.iloc[:, start:stop] if isinstance(X, pd.DataFrame) else X[:, start:stop]


def _distinct_names(names: Sequence[str]) -> list[str]:
    """Return names with a number appended to those that occurred before."""
    taken: set[str] = set()
    distinct = []
    for name in names:
        candidate, number = name, 2
        while candidate in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(candidate)
        distinct.append(candidate)
    return distinct
