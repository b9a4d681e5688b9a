"""Tasks on whole rows, searches, and the background of the last step."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from passengers import (
    BACKGROUND,
    N_TRAIN,
    NUMERIC_BACKGROUND,
    NUMERIC_ROWS,
    NUMERIC_TRAIN,
    PRODUCT,
    ROWS,
    SMALL,
    SURVIVED,
    TRAIN,
    classifier,
    columns,
    encoded_of,
    of_second,
    regressor,
)
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    Normalizer,
    PolynomialFeatures,
    StandardScaler,
)

from nnkit import KerasClassifier, explain

# Encoders warn of levels in the explained rows that fit did not see.
pytestmark = pytest.mark.filterwarnings("ignore:No value of column")


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline(columns(), classifier()).fit(TRAIN, SURVIVED)


@pytest.fixture(scope="module")
def direct():
    """No pipeline: nnkit encodes the raw table."""
    return classifier().fit(TRAIN, SURVIVED)


# Whole rows, for preprocessing that mixes columns and for other estimators


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


# The background of the last step


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
    """Mix columns in rows whose first column is above 0."""
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

    # The raw rows of the background are unknown, so that a probe cannot be verified.
    assert encoded_of(estimator, rows) is None


def test_background_of_network_without_pipeline_is_raw(direct):
    kept = explain(direct, ROWS)
    given = explain(direct, ROWS, TRAIN)

    assert kept.background == f"{N_TRAIN} rows kept by the estimator"
    np.testing.assert_allclose(kept.values, given.values, atol=1e-6)


@pytest.mark.parametrize("case", ["callable", "columns are mixed"])
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
