"""`SequenceEncoder`: sequences of equal or unequal length to one array, and back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from nnkit._documentation import ENCODER_LINK_TEMPLATE
from nnkit._validation import as_choice, as_count, as_flag
from nnkit.encoding.containers import as_table, is_dataframe
from nnkit.encoding.rows import aligned_empty
from nnkit.encoding.samples.sequence_rows import SequenceRows, read_sequences, selected_columns
from nnkit.persistence.plain_state import PlainStateMixin

__all__ = ["LARGEST", "ROUNDING", "TINY", "SequenceEncoder"]

# Number of values that are encoded at once, 64 MiB in float64.
_BLOCK_VALUES = 2**23
# Value of the first channel of a step whose encoded values are all 0. It is exact in float16.
TINY = 2.0**-20
# Bound of the absolute scaled values, so that they are finite in float32.
LARGEST = 1e6
# A scale of at most this fraction of the largest value is rounding: the channel is constant.
ROUNDING = 10 * np.finfo(np.float64).eps


class SequenceEncoder(PlainStateMixin, TransformerMixin, BaseEstimator):
    r"""Encode sequences as one float32 array of shape (n_samples, n_steps, n_channels).

    Channels are standardised. Gaps are interpolated and marked by an indicator. Short sequences are
    padded with zeros at the end, and networks find the padding by its zeros.

    Parameters
    ----------
    columns : str, list of str or None, default=None
        Names of the columns of a DataFrame that hold the sequences. None takes all columns.
    layout : {"steps_first", "channels_first"}, default="steps_first"
        Order of the axes.

        - "steps_first": (n_samples, n_steps, n_channels) for arrays, and (n_steps, n_channels) for
          the rows of a list, as in Keras.
        - "channels_first": (n_samples, n_channels, n_steps) and (n_channels, n_steps), as in aeon
          and sktime.
    max_length : int or None, default=None
        Largest number of steps, at least 1. Of longer sequences, the end is cut. None is the
        length of the longest sequence in ``fit``.
    scaling : {"standard", "series"} or None, default="standard"
        Scaling of the channels.

        - "standard": by the mean and the standard deviation of a channel over all steps of all
          training rows. Levels and amplitudes of sequences remain.
        - "series": by the mean and the standard deviation of a channel within each sequence, if
          only shapes matter.
        - None: no scaling.
    missing : {"interpolate", "previous"}, default="interpolate"
        Value of a gap: linear between its neighbours, or the last value before the gap. Gaps at
        the beginning and at the end of a channel have the nearest value in both cases.
    missing_indicator : bool, default=True
        Whether to add an indicator for each channel that has gaps in ``fit``. It is 1 where the
        value is missing and 0 elsewhere.
    masking : "auto" or bool, default="auto"
        Whether networks ignore the padding.

        - "auto": if the lengths of the sequences differ in ``fit``. If they are equal, shorter
          sequences raise an error later.
        - True: always, so that sequences can be shorter later.
        - False: never. Networks read padding as steps of zeros, which are the means of the
          channels.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of a table, or of an array of shape (n_samples, n_steps). Number of
        channels for other containers.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of a DataFrame. Defined only if all of them are strings.
    n_steps_ : int
        Number of steps of the encoded sequences.
    n_channels_ : int
        Number of channels, without indicators.
    channel_names_ : ndarray of str objects of shape (n_channels_out,)
        Names of the encoded channels: those of the columns of a nested DataFrame, or "x0", "x1",
        ..., followed by the indicators, such as "x0_missing".
    has_padding_ : bool
        Whether networks ignore the padding.

    Notes
    -----
    *Containers.* Arrays of shape (n_samples, n_steps) have one channel. A list, a Series or an
    array of objects has an array, a list or a Series of shape (n_steps,) or a DataFrame or an array
    of shape (n_steps, n_channels) for each row. A DataFrame has a sequence in each cell and a
    channel in each column (nested), or one channel, with a number in each cell and a step in each
    column.

    *Ends and gaps.* A sequence ends at the last step at which any channel has a value. Missing
    values behind it are padding. All others are gaps. A channel without any value in a sequence has
    the mean of the channel in ``fit``.

    *Padding.* It is 0 in all channels. A step of a sequence is never 0 in all channels: if its
    values are, then the first channel is :math:`2^{-20}`, about one millionth of a standard
    deviation. Thus ``keras.layers.Masking()`` and `nnkit.layers.StepMask` find the padding.

    *Scaling.* With the mean :math:`m` and the standard deviation :math:`s` of the values of a
    channel that are not missing, :math:`z = (x - m) / s`, limited to :math:`\pm 10^6`. A channel
    with :math:`s = 0` is encoded as 0.

    *Length.* A sequence that is longer than ``n_steps_`` is cut in ``transform``, with a warning
    unless ``max_length`` is the reason.

    References
    ----------
    Z. Wang, W. Yan and T. Oates, "Time Series Classification from Scratch with Deep Neural
    Networks: A Strong Baseline", IJCNN 2017, which standardises with the statistics of the
    training set.

    Examples
    --------
    >>> import numpy as np
    >>> from nnkit.encoding import SequenceEncoder
    >>> X = [[1.0, 2.0, 3.0], [5.0, np.nan, 7.0, 8.0]]
    >>> encoder = SequenceEncoder().fit(X)
    >>> X_encoded = encoder.transform(X)
    >>> X_encoded.shape, encoder.channel_names_.tolist(), encoder.has_padding_
    ((2, 4, 2), ['x0', 'x0_missing'], True)
    >>> X_encoded[0, 3].tolist()
    [0.0, 0.0]
    >>> [x.shape for x in encoder.inverse_transform(X_encoded)]
    [(3, 1), (4, 1)]
    """

    _doc_link_module = "nnkit"
    _doc_link_template = ENCODER_LINK_TEMPLATE
    # The estimators give it X unchanged.
    takes_samples = True

    n_features_in_: int
    n_steps_: int
    n_channels_: int
    channel_names_: np.ndarray
    has_padding_: bool

    def __init__(
        self,
        *,
        columns: str | Sequence[str] | None = None,
        layout: str = "steps_first",
        max_length: int | None = None,
        scaling: str | None = "standard",
        missing: str = "interpolate",
        missing_indicator: bool = True,
        masking: str | bool = "auto",
    ) -> None:
        self.columns = columns
        self.layout = layout
        self.max_length = max_length
        self.scaling = scaling
        self.missing = missing
        self.missing_indicator = missing_indicator
        self.masking = masking

    def fit(self, X: Any, y: Any = None) -> SequenceEncoder:  # noqa: ARG002
        """Determine the length, the channels and their statistics.

        Parameters
        ----------
        X : array-like, list, Series or DataFrame of n_samples sequences
            The sequences; see Notes of the class.
        y : None
            Ignored.

        Returns
        -------
        self : SequenceEncoder

        Raises
        ------
        ValueError
            If a parameter is out of its range, a sequence has no values, channels differ between
            rows, or a value is not a finite number.
        """
        self._check_parameters()
        X_checked = self._check_container(X, reset=True)
        rows = read_sequences(X_checked, self.layout, self.max_length and int(self.max_length))
        self.n_channels_ = rows.values.shape[2]
        # With max_length, the array can be wider than the longest sequence.
        self.n_steps_ = min(rows.values.shape[1], int(rows.lengths.max()))
        rows = SequenceRows(rows.values[:, : self.n_steps_], rows.lengths)
        self._set_width(X_checked)
        differs = bool((rows.lengths < self.n_steps_).any())
        self.has_padding_ = differs if self.masking == "auto" else bool(self.masking)
        self._learn_statistics(rows)
        names = self._names_of_channels(X_checked)
        flags = [f"{names[channel]}_missing" for channel in self._flagged]
        self.channel_names_ = np.array([*names, *flags], dtype=object)
        return self

    def _check_parameters(self) -> None:
        as_choice("layout", self.layout, ("steps_first", "channels_first"))
        if self.max_length is not None:
            as_count("max_length", self.max_length, alternatives=", or None")
        as_choice("scaling", self.scaling, ("standard", "series", None))
        as_choice("missing", self.missing, ("interpolate", "previous"))
        as_flag("missing_indicator", self.missing_indicator)
        as_choice("masking", self.masking, ("auto", True, False))

    def _check_container(self, X: Any, *, reset: bool) -> Any:
        """Return the columns that hold the sequences, or any other container unchanged."""
        X_table = as_table(X)
        has_names = hasattr(self, "feature_names_in_")
        if is_dataframe(X_table) and (reset or self.columns is None):
            validate_data(self, X_table, reset=reset, skip_check_array=True)
        elif reset and has_names:
            del self.feature_names_in_
        return selected_columns(X_table, self.columns)

    def _set_width(self, X: Any) -> None:
        if is_dataframe(X):
            return  # set by validate_data
        is_flat = isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype != object
        self.n_features_in_ = X.shape[1] if is_flat else self.n_channels_

    def _names_of_channels(self, X: Any) -> list[str]:
        if is_dataframe(X) and len(X.columns) == self.n_channels_:
            return [str(name) for name in X.columns]
        return [f"x{channel}" for channel in range(self.n_channels_)]

    def _learn_statistics(self, rows: SequenceRows) -> None:
        """Learn the mean and the factor of each channel, and which channels have gaps."""
        n_values = np.zeros(self.n_channels_)
        sums, squares = np.zeros(self.n_channels_), np.zeros(self.n_channels_)
        has_gaps = np.zeros(self.n_channels_, dtype=bool)
        for _, block in rows.blocks(_BLOCK_VALUES):
            is_present = ~np.isnan(block.values)
            n_values += is_present.sum(axis=(0, 1))
            sums += np.where(is_present, block.values, 0.0).sum(axis=(0, 1), dtype=np.float64)
            has_gaps |= (~is_present & block.is_step()[:, :, np.newaxis]).any(axis=(0, 1))
        means = sums / np.maximum(n_values, 1)
        largest = np.zeros(self.n_channels_)
        for _, block in rows.blocks(_BLOCK_VALUES):
            deviations = np.where(np.isnan(block.values), 0.0, block.values - means)
            squares += (deviations**2).sum(axis=(0, 1))
            largest = np.maximum(largest, np.nanmax(np.abs(block.values), axis=(0, 1), initial=0))
        self._means = means
        self._factors = _inverse(np.sqrt(squares / np.maximum(n_values, 1)), largest)
        self._flagged = np.flatnonzero(has_gaps & self.missing_indicator)

    def transform(self, X: Any) -> np.ndarray:
        """Return encoded sequences.

        Parameters
        ----------
        X : array-like, list, Series or DataFrame of n_samples sequences
            The sequences, with the channels of ``fit``.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_steps_, n_channels_out)
            Finite values in float32.

        Raises
        ------
        ValueError
            If columns or channels are not those of ``fit``, a sequence has no values, a value is
            not a finite number, or a sequence is shorter than all others in ``fit``.

        Warns
        -----
        UserWarning
            If sequences are longer than those of ``fit``, and are cut.
        """
        check_is_fitted(self)
        X_checked = self._check_container(X, reset=False)
        rows = read_sequences(X_checked, self.layout, self.n_steps_)
        self._check_channels(rows)
        self._check_lengths(rows)
        shape = (len(rows.values), self.n_steps_, len(self.channel_names_))
        X_encoded = aligned_empty(shape, np.float32)
        for at, block in rows.blocks(_BLOCK_VALUES):
            self._encode(block, X_encoded[at])
        return X_encoded

    def _check_channels(self, rows: SequenceRows) -> None:
        found = rows.values.shape[2]
        if found == self.n_channels_:
            return
        hint = ""
        if self.layout == "steps_first":
            hint = " If the channels are the first axis, fit with layout='channels_first'."
        raise ValueError(
            f"Row 0 of X has {found} channel(s), but SequenceEncoder was fitted with "
            f"{self.n_channels_}. Give the channels of fit, in their order.{hint}"
        )

    def _check_lengths(self, rows: SequenceRows) -> None:
        is_short = rows.lengths < self.n_steps_
        if is_short.any() and not self.has_padding_ and self.masking == "auto":
            row = int(np.argmax(is_short))
            raise ValueError(
                f"Row {row} of X has {rows.lengths[row]} step(s), but all sequences in fit have "
                f"{self.n_steps_}, so that the padding of shorter ones would be read as steps. "
                "Set masking=True in SequenceEncoder, and fit again."
            )
        is_long = rows.lengths > self.n_steps_
        if is_long.any() and self.n_steps_ != self.max_length:
            row = int(np.argmax(is_long))
            warnings.warn(
                f"X has {int(is_long.sum())} sequence(s) that are longer than those of fit. Their "
                f"end is cut to {self.n_steps_} steps; row {row} has {rows.lengths[row]}. Fit with "
                "longer sequences, or set max_length.",
                UserWarning,
                stacklevel=3,
            )

    def _encode(self, rows: SequenceRows, X_encoded: np.ndarray) -> None:
        """Write the encoded features of some rows into an array."""
        is_step = rows.is_step()
        values = rows.values.astype(np.float64)
        is_missing = np.isnan(values) & is_step[:, :, np.newaxis]
        if self.scaling == "series":
            means, factors = _statistics_of_rows(values)
        else:
            means, factors = self._means, self._factors
        if is_missing.any():
            self._fill_gaps(values, rows.lengths, is_missing)
        values[~is_step] = 0.0
        if self.scaling is not None:
            values = np.clip((values - means) * factors, -LARGEST, LARGEST)
            values[~is_step] = 0.0
        X_encoded[:, :, : self.n_channels_] = values
        X_encoded[:, :, self.n_channels_ :] = is_missing[:, :, self._flagged]
        # A step that is 0 in all channels would be padding.
        is_zero = is_step & ~X_encoded.any(axis=2)
        X_encoded[is_zero, 0] = TINY

    def _fill_gaps(self, values: np.ndarray, lengths: np.ndarray, is_missing: np.ndarray) -> None:
        """Fill the gaps of sequences, in place."""
        for row, channel in np.argwhere(is_missing.any(axis=1)):
            # A view: assignments change `values`.
            series = values[row, : lengths[row], channel]
            is_gap = np.isnan(series)
            known = np.flatnonzero(~is_gap)
            gaps = np.flatnonzero(is_gap)
            if len(known) == 0:
                series[:] = self._means[channel]
            elif self.missing == "interpolate":
                series[gaps] = np.interp(gaps, known, series[known])
            else:
                series[gaps] = series[known[np.maximum(np.searchsorted(known, gaps) - 1, 0)]]

    def inverse_transform(self, X_encoded: Any) -> list[np.ndarray]:
        """Return the sequences of encoded features.

        Missing values with an indicator are NaN, others have the value of the gap. With
        ``scaling="series"``, sequences remain standardised, because their statistics are not kept.
        Channels that were constant in ``fit`` have their constant.

        Parameters
        ----------
        X_encoded : array-like of shape (n_samples, n_steps_, n_channels_out)
            Encoded sequences, in the layout of ``transform``.

        Returns
        -------
        X : list of ndarray of shape (n_steps, n_channels_)
            The sequences in float64, without padding if ``has_padding_``. With
            ``layout="channels_first"``, the shape is ``(n_channels_, n_steps)``.

        Raises
        ------
        ValueError
            If the shape is not that of ``transform``.
        """
        check_is_fitted(self)
        encoded = np.asarray(X_encoded, dtype=np.float64)
        expected = (self.n_steps_, len(self.channel_names_))
        if encoded.ndim != 3 or encoded.shape[1:] != expected:
            raise ValueError(
                f"X_encoded must have the shape (n_samples, {expected[0]}, {expected[1]}), as "
                f"returned by transform. Got {encoded.shape} instead."
            )
        values = encoded[:, :, : self.n_channels_].copy()
        if self.scaling == "standard":
            constant = self._factors == 0
            values = values / np.where(constant, 1.0, self._factors) * ~constant + self._means
        is_missing = encoded[:, :, self.n_channels_ :] > 0.5
        for flag, channel in enumerate(self._flagged):
            values[is_missing[:, :, flag], channel] = np.nan
        if not self.has_padding_:
            lengths = np.full(len(values), self.n_steps_)
        else:
            reverse = (encoded != 0).any(axis=2)[:, ::-1]
            lengths = np.where(reverse.any(axis=1), self.n_steps_ - reverse.argmax(axis=1), 0)
        restored = [row[:length] for row, length in zip(values, lengths, strict=True)]
        return [row.T for row in restored] if self.layout == "channels_first" else restored

    def meta_facts(self) -> dict[str, Any]:
        """Return the facts about the encoded rows that builders receive in ``meta``.

        Returns
        -------
        facts : dict
            ``has_padding_``: whether networks ignore steps that are 0 in all channels.
        """
        check_is_fitted(self)
        return {"has_padding_": self.has_padding_}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _statistics_of_rows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and factors of each channel of each row: (n_samples, 1, n_channels)."""
    is_present = ~np.isnan(values)
    n_values = np.maximum(is_present.sum(axis=1, keepdims=True), 1)
    observed = np.where(is_present, values, 0.0)
    means = observed.sum(axis=1, keepdims=True) / n_values
    deviations = np.where(is_present, values - means, 0.0)
    scales = np.sqrt((deviations**2).sum(axis=1, keepdims=True) / n_values)
    return means, _inverse(scales, np.abs(observed).max(axis=1, keepdims=True))


def _inverse(scales: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Return 1 / scale, and 0 where a scale is 0 up to rounding."""
    is_constant = scales <= ROUNDING * largest
    return np.where(is_constant, 0.0, 1.0 / np.where(is_constant, 1.0, scales))
