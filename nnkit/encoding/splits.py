"""The rows held out for validation, and the sample kept for explanations."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, train_test_split

from nnkit._messages import shown
from nnkit.encoding.labels import ClassLabels

__all__ = ["background_rows", "fold_rows", "holdout_rows", "rows_at", "split_rows"]

Split = tuple[np.ndarray, np.ndarray]
"""Positions of the rows to train on, and of those to validate on."""


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
    X : array-like with n_samples rows
    y : ndarray with n_samples rows
    groups : ndarray of shape (n_samples,) or None
        Groups that the splitter keeps together.
    n_splits : int, default=1
        Number of splits. A splitter that yields fewer is repeated.
    name : str, default="validation_split"
        Parameter that the splitter comes from, for messages.

    Returns
    -------
    splits : list of tuples of two ndarray of int
        Positions of the rows to train on, and of those to validate on.

    Raises
    ------
    ValueError
        If the splitter yields nothing, or an empty part.
    """
    is_splitter = hasattr(splitter, "split")
    splits = splitter.split(X, y, groups) if is_splitter else _pairs_of(splitter, len(y), name)
    found: list[Split] = []
    for training_rows, validation_rows in itertools.islice(splits, n_splits):
        if not len(training_rows) or not len(validation_rows):
            raise ValueError(
                f"{name}={shown(splitter)} yields {len(training_rows)} rows to train on and "
                f"{len(validation_rows)} to validate on. Both must be at least 1."
            )
        found.append((np.asarray(training_rows), np.asarray(validation_rows)))
    if not found:
        raise ValueError(f"{name}={shown(splitter)} yields no split of the rows.")
    return list(itertools.islice(itertools.cycle(found), n_splits))


def _pairs_of(splits: Any, n_samples: int, name: str) -> Iterator[Split]:
    """Yield pairs of positions of rows, checked, from an iterable of them."""
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
    # An empty list is an array of float.
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
        The number of rows.
    n_folds : int
        At least 2; fewer are made if there are fewer rows or groups.
    seed : int
        Seeds the draw.
    codes : ndarray of shape (n_samples,) or None
        The encoded target, whose classes keep their shares if each has a row for each fold.
    groups : ndarray of shape (n_samples,) or None
        Groups whose rows stay together.

    Returns
    -------
    splits : list of tuples of two ndarray of int
        Positions of the rows to train on, and of those to validate on; each row is validated on
        once.

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
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and the rows to validate on.

    Parameters
    ----------
    n_samples : int
        The number of rows.
    fraction : float
        The fraction in (0, 1) of the rows to hold out.
    seed : int
        Seeds the draw.
    codes : ndarray of shape (n_samples,) or None
        The encoded target, whose classes keep their shares; None draws at random.
    labels : ClassLabels or None
        The labels of ``codes``, for messages.

    Returns
    -------
    training_rows, validation_rows : ndarray of int
        Positions of rows, without overlap.

    Raises
    ------
    ValueError
        If either part is empty, or does not hold every class.
    """
    if n_samples < 2:
        raise ValueError(
            f"Rows to validate on cannot be held out of {n_samples} row with a weight above 0. "
            "Give more rows a positive sample_weight, or set early_stopping=False and "
            "validation_split=0."
        )
    fix = "Give a larger validation_split or more rows."
    n_validation = int(np.ceil(fraction * n_samples))
    n_training = n_samples - n_validation
    if n_training < 1:
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
    n_classes = len(labels.classes)
    counts = np.bincount(codes, minlength=n_classes)
    present = np.flatnonzero(counts)
    if counts[present].min() < 2:
        rarest = labels.classes.tolist()[present[np.argmin(counts[present])]]
        raise ValueError(
            f"The class {rarest!r} has one row only, so that a validation split leaves it out. "
            "Give more rows of it, or set early_stopping=False and validation_split=None."
        )
    if min(n_validation, n_training) < len(present):
        raise ValueError(
            f"validation_split={fraction} of {n_samples} rows holds {n_validation} row(s), "
            f"which leaves out some of the {len(present)} classes. {fix}"
        )
    training_rows, validation_rows = train_test_split(
        rows, test_size=n_validation, random_state=seed, stratify=codes
    )
    for part, part_rows in (("training", training_rows), ("validation", validation_rows)):
        missing = np.setdiff1d(present, codes[part_rows])
        if missing.size:
            raise ValueError(
                f"validation_split={fraction} leaves the class "
                f"{labels.classes.tolist()[missing[0]]!r} "
                f"({counts[missing[0]]} rows) out of the {part} rows. {fix}"
            )
    return training_rows, validation_rows


def rows_at(X_encoded: Any, positions: np.ndarray | None) -> Any:
    """Return the rows at some positions of an array, sparse array, or dict or list of arrays.

    None is all of them.
    """
    if positions is None:
        return X_encoded
    if isinstance(X_encoded, dict):
        return {name: part[positions] for name, part in X_encoded.items()}
    if isinstance(X_encoded, list):
        return [part[positions] for part in X_encoded]
    return X_encoded[positions]


def background_rows(n_samples: int, background_size: int, seed: int) -> np.ndarray:
    """Return a sorted random sample of at most ``background_size`` row positions."""
    if n_samples <= background_size:
        return np.arange(n_samples)
    rng = np.random.RandomState(seed)
    return np.sort(rng.choice(n_samples, background_size, replace=False))
