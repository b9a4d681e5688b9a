"""Warnings on validation rows in other units than the training rows, and error messages."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, KerasRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(50, 100, (200, 3))
Y = X[:, 0] + RNG.normal(size=200)
LABELS = (Y > 50).astype(int)


def network(meta):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def fitted(estimator, table, **validation):
    pipeline = make_pipeline(StandardScaler(), estimator)
    step = pipeline.steps[-1][0]
    return pipeline.fit(table, Y, **{f"{step}__{name}": v for name, v in validation.items()})


@pytest.mark.parametrize("n_val", [5, 100])
def test_fit_warns_on_unscaled_validation_rows_in_a_pipeline(n_val):
    reg = KerasRegressor(network, epochs=1, random_state=0)

    with pytest.warns(UserWarning, match="column . of X_val has the mean .* in X .* not X_val"):
        fitted(reg, X, X_val=X[:n_val], y_val=Y[:n_val])


def test_fit_warns_with_the_name_of_the_column():
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1] / 100, "c": X[:, 2] / 100})
    moved = frame.assign(a=frame["a"] + 1e5)

    with pytest.warns(UserWarning, match="the column 'a' of X_val has the mean 1.*e\\+05"):
        KerasRegressor(network, epochs=1, random_state=0).fit(
            frame, Y, X_val=moved.head(9), y_val=Y[:9]
        )


@pytest.mark.parametrize("n_val", [1, 5, 100])
@pytest.mark.parametrize("is_scaled", [False, True])
def test_fit_does_not_warn_on_validation_rows_in_the_same_units(n_val, is_scaled):
    table = StandardScaler().fit_transform(X) if is_scaled else X

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*to validate on")
        KerasRegressor(network, epochs=1, random_state=0).fit(
            table, Y, X_val=table[:n_val], y_val=Y[:n_val]
        )


@pytest.mark.parametrize("size", [1e-200, 1e155, 1e300])
def test_fit_warns_on_shifted_validation_rows_of_any_scale(size):
    reg = KerasRegressor("mlp", epochs=1, random_state=0)

    reg.fit(X / 100 * size, Y, X_val=X[:9] / 100 * size, y_val=Y[:9])
    with pytest.warns(UserWarning, match="column . of X_val has the mean"):
        reg.fit(X / 100 * size, Y, X_val=X[:9] / 100 * size + size * 60, y_val=Y[:9])


@pytest.mark.parametrize("model", ["mlp", network], ids=["mlp", "own"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X_val": X[:5], "y_val": LABELS[:4]}, "y must have one value for each row"),
        ({"X_val": X[:5], "y_val": [7] * 5}, "y holds the label 7"),
        ({"X_val": X[:5, :2], "y_val": LABELS[:5]}, "X has 2 features"),
        (
            {"X_val": X[:5], "y_val": LABELS[:5], "sample_weight_val": [-1] * 5},
            "sample_weight must be at least 0",
        ),
    ],
)
def test_errors_on_validation_rows_name_the_arguments(arguments, message, model):
    with pytest.raises(ValueError, match=f"^X_val, y_val: {message}"):
        KerasClassifier(model, epochs=1, random_state=0).fit(X, LABELS, **arguments)
