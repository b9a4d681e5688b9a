"""Real tables: those that ship with scikit-learn, and those of a folder."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.model_selection import KFold, StratifiedKFold

BINARY, MULTICLASS, REGRESSION = TASKS = ("binary", "multiclass", "regression")
N_FOLDS = 5
N_QUICK_ROWS = 200


@dataclass(frozen=True)
class Table:
    """What is known of a table before it is read.

    Parameters
    ----------
    name : str
    task : {"binary", "multiclass", "regression"}
    load : callable
        Returns the table with raw columns, and its target as it was found.
    categorical : tuple of str, default=()
        The columns that are categories.
    split : str or None, default=None
        A name for some of the tables of a folder.
    """

    name: str
    task: str
    load: Callable[[], tuple[pd.DataFrame, pd.Series]]
    categorical: tuple[str, ...] = ()
    split: str | None = None

    @property
    def is_classification(self):
        """Whether the target is a class."""
        return self.task != REGRESSION

    @functools.lru_cache(maxsize=1)  # noqa: B019 - only the table in work is kept
    def read(self, is_quick=False):
        """Return the columns and the target.

        Parameters
        ----------
        is_quick : bool, default=False
            Whether some rows will do.

        Returns
        -------
        X : DataFrame of shape (n_samples, n_features)
            Categories are objects, str or NaN; all else is float64, with NaN.
        y : ndarray of shape (n_samples,)
            Classes are 0, …, n_classes - 1 in the order of their labels; else float64.
        """
        X, target = self.load()
        if target.isna().any():
            raise ValueError(f"The target of {self.name!r} has missing values. Leave the rows out.")
        if is_quick and len(X) > N_QUICK_ROWS:
            rows = np.random.default_rng(0).permutation(len(X))[:N_QUICK_ROWS]
            X, target = X.iloc[rows], target.iloc[rows]
        columns = {
            name: as_labels(X[name]) if name in self.categorical else X[name].astype(np.float64)
            for name in X
        }
        if not self.is_classification:
            return pd.DataFrame(columns), target.to_numpy(np.float64)
        return pd.DataFrame(columns), pd.factorize(target, sort=True)[0]

    def folds(self, is_quick=False):
        """Return the rows to train with and those to test with, of each fold."""
        splitter = StratifiedKFold if self.is_classification else KFold
        return list(splitter(N_FOLDS, shuffle=True, random_state=0).split(*self.read(is_quick)))


def as_labels(column):
    """Return a column as objects, str or NaN; what was read as 3.0 is "3"."""

    def label(value):
        is_whole = isinstance(value, float) and value.is_integer()
        return str(int(value)) if is_whole else str(value)

    labels = [np.nan if pd.isna(value) else label(value) for value in column]
    return pd.Series(labels, index=column.index, dtype=object)


def shipped():
    """Return the tables that ship with scikit-learn, without categories or missing values."""

    def of(name, task, load):
        return Table(name, task, lambda: load(return_X_y=True, as_frame=True))

    return [
        of("breast_cancer", BINARY, load_breast_cancer),
        of("iris", MULTICLASS, load_iris),
        of("wine", MULTICLASS, load_wine),
        of("digits", MULTICLASS, load_digits),
        of("diabetes", REGRESSION, load_diabetes),
    ]


def of_folder(folder):
    """Return the tables of a folder.

    Parameters
    ----------
    folder : Path
        Holds one NAME.csv for each table, and datasets.json: by name its ``target``, its ``task``
        ("binary", "multiclass" or "regression"), ``cat``, a list of its categorical columns, and
        if wanted ``split``. Entries of other tasks are left out.
    """
    entries = json.loads((folder / "datasets.json").read_text(encoding="utf-8"))
    return [
        _of_entry(folder / f"{name}.csv", entry)
        for name, entry in entries.items()
        if entry.get("task") in TASKS
    ]


def _of_entry(path: Path, entry: dict[str, Any]):
    if not path.exists():
        raise FileNotFoundError(f"{path} must exist: {path.stem!r} is in datasets.json.")

    def load():
        # As a whole: by chunks, a column of many rows would have a type in each.
        frame = pd.read_csv(path, low_memory=False)
        return frame.drop(columns=entry["target"]), frame[entry["target"]]

    return Table(
        path.stem, entry["task"], load, tuple(entry.get("cat", ())), split=entry.get("split")
    )
