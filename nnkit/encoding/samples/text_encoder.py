"""`TextEncoder`: texts to rows of codes of their words and n-grams, and back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from nnkit._documentation import ENCODER_LINK_TEMPLATE
from nnkit._messages import shown
from nnkit._validation import as_count, as_flag
from nnkit.encoding.containers import as_table, check_unique_names, is_dataframe
from nnkit.encoding.samples.vocabulary import N_RESERVED, UNKNOWN, TokenCodes, Vocabulary
from nnkit.encoding.samples.words import compiled_pattern, split_texts, texts_of_column
from nnkit.persistence.plain_parts import PlainParts
from nnkit.persistence.plain_state import PlainStateMixin

__all__ = ["TextEncoder"]

# Texts that are encoded at once, so that intermediate arrays are small.
_TEXTS_PER_CHUNK = 4096
# What stands for an unknown token in a restored text: the replacement character of Unicode.
_UNKNOWN_TEXT = "\ufffd"


class TextEncoder(PlainStateMixin, TransformerMixin, BaseEstimator):
    r"""Encode texts as rows of integer codes of their words and n-grams.

    Code 0 is padding, code 1 is a token that is not in the vocabulary, and the codes from 2 are
    the tokens of the vocabulary. A token is a word, or an n-gram of adjacent words.

    Parameters
    ----------
    column : str or None, default=None
        Name of the column of texts, if X is a DataFrame. None takes its only column. It must be
        None for other containers, except for a Series of this name.
    lowercase : bool, default=True
        Whether texts are converted to lower case.
    token_pattern : str or None, default=None
        Regular expression of a word. If it has a group, the word is what the group matches. None
        finds words of letters and digits with their combining marks and inner apostrophes
        ("don't"), numbers ("1,000.50"), single characters of punctuation ("!", "?"), emoji, and
        single signs of scripts without spaces (Chinese, Japanese).
    ngram_range : tuple (int, int), default=(1, 1)
        Smallest and largest number of words of a token, at least 1. (1, 2) is words and pairs of
        adjacent words.
    max_tokens : int or None, default=20_000
        Largest number of tokens in the vocabulary, at least 1. Those that occur in the most texts
        are kept. None for no limit.
    min_frequency : int, default=2
        Smallest number of texts in ``fit``, at least 1, in which a token of the vocabulary occurs.
    binary : bool, default=False
        Whether a text is encoded as a bag: the code of each of its known tokens once, in ascending
        order, without unknown tokens.
    max_length : int or None, default=None
        Largest number of codes of a text, at least 1. Longer texts are cut, see Notes. None is the
        length of the longest text of ``fit``.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of X, 1 for a list or a Series.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns. Defined only if X is a DataFrame and all names are strings.
    vocabulary_ : ndarray of str objects of shape (n_tokens,)
        The tokens, by descending number of texts in which they occur, ties in alphabetical order.
        The code of a token is its position + 2. The words of an n-gram are joined by a space.
    n_steps_ : int
        Number of columns of the encoded texts: the length of the longest text of ``fit``, at most
        ``max_length`` and at least 1.

    See Also
    --------
    nnkit.layers.TokenEmbedding : Learnt vectors of the codes, with a mask of the padding.
    nnkit.layers.TokenBag : Weighted mean of the vectors of a bag.

    Notes
    -----
    *Order.* The codes of the tokens of ``ngram_range[0]`` words come first, in the order of the
    text. The codes of longer n-grams follow, also in the order of the text. Longer n-grams that
    are not in the vocabulary are left out; other unknown tokens have the code 1.

    *Cutting.* Of a text with more than ``n_steps_`` codes, the tokens of its longest beginning
    that fits are kept. Of a bag, the tokens with the largest codes are kept, which occur in the
    fewest texts and so distinguish texts best. With ``max_length=None`` no text of ``fit`` is cut,
    and ``transform`` warns if it cuts a text that is longer than those of ``fit``.

    *Missing texts* (None, NaN, ``pd.NA``) and texts without a token are all padding.

    *Unicode.* Words are compared in the composed form (NFC), and ’ is equal to '.

    Examples
    --------
    >>> from nnkit.encoding import TextEncoder
    >>> texts = ["Good film!", "A good, good film.", None]
    >>> encoder = TextEncoder(min_frequency=1).fit(texts)
    >>> encoder.vocabulary_.tolist()
    ['film', 'good', '!', ',', '.', 'a']
    >>> encoder.transform(texts)
    array([[3, 2, 4, 0, 0, 0],
           [7, 3, 5, 3, 2, 6],
           [0, 0, 0, 0, 0, 0]], dtype=int32)
    >>> encoder.inverse_transform(encoder.transform(["A bad film"])).tolist()
    ['a \ufffd film']

    A bag has each known token once, and may have pairs of words:

    >>> bag = TextEncoder(binary=True, ngram_range=(1, 2), min_frequency=2).fit(texts)
    >>> bag.vocabulary_.tolist()
    ['film', 'good', 'good film']
    >>> bag.transform(texts).tolist()
    [[2, 3, 4], [2, 3, 4], [0, 0, 0]]
    """

    _doc_link_module = "nnkit"
    _doc_link_template = ENCODER_LINK_TEMPLATE
    _plain_parts = PlainParts({"Vocabulary": Vocabulary}, keep=lambda value: value)
    # The estimators give it X unchanged.
    takes_samples = True

    n_features_in_: int
    n_steps_: int
    vocabulary_: np.ndarray

    def __init__(
        self,
        *,
        column: str | None = None,
        lowercase: bool = True,
        token_pattern: str | None = None,
        ngram_range: tuple[int, int] = (1, 1),
        max_tokens: int | None = 20_000,
        min_frequency: int = 2,
        binary: bool = False,
        max_length: int | None = None,
    ) -> None:
        self.column = column
        self.lowercase = lowercase
        self.token_pattern = token_pattern
        self.ngram_range = ngram_range
        self.max_tokens = max_tokens
        self.min_frequency = min_frequency
        self.binary = binary
        self.max_length = max_length

    def fit(self, X: Any, y: Any = None) -> TextEncoder:  # noqa: ARG002
        """Learn the vocabulary, and the length of the encoded texts.

        Parameters
        ----------
        X : list, tuple, ndarray or Series of str, or DataFrame
            Texts, of shape (n_samples,) or (n_samples, 1), or a table of pandas or polars with a
            column of texts.
        y : None
            Ignored.

        Returns
        -------
        self : TextEncoder

        Raises
        ------
        ValueError
            If a parameter is out of its range, a column does not exist, a text is not a string, or
            no token occurs in ``min_frequency`` texts.
        """
        self._learn(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:  # noqa: ARG002
        """Learn the vocabulary of texts, and return their codes.

        It is equivalent to ``fit(X).transform(X)``, but faster.

        Parameters
        ----------
        X : list, tuple, ndarray or Series of str, or DataFrame
            As for ``fit``.
        y : None
            Ignored.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_steps_)
            Codes in int32.

        Raises
        ------
        ValueError
            As for ``fit``.
        """
        return self._learn(X).padded(self.n_steps_)

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes of texts.

        Parameters
        ----------
        X : list, tuple, ndarray or Series of str, or DataFrame
            As for ``fit``.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_steps_)
            Codes in int32.

        Raises
        ------
        ValueError
            If a column does not exist, or a text is not a string.
        """
        check_is_fitted(self)
        texts = self._texts_of(X, reset=False)
        pattern = compiled_pattern(self.token_pattern)
        X_encoded = np.empty((len(texts), self.n_steps_), dtype=np.int32)
        n_cut = longest = 0
        for start in range(0, len(texts), _TEXTS_PER_CHUNK):
            chunk = slice(start, start + _TEXTS_PER_CHUNK)
            found = split_texts(texts[chunk], pattern, lowercase=self.lowercase)
            tokens = self._vocabulary.codes(found, is_bag=self.binary)
            X_encoded[chunk] = tokens.padded(self.n_steps_)
            n_cut += int((tokens.lengths > self.n_steps_).sum())
            longest = max(longest, int(tokens.lengths.max()))
        if n_cut and self.max_length is None:
            warnings.warn(
                f"{n_cut} text(s) have more tokens than the longest text of fit: up to {longest}, "
                f"of which {self.n_steps_} are kept. Set max_length to cut texts without this "
                "warning.",
                UserWarning,
                stacklevel=3,
            )
        return X_encoded

    def inverse_transform(self, X_encoded: Any) -> np.ndarray:
        """Return the texts of codes: their tokens, joined by spaces.

        Unknown tokens are the replacement character "\ufffd". Tokens of more than
        ``ngram_range[0]`` words are left out, because they repeat shorter tokens.

        Parameters
        ----------
        X_encoded : array-like of int, shape (n_samples, n_columns)
            Codes, as returned by ``transform``. It may have any number of columns.

        Returns
        -------
        X : ndarray of str objects of shape (n_samples,)

        Raises
        ------
        ValueError
            If ``X_encoded`` is not two-dimensional, or has values that are not codes.
        """
        check_is_fitted(self)
        codes = np.asarray(X_encoded)
        last = len(self.vocabulary_) + N_RESERVED - 1
        is_valid = (
            codes.ndim == 2
            and codes.dtype.kind in "iuf"
            and np.isin(codes, np.arange(last + 1)).all()
        )
        if not is_valid:
            raise ValueError(
                f"X_encoded must be a two-dimensional array of codes from 0 to {last}. "
                f"Got {shown(X_encoded)} instead."
            )
        is_shown = np.zeros(last + 1, dtype=bool)
        is_shown[UNKNOWN] = True
        is_shown[N_RESERVED:] = self._vocabulary.lengths == self._vocabulary.ngram_range[0]
        names = ["", _UNKNOWN_TEXT, *self.vocabulary_.tolist()]
        texts = np.empty(len(codes), dtype=object)
        for row, own in enumerate(codes.astype(np.int64)):
            texts[row] = " ".join([names[code] for code in own[is_shown[own]]])
        return texts

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns of the encoded texts, such as "review_0".

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X. None uses ``feature_names_in_``. The name of a list of texts
            is "x0".

        Returns
        -------
        feature_names_out : ndarray of str objects of shape (n_steps_,)
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", input_features)
        if self.column is not None:
            name = self.column
        else:
            name = "x0" if names is None else str(np.asarray(names, dtype=object)[0])
        return np.array([f"{name}_{step}" for step in range(self.n_steps_)], dtype=object)

    def meta_facts(self) -> dict[str, Any]:
        """Return the facts about the encoded rows that builders receive in ``meta``.

        Returns
        -------
        facts : dict of str to object
            ``n_codes_``, the number of codes, padding and the unknown token included.
        """
        check_is_fitted(self)
        return {"n_codes_": len(self.vocabulary_) + N_RESERVED}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _learn(self, X: Any) -> TokenCodes:
        """Learn the vocabulary and the length, and return the codes of the texts."""
        pattern = self._checked_pattern()
        texts = self._texts_of(X, reset=True)
        found = split_texts(texts, pattern, lowercase=self.lowercase)
        smallest, largest = self.ngram_range
        vocabulary = Vocabulary.of(
            found,
            (int(smallest), int(largest)),
            max_tokens=self.max_tokens,
            min_frequency=self.min_frequency,
        )
        if not len(vocabulary):
            raise ValueError(
                f"No token occurs in min_frequency={self.min_frequency} of the {len(texts)} texts, "
                f"such as {shown(next(filter(None, texts), ''))}. Lower min_frequency, give more "
                "texts, or change token_pattern."
            )
        self._vocabulary = vocabulary
        self.vocabulary_ = vocabulary.tokens()
        tokens = vocabulary.codes(found, is_bag=self.binary)
        longest = max(1, int(tokens.lengths.max()))
        self.n_steps_ = longest if self.max_length is None else min(longest, int(self.max_length))
        return tokens

    def _checked_pattern(self) -> Any:
        """Check the parameters, and return the compiled pattern of tokens."""
        if self.column is not None and not isinstance(self.column, str):
            raise ValueError(
                f"column must be the name of a column, or None. Got {shown(self.column)} instead."
            )
        as_flag("lowercase", self.lowercase)
        as_flag("binary", self.binary)
        as_count("min_frequency", self.min_frequency)
        for name in ("max_tokens", "max_length"):
            if getattr(self, name) is not None:
                as_count(name, getattr(self, name), alternatives=", or None")
        _check_ngram_range(self.ngram_range)
        return compiled_pattern(self.token_pattern)

    def _texts_of(self, X: Any, *, reset: bool) -> list[str]:
        """Return the texts of X as a list, "" for missing ones."""
        X = as_table(X)
        if is_dataframe(X):
            check_unique_names(X)
            if reset or hasattr(self, "feature_names_in_"):
                validate_data(self, X, reset=reset, skip_check_array=True)
            name = self._column_of(X)
            texts = texts_of_column(X[name], f"column {name!r}")
        else:
            self._check_one_dimension(X)
            if reset:
                self.n_features_in_ = 1
                # A former fit may have had a DataFrame.
                self.__dict__.pop("feature_names_in_", None)
            texts = texts_of_column(X, "X")
        if not texts:
            raise ValueError(
                "Found array with 0 sample(s) while a minimum of 1 is required by TextEncoder. "
                "Give at least one text."
            )
        return texts

    def _column_of(self, X: Any) -> Any:
        names = list(X.columns)
        if self.column is None:
            if len(names) == 1:
                return names[0]
            raise ValueError(
                f"column must name the column of texts, because X has {len(names)} columns: "
                f"{shown(names)}. Got None instead."
            )
        if self.column not in names:
            raise ValueError(
                f"column must be a column of X, which has {shown(names)}. "
                f"Got {self.column!r} instead."
            )
        return self.column

    def _check_one_dimension(self, X: Any) -> None:
        if isinstance(X, (str, bytes)):
            raise ValueError(
                f"X must be a list, an array or a Series of texts. Got a single text, {shown(X)}, "
                "instead. Put it into a list."
            )
        is_texts = isinstance(X, Sequence) or hasattr(X, "__array__") or hasattr(X, "to_pylist")
        if not is_texts or hasattr(X, "toarray"):
            raise ValueError(
                "X must be a list, an array or a Series of texts, or a DataFrame with a column of "
                f"texts. Got {shown(X)} instead."
            )
        shape = tuple(getattr(X, "shape", ()))
        if shape[1:] not in ((), (1,)):
            raise ValueError(
                f"X must have the shape (n_samples,) or (n_samples, 1). Got {shape} instead. "
                "Select the column of texts."
            )
        if self.column is not None and getattr(X, "name", None) != self.column:
            raise ValueError(
                f"column={self.column!r} selects a column of a DataFrame. Got a "
                f"{type(X).__name__} instead. Leave column out."
            )


def _check_ngram_range(ngram_range: Any) -> None:
    bounds = list(ngram_range) if isinstance(ngram_range, Sequence) else []
    is_counts = all(isinstance(n, Integral) and not isinstance(n, bool) for n in bounds)
    if len(bounds) != 2 or not is_counts or not 1 <= bounds[0] <= bounds[1]:
        raise ValueError(
            "ngram_range must be two integers of at least 1 in ascending order, such as (1, 2). "
            f"Got {shown(ngram_range)} instead."
        )
