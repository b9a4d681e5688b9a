"""Errors of explain for estimators, X and the background."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, KerasRegressor, explain

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)


SMALL = {"model": "mlp", "model__units": (8,), "epochs": 2, "n_estimators": 1, "random_state": 0}


FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 4)), columns=list("abcd"))


ARRAY = FRAME.to_numpy()


LABELS = np.where(FRAME["a"] > 0, "yes", "no")


ROWS = FRAME.iloc[:3]


def error_message(*arguments, **options):
    """Return the message of the ValueError of a call, after a check of its form."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        explain(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 320
    return message


@pytest.fixture(scope="module")
def classifier():
    return KerasClassifier(**SMALL).fit(FRAME, LABELS)


def one_unit(meta):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])


@pytest.fixture(scope="module")
def regressor():
    return KerasRegressor(**SMALL).fit(FRAME, FRAME["a"])


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline(StandardScaler(), KerasClassifier(**SMALL)).fit(FRAME, LABELS)


@pytest.fixture(scope="module")
def on_array():
    return KerasClassifier(**SMALL).fit(ARRAY, LABELS)


# Estimators


@pytest.mark.parametrize(
    "make",
    [
        lambda: KerasClassifier(),
        lambda: KerasRegressor(),
        lambda: make_pipeline(StandardScaler(), KerasClassifier()),
        lambda: LinearRegression(),
        lambda: GridSearchCV(KerasClassifier(), {"epochs": [1]}),
    ],
    ids=["classifier", "regressor", "pipeline", "scikit-learn", "search"],
)
def test_unfitted_estimator_raises_not_fitted_error(make):
    with pytest.raises(NotFittedError, match="not fitted yet. Call 'fit'"):
        explain(make(), FRAME, FRAME)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda model: model, "Sequential"),
        (lambda model: model.predict, "method"),
        (lambda _: "model.keras", "str"),
        (lambda _: None, "NoneType"),
    ],
    ids=["Keras model", "function", "path", "none"],
)
def test_non_estimators_raise(make, kind):
    message = error_message(make(one_unit(None)), FRAME, FRAME)

    assert message.startswith("estimator must be a fitted scikit-learn estimator. Got ")
    assert f"Got {kind} instead. Fit a Keras model as KerasClassifier(model)" in message


def test_clusterer_raises():
    message = error_message(KMeans(2, n_init=1).fit(ARRAY), ARRAY)

    assert message == (
        "estimator must be a classifier or a regressor. Got KMeans instead. Give output= a "
        "callable to explain another function of X."
    )


# Columns of X


@pytest.mark.parametrize("kind", ["classifier", "regressor", "pipeline"])
def test_columns_other_than_in_fit_raise(kind, request):
    estimator = request.getfixturevalue(kind)

    missing = error_message(estimator, ROWS[["a", "c"]], FRAME[["a", "c"]])
    extra = error_message(estimator, ROWS.assign(z=1, y=2), FRAME.assign(z=1, y=2))
    other_order = error_message(estimator, ROWS[list("dcba")], FRAME)
    renamed = error_message(estimator, ROWS.rename(columns={"b": "B"}), FRAME)

    assert missing == (
        "X lacks the column(s) ['b', 'd'] that the estimator was fitted with. Give X as in fit."
    )
    assert extra == (
        "X has the column(s) ['z', 'y'], which the estimator does not know. "
        "Use X[list(estimator.feature_names_in_)]."
    )
    assert other_order == (
        "X has the columns of fit in another order. Use X[list(estimator.feature_names_in_)]."
    )
    assert "lacks the column(s) ['b']" in renamed


def test_reordering_columns_as_in_message_works(classifier):
    shuffled = ROWS.assign(z=1)[list("zdcba")]

    found = explain(classifier, shuffled[list(classifier.feature_names_in_)], FRAME)

    np.testing.assert_array_equal(found.values, explain(classifier, ROWS, FRAME).values)


def test_array_with_other_number_of_columns_raises(on_array):
    with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 4 features"):
        explain(on_array, ARRAY[:3, :3], ARRAY[:, :3])


# Kinds of X and of the background


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (FRAME.iloc[:0], "X must have at least one row and one column. Got shape (0, 4) instead."),
        (FRAME[[]], "X must have at least one row and one column. Got shape (40, 0) instead."),
        (FRAME["a"], "X must have two dimensions, rows and columns. Got shape (40,) instead."),
        (ARRAY[0], "X must have two dimensions, rows and columns. Got shape (4,) instead."),
        (None, "X must have two dimensions, rows and columns. Got shape () instead."),
        (3.0, "X must have two dimensions, rows and columns. Got shape () instead."),
        (
            sparse.csr_array(ARRAY),
            "X must be a pandas DataFrame or a dense array. Got a sparse matrix instead. "
            "Use its toarray().",
        ),
        (
            pd.concat([ROWS, ROWS[["b"]]], axis=1),
            "X has the column name(s) 'b' more than once. Rename them.",
        ),
        ({}, "X must be a dict of arrays with the same number of rows. Got {} instead."),
        (
            {"a": [1, 2], "b": [1]},
            "X must be a dict of arrays with the same number of rows. Got {'a': 2, 'b': 1} inst",
        ),
        ({"a": ["x"]}, "X['a'] must hold numbers to be explained. Got values of dtype <U1 instead"),
    ],
    ids=[
        "no rows",
        "no columns",
        "series",
        "one row",
        "none",
        "number",
        "sparse",
        "name twice",
        "empty dict",
        "lengths",
        "texts by name",
    ],
)
def test_invalid_x_raises(classifier, X, expected):
    assert error_message(classifier, X, FRAME).startswith(expected)


@pytest.mark.parametrize(
    ("background", "expected"),
    [
        (FRAME[["a", "d"]], "background lacks the column(s) 'b', 'c' of X."),
        (FRAME.assign(z=1), "background has the column(s) 'z', which X lacks."),
        (ARRAY, "background must be of the same type as X. X is a DataFrame, background is a nda"),
        (FRAME.iloc[:0], "background must have at least one row and one column. Got shape (0, 4)"),
        (FRAME.iloc[0], "background must have two dimensions, rows and columns. Got shape (4,)"),
        (sparse.csr_array(ARRAY), "background must be a pandas DataFrame or a dense array. Got a"),
        (ARRAY[None], "background must be of the same type and shape as X. X is a"),
        ({"a": ARRAY}, "background must be of the same type and shape as X. X is a"),
        ("kmeans", "background must have two dimensions, rows and columns. Got shape ()"),
        (10, "background must have two dimensions, rows and columns. Got shape ()"),
    ],
    ids=[
        "columns missing",
        "columns more",
        "array",
        "no rows",
        "one row",
        "sparse",
        "images",
        "inputs",
        "name",
        "number",
    ],
)
def test_background_with_other_columns_or_type_raises(classifier, background, expected):
    assert error_message(classifier, ROWS, background).startswith(expected)


def test_background_array_with_other_width_or_dtype_raises(on_array):
    narrow = error_message(on_array, ARRAY[:3], ARRAY[:, :2])
    texts = error_message(on_array, ARRAY[:3], ARRAY.astype(str))
    frame = error_message(on_array, ARRAY[:3], FRAME)

    assert narrow == "background must have the 4 column(s) of X. Got 2 instead."
    assert texts.startswith("background must hold values like those of X. X is of dtype float64, ")
    assert frame.startswith("background must be of the same type as X. X is a ndarray, backgroun")


def test_polars_tables_are_explained(classifier):
    pl = pytest.importorskip("polars")
    rows, background = (
        pl.DataFrame({name: frame[name].to_numpy() for name in frame}) for frame in (ROWS, FRAME)
    )

    found = explain(classifier, rows, background)

    np.testing.assert_array_equal(found.values, explain(classifier, ROWS, FRAME).values)
    assert error_message(classifier, rows.drop("b"), background).startswith(
        "X lacks the column(s) ['b']"
    )
    assert error_message(classifier, rows, background.drop("b")) == (
        "background lacks the column(s) 'b' of X."
    )
