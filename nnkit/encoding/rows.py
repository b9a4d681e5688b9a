"""The rows held out for validation, and the sample kept for explanations."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from nnkit.encoding.labels import ClassLabels

__all__ = ["background_rows", "holdout_rows", "split_rows"]


def split_rows(
    splitter: Any, X: Any, y: np.ndarray, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first split of a scikit-learn splitter, or of an iterable of splits.

    Parameters
    ----------
    splitter : splitter or iterable of (training rows, validation rows)
    X : array-like with n_samples rows
    y : ndarray with n_samples rows
    groups : ndarray of shape (n_samples,) or None
        Groups that the splitter keeps together.

    Returns
    -------
    training_rows, validation_rows : ndarray of int
        Positions of rows.

    Raises
    ------
    ValueError
        If the splitter yields nothing, or an empty part.
    """
    splits = splitter.split(X, y, groups) if hasattr(splitter, "split") else iter(splitter)
    split = next(iter(splits), None)
    if split is None:
        raise ValueError(f"validation_split={splitter!r} yields no split of the rows.")
    training_rows, validation_rows = (np.asarray(rows) for rows in split)
    if not len(training_rows) or not len(validation_rows):
        raise ValueError(
            f"validation_split={splitter!r} yields {len(training_rows)} rows to train on and "
            f"{len(validation_rows)} to validate on. Both must be at least 1."
        )
    return training_rows, validation_rows


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


def background_rows(n_samples: int, n_background: int, seed: int) -> np.ndarray:
    """Return a sorted random sample of at most ``n_background`` row positions."""
    if n_samples <= n_background:
        return np.arange(n_samples)
    rng = np.random.RandomState(seed)
    return np.sort(rng.choice(n_samples, n_background, replace=False))
