"""Shapley values of the words of texts, with one value function per text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from nnkit.explanation.attribution.shapley import Estimate, choose_method, estimate
from nnkit.explanation.attribution.value_function import ValueFunction
from nnkit.explanation.options import ExplainOptions

__all__ = ["are_texts", "explain_words", "texts_like", "words_of"]

# A word with the whitespace after it, so that the joined words are the text.
_WORD = re.compile(r"\s*\S+\s*")


def are_texts(X: Any) -> bool:
    """Return whether X is a list, array or Series of texts.

    Parameters
    ----------
    X : object
        The rows to explain.

    Raises
    ------
    ValueError
        If X holds texts and missing values.
    """
    # np.ndim is not called on tables, since it would convert a polars table to an array.
    is_flat = isinstance(X, (list, tuple)) or (not hasattr(X, "columns") and np.ndim(X) == 1)
    if isinstance(X, dict) or not is_flat or not len(X):
        return False
    texts = list(X)
    are_strings = [isinstance(text, str) for text in texts]
    at = are_strings.index(False) if False in are_strings else 0
    if any(are_strings) and not are_strings[at] and pd.isna(texts[at]):
        raise ValueError(
            f"X must hold texts only. Got {texts[at]!r} in row {at}. Replace it, for example by ''."
        )
    return all(are_strings)


def texts_like(X: Any, texts: list[str]) -> Any:
    """Return texts in a container of the type of X: a list, an array or a Series.

    Parameters
    ----------
    X : list, tuple, ndarray or Series
        The texts to explain.
    texts : list of str
        The texts to return.
    """
    if isinstance(X, pd.Series):
        return pd.Series(texts, dtype=X.dtype, name=X.name)
    return np.array(texts, dtype=object) if isinstance(X, np.ndarray) else texts


def words_of(text: str) -> list[str]:
    """Return the words of a text, each with the whitespace after it.

    Parameters
    ----------
    text : str
        A text whose words are separated by whitespace.

    Examples
    --------
    >>> from nnkit.explanation.attribution.text import words_of
    >>> words_of("not good, sorry")
    ['not ', 'good, ', 'sorry']
    """
    return _WORD.findall(text)


class MaskedTexts:
    """Masked samples of one text, from which words outside of the coalition are removed.

    Implements ``masked_samples.MaskedRows``.

    Parameters
    ----------
    output : callable
        The explained output, from a list of n texts to an ndarray of shape (n, n_outputs).
    words : list of str
        The words of the explained text.
    """

    n_samples = background_size = 1
    rows_per_call, arithmetic = 2**31, 0.0

    def __init__(self, output: Callable[[list[str]], np.ndarray], words: list[str]) -> None:
        self.n_groups = len(words)
        self._output, self._words = output, words

    def of_rows(self, at: slice) -> np.ndarray:
        """Return the outputs of the text, see ``MaskedRows.of_rows``."""
        return self._output(["".join(self._words)][at])

    def of_background(self, at: slice) -> np.ndarray:
        """Return the outputs of the empty text, see ``MaskedRows.of_background``."""
        return self._output([""][at])

    def along(self, *_: Any) -> None:
        """Return None: masked samples of texts are always needed."""

    def prepare(self, background_rows: np.ndarray, masks: np.ndarray) -> Any:  # noqa: ARG002
        """Return the masked texts, see ``MaskedRows.prepare``."""
        return [
            "".join(word for word, is_in in zip(self._words, mask, strict=True) if is_in)
            for mask in masks
        ]

    def __call__(self, rows: np.ndarray, prepared: Any) -> np.ndarray:
        """Return the outputs of masked samples, see ``MaskedRows.__call__``."""
        return self._output(prepared).reshape(len(rows), len(prepared), -1)


def explain_words(
    output: Callable[[list[str]], np.ndarray],
    texts: list[str],
    options: ExplainOptions,
    on_rows: Callable[[float], None],
) -> tuple[list[list[str]], list[Estimate]]:
    """Return the words of texts and their Shapley values.

    Parameters
    ----------
    output : callable
        The explained output, from a list of n texts to an ndarray of shape (n, n_outputs).
    texts : list of str
        The texts to explain.
    options : ExplainOptions
        The arguments of the call.
    on_rows : callable
        Called with the number of texts finished since the last call.

    Returns
    -------
    words : list of list of str
        The words of each text.
    estimates : list of Estimate
        The values of each text, as of a single row. A text without words has no values.

    Raises
    ------
    ValueError
        If a text has more words than the method supports, or an option does not support texts.
    """
    if options.interactions or options.is_gradient:
        argument = "interactions=True" if options.interactions else f"method={options.method!r}"
        raise ValueError(
            f"{argument} does not support texts, whose numbers of words differ. "
            "Use method='permutation' or 'exact'."
        )
    words = [words_of(text) for text in texts]
    estimates = []
    for of_text in words:
        method = choose_method(options, len(of_text), are_words=True)
        masked_samples = MaskedTexts(output, of_text)
        if of_text:
            estimates.append(
                estimate(ValueFunction(masked_samples, options.batch_rows), method, options)
            )
        else:
            base = masked_samples.of_background(slice(None))[0]
            no_values = np.empty((1, 0, len(base)))
            estimates.append(Estimate(no_values, no_values, base, method))
        on_rows(1)
    return words, estimates
