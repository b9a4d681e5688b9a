"""Texts to words: the texts of X, the regular expression of words, and their normal form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from nnkit._messages import shown

__all__ = ["WordPositions", "compiled_pattern", "default_pattern", "split_texts", "texts_of_column"]

# Ideographs, kana and other signs of scripts without spaces, of which each is a word.
_SIGNS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_FLAG_LETTERS = "\U0001f1e6-\U0001f1ff"
_SKIN_TONES = "\U0001f3fb-\U0001f3ff"
# Joiners are part of words in Persian and Indic scripts.
_JOINERS = "\u200c\u200d"
# Beyond this code point, marks are rare, and a scan of all code points takes longer.
_LAST_MARK = 0x1E950


@cache
def default_pattern() -> str:
    """Return the regular expression of words, numbers, punctuation characters and emoji."""
    # Python's \w has no combining marks, which would split words of many scripts.
    marks = _ranges(
        at for at in range(0x300, _LAST_MARK) if unicodedata.category(chr(at)).startswith("M")
    )
    letters = rf"[^\W{_SIGNS}]+"
    word = rf"{letters}(?:[{marks}{_JOINERS}]+(?:{letters})?)*"
    number = r"\d+(?:[.,]\d+)+"
    flag = f"[{_FLAG_LETTERS}]{{2}}"
    symbol = rf"[^\w\s][{marks}{_SKIN_TONES}]*"
    emoji = rf"{symbol}(?:\u200d{symbol})*"
    return rf"{number}|{word}(?:['’]{word})*|[{_SIGNS}][{marks}]*|{flag}|{emoji}"


def _ranges(points: Iterable[int]) -> str:
    """Return ascending code points as ranges of a character class."""
    ranges: list[list[int]] = []
    for at in points:
        if ranges and ranges[-1][1] == at - 1:
            ranges[-1][1] = at
        else:
            ranges.append([at, at])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


def compiled_pattern(token_pattern: Any) -> re.Pattern[str]:
    """Return the compiled regular expression of tokens.

    Parameters
    ----------
    token_pattern : str or None
        Regular expression with at most one group. None is `default_pattern`.

    Raises
    ------
    ValueError
        If it is not a regular expression, or has several groups.
    """
    if token_pattern is None:
        return re.compile(default_pattern())
    if not isinstance(token_pattern, str):
        raise ValueError(
            "token_pattern must be a regular expression as a string, or None. "
            f"Got {shown(token_pattern)} instead."
        )
    try:
        pattern = re.compile(token_pattern)
    except re.error as error:
        raise ValueError(
            f"token_pattern must be a regular expression. Got {token_pattern!r} instead ({error})."
        ) from error
    if pattern.groups > 1:
        raise ValueError(
            "token_pattern must have at most one group, which is the token. "
            f"Got {token_pattern!r} instead. Write the other groups as (?:...)."
        )
    return pattern


@dataclass(frozen=True)
class WordPositions:
    """The words of texts, as positions in a list of distinct words.

    Parameters
    ----------
    distinct : list of str
        The distinct words.
    positions : ndarray of int, shape (n_words,)
        Position of each word of the texts in ``distinct``, text after text.
    rows : ndarray of int, shape (n_words,)
        Position of the text of each word.
    n_rows : int
        Number of texts.
    """

    distinct: list[str]
    positions: np.ndarray
    rows: np.ndarray
    n_rows: int


class _Numbering(dict[str, int]):
    """Positions of words in the order in which they are first looked up."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def split_texts(
    texts: Sequence[str], pattern: re.Pattern[str], *, lowercase: bool
) -> WordPositions:
    """Split texts into words.

    Words are in Unicode's composed form (NFC), with typewriter apostrophes. Empty matches of the
    pattern are no words.

    Parameters
    ----------
    texts : sequence of str
        The texts.
    pattern : Pattern
        Regular expression of a word.
    lowercase : bool
        Whether words are in lower case.
    """
    numbers = _Numbering()
    parts = []
    for text in texts:
        found = pattern.findall(text.lower() if lowercase else text)
        parts.append(np.fromiter(map(numbers.__getitem__, found), np.int64, len(found)))
    rows = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    positions = np.concatenate([np.empty(0, dtype=np.int64), *parts])
    if "" in numbers:
        is_word = positions != numbers[""]
        positions, rows = positions[is_word], rows[is_word]
    # Different spellings of a word, such as with a composed accent and with a mark, become one.
    distinct = _Numbering()
    merged = np.array([distinct[_normal(word)] for word in numbers], dtype=np.int64)
    return WordPositions(list(distinct), merged[positions], rows, len(parts))


def _normal(word: str) -> str:
    return word if word.isascii() else unicodedata.normalize("NFC", word).replace("’", "'")


def texts_of_column(values: Any, label: str) -> list[str]:
    """Return the texts of a column as a list of str, "" for missing texts.

    Parameters
    ----------
    values : list, tuple, ndarray of shape (n_samples,) or (n_samples, 1), or Series
        A Series is of pandas or polars, an array of NumPy or Arrow.
    label : str
        Name of the column in messages, such as "column 'review'".

    Raises
    ------
    ValueError
        If a value is neither a string nor missing. The message names its row.
    """
    texts = _as_list(values)
    if set(map(type, texts)) == {str}:
        return texts
    return [_text_of(value, row, label) for row, value in enumerate(texts)]


def _as_list(values: Any) -> list[Any]:
    if isinstance(values, np.ndarray):
        return values.ravel().tolist()
    for name in ("to_list", "to_pylist", "tolist"):
        if hasattr(values, name):
            return getattr(values, name)()
    return list(values)


def _text_of(value: Any, row: int, label: str) -> str:
    if isinstance(value, str):
        return str(value)
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, (bytes, bytearray)):
        remedy = "Decode it, for example with value.decode('utf-8')."
    elif isinstance(value, (list, tuple, set, np.ndarray)):
        remedy = "Join its words, for example with ' '.join(words)."
    else:
        remedy = "Convert it with str, or leave the row out."
    raise ValueError(
        f"The text of {label} in row {row} must be a string. "
        f"Got {shown(value)} ({type(value).__name__}) instead. {remedy}"
    )
