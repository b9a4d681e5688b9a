"""A table with columns of all kinds, and small estimators for it."""

import numpy as np
import pandas as pd

from nnkit import KerasClassifier, TabularClassifier

N_ROWS = 90
CODED = [f"road {number}" for number in range(12)]


def raw_table(n_rows=N_ROWS):
    """Seven columns of all kinds, three with missing values; age depends on the label."""
    rng = np.random.default_rng(0)
    y = np.where(np.arange(n_rows) % 3 == 0, "yes", "no")
    X = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n_rows) + 20 * (y == "yes"),
            "height": rng.normal(170, 10, n_rows),
            "city": rng.choice(["Oslo", "Paris", "Rome"], n_rows),
            "road": rng.choice(CODED, n_rows),
            "grade": pd.Categorical(rng.choice(list("abcd"), n_rows)),
            "is_paid": rng.random(n_rows) < 0.5,
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(rng.integers(1000, size=n_rows), unit="D"),
        }
    )
    X.loc[::7, "age"] = np.nan
    X.loc[::5, "city"] = None
    X.loc[::11, "since"] = pd.NaT
    return X, y


X, Y = raw_table()


def mlp(**params):
    return KerasClassifier("mlp", **{"epochs": 2, "random_state": 0, **params})


def auto(**params):
    return TabularClassifier(
        **{"model__units": (8,), "n_estimators": 2, "epochs": 2, "random_state": 0, **params}
    )


def last_hidden_units(clf):
    """Return the number of units of the last hidden layer."""
    layers = {layer.name: layer for layer in clf.model_.layers}
    return layers.get("scores_0", clf.model_.layers[-1]).kernel.shape[0]
