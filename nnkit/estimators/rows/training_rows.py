"""The rows of a fit, its seeds, and the rows that each network trains and validates on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils import check_random_state

from nnkit._messages import shown
from nnkit.datasets.batch_source import BatchSource
from nnkit.datasets.block_table import BlockTable
from nnkit.encoding.input_dict import InputDict
from nnkit.encoding.rows import rows_of
from nnkit.encoding.splits import fold_rows, holdout_rows, split_rows
from nnkit.encoding.targets import ClassLabels
from nnkit.estimators.parameters.fit_settings import FitSettings

if TYPE_CHECKING:
    from nnkit.training.loop.plan import TrainingData

__all__ = ["FoldIndices", "MemberData", "Rows", "Seeds", "fold_indices_of"]


def unseeded() -> np.random.RandomState:
    """Return a generator with new entropy, without a use of NumPy's global state."""
    return np.random.RandomState()


@dataclass(frozen=True)
class Seeds:
    """The seeds of a fit, one for each use of random numbers."""

    build: int
    shuffle: int
    split: int
    background: int

    @classmethod
    def of(cls, random_state: Any) -> Seeds:
        """Return seeds that are drawn from a scikit-learn ``random_state``."""
        if isinstance(random_state, int):
            return _seeds_of(random_state)
        rng = unseeded() if random_state is None else check_random_state(random_state)
        return cls.drawn_from(rng)

    @classmethod
    def drawn_from(cls, rng: np.random.RandomState) -> Seeds:
        """Return seeds that are drawn from a generator."""
        return cls(*(int(seed) for seed in rng.randint(2**31 - 1, size=4)))

    def of_member(self, position: int) -> Seeds:
        """Return the seeds of a member of an ensemble. The first member has these seeds."""
        if not position:
            return self
        rng = np.random.default_rng([self.build, self.shuffle, position])
        build, shuffle = (int(seed) for seed in rng.integers(2**31 - 1, size=2))
        return replace(self, build=build, shuffle=shuffle)


# The start of a generator takes a tenth of a millisecond, and searches use one seed in all fits.
@lru_cache(maxsize=256)
def _seeds_of(random_state: int) -> Seeds:
    return Seeds.drawn_from(np.random.RandomState(random_state))


@dataclass(frozen=True)
class Rows:
    """Rows of a fit: table, target, encoded target, weights and groups.

    ``source`` is the dataset whose next pass gives the rows of the next epoch. Selected rows have
    none.
    """

    X: Any
    y: np.ndarray
    encoded: np.ndarray
    sample_weight: np.ndarray | None
    groups: np.ndarray | None = None
    # The argument sample_weight, with an axis of steps if each step has a weight.
    given_weight: np.ndarray | None = None
    source: BatchSource | None = None

    def at(self, positions: np.ndarray | None) -> Rows:
        """Return the rows at these positions; None is all of them.

        A table in blocks keeps its order, also if that of the positions is another.
        """
        if positions is None:
            return self
        X = self.X
        if isinstance(X, BlockTable):
            X = X.at(positions)
        elif X is not None:
            X = rows_of(X, positions)
        return Rows(
            X,
            self.y[positions],
            self.encoded[positions],
            None if self.sample_weight is None else self.sample_weight[positions],
            None if self.groups is None else self.groups[positions],
            None if self.given_weight is None else self.given_weight[positions],
        )

    def without_table(self) -> Rows:
        """Return the rows without their table."""
        return replace(self, X=None)

    @cached_property
    def has_weight(self) -> np.ndarray:
        """Whether each row has a weight above 0, a bool array of shape (n_samples,)."""
        if self.sample_weight is None:
            return np.ones(len(self.y), dtype=bool)
        return self.sample_weight > 0

    def with_nonzero_weight(self) -> Rows:
        """Return the rows with a weight above 0."""
        return self if self.has_weight.all() else self.at(np.flatnonzero(self.has_weight))


@dataclass(frozen=True)
class FoldIndices:
    """Training and validation rows of one network, as positions.

    Attributes
    ----------
    training : ndarray of int or None
        None is all rows.
    validation : ndarray of int or None
        None is no rows.
    """

    training: np.ndarray | None = None
    validation: np.ndarray | None = None

    def n_training(self, n_samples: int) -> int:
        """Return the number of training rows, of so many rows in total."""
        return n_samples if self.training is None else len(self.training)

    def in_order(self) -> FoldIndices:
        """Return the same rows in the order of the table."""
        return FoldIndices(
            *(None if at is None else np.sort(at) for at in (self.training, self.validation))
        )


@dataclass(frozen=True)
class MemberData:
    """Training and validation data of one network, or of all networks.

    Attributes
    ----------
    data : TrainingData
        Encoded training and validation rows.
    held_out : Rows or None
        Validation rows before encoding.
    n_samples : int
        Number of training rows.
    """

    data: TrainingData
    held_out: Rows | None
    n_samples: int


def fold_indices_of(
    rows: Rows,
    settings: FitSettings,
    seed: int,
    codes: np.ndarray | None,
    labels: ClassLabels | None,
) -> tuple[Rows, list[FoldIndices]]:
    """Return the rows with a weight above 0, and the part of them that each network gets.

    Parameters
    ----------
    rows : Rows
    settings : FitSettings
        ``validation_split``, which is not None, ``cv`` and ``n_estimators`` are used.
    seed : int
        Seed of the random splits.
    codes : ndarray of shape (n_samples,) or None
        The encoded target. Splits are stratified by its classes; None draws at random.
    labels : ClassLabels or None
        The labels of ``codes``, for messages.

    Returns
    -------
    rows : Rows
    folds : list of FoldIndices
        One for each network; a single one if they all share it.
    """
    n_estimators = settings.n_estimators
    if settings.cv is not None and not isinstance(settings.cv, Integral):
        return _split_by(settings.cv, "cv", rows, n_estimators)
    split = settings.validation_split
    if settings.cv is None and not isinstance(split, Real):
        return _split_by(split, "validation_split", rows, 1)
    weighted = rows.with_nonzero_weight()
    if codes is not None and weighted is not rows:
        codes = codes[rows.has_weight]
    if settings.cv is not None:
        return weighted, _folds_of(weighted, int(settings.cv), n_estimators, seed, codes)
    if split == 0:
        return weighted, [FoldIndices()]
    if weighted.groups is not None:
        if len(np.unique(weighted.groups)) < 2:
            raise ValueError(
                f"validation_split={split} needs at least 2 groups to hold some out, but there is "
                "1 group. Give more, or set early_stopping=False and validation_split=0."
            )
        shuffle = GroupShuffleSplit(1, test_size=float(split), random_state=seed)
        return _split_by(shuffle, "validation_split", weighted, 1)
    held_out = holdout_rows(len(weighted.y), float(split), seed, codes, labels)
    return weighted, [FoldIndices(*held_out)]


def _folds_of(
    rows: Rows, n_folds: int, n_estimators: int, seed: int, codes: np.ndarray | None
) -> list[FoldIndices]:
    folds: list[Any] = []
    # More networks than folds: further networks get folds of another draw.
    while len(folds) < n_estimators:
        folds += fold_rows(len(rows.y), n_folds, seed + len(folds), codes, rows.groups)
    return [FoldIndices(*fold) for fold in folds[:n_estimators]]


def _split_by(
    splitter: Any, name: str, rows: Rows, n_splits: int
) -> tuple[Rows, list[FoldIndices]]:
    """Return the rows with a weight, and the first splits of a splitter, which counts all rows."""
    # scikit-learn counts the keys of a dict.
    X = InputDict(rows.X) if isinstance(rows.X, dict) else rows.X
    splits = split_rows(splitter, X, rows.y, rows.groups, n_splits, name=name)
    weighted = rows.with_nonzero_weight()
    if weighted is not rows:
        has_weight = rows.has_weight
        # position among all rows -> position among those with a weight
        places = np.cumsum(has_weight) - 1
        splits = [
            (places[training[has_weight[training]]], places[held[has_weight[held]]])
            for training, held in splits
        ]
        if not all(len(positions) for split in splits for positions in split):
            raise ValueError(
                f"{name}={shown(splitter)} yields a part whose rows all have weight zero."
            )
    return weighted, [FoldIndices(*split) for split in splits]
