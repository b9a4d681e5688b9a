"""Masked samples of encoded rows give the same values as masked samples of rows of X."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from passengers import (
    BACKGROUND,
    N_BACKGROUND,
    N_TRAIN,
    NUMERIC_BACKGROUND,
    NUMERIC_ROWS,
    NUMERIC_TRAIN,
    PRODUCT,
    ROWS,
    SURVIVED,
    TRAIN,
    classifier,
    columns,
    encoded_of,
    of_second,
    regressor,
)
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    StandardScaler,
)

from nnkit import explain
from nnkit.explanation.pipelines.outputs import choose_output
from nnkit.explanation.pipelines.steps import DecomposedPipeline

# Encoders warn of levels in the explained rows that fit did not see.
pytestmark = pytest.mark.filterwarnings("ignore:No value of column")


def assert_equals_whole_rows(estimator, X, background, predictions, tolerance=1e-6, **options):
    """Compare values, errors and base of encoded rows with those of whole rows."""
    assert encoded_of(estimator, X, background) is not None

    encoded = explain(estimator, X, background, **options)
    whole = explain(estimator, X, background, output=predictions, **options)

    np.testing.assert_allclose(encoded.values, whole.values, rtol=0, atol=tolerance)
    np.testing.assert_allclose(encoded.error_std, whole.error_std, rtol=0, atol=tolerance)
    np.testing.assert_allclose(encoded.base_values, whole.base_values, rtol=0, atol=tolerance)
    assert encoded.feature_names == whole.feature_names
    assert encoded.data.astype(str).tolist() == whole.data.astype(str).tolist()  # NaN, too
    assert np.abs(encoded.values).max() > 100 * tolerance
    return encoded


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline(columns(), classifier()).fit(TRAIN, SURVIVED)


@pytest.fixture(scope="module")
def direct():
    """No pipeline: nnkit encodes the raw table."""
    return classifier().fit(TRAIN, SURVIVED)


PIPELINES = {
    "sparse one-hot": lambda: make_pipeline(columns(sparse=True), classifier()),
    "pandas": lambda: make_pipeline(columns(pandas=True), classifier()),
    "selection": lambda: make_pipeline(columns(), SelectKBest(k=5), classifier()),
    "scaler after columns": lambda: make_pipeline(columns(), StandardScaler(), classifier()),
    "nested": lambda: make_pipeline(columns(), make_pipeline(StandardScaler(), classifier())),
    "passthrough": lambda: Pipeline(
        [("columns", columns()), ("nothing", "passthrough"), ("net", classifier())]
    ),
    "logistic": lambda: make_pipeline(columns(), StandardScaler(), LogisticRegression()),
    "logistic, sparse one-hot": lambda: make_pipeline(
        columns(sparse=True), StandardScaler(with_mean=False), LogisticRegression()
    ),
    "logistic, pandas": lambda: make_pipeline(
        columns(pandas=True), StandardScaler().set_output(transform="pandas"), LogisticRegression()
    ),
    "logistic, selection": lambda: make_pipeline(
        columns(), SelectKBest(k=4), StandardScaler(), LogisticRegression()
    ),
}


@pytest.mark.filterwarnings("ignore:Features .* are constant:UserWarning")
@pytest.mark.parametrize("case", PIPELINES)
def test_columnwise_pipelines_equal_whole_rows(case):
    estimator = PIPELINES[case]().fit(TRAIN, SURVIVED)

    encoded = assert_equals_whole_rows(estimator, ROWS, BACKGROUND, of_second(estimator))

    assert encoded.method == "exact"
    np.testing.assert_allclose(encoded.values[:, 5], 0, atol=1e-7)  # "deck" is dropped
    total = encoded.values.sum(axis=1) + encoded.base_values
    np.testing.assert_allclose(total, estimator.predict_proba(ROWS)[:, 1], atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "exact"},
        {"method": "permutation"},
        {"method": "permutation", "n_permutations": 1},
        {"method": "permutation", "tol": 0.1, "n_permutations": 2},
        {"interactions": True},
    ],
    ids=["exact", "permutation", "one pair", "tol", "interactions"],
)
@pytest.mark.parametrize("kind", ["pipeline", "direct"])
def test_methods_on_encoded_rows_equal_whole_rows(kind, options, request):
    estimator = request.getfixturevalue(kind)

    assert_equals_whole_rows(estimator, ROWS, BACKGROUND, of_second(estimator), **options)


@pytest.mark.parametrize("kind", ["pipeline", "direct"])
def test_feature_groups_on_encoded_rows_equal_whole_rows(kind, request):
    estimator = request.getfixturevalue(kind)
    groups = {"ticket": ["fare", "class", "port"], "rest": ["deck"]}

    encoded = assert_equals_whole_rows(
        estimator, ROWS, BACKGROUND, of_second(estimator), feature_groups=groups
    )

    assert encoded.feature_names == ["ticket", "rest", "age", "day"]
    if kind == "pipeline":
        np.testing.assert_allclose(encoded.values[:, 1], 0, atol=1e-7)


def test_order_of_background_columns_does_not_change_values(pipeline):
    expected = explain(pipeline, ROWS, BACKGROUND).values

    actual = explain(pipeline, ROWS, BACKGROUND[BACKGROUND.columns[::-1]]).values

    np.testing.assert_array_equal(actual, expected)


def test_scaler_and_network_equal_whole_rows():
    estimator = make_pipeline(StandardScaler(), classifier()).fit(NUMERIC_TRAIN, PRODUCT > 0)

    assert_equals_whole_rows(
        estimator,
        NUMERIC_ROWS,
        NUMERIC_BACKGROUND,
        lambda rows: estimator.predict_proba(rows)[:, 1],
    )


def test_object_array_equals_whole_rows():
    X, rows, background = (
        frame[["age", "fare", "port"]].astype(object).to_numpy()
        for frame in (TRAIN, ROWS, BACKGROUND)
    )
    for table in (X, rows, background):
        table[pd.isna(table)] = np.nan
        table[:, 2] = table[:, 2].astype(str)
    estimator = classifier().fit(X, SURVIVED)

    assert_equals_whole_rows(estimator, rows, background, of_second(estimator))


def other_kinds(n, seed):
    """Nullable, true or false, dates with zones, durations, and levels enough for codes."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2020-01-01", tz="UTC")
    frame = pd.DataFrame(
        {
            "nullable": pd.array(rng.integers(0, 5, n), dtype="Int64"),
            "bool": rng.random(n) > 0.5,
            "single": rng.normal(size=n).astype("float32"),
            "integer": rng.integers(0, 9, n),
            "date": start + pd.to_timedelta(rng.integers(0, 900, n), "h"),
            "code": pd.Categorical(rng.choice(list("abcdefghijkl"), n)),
            "duration": pd.to_timedelta(rng.integers(0, 99, n), "h"),
        }
    )
    frame.loc[3, "nullable"] = pd.NA
    return frame


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nullable": np.nan, "integer": 2.5, "single": 1.0},
        {"code": "a", "bool": [True, None, False, True]},
        {"date": pd.NaT, "nullable": pd.array([None] * 4, dtype="Int64")},
    ],
    ids=["as in fit", "other numbers", "objects", "missing"],
)
def test_other_dtypes_equal_whole_rows(changes):
    train = other_kinds(N_TRAIN, 0)
    estimator = classifier().fit(train, (train["integer"] > 4) ^ train["bool"])

    assert_equals_whole_rows(
        estimator,
        other_kinds(4, 1).assign(**changes),
        other_kinds(N_BACKGROUND, 2),
        of_second(estimator),
    )


@pytest.mark.parametrize("kind", ["pipeline", "direct"])
def test_single_row_equals_row_among_others(kind, request):
    estimator = request.getfixturevalue(kind)
    together = explain(estimator, ROWS)

    alone = explain(estimator, ROWS.iloc[2:3])

    assert encoded_of(estimator, ROWS.iloc[2:3]) is not None
    np.testing.assert_allclose(alone.values[0], together.values[2], rtol=0, atol=1e-6)
    assert alone.background == together.background


def test_regressor_in_target_units_equals_whole_rows():
    estimator = make_pipeline(StandardScaler(), regressor())
    estimator.fit(NUMERIC_TRAIN, 1000 + 50 * PRODUCT)

    encoded = assert_equals_whole_rows(
        estimator, NUMERIC_ROWS, NUMERIC_BACKGROUND, estimator.predict, tolerance=1e-4
    )

    assert encoded.base_values[0] == pytest.approx(1000, abs=100)


def test_multioutput_regressor_equals_whole_rows():
    estimator = regressor().fit(NUMERIC_TRAIN, np.column_stack([PRODUCT, -3 * PRODUCT]))

    encoded = assert_equals_whole_rows(
        estimator, NUMERIC_ROWS, NUMERIC_BACKGROUND, estimator.predict
    )

    assert encoded.values.shape == (4, 4, 2)


@pytest.mark.parametrize("output", ["proba", "logit", "raw"])
def test_temperature_scaled_ensemble_equals_whole_rows(output):
    estimator = make_pipeline(columns(), classifier(n_estimators=2))
    estimator.fit(TRAIN, pd.cut(TRAIN["fare"], [-1, 10, 30, 999], labels=False))
    estimator[-1].temperature_ = 1.7
    assert encoded_of(estimator, ROWS, BACKGROUND, output) is not None

    def predictions(rows):
        proba = estimator.predict_proba(rows)
        if output == "raw":
            pipeline = DecomposedPipeline.of(estimator)
            return choose_output(pipeline, "raw", None).predictions(pipeline, rows)
        return proba if output == "proba" else np.log(proba) - np.log1p(-proba)

    encoded = explain(estimator, ROWS, BACKGROUND, output=output)
    whole = explain(estimator, ROWS, BACKGROUND, output=predictions)

    assert encoded.values.shape == (4, 6, 3)
    np.testing.assert_allclose(encoded.values, whole.values, rtol=0, atol=2e-6)
    np.testing.assert_allclose(encoded.base_values, whole.base_values, rtol=0, atol=2e-6)
    if output == "proba":
        np.testing.assert_allclose(encoded.values.sum(axis=2), 0, atol=1e-6)


def test_temperature_changes_the_values(direct):
    before = explain(direct, ROWS, BACKGROUND).values
    direct.temperature_ = 3.0

    try:
        after = explain(direct, ROWS, BACKGROUND).values
    finally:
        del direct.temperature_

    assert np.abs(after).max() < 0.7 * np.abs(before).max()
