"""Incremental predictions along permutations, for networks whose first layer is linear.

Along a permutation, one feature group after the other is taken from the explained row x instead
of the background row b. With the input features a of the first linear layer, its kernel W and the
input features F(j) of feature group j, the output of the layer after k feature groups is ::

    h_k = h_0 + sum over the first k feature groups j of  W[F(j)].T @ (a(x) - a(b))[F(j)]

One step costs the input features of one feature group instead of all of them. The cost of a
permutation is linear in the number of columns, with masked samples it is quadratic.
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

# With fewer feature groups, or fewer input features of the layer, masked samples are as fast.
MIN_WALK_GROUPS, MIN_WALK_FEATURES = 128, 400
# Rows on which the source of each input feature of the layer is probed.
_N_PROBED_ROWS = 256
# Background rows on which predictions by walks are compared with those of the networks.
_N_COMPARED = 8


@dataclass(frozen=True)
class _NetworkWalks:
    """The first linear layer of a network, with its inputs sorted by feature group.

    Parameters
    ----------
    linear : FirstLinear
        The network, split at its first linear layer.
    order : ndarray of int, shape (n_features,)
        The input features of the layer, sorted by feature group.
    present : ndarray of int
        The feature groups that have input features, ascending.
    begins : ndarray of int
        The position in ``order`` of the first input feature of each of these groups.
    kernel : ndarray of shape (n_features, n_hidden)
        The rows of the kernel, in this order.
    background : ndarray of shape (background_size, n_features)
        The input features of the background rows, in this order.
    starts : ndarray of shape (background_size, n_hidden)
        The outputs of the layer for the background rows.
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
        """Return the outputs of the layer at the inner steps, (2 * (n_groups - 1), n_hidden)."""
        # Row j of terms is W[j] (a_j(x) - a_j(b)). Their sums over F(j) are the steps of h.
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
    """The predictions along permutations and their reverses.

    Parameters
    ----------
    function : NetworkFunction
        The predictions of the networks.
    members : list of _NetworkWalks
        The networks.
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
        """Return the walks of networks, None if a network has no large first linear layer.

        Parameters
        ----------
        function : NetworkFunction
            The predictions of the networks.
        X, background : ndarray of shape (n_rows, n_encoded)
            Encoded rows.
        of_encoded : ndarray of int, shape (n_encoded,)
            The feature group of each encoded feature.
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
        """Return whether the split networks give the predictions of the whole networks."""
        split = self._function.of_outputs(
            [
                member.linear.behind(member.starts[: len(rows)].astype(np.float32), len(rows))
                for member in self._members
            ]
        )
        return np.allclose(split, self._function(rows), rtol=1e-3, atol=1e-4)

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
            The position of each feature group in the permutation.
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
                member.hidden(features, int(b), of_pair)
                for b, of_pair in zip(background_rows, ranks, strict=True)
            ]
            outputs.append(member.linear.behind(np.concatenate(hidden), batch_rows))
        return self._function.of_outputs(outputs)


def feature_sources(linear: FirstLinear, pool: np.ndarray) -> np.ndarray | None:
    """Return the encoded feature that each input of a first linear layer is computed from.

    Parameters
    ----------
    linear : FirstLinear
        The layer, with the part of the network before it.
    pool : ndarray of shape (n_rows, n_encoded)
        The encoded explained and background rows.

    Returns
    -------
    sources : ndarray of int, shape (n_features,), or None
        None if an input of the layer depends on several encoded features, or may do so.

    Notes
    -----
    For each bit of the positions of encoded features, the encoded features with this bit, then
    those without it, are shifted by one row. An input of the layer that changes with the first
    shift only has a source with this bit. 2 log2(n_encoded) passes determine all sources, which
    are then verified on masked samples of all rows of the pool.
    """
    n_encoded = pool.shape[1]
    rows = pool[np.unique(np.linspace(0, len(pool) - 1, _N_PROBED_ROWS).astype(np.intp))]
    shifted = np.roll(rows, -1, axis=0)
    before = linear.before(rows)
    sources = np.zeros(before.shape[1], dtype=np.intp)
    for bit in range(max(1, int(n_encoded - 1).bit_length())):
        has_bit = (np.arange(n_encoded) >> bit) & 1 == 1
        with_bit, without = (
            (linear.before(np.where(mask, shifted, rows)) != before).any(axis=0)
            for mask in (has_bit, ~has_bit)
        )
        if (with_bit & without).any():
            return None
        sources += with_bit * (1 << bit)
    if (sources >= n_encoded).any():
        return None
    check = partial(is_columnwise, linear.before, sources, pool, seed=0)
    return sources if check(is_thorough=True) else None
