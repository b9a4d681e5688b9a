"""Permutations of many columns through networks whose first layer is linear.

Along a permutation one feature group after the other comes from the explained row. With the
features a that the first linear layer takes, its kernel W and the features F(j) of feature group j,
the layer's output after k feature groups is ::

    h_k = h_0 + sum over the first k feature groups j of  W[F(j)].T @ (a(x) - a(b))[F(j)]

so that one step costs the features of one feature group instead of all of them, and a permutation
is linear in the number of columns, where masked rows make it quadratic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from nnkit.estimators.network_function import NetworkFunction
from nnkit.explanation.pipelines.columnwise import is_columnwise

if TYPE_CHECKING:
    from nnkit.training.prediction.first_linear import FirstLinear

__all__ = ["MIN_WALK_GROUPS", "Walks", "feature_sources"]

# With fewer feature groups, or features of the first linear layer, masked rows are as fast.
MIN_WALK_GROUPS, MIN_WALK_FEATURES = 128, 400
# Rows by which the encoded feature behind each input of the layer is found.
_N_PROBED_ROWS = 256
# Rows whose predictions are made both ways before walks are trusted.
_N_COMPARED = 8


@dataclass(frozen=True)
class _NetworkWalks:
    """A network with the features of the background, those of each feature group side by side.

    Parameters
    ----------
    linear : FirstLinear
        The network.
    order : ndarray of int, shape (n_features,)
        The features, sorted by feature group.
    present : ndarray of int
        The feature groups that have features, ascending.
    begins : ndarray of int
        Where the features of each of them begin.
    kernel : ndarray of shape (n_features, n_hidden)
        In that order.
    background : ndarray of shape (background_size, n_features)
        In that order.
    starts : ndarray of shape (background_size, n_hidden)
        What the layer makes of the background.
    """

    linear: FirstLinear
    order: np.ndarray
    present: np.ndarray
    begins: np.ndarray
    kernel: np.ndarray
    background: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(
        cls, linear: FirstLinear, of_feature: np.ndarray, background: np.ndarray
    ) -> _NetworkWalks:
        order = np.argsort(of_feature, kind="stable")
        present, begins = np.unique(of_feature[order], return_index=True)
        features = linear.before(background).astype(np.float64)
        starts = features @ linear.kernel + linear.bias
        kernel = linear.kernel[order]
        return cls(linear, order, present, begins, kernel, features[:, order], starts)

    def hidden(self, features: np.ndarray, background_row: int, ranks: np.ndarray) -> np.ndarray:
        """Return the layer's output at the inner steps, (2 * (n_groups - 1), n_hidden)."""
        difference = features[self.order] - self.background[background_row]
        terms = difference[:, np.newaxis] * self.kernel
        by_group = np.zeros((len(ranks), terms.shape[1]))
        by_group[self.present] = (
            terms if len(self.present) == len(terms) else np.add.reduceat(terms, self.begins)
        )
        in_order = by_group[np.argsort(ranks)]
        forward = np.cumsum(in_order[:-1], axis=0)
        reverse = np.cumsum(in_order[:0:-1], axis=0)
        return (np.concatenate([forward, reverse]) + self.starts[background_row]).astype(np.float32)


class Walks:
    """The outputs along permutations and their reverses.

    Parameters
    ----------
    function : NetworkFunction
        What the networks predict.
    members : list of _NetworkWalks
        Its networks.
    X : ndarray of shape (n_samples, n_encoded)
        Encoded explained rows.
    """

    def __init__(
        self, function: NetworkFunction, members: list[_NetworkWalks], X: np.ndarray
    ) -> None:
        self._function, self._members, self._X = function, members, X

    @classmethod
    def of(
        cls,
        function: NetworkFunction,
        X: np.ndarray,
        background: np.ndarray,
        of_encoded: np.ndarray,
    ) -> Walks | None:
        """Return the walks of networks, None where one of them is not of the kind.

        Parameters
        ----------
        function : NetworkFunction
            What the networks predict.
        X, background : ndarray of shape (n_rows, n_encoded)
            Encoded rows.
        of_encoded : ndarray of int, shape (n_encoded,)
            The feature group that each encoded feature belongs to.
        """
        pool = np.concatenate([X, background])
        members = []
        for linear in function.first_linear():
            if linear is None or len(linear.kernel) < MIN_WALK_FEATURES:
                return None
            sources = np.arange(X.shape[1])
            if not linear.is_first:
                found = feature_sources(linear, pool)
                if found is None:
                    return None
                sources = found
            members.append(_NetworkWalks.of(linear, of_encoded[sources], background))
        walks = cls(function, members, X)
        return walks if walks._agrees(background[:_N_COMPARED]) else None

    def _agrees(self, rows: np.ndarray) -> bool:
        """Return whether the networks, taken apart, predict as they do as a whole."""
        apart = self._function.of_outputs(
            [
                member.linear.behind(member.starts[: len(rows)].astype(np.float32), len(rows))
                for member in self._members
            ]
        )
        return np.allclose(apart, self._function(rows), rtol=1e-3, atol=1e-4)

    def __call__(
        self, row: int, background_rows: np.ndarray, ranks: np.ndarray, batch_rows: int
    ) -> np.ndarray:
        """Return the predictions at the inner steps of pairs of permutations for an explained row.

        Parameters
        ----------
        row : int
            The explained row.
        background_rows : ndarray of int, shape (n_pairs,)
            The background row of each pair.
        ranks : ndarray of int, shape (n_pairs, n_groups)
            The place at which each feature group joins.
        batch_rows : int
            The largest number of predictions in one call.

        Returns
        -------
        predicted : ndarray of shape (n_pairs * 2 * (n_groups - 1), ...)
            In the order of `nnkit.explanation.attribution.permutation.pair_masks`.
        """
        outputs = []
        for member in self._members:
            features = member.linear.before(self._X[[row]])[0].astype(np.float64)
            hidden = [
                member.hidden(features, int(b), places)
                for b, places in zip(background_rows, ranks, strict=True)
            ]
            outputs.append(member.linear.behind(np.concatenate(hidden), batch_rows))
        return self._function.of_outputs(outputs)


def feature_sources(linear: FirstLinear, pool: np.ndarray) -> np.ndarray | None:
    """Return the encoded feature that each feature of a first linear layer is made from.

    Parameters
    ----------
    linear : FirstLinear
        The layer, with what the network does before it.
    pool : ndarray of shape (n_rows, n_encoded)
        Encoded rows, those to explain and those of the background.

    Returns
    -------
    sources : ndarray of int, shape (n_features,), or None
        None if features are not shown to be made from one encoded feature each.

    Notes
    -----
    For each bit of the positions of encoded features, those with this bit, then those without, are
    moved by one row: a feature that changes with the first only has a source with the bit. 2
    log2(n_encoded) passes tell all sources. Masked rows of all rows of the pool verify them.
    """
    n_encoded = pool.shape[1]
    rows = pool[np.unique(np.linspace(0, len(pool) - 1, _N_PROBED_ROWS).astype(np.intp))]
    moved = np.roll(rows, -1, axis=0)
    before = linear.before(rows)
    sources = np.zeros(before.shape[1], dtype=np.intp)
    for bit in range(max(1, int(n_encoded - 1).bit_length())):
        has_bit = (np.arange(n_encoded) >> bit) & 1 == 1
        with_bit, without = (
            (linear.before(np.where(mask, moved, rows)) != before).any(axis=0)
            for mask in (has_bit, ~has_bit)
        )
        if (with_bit & without).any():
            return None
        sources += with_bit * (1 << bit)
    if (sources >= n_encoded).any():
        return None
    check = partial(is_columnwise, linear.before, sources, pool, seed=0)
    return sources if check(is_thorough=True) else None
