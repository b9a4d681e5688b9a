"""Splits of rows into training rows and validation rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, train_test_split

from nnkit._messages import shown
from nnkit.encoding.targets import ClassLabels

__all__ = ["fold_rows", "holdout_rows", "split_rows"]

Split = tuple[np.ndarray, np.ndarray]
"""Positions of the training rows and of the validation rows."""

_REMEDY = "Give a larger validation_split or more rows."


def split_rows(
    splitter: Any,
    X: Any,
    y: np.ndarray,
    groups: np.ndarray | None,
    n_splits: int = 1,
    *,
    name: str = "validation_split",
) -> list[Split]:
    """Return the first splits of a scikit-learn splitter, or of an iterable of splits.

    Parameters
    ----------
    splitter : splitter or iterable of (training rows, validation rows)
        Source of the splits.
    X : array-like with n_samples rows
        Table that is passed to the splitter.
    y : ndarray with n_samples rows
        Target that is passed to the splitter.
    groups : ndarray of shape (n_samples,) or None
        Groups of rows, which are passed to the splitter.
    n_splits : int, default=1
        Number of splits to return. If the splitter yields fewer, they are repeated.
    name : str, default="validation_split"
        Parameter that the splitter comes from, for messages.

    Returns
    -------
    splits : list of tuples of two ndarray of int
        Positions of the training rows and of the validation rows.

    Raises
    ------
    ValueError
        If the splitter yields no split, a split with an empty part, or anything else.
    """
    found: list[Split] = []
    splits = _splits_of(splitter, X, y, groups, name)
    for training_rows, validation_rows in itertools.islice(splits, n_splits):
        if not len(training_rows) or not len(validation_rows):
            raise ValueError(
                f"{name}={shown(splitter)} yields {len(training_rows)} rows to train on "
                f"and {len(validation_rows)} to validate on. Both must be at least 1."
            )
        found.append((np.asarray(training_rows), np.asarray(validation_rows)))
    if not found:
        raise ValueError(f"{name}={shown(splitter)} yields no split of the rows.")
    return list(itertools.islice(itertools.cycle(found), n_splits))


def _splits_of(
    splitter: Any, X: Any, y: np.ndarray, groups: np.ndarray | None, name: str
) -> Iterator[Split]:
    """Yield the splits of a splitter, or of an iterable; errors name the parameter."""
    if not hasattr(splitter, "split"):
        yield from _pairs_of(splitter, len(y), name)
        return
    try:
        yield from splitter.split(X, y, groups)
    except ValueError as error:
        fix = " Give groups to fit." if groups is None and "groups" in str(error) else ""
        raise ValueError(f"{name}={shown(splitter)}: {error}{fix}") from error


def _pairs_of(splits: Any, n_samples: int, name: str) -> Iterator[Split]:
    """Yield validated pairs of row positions from an iterable of pairs."""
    every = np.arange(n_samples)
    for split in splits:
        try:
            training_rows, validation_rows = (_positions(part) for part in split)
            pair = every[training_rows], every[validation_rows]
        except (TypeError, ValueError, IndexError) as error:
            raise ValueError(
                f"{name} must yield pairs of positions of rows, to train and to validate "
                f"on, from 0 to {n_samples - 1}. Got {shown(split)} instead."
            ) from error
        yield pair


def _positions(part: Any) -> np.ndarray:
    positions = np.asarray(part)
    # An array of an empty list has the dtype float64, which is not a valid index.
    return positions if len(positions) else positions.astype(int)


def fold_rows(
    n_samples: int,
    n_folds: int,
    seed: int,
    codes: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> list[Split]:
    """Return the splits of a cross-validation.

    Parameters
    ----------
    n_samples : int
        Number of rows.
    n_folds : int
        Number of folds, at least 2. It is reduced to the number of rows or groups.
    seed : int
        Seed of the draw.
    codes : ndarray of shape (n_samples,) or None
        Encoded target, by whose classes the folds are stratified if each class has at least
        ``n_folds`` rows and there are no groups.
    groups : ndarray of shape (n_samples,) or None
        Groups of rows. The rows of a group are in the same fold.

    Returns
    -------
    splits : list of tuples of two ndarray of int
        Positions of the training rows and of the validation rows. Each row is a validation row of
        one split.

    Raises
    ------
    ValueError
        If there are fewer than two rows or groups.
    """
    n_units = n_samples if groups is None else len(np.unique(groups))
    if n_units < 2:
        kind = "group" if groups is not None else "sample"
        raise ValueError(
            f"cv={n_folds} needs at least 2 {kind}s to hold some out, but there "
            f"is {n_units} {kind}. Give more, or set cv=None."
        )
    n_folds = min(n_folds, n_units)
    rows = np.arange(n_samples)
    if groups is not None:
        splitter = GroupKFold(n_folds, shuffle=True, random_state=seed)
    elif codes is not None and np.unique(codes, return_counts=True)[1].min() >= n_folds:
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    else:
        splitter = KFold(n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(rows, codes, groups))


def holdout_rows(
    n_samples: int,
    fraction: float,
    seed: int,
    codes: np.ndarray | None = None,
    labels: ClassLabels | None = None,
) -> Split:
    """Return one random split into training rows and validation rows.

    Parameters
    ----------
    n_samples : int
        Number of rows.
    fraction : float
        Fraction in (0, 1) of the rows to validate on.
    seed : int
        Seed of the draw.
    codes : ndarray of shape (n_samples,) or None
        Encoded target, by whose classes the split is stratified. None does not stratify.
    labels : ClassLabels or None
        Labels of ``codes``, for messages.

    Returns
    -------
    training_rows, validation_rows : ndarray of int
        Positions of rows, without overlap.

    Raises
    ------
    ValueError
        If either part is empty, or does not have a row of every class.
    """
    if n_samples < 2:
        raise ValueError(
            f"Rows to validate on cannot be held out of {n_samples} row with a weight above 0. "
            "Give more rows a positive sample_weight, or set early_stopping=False and "
            "validation_split=0."
        )
    n_validation = int(np.ceil(fraction * n_samples))
    if n_validation >= n_samples:
        raise ValueError(
            f"validation_split={fraction} of {n_samples} row(s) leaves no row to train on. "
            "Give more rows, or set early_stopping=False and validation_split=None."
        )
    rows = np.arange(n_samples)
    if codes is None or labels is None:
        training_rows, validation_rows = train_test_split(
            rows, test_size=n_validation, random_state=seed
        )
        return training_rows, validation_rows
    _check_can_stratify(fraction, n_validation, codes, labels)
    training_rows, validation_rows = train_test_split(
        rows, test_size=n_validation, random_state=seed, stratify=codes
    )
    _check_has_all_classes("training", training_rows, fraction, codes, labels)
    _check_has_all_classes("validation", validation_rows, fraction, codes, labels)
    return training_rows, validation_rows


def _check_can_stratify(
    fraction: float, n_validation: int, codes: np.ndarray, labels: ClassLabels
) -> None:
    """Raise a ValueError if there are too few rows for a row of each class in both parts."""
    counts = np.bincount(codes, minlength=len(labels.classes))
    present = np.flatnonzero(counts)
    if counts[present].min() < 2:
        rarest = labels.classes.tolist()[present[np.argmin(counts[present])]]
        raise ValueError(
            f"The class {rarest!r} has one row only, so that a validation split leaves it out. "
            "Give more rows of it, or set early_stopping=False and validation_split=None."
        )
    n_samples = len(codes)
    if min(n_validation, n_samples - n_validation) < len(present):
        raise ValueError(
            f"validation_split={fraction} of {n_samples} rows holds {n_validation} row(s), "
            f"which leaves out some of the {len(present)} classes. {_REMEDY}"
        )


def _check_has_all_classes(
    part: str, rows: np.ndarray, fraction: float, codes: np.ndarray, labels: ClassLabels
) -> None:
    """Raise a ValueError if a class has no row in a part of a split."""
    missing = np.setdiff1d(codes, codes[rows])
    if missing.size:
        raise ValueError(
            f"validation_split={fraction} leaves the class "
            f"{labels.classes.tolist()[missing[0]]!r} "
            f"({np.sum(codes == missing[0])} rows) out of the {part} rows. {_REMEDY}"
        )
