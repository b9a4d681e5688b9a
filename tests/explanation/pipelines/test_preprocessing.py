"""The fast path on encoded rows gives what whole rows of X, mixed and predicted, give."""

from __future__ import annotations

import warnings
from dataclasses import fields
from inspect import signature

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
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
    """Columns of all kinds, with missing values in some of them."""
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


# The explained rows have levels that fit did not see, of which encoders tell.
pytestmark = pytest.mark.filterwarnings("ignore:No value of column")

TRAIN = passengers(N_TRAIN, 0)
SURVIVED = survival(TRAIN)
# Levels that no training row has, in the explained rows and in the background.
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
    """Impute, scale, one-hot, ordinal codes and dates; "deck" is dropped."""
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
    """Return the rows as the last step sees them, None where the fast path is not taken."""
    defaults = {name: each.default for name, each in signature(explain).parameters.items()}
    names = {field.name for field in fields(ExplainOptions)}
    settings = {"seed": 0} | {name: defaults[name] for name in names & set(defaults)}
    pipeline = DecomposedPipeline.of(estimator)
    chosen = choose_output(pipeline, output, None)
    return make_explanation_task(
        pipeline, X, background, chosen, ExplainOptions(**(settings | options))
    ).encoded


def assert_both_paths_agree(estimator, X, background, predictions, tolerance=1e-6, **options):
    """Check values, errors and base of the fast path against those of whole rows."""
    assert encoded_of(estimator, X, background) is not None

    fast = explain(estimator, X, background, **options)
    general = explain(estimator, X, background, output=predictions, **options)

    np.testing.assert_allclose(fast.values, general.values, rtol=0, atol=tolerance)
    np.testing.assert_allclose(fast.error_std, general.error_std, rtol=0, atol=tolerance)
    np.testing.assert_allclose(fast.base_values, general.base_values, rtol=0, atol=tolerance)
    assert fast.feature_names == general.feature_names
    assert fast.data.astype(str).tolist() == general.data.astype(str).tolist()  # NaN, too
    assert np.abs(fast.values).max() > 100 * tolerance
    return fast


def of_second(estimator):
    return lambda rows: estimator.predict_proba(rows)[:, 1]


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
    "scaler behind": lambda: make_pipeline(columns(), StandardScaler(), classifier()),
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

    fast = assert_both_paths_agree(estimator, ROWS, BACKGROUND, of_second(estimator))

    assert fast.method == "exact"
    np.testing.assert_allclose(fast.values[:, 5], 0, atol=1e-7)  # "deck" is dropped
    total = fast.values.sum(axis=1) + fast.base_values
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

    assert_both_paths_agree(estimator, ROWS, BACKGROUND, of_second(estimator), **options)


@pytest.mark.parametrize("kind", ["pipeline", "direct"])
def test_feature_groups_on_encoded_rows_equal_whole_rows(kind, request):
    estimator = request.getfixturevalue(kind)
    groups = {"ticket": ["fare", "class", "port"], "rest": ["deck"]}

    fast = assert_both_paths_agree(
        estimator, ROWS, BACKGROUND, of_second(estimator), feature_groups=groups
    )

    assert fast.feature_names == ["ticket", "rest", "age", "day"]
    if kind == "pipeline":
        np.testing.assert_allclose(fast.values[:, 1], 0, atol=1e-7)


def test_order_of_background_columns_does_not_change_values(pipeline):
    expected = explain(pipeline, ROWS, BACKGROUND).values

    actual = explain(pipeline, ROWS, BACKGROUND[BACKGROUND.columns[::-1]]).values

    np.testing.assert_array_equal(actual, expected)


def test_scaler_and_network_equal_whole_rows():
    estimator = make_pipeline(StandardScaler(), classifier()).fit(NUMERIC_TRAIN, PRODUCT > 0)

    assert_both_paths_agree(
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

    assert_both_paths_agree(estimator, rows, background, of_second(estimator))


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

    assert_both_paths_agree(
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

    fast = assert_both_paths_agree(
        estimator, NUMERIC_ROWS, NUMERIC_BACKGROUND, estimator.predict, tolerance=1e-4
    )

    assert fast.base_values[0] == pytest.approx(1000, abs=100)


def test_multioutput_regressor_equals_whole_rows():
    estimator = regressor().fit(NUMERIC_TRAIN, np.column_stack([PRODUCT, -3 * PRODUCT]))

    fast = assert_both_paths_agree(estimator, NUMERIC_ROWS, NUMERIC_BACKGROUND, estimator.predict)

    assert fast.values.shape == (4, 4, 2)


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

    fast = explain(estimator, ROWS, BACKGROUND, output=output)
    general = explain(estimator, ROWS, BACKGROUND, output=predictions)

    assert fast.values.shape == (4, 6, 3)
    np.testing.assert_allclose(fast.values, general.values, rtol=0, atol=2e-6)
    np.testing.assert_allclose(fast.base_values, general.base_values, rtol=0, atol=2e-6)
    if output == "proba":
        np.testing.assert_allclose(fast.values.sum(axis=2), 0, atol=1e-6)


def test_temperature_changes_the_values(direct):
    before = explain(direct, ROWS, BACKGROUND).values
    direct.temperature_, kept = 3.0, direct.temperature_

    try:
        after = explain(direct, ROWS, BACKGROUND).values
    finally:
        direct.temperature_ = kept

    assert np.abs(after).max() < 0.7 * np.abs(before).max()


# Whole rows, where columns are mixed or nothing is known of the inside


def members():
    return [("net", make_pipeline(StandardScaler(), classifier())), ("bayes", GaussianNB())]


MIXING = {
    "PCA": lambda: make_pipeline(PCA(3), classifier()),
    "polynomials": lambda: make_pipeline(
        PolynomialFeatures(interaction_only=True, include_bias=False), classifier()
    ),
    "nearest rows": lambda: make_pipeline(KNNImputer(), classifier()),
    "norms": lambda: make_pipeline(Normalizer(), classifier()),
    "PCA, logistic": lambda: make_pipeline(StandardScaler(), PCA(3), LogisticRegression()),
    "calibrated": lambda: CalibratedClassifierCV(classifier(n_estimators=2), cv=2),
    "votes": lambda: VotingClassifier(members(), voting="soft"),
    "stack": lambda: StackingClassifier(members(), cv=2),
}


@pytest.mark.parametrize("case", MIXING)
def test_mixing_preprocessing_uses_whole_rows(case):
    rows, background = NUMERIC_ROWS.copy(), NUMERIC_BACKGROUND.copy()
    if case == "nearest rows":
        rows.loc[1, "size"] = background.loc[2, "age"] = np.nan
    estimator = MIXING[case]().fit(NUMERIC_TRAIN, PRODUCT > 0)

    explanation = explain(estimator, rows, background)

    assert encoded_of(estimator, rows, background) is None
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, estimator.predict_proba(rows)[:, 1], atol=1e-6)
    np.testing.assert_allclose(
        explanation.base_values, estimator.predict_proba(background)[:, 1].mean(), atol=1e-6
    )
    assert np.abs(explanation.values).max() > 1e-3


def test_transformed_target_uses_whole_rows():
    estimator = TransformedTargetRegressor(regressor(), func=np.log, inverse_func=np.exp)
    estimator.fit(NUMERIC_TRAIN, np.exp(PRODUCT))

    explanation = explain(estimator, NUMERIC_ROWS, NUMERIC_BACKGROUND)

    assert encoded_of(estimator, NUMERIC_ROWS, NUMERIC_BACKGROUND) is None
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, estimator.predict(NUMERIC_ROWS), rtol=1e-5)


def test_callable_output_uses_whole_rows(pipeline):
    assert encoded_of(pipeline, ROWS, BACKGROUND, of_second(pipeline)) is None


def test_search_is_explained_as_best_estimator():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), classifier()), {"kerasclassifier__epochs": [3]}, cv=2
    ).fit(NUMERIC_TRAIN, PRODUCT > 0)

    found = explain(search, NUMERIC_ROWS, NUMERIC_BACKGROUND).values

    assert encoded_of(search, NUMERIC_ROWS, NUMERIC_BACKGROUND) is not None
    expected = explain(search.best_estimator_, NUMERIC_ROWS, NUMERIC_BACKGROUND).values
    np.testing.assert_array_equal(found, expected)


# The background that the last step keeps


def test_background_of_last_step_is_used(pipeline):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = explain(pipeline, ROWS)
    given = explain(pipeline, ROWS, TRAIN)

    assert kept.background == f"{N_TRAIN} rows kept by the last step"
    assert kept.background_size == N_TRAIN
    assert given.background == f"{N_TRAIN} rows given"
    np.testing.assert_allclose(kept.values, given.values, atol=1e-6)
    np.testing.assert_allclose(kept.base_values, given.base_values, atol=1e-6)


def test_background_size_of_last_step_is_used():
    estimator = make_pipeline(StandardScaler(), classifier(background_size=10))
    estimator.fit(NUMERIC_TRAIN, PRODUCT > 0)

    kept = explain(estimator, NUMERIC_ROWS)
    sampled = explain(estimator, NUMERIC_ROWS, max_background=4)

    transformed = estimator[:-1].transform(NUMERIC_TRAIN)
    same = np.isclose(transformed[:, None], np.asarray(estimator[-1].background_)).all(axis=2)
    rows = NUMERIC_TRAIN[same.any(axis=1)]
    assert len(rows) == 10
    np.testing.assert_allclose(
        kept.values, explain(estimator, NUMERIC_ROWS, rows).values, atol=1e-6
    )
    assert kept.background == "10 rows kept by the last step"
    assert sampled.background == "4 of 10 rows kept by the last step"


def gate(table):
    """Mix columns, but for rows whose first column is below 0 only."""
    return np.column_stack([table[:, 0], table[:, 1] * (table[:, 0] > 0), table[:, 2:]])


@pytest.fixture(scope="module")
def gated():
    """A pipeline that mixes columns, and rows among which it does not."""
    train = NUMERIC_TRAIN.to_numpy()
    estimator = make_pipeline(FunctionTransformer(gate), classifier()).fit(train, PRODUCT > 0)
    return estimator, train[train[:, 0] > 0][:6], train


def test_mixing_with_background_rows_only_uses_whole_rows(gated):
    estimator, rows, train = gated

    assert encoded_of(estimator, rows, train) is None


def test_probe_is_not_used_without_raw_background(gated):
    estimator, rows, _ = gated

    # What they were before is not known, and so not whether they mix with the explained rows.
    assert encoded_of(estimator, rows) is None


def test_background_of_network_without_pipeline_is_raw(direct):
    kept = explain(direct, ROWS)
    given = explain(direct, ROWS, TRAIN)

    assert kept.background == f"{N_TRAIN} rows kept by the estimator"
    np.testing.assert_allclose(kept.values, given.values, atol=1e-6)


@pytest.mark.parametrize("case", ["own function", "columns are mixed"])
def test_whole_rows_sample_x_if_only_transformed_background_is_kept(pipeline, case):
    estimator, rows, output = pipeline, ROWS, of_second(pipeline)
    if case == "columns are mixed":
        rows, output = NUMERIC_ROWS, "auto"
        estimator = make_pipeline(PCA(3), classifier()).fit(NUMERIC_TRAIN, PRODUCT > 0)

    with pytest.warns(UserWarning, match=r"background was not given.*Pass background=X_train"):
        explanation = explain(estimator, rows, output=output)

    assert explanation.background == "4 rows of X itself"
    np.testing.assert_allclose(
        explanation.base_values, estimator.predict_proba(rows)[:, 1].mean(), atol=1e-6
    )


class Doubtful(KerasClassifier):
    """A classifier that moves its probabilities towards one half."""

    def predict_proba(self, X, **arguments):
        return 0.25 + super().predict_proba(X, **arguments) / 2


@pytest.mark.parametrize("is_in_pipeline", [False, True], ids=["alone", "in a pipeline"])
def test_subclass_with_own_predict_proba_is_explained_as_a_whole(is_in_pipeline):
    target = (NUMERIC_TRAIN["age"] > 0).astype(int)
    estimator = Doubtful(**(SMALL | {"encoder": None}))
    if is_in_pipeline:
        estimator = make_pipeline(StandardScaler(), estimator)
    estimator.fit(NUMERIC_TRAIN, target)

    explanation = explain(estimator, NUMERIC_ROWS)

    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, estimator.predict_proba(NUMERIC_ROWS)[:, 1], atol=1e-6)
    with pytest.raises(ValueError, match="method='gradient' needs a KerasClassifier"):
        explain(estimator, NUMERIC_ROWS, method="gradient")
