"""Mixed and numeric tables, estimators and preprocessing for tests of explanations."""

from __future__ import annotations

from dataclasses import fields
from inspect import signature

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from nnkit import KerasClassifier, KerasRegressor, explain
from nnkit.explanation.explanation_task import make_explanation_task
from nnkit.explanation.options import ExplainOptions
from nnkit.explanation.pipelines.outputs import choose_output
from nnkit.explanation.pipelines.steps import DecomposedPipeline

N_TRAIN, N_BACKGROUND = 90, 14


SMALL = {"model": "mlp", "model__units": (8,), "epochs": 3, "n_estimators": 1, "random_state": 0}


def classifier(**changes):
    return KerasClassifier(**(SMALL | changes))


def regressor():
    return KerasRegressor(**SMALL)


def passengers(n, seed, *, ports=("C", "Q", "S"), classes=("first", "second", "third")):
    """Return a table with columns of all kinds, some with missing values."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "fare": rng.exponential(30, n),
            "class": pd.Categorical(rng.choice(classes, n)),
            "port": pd.Series(rng.choice(ports, n), dtype="str"),
            "day": pd.Timestamp("1912-04-10") + pd.to_timedelta(rng.integers(0, 30, n), "D"),
            "deck": pd.Series(rng.choice(["A", "B", "C"], n), dtype=object),
        }
    )
    frame.loc[::7, "age"] = np.nan
    frame.loc[::5, "port"] = None
    return frame


def survival(frame):
    is_old = frame["age"].fillna(40) > 38
    return (is_old ^ (frame["class"] == "first") ^ (frame["port"] == "S")).astype(int)


TRAIN = passengers(N_TRAIN, 0)


SURVIVED = survival(TRAIN)


# The explained rows and the background contain categories that are not in the training rows.
ROWS = passengers(4, 1, ports=("C", "Southampton"), classes=("first", "crew"))


BACKGROUND = passengers(N_BACKGROUND, 2, ports=("S", "Belfast"), classes=("third", "officer"))


NUMBERS = ["age", "fare", "size", "speed"]


def numbers(n, seed):
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 4)), columns=NUMBERS)


NUMERIC_TRAIN, NUMERIC_ROWS, NUMERIC_BACKGROUND = (
    numbers(n, seed) for seed, n in enumerate((N_TRAIN, 4, N_BACKGROUND))
)


PRODUCT = NUMERIC_TRAIN["age"] * NUMERIC_TRAIN["fare"] + NUMERIC_TRAIN["size"]


def days_of(frame):
    return frame.apply(lambda column: (column - pd.Timestamp("1912-04-10")).dt.days)


def columns(*, sparse=False, pandas=False):
    """Return a transformer with imputation, scaling, one-hot and ordinal codes, without "deck"."""
    transformer = ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "fare"]),
            (
                "level",
                OneHotEncoder(handle_unknown="ignore", sparse_output=sparse),
                ["port"],
            ),
            (
                "order",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                ["class"],
            ),
            ("date", FunctionTransformer(days_of, feature_names_out="one-to-one"), ["day"]),
        ],
        sparse_threshold=1.0 if sparse else 0.0,
    )
    return transformer.set_output(transform="pandas") if pandas else transformer


def encoded_of(estimator, X, background=None, output="auto", **options):
    """Return the encoded features of an explanation task, None if it has none."""
    defaults = {name: each.default for name, each in signature(explain).parameters.items()}
    names = {field.name for field in fields(ExplainOptions)}
    settings = {"seed": 0} | {name: defaults[name] for name in names & set(defaults)}
    pipeline = DecomposedPipeline.of(estimator)
    chosen = choose_output(pipeline, output, None)
    return make_explanation_task(
        pipeline, X, background, chosen, ExplainOptions(**(settings | options))
    ).encoded


def of_second(estimator):
    return lambda rows: estimator.predict_proba(rows)[:, 1]
