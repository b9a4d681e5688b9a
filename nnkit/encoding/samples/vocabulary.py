"""Vocabularies of words and n-grams: learning from texts, and codes of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnkit.encoding.samples.words import WordPositions

__all__ = ["N_RESERVED", "PADDING", "UNKNOWN", "TokenCodes", "Vocabulary"]

PADDING = 0
"""Code of the steps after the end of a text."""
UNKNOWN = 1
"""Code of tokens that are not in the vocabulary."""
N_RESERVED = 2
"""Number of codes before the first token of the vocabulary."""


@dataclass(frozen=True)
class TokenCodes:
    """The codes of texts, before they are cut and padded.

    Parameters
    ----------
    codes, rows : ndarray of int, shape (n_tokens,)
        Code and text of each token. The tokens of a text are in the order of its encoded row.
    priorities : ndarray of int, shape (n_tokens,)
        If a text has too many tokens, those with the smallest values are kept.
    n_rows : int
        Number of texts.
    """

    codes: np.ndarray
    rows: np.ndarray
    priorities: np.ndarray
    n_rows: int

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each text, of shape (n_rows,)."""
        return np.bincount(self.rows, minlength=self.n_rows)

    def padded(self, n_steps: int) -> np.ndarray:
        """Return the codes as an int32 array of shape (n_rows, n_steps)."""
        codes, rows, lengths = self.codes, self.rows, self.lengths
        if (lengths > n_steps).any():
            order = np.lexsort((self.priorities, rows))
            is_kept = np.empty(len(rows), dtype=bool)
            is_kept[order] = _ranks(lengths) < n_steps
            codes, rows, lengths = codes[is_kept], rows[is_kept], np.minimum(lengths, n_steps)
        encoded = np.full((self.n_rows, n_steps), PADDING, dtype=np.int32)
        order = np.argsort(rows, kind="stable")
        encoded[rows[order], _ranks(lengths)] = codes[order]
        return encoded


def _ranks(lengths: np.ndarray) -> np.ndarray:
    """Return 0, ..., length - 1 for each length, one after the other."""
    starts = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) - np.repeat(starts, lengths)


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a vocabulary, which are words and n-grams of words.

    Parameters
    ----------
    words : ndarray of str objects
        The words of all tokens.
    grams : ndarray of int, shape (n_tokens, largest n)
        Positions in ``words`` of the words of each token, -1 after its last word.
    ngram_range : tuple of int
        Smallest and largest number of words of a token.
    """

    words: np.ndarray
    grams: np.ndarray
    ngram_range: tuple[int, int]

    @classmethod
    def of(
        cls,
        found: WordPositions,
        ngram_range: tuple[int, int],
        *,
        max_tokens: int | None,
        min_frequency: int,
    ) -> Vocabulary:
        """Learn the vocabulary of texts.

        Parameters
        ----------
        found : WordPositions
            The words of the texts.
        ngram_range : tuple of int
            Smallest and largest number of words of a token.
        max_tokens : int or None
            Largest number of tokens. Those with the largest document frequency are kept.
        min_frequency : int
            Smallest number of texts in which a token occurs.
        """
        smallest, largest = ngram_range
        candidates, frequencies = [np.empty((0, largest), np.int64)], [np.empty(0, np.int64)]
        nodes, grams = found.positions, np.arange(len(found.distinct))[:, np.newaxis]
        for n in range(1, largest + 1):
            if n > 1:
                nodes, grams = _longer_grams(nodes, grams, found, n)
            frequency = _document_frequencies(nodes, found, len(grams))
            if n >= smallest:
                padding = [(0, 0), (0, largest - n)]
                candidates.append(np.pad(grams, padding, constant_values=-1))
                frequencies.append(frequency)
            # An n-gram is at most as frequent as the n-grams within it.
            is_rare = np.append(frequency < min_frequency, True)
            nodes = np.where(is_rare[nodes], -1, nodes)
        chosen = _most_frequent(
            np.concatenate(candidates),
            np.concatenate(frequencies),
            found.distinct,
            max_tokens=max_tokens,
            min_frequency=min_frequency,
        )
        occurring = np.unique(chosen[chosen >= 0])
        words = np.array(found.distinct, dtype=object)[occurring]
        positions = np.where(chosen < 0, -1, np.searchsorted(occurring, chosen))
        return cls(words, positions.astype(np.int32), ngram_range)

    def __len__(self) -> int:
        return len(self.grams)

    def tokens(self) -> np.ndarray:
        """Return the tokens as str objects of shape (n_tokens,), words joined by a space."""
        tokens = np.empty(len(self), dtype=object)
        tokens[:] = [_joined(gram, self.words) for gram in self.grams.tolist()]
        return tokens

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of words of each token, of shape (n_tokens,)."""
        return (self.grams >= 0).sum(axis=1)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {word: position for position, word in enumerate(self.words.tolist())}

    @cached_property
    def _levels(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For n = 1, 2, ...: the sorted keys of n-grams that begin a token, and their codes.

        The key of an n-gram is the position of its first n - 1 words among those of the level
        before, times the number of words, plus its last word. The code of an n-gram that is not a
        token, and that of the position -1, is `UNKNOWN`.
        """
        levels = []
        nodes = np.zeros(len(self), dtype=np.int64)
        for n in range(1, self.ngram_range[1] + 1):
            is_long = (nodes >= 0) & (self.lengths >= n)
            keys = nodes * len(self.words) + self.grams[:, n - 1]
            known = np.arange(len(self.words)) if n == 1 else np.unique(keys[is_long])
            nodes = np.where(is_long, np.searchsorted(known, keys), -1)
            codes = np.full(len(known) + 1, UNKNOWN)
            ends = np.flatnonzero(self.lengths == n)
            codes[nodes[ends]] = ends + N_RESERVED
            levels.append((known, codes))
        return levels

    def codes(self, found: WordPositions, *, is_bag: bool) -> TokenCodes:
        """Return the codes of texts.

        Parameters
        ----------
        found : WordPositions
            The words of the texts.
        is_bag : bool
            Whether each known token of a text has its code once, in ascending order.
        """
        get = self._positions.get
        known = np.array([get(word, -1) for word in found.distinct], dtype=np.int64)
        words = known[found.positions]
        codes, starts = self._codes_in_order(words, found.rows)
        all_codes, all_starts = np.concatenate(codes), np.concatenate(starts)
        rows = found.rows[all_starts]
        if is_bag:
            n_codes = len(self) + N_RESERVED
            pairs = np.unique((rows * n_codes + all_codes)[all_codes != UNKNOWN])
            rows, all_codes = np.divmod(pairs, n_codes)
            return TokenCodes(all_codes, rows, -all_codes, found.n_rows)
        smallest, largest = self.ngram_range
        sizes = np.repeat(range(smallest, largest + 1), [len(part) for part in codes])
        # By the last word of a token, shorter ones first: the longest beginning of a text.
        priorities = (all_starts + sizes - 1) * (largest + 1) + sizes
        is_kept = (all_codes != UNKNOWN) | (sizes == smallest)
        return TokenCodes(all_codes[is_kept], rows[is_kept], priorities[is_kept], found.n_rows)

    def _codes_in_order(
        self, words: np.ndarray, rows: np.ndarray
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the codes of the n-grams of texts, and the positions of their first words.

        Parameters
        ----------
        words : ndarray of int, shape (n_words,)
            Positions of the words of the texts, -1 for unknown words.
        rows : ndarray of int, shape (n_words,)
            Their texts.

        Returns
        -------
        codes, starts : list of ndarray of int
            An entry for each n of ``ngram_range``, in ascending order.
        """
        codes, starts = [], []
        nodes = words
        for n, (known, code_of_node) in enumerate(self._levels, start=1):
            if n > 1:
                keys = _keys(nodes, words, rows, n, len(self.words))
                nodes = np.searchsorted(known, keys)
                # The key behind the last one is below all others.
                nodes[np.append(known, -2)[nodes] != keys] = -1
            if n >= self.ngram_range[0]:
                is_inside = rows[: len(nodes)] == rows[n - 1 :]
                starts.append(np.flatnonzero(is_inside))
                codes.append(code_of_node[nodes[is_inside]])
        return codes, starts


def _keys(
    nodes: np.ndarray, words: np.ndarray, rows: np.ndarray, n: int, n_words: int
) -> np.ndarray:
    """Return the keys of the n-grams at each position, -1 at the ends of texts and if unknown.

    Parameters
    ----------
    nodes : ndarray of int, shape (n_positions - n + 2,)
        The (n - 1)-gram at each position, -1 if unknown.
    words : ndarray of int, shape (n_positions,)
        The word at each position, -1 if unknown.
    rows : ndarray of int, shape (n_positions,)
        The text of each position.
    n : int
        Number of words, at least 2.
    n_words : int
        Number of distinct words.
    """
    first, last = nodes[:-1], words[n - 1 :]
    is_known = (first >= 0) & (last >= 0) & (rows[: len(last)] == rows[n - 1 :])
    return np.where(is_known, first * n_words + last, -1)


def _longer_grams(
    nodes: np.ndarray, grams: np.ndarray, found: WordPositions, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the n-gram at each position, -1 if it is rare, and the words of each n-gram.

    Parameters
    ----------
    nodes : ndarray of int
        The (n - 1)-gram at each position, -1 if it is rare.
    grams : ndarray of int, shape (n_grams, n - 1)
        The words of each (n - 1)-gram.
    found : WordPositions
        The words of the texts.
    n : int
        Number of words, at least 2.
    """
    n_words = max(len(found.distinct), 1)
    keys = _keys(nodes, found.positions, found.rows, n, n_words)
    distinct, inverse = np.unique(keys[keys >= 0], return_inverse=True)
    longer = np.full(len(keys), -1)
    longer[keys >= 0] = inverse
    first, last = np.divmod(distinct, n_words)
    return longer, np.column_stack([grams[first], last])


def _document_frequencies(nodes: np.ndarray, found: WordPositions, n_nodes: int) -> np.ndarray:
    """Return the number of texts in which each n-gram occurs, of shape (n_nodes,)."""
    is_known = nodes >= 0
    n_rows = max(found.n_rows, 1)
    pairs = np.unique(nodes[is_known] * n_rows + found.rows[: len(nodes)][is_known])
    return np.bincount(pairs // n_rows, minlength=n_nodes)


def _most_frequent(
    grams: np.ndarray,
    frequencies: np.ndarray,
    words: Sequence[str],
    *,
    max_tokens: int | None,
    min_frequency: int,
) -> np.ndarray:
    """Return the n-grams by descending document frequency, ties in alphabetical order."""
    lowest = min_frequency
    if max_tokens is not None and max_tokens < len(frequencies):
        # Only n-grams that can be among the first ones become text.
        lowest = max(lowest, int(-np.partition(-frequencies, max_tokens - 1)[max_tokens - 1]))
    is_frequent = frequencies >= lowest
    grams, frequencies = grams[is_frequent], frequencies[is_frequent]
    keys = [
        (-frequency, _joined(gram, words), position)
        for position, (frequency, gram) in enumerate(
            zip(frequencies.tolist(), grams.tolist(), strict=True)
        )
    ]
    order = [position for _, _, position in sorted(keys)][:max_tokens]
    return grams[order]


def _joined(gram: Sequence[int], words: Sequence[str] | np.ndarray) -> str:
    return " ".join([words[position] for position in gram if position >= 0])
