import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import GroupKFold, TimeSeriesSplit

from nnkit import TabularClassifier, TabularRegressor
from nnkit.estimators.rows.held_out_rows import warning_of_random_folds

N_ROWS = 60
DAYS = pd.date_range("2024-01-01", periods=N_ROWS)
NUMBERS = np.random.default_rng(0).normal(size=(N_ROWS, 3))
Y = np.random.default_rng(1).normal(size=N_ROWS)
SETTINGS = {"preset": "fast", "epochs": 2, "n_estimators": 3, "cv": 3, "random_state": 0}
SORTED = "sorted by the date in the column 'day'.* cv=sklearn.model_selection.TimeSeriesSplit"
COPIES = "of the rows of X are copies of other rows.* give fit the groups"


def table(days=DAYS):
    return pd.DataFrame(NUMBERS, columns=["a", "b", "c"]).assign(day=days)


@pytest.mark.parametrize(
    "days",
    [DAYS, DAYS[::-1], DAYS.tz_localize("UTC"), DAYS.where(DAYS.day != 3), DAYS.repeat(2)[:N_ROWS]],
    ids=["rising", "falling", "with a zone", "with gaps", "with ties"],
)
def test_warns_of_a_date_that_sorts_the_rows(days):
    with pytest.warns(UserWarning, match=SORTED):
        TabularRegressor(**SETTINGS).fit(table(days), Y)


def test_warns_of_sorted_dates_in_polars():
    assert "'day'" in warning_of_random_folds(pl.from_pandas(table()), ["a", "b", "c", "day"])


@pytest.mark.parametrize(
    "days",
    [
        np.random.default_rng(0).permutation(DAYS),
        DAYS[:1].repeat(N_ROWS),
        DAYS[:9].repeat(7)[:N_ROWS],
        np.arange(N_ROWS),
    ],
    ids=["shuffled", "constant", "few", "numbers"],
)
def test_does_not_warn_of_other_columns(days):
    assert warning_of_random_folds(table(days), ["a", "b", "c", "day"]) is None


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_warns_of_copies_of_rows(container):
    X = container(np.vstack([NUMBERS[:50], NUMBERS[:10]]))

    with pytest.warns(UserWarning, match=rf"33% {COPIES}"):
        TabularClassifier(**SETTINGS).fit(X, np.arange(N_ROWS) % 2)


@pytest.mark.parametrize(
    "columns",
    [
        {"colour": ["red", "blue"] * 30, "size": [1, 2, 3] * 20},
        {"constant": [1.5] * N_ROWS},
        {"price": [9.99, 19.99, 24.5, 0.5, 1.5, 2.5] * 10},
        {"count": list(range(30)) * 2},
        {"lists": [[1.0], [2.0]] * 30},
    ],
    ids=lambda columns: next(iter(columns)),
)
def test_does_not_warn_of_rows_that_are_equal_by_chance(columns):
    X = pd.DataFrame(columns)

    assert warning_of_random_folds(X, list(X)) is None


def test_does_not_warn_of_few_copies():
    assert warning_of_random_folds(np.vstack([NUMBERS, NUMBERS[:3]]), None) is None


@pytest.mark.parametrize(
    ("parameters", "arguments"),
    [
        ({"cv": TimeSeriesSplit(3)}, {}),
        ({"cv": GroupKFold(3)}, {"groups": np.arange(N_ROWS) // 10}),
        ({}, {"groups": np.arange(N_ROWS) // 10}),
    ],
    ids=["TimeSeriesSplit", "GroupKFold", "groups"],
)
def test_does_not_warn_if_the_folds_are_not_random(parameters, arguments):
    X = pd.concat([table()[:50], table()[40:50]])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reg = TabularRegressor(**{**SETTINGS, **parameters}).fit(X, Y, **arguments)

    assert len(reg.models_) == 3


def test_time_series_split_holds_out_later_rows():
    X, y = table(), np.where(np.arange(N_ROWS) < 45, Y, 100.0)

    reg = TabularRegressor(**{**SETTINGS, "cv": TimeSeriesSplit(3)}).fit(X, y)

    splits = list(TimeSeriesSplit(3).split(X))
    assert [len(held) for _, held in splits] == [15, 15, 15]
    first, _, last = (history["val_loss"][0] for history in reg.histories_)
    assert last > 2 * first
