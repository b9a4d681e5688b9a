"""Raw tables: text, categories, dates, Booleans and missing values, without preprocessing."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from mixed_tables import N_ROWS, X, Y, auto, last_hidden_units, mlp
from networks import classifier_network
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

from nnkit import KerasClassifier, KerasRegressor, TabularRegressor, explain
from nnkit.encoding import TabularEncoder

either = pytest.mark.parametrize("make", [mlp, auto])


@pytest.fixture(scope="module")
def fitted():
    """An estimator of each kind, fitted once and not modified by tests."""
    return {make: make().fit(X, Y) for make in (mlp, auto)}


# Fitting, cross-validation, search, pickling and explanation


@either
def test_fit_and_predict_on_a_raw_table(make):
    before = X.copy()
    clf = make(epochs=30).fit(X, Y)

    y_proba = clf.predict_proba(X)

    assert y_proba.shape == (N_ROWS, 2)
    np.testing.assert_allclose(y_proba.sum(axis=1), 1.0, rtol=1e-6)
    assert clf.score(X, Y) > np.mean(Y == "no") + 0.05
    assert clf.encoder_.feature_kinds_.tolist() == [
        *("number", "number", "category", "category", "category", "boolean", "date")
    ]
    assert clf.feature_names_in_.tolist() == X.columns.tolist()
    pd.testing.assert_frame_equal(X, before)


@either
def test_cross_val_score_on_a_raw_table(make):
    scores = cross_val_score(make(), X, Y, cv=2, scoring="neg_log_loss")

    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]


@either
def test_grid_search_over_units_on_a_raw_table(make):
    grid = {"model__units": [(2,), (8,)]}

    clf = make(n_estimators=1, early_stopping=False)
    search = GridSearchCV(clf, grid, cv=2, scoring="neg_log_loss").fit(X, Y)

    first, second = search.cv_results_["mean_test_score"]
    assert np.isfinite([first, second]).all()
    assert first != second
    assert last_hidden_units(search.best_estimator_) == search.best_params_["model__units"][0]
    assert search.predict(X).shape == (N_ROWS,)


@either
def test_estimator_fitted_on_a_raw_table_can_be_pickled(make, fitted):
    restored = pickle.loads(pickle.dumps(fitted[make]))

    np.testing.assert_array_equal(restored.predict_proba(X), fitted[make].predict_proba(X))
    pd.testing.assert_frame_equal(restored.background_, fitted[make].background_)


@either
def test_clone_drops_the_fitted_encoder(make, fitted):
    again = clone(fitted[make])

    assert not hasattr(again, "encoder_")
    found = again.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(found, fitted[make].predict_proba(X))


def in_polars(table):
    columns = {
        name: [None if pd.isna(value) else value for value in table[name].astype(object)]
        for name in table
    }
    columns["since"] = [None if day is None else day.to_pydatetime() for day in columns["since"]]
    return pl.DataFrame(columns)


@either
def test_polars_frame_gives_the_same_predictions(make, fitted):
    table = in_polars(X)

    found = make().fit(table, Y).predict_proba(table)

    np.testing.assert_array_equal(found, fitted[make].predict_proba(X))


def test_validation_split_of_a_polars_frame():
    table = in_polars(X)
    clf = mlp(validation_split=KFold(2), early_stopping=True)

    found = clf.fit(table, Y).predict_proba(table)

    np.testing.assert_array_equal(found, clf.fit(X, Y).predict_proba(X))


def test_fit_accepts_lists_of_rows():
    """Numbers beside text keep their type."""
    columns = ["age", "height", "city"]
    rows = X[columns].astype(object).to_numpy().tolist()

    clf = mlp().fit(rows, Y)

    assert clf.encoder_.feature_kinds_.tolist() == ["number", "number", "category"]
    by_name = mlp().fit(X[columns], Y)
    np.testing.assert_array_equal(clf.predict_proba(rows), by_name.predict_proba(X[columns]))


@either
def test_explain_on_a_raw_table(make, fitted):
    explanation = explain(fitted[make], X.head(3))

    total = explanation.values.sum(axis=1) + explanation.base_values
    assert explanation.values.shape == (3, 7)
    assert np.abs(explanation.values[:, 0]).max() > 0
    np.testing.assert_allclose(total, fitted[make].predict_proba(X.head(3))[:, 1], atol=1e-5)


@pytest.mark.filterwarnings("ignore:No value of column")
@either
def test_partial_fit_accepts_unseen_categories(make):
    clf = make(n_estimators=1).partial_fit(X[:60], Y[:60])

    clf.partial_fit(X[60:].assign(city="Bern"), Y[60:])

    assert clf.n_iter_ == 2
    assert np.isfinite(clf.predict_proba(X)).all()


# Values in predict that fit has not seen


@pytest.mark.filterwarnings("ignore:No value of column")
@either
@pytest.mark.parametrize(
    ("column", "value"), [("city", "Bern"), ("road", "road 99"), ("grade", "z")]
)
def test_unseen_category_is_predicted_like_a_missing_value(make, fitted, column, value):
    found = fitted[make].predict_proba(X.assign(**{column: value}))

    expected = fitted[make].predict_proba(X.assign(**{column: None}))
    np.testing.assert_array_equal(found, expected)
    assert np.isfinite(found).all()
    assert not np.allclose(found, fitted[make].predict_proba(X), atol=1e-4)


@either
def test_missing_number_is_predicted_like_the_median(make, fitted):
    found = fitted[make].predict_proba(X.assign(height=np.nan))

    expected = fitted[make].predict_proba(X.assign(height=X["height"].median()))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@either
def test_categories_given_as_numbers_match_the_text_of_fit(make):
    table = X.assign(house=np.array(["1", "2", "3"])[np.arange(N_ROWS) % 3])
    clf = make(n_estimators=1).fit(table, Y)

    found = clf.predict_proba(table.assign(house=np.arange(N_ROWS) % 3 + 1))

    np.testing.assert_array_equal(found, clf.predict_proba(table))
    assert not np.array_equal(found, clf.predict_proba(table.assign(house="3")))


@either
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"age": "old"}, "Column 'age' held numbers in fit and holds text .*such as 'old'"),
        ({"since": "May"}, "Column 'since' held dates in fit and holds text .*such as 'May'"),
        ({"age": np.inf}, "The numbers of column 'age' must be finite. Got infinity"),
    ],
    ids=str,
)
def test_predict_raises_on_values_of_another_kind(make, fitted, changed, message):
    with pytest.raises(ValueError, match=message):
        fitted[make].predict(X.assign(**changed))


@either
def test_predict_raises_on_reordered_columns(make, fitted):
    with pytest.raises(ValueError, match="order"):
        fitted[make].predict(X[X.columns[::-1]])


# Unusual values and tables in fit


@either
@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            X.assign(height=X["height"].where(X.index != 3, -np.inf)),
            "The numbers of column 'height' must be finite",
        ),
        (
            pd.concat([X, X[["age"]]], axis=1),
            "Column names must be unique. Got 'age' more than once",
        ),
        (X.assign(tags=[["a", "b"]] * N_ROWS), "The values of column 'tags' must be scalars"),
    ],
    ids=["infinity", "duplicate name", "lists"],
)
def test_fit_raises_on_an_invalid_column_and_names_it(make, table, message):
    with pytest.raises(ValueError, match=message):
        make().fit(table, Y)


@either
def test_all_missing_column_has_no_effect_on_predictions(make):
    table = X.assign(empty=np.nan, nothing=None)
    clf = make(n_estimators=1).fit(table, Y)

    found = clf.predict_proba(table)

    assert np.isfinite(found).all()
    filled = table.assign(empty=np.arange(90.0), nothing="x")
    with pytest.warns(UserWarning, match="No value of column") as caught:
        np.testing.assert_array_equal(clf.predict_proba(filled), found)
    columns = {str(warning.message).split("'")[1] for warning in caught}
    assert columns == {"empty", "nothing"}


ALONE = {
    "number": X[["height"]],
    "short category": X[["city"]],
    "long category": X[["road"]],
    "both": X[["road", "city"]],
    "boolean": X[["is_paid"]],
    "date": X[["since"]],
    "missing": pd.DataFrame({"empty": np.full(N_ROWS, np.nan)}),
    "constant": pd.DataFrame({"same": ["same"] * N_ROWS}),
}


@pytest.mark.parametrize(
    ("make", "kind"),
    [*((mlp, kind) for kind in ALONE), (auto, "long category"), (auto, "both"), (auto, "constant")],
)
def test_fit_on_columns_of_a_single_kind(make, kind):
    table = ALONE[kind]

    found = make(epochs=1, n_estimators=1).fit(table, Y).predict_proba(table)

    assert found.shape == (N_ROWS, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-6)


@either
def test_rare_categories_share_an_embedding_in_a_high_cardinality_column(make):
    """Rare categories share one embedding, so that the network stays small."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "user": [f"user {number}" for number in rng.integers(10_000, size=2000)],
            "rating": rng.normal(size=2000),
        }
    )
    clf = make(n_estimators=1).fit(table, np.where(table["rating"] > 0, "up", "down"))

    found = clf.predict_proba(table.head(50).assign(user="nobody"))

    assert np.isfinite(found).all()
    assert clf.encoder_.cardinalities_[0] < 200
    assert clf.model_.count_params() < 25_000


def test_classifier_raises_on_one_row():
    for make in (mlp, auto):
        with pytest.raises(ValueError, match="y must have at least 2 classes. Got 1 class, 'yes'"):
            make().fit(X.head(1), Y[:1])


@pytest.mark.filterwarnings("ignore:No value of column")  # columns missing in the first row
def test_regressor_fitted_on_one_row_predicts_its_value():
    reg = KerasRegressor("mlp", epochs=2, random_state=0).fit(X.head(1), [7.0])

    np.testing.assert_allclose(reg.predict(X), 7.0)


def test_early_stopping_raises_on_one_row():
    with pytest.raises(ValueError, match="validation_split=0.1 of 1 row|held out of 1 row"):
        TabularRegressor(model__units=(8,), epochs=2, early_stopping=True).fit(X.head(1), [7.0])


@pytest.mark.parametrize(
    "reg",
    [KerasRegressor("mlp"), TabularRegressor(model__units=(8,), n_estimators=2)],
    ids=["mlp", "auto"],
)
def test_regressor_fits_distinct_values(reg):
    y = 1000 + np.arange(N_ROWS) / 3

    reg.set_params(epochs=2, random_state=0).fit(X, y)

    assert reg.target_type_ == "continuous"
    assert 990 < reg.predict(X).mean() < 1040
    assert len(np.unique(reg.predict(X))) > N_ROWS / 2


@either
def test_classifier_warns_on_distinct_labels(make):
    y = np.array([f"row {position:02}" for position in range(N_ROWS)])
    clf = make(epochs=1, n_estimators=1)

    with pytest.warns(UserWarning, match="unique classes is greater than 50%"):
        clf.fit(X, y)

    assert clf.classes_.tolist() == y.tolist()
    assert set(clf.predict(X)) <= set(y)


def test_early_stopping_raises_on_distinct_labels():
    y = np.array([f"row {position:02}" for position in range(N_ROWS)])
    clf = mlp(early_stopping=True)

    with (
        pytest.warns(UserWarning, match="unique classes is greater than 50%"),
        pytest.raises(ValueError, match="The class 'row 00' has one row only"),
    ):
        clf.fit(X, y)


# Encoders


def test_target_encoder_is_cross_fitted_as_in_a_pipeline():
    """A target encoder is cross-fitted: fit_transform and transform of the same rows differ."""
    table = X[["city", "road"]].astype(object).fillna("?")
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    inside = mlp(encoder=TargetEncoder(cv=folds), epochs=10)
    outside = make_pipeline(TargetEncoder(cv=folds), mlp(encoder=None, epochs=10))

    found = inside.fit(table, Y).predict_proba(table)

    np.testing.assert_array_equal(found, outside.fit(table, Y).predict_proba(table))
    plain = TargetEncoder(cv=folds).fit(table, Y)
    leaking = mlp(encoder=None, epochs=10).fit(plain.transform(table), Y)
    assert not np.allclose(found, leaking.predict_proba(plain.transform(table)), atol=1e-4)


def recording_builder(meta, seen):
    """Build a network and record the columns in ``meta``."""
    seen.append((meta.n_numeric_, tuple(meta.cardinalities_)))
    return classifier_network(meta)


@pytest.mark.parametrize(
    ("encoder", "columns", "expected"),
    [
        # age, height and date; 12 roads and one code for unseen or missing values
        (TabularEncoder(dates="number"), X.columns.tolist(), (3, (13,))),
        (TabularEncoder(max_one_hot=2, dates="number"), X.columns.tolist(), (3, (4, 13, 5))),
        (TabularEncoder(), ["road"], (0, (13,))),
        (TabularEncoder(), ["height"], (1, ())),
        (StandardScaler(), ["height"], (1, ())),
        (None, ["height", "is_paid"], (2, ())),
        ("auto", ["height", "is_paid"], (2, ())),
    ],
    ids=["one-hot and codes", "codes", "only codes", "a number", "scaler", "None", "auto"],
)
def test_meta_has_n_numeric_and_cardinalities_of_the_encoder(encoder, columns, expected):
    seen = []
    clf = KerasClassifier(lambda meta: recording_builder(meta, seen), encoder=encoder, epochs=1)

    clf.fit(X[columns], Y)

    assert set(seen) == {expected}
    if isinstance(encoder, TabularEncoder):
        assert (clf.encoder_.n_numeric_, clf.encoder_.cardinalities_) == expected


def test_rare_category_is_predicted_like_an_unseen_one():
    """With a ready-made network, a category needs a minimum number of rows."""
    roads = np.array([f"road {position // 9}" for position in range(N_ROWS)])
    roads[:2] = "lane"
    table = X[["height"]].assign(road=roads)

    clf = mlp().fit(table, Y)

    levels = clf.encoder_.categories_["road"].tolist()
    assert "lane" not in levels
    assert len(levels) == 10
    of_lane, of_unseen = (
        clf.predict_proba(table.head(5).assign(road=road)) for road in ("lane", "square")
    )
    np.testing.assert_array_equal(of_lane, of_unseen)


@pytest.mark.parametrize("seed", range(2))
def test_default_classifier_learns_exclusive_or_from_four_rows(seed):
    rows, labels = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]

    clf = KerasClassifier(random_state=seed).fit(rows, labels)

    assert clf.predict(rows).tolist() == labels
