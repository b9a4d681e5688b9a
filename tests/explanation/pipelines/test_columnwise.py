"""The source column of each output of the transformers of scikit-learn and nnkit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from columnwise_tables import (
    N_ROWS,
    ColumnSums,
    gappy_table,
    level_table,
    mixed_frame,
    numeric_table,
    three_classes,
    verified_sources,
)
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import IterativeImputer, KNNImputer, MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from nnkit.encoding import TabularEncoder
from nnkit.explanation.pipelines.columnwise import is_columnwise, source_columns


def test_sources_without_transformers():
    assert source_columns([], mixed_frame()).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert source_columns([None, "passthrough"], numeric_table()).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "transformer",
    [
        pytest.param(Binarizer(threshold=0.5), id="binarizer"),
        pytest.param(FunctionTransformer(), id="identity"),
        pytest.param(FunctionTransformer(np.arctan), id="ufunc"),
        pytest.param(MaxAbsScaler(), id="max-abs"),
        pytest.param(MinMaxScaler(), id="min-max"),
        pytest.param(OrdinalEncoder(), id="ordinal"),
        pytest.param(PowerTransformer(), id="power"),
        pytest.param(QuantileTransformer(n_quantiles=20), id="quantile"),
        pytest.param(RobustScaler(), id="robust"),
        pytest.param(StandardScaler(), id="standard"),
        pytest.param(StandardScaler(copy=False), id="in-place"),
        pytest.param(KBinsDiscretizer(4, encode="ordinal"), id="ordinal-bins"),
    ],
)
def test_sources_of_one_to_one_transformers(transformer):
    X = numeric_table()
    transformer.fit(X.copy())

    assert verified_sources([transformer], X) == [0, 1, 2]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({}, [0, 2, 3], id="empty-dropped"),
        pytest.param({"keep_empty_features": True}, [0, 1, 2, 3], id="empty-kept"),
        pytest.param({"add_indicator": True}, [0, 2, 3, 1, 2, 3], id="indicators"),
        pytest.param(
            {"add_indicator": True, "keep_empty_features": True},
            [0, 1, 2, 3, 1, 2, 3],
            id="empty-kept-and-indicators",
        ),
        pytest.param(
            {"strategy": "constant", "fill_value": 7.0}, [0, 2, 3], id="constant-empty-dropped"
        ),
        pytest.param({"strategy": "most_frequent"}, [0, 2, 3], id="most-frequent"),
    ],
)
@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_sources_of_simple_imputer(parameters, expected):
    X = np.insert(gappy_table(), 1, np.nan, axis=1)  # gaps in 1 (all), 2 and 3
    imputer = SimpleImputer(**parameters).fit(X)

    assert verified_sources([imputer], X) == expected


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        pytest.param("missing-only", [1, 2], id="missing-only"),
        pytest.param("all", [0, 1, 2], id="all"),
    ],
)
@pytest.mark.parametrize(
    "sparse", [pytest.param(True, id="sparse"), pytest.param(False, id="dense")]
)
def test_sources_of_missing_indicator(features, expected, sparse):
    X = gappy_table()
    indicator = MissingIndicator(features=features, sparse=sparse).fit(X)

    assert verified_sources([indicator], X) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({}, [0, 0, 0, 1, 1, 1, 1, 2, 2], id="plain"),
        pytest.param({"sparse_output": False}, [0, 0, 0, 1, 1, 1, 1, 2, 2], id="dense"),
        pytest.param({"drop": "first"}, [0, 0, 1, 1, 1, 2], id="drop-first"),
        pytest.param({"drop": "if_binary"}, [0, 0, 0, 1, 1, 1, 1, 2], id="drop-if-binary"),
        pytest.param({"min_frequency": 10}, [0, 0, 0, 1, 1, 1, 2, 2], id="infrequent"),
        pytest.param({"max_categories": 2}, [0, 0, 1, 1, 2, 2], id="max-categories"),
        pytest.param(
            {"min_frequency": 10, "drop": "first"}, [0, 0, 1, 1, 2], id="infrequent-and-drop"
        ),
        pytest.param(
            {"handle_unknown": "infrequent_if_exist", "min_frequency": 10},
            [0, 0, 0, 1, 1, 1, 2, 2],
            id="infrequent-if-exist",
        ),
    ],
)
def test_sources_of_one_hot_encoder(parameters, expected):
    X = level_table()
    encoder = OneHotEncoder(**parameters).fit(X)

    assert verified_sources([encoder], X) == expected


@pytest.mark.parametrize(
    "encode", [pytest.param("onehot", id="sparse"), pytest.param("onehot-dense", id="dense")]
)
def test_sources_of_one_hot_bins(encode):
    X = numeric_table()
    discretizer = KBinsDiscretizer([2, 4, 3], encode=encode).fit(X)

    assert verified_sources([discretizer], X) == [0, 0, 1, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        pytest.param(three_classes(), [0, 0, 0, 1, 1, 1, 2, 2, 2], id="multiclass"),
        pytest.param(three_classes() % 2, [0, 1, 2], id="binary"),
        pytest.param(np.linspace(0.5, 1.7, N_ROWS), [0, 1, 2], id="continuous"),
    ],
)
def test_sources_of_target_encoder(y, expected):
    X = level_table()
    encoder = TargetEncoder().fit(X, y)

    assert verified_sources([encoder], X) == expected


@pytest.mark.parametrize(
    ("parameters", "n_splines"),
    [
        pytest.param({}, 7, id="default"),
        pytest.param({"include_bias": False}, 6, id="without-bias"),
        pytest.param({"extrapolation": "periodic"}, 4, id="periodic"),
        pytest.param({"sparse_output": True}, 7, id="sparse"),
        pytest.param({"sparse_output": True, "include_bias": False}, 6, id="sparse-without-bias"),
        pytest.param({"extrapolation": "linear", "degree": 1, "n_knots": 3}, 3, id="linear"),
    ],
)
def test_sources_of_spline_transformer(parameters, n_splines):
    X = numeric_table()
    splines = SplineTransformer(**parameters).fit(X)

    assert verified_sources([splines], X) == np.repeat([0, 1, 2], n_splines).tolist()


def test_check_fails_on_wrong_sources_of_splines():
    X = numeric_table()
    splines = SplineTransformer().fit(X)
    wrong = np.repeat([0, 1, 2], 7)
    wrong[7] = 0  # the first spline of column 1, which is rarely active

    assert not is_columnwise(splines.transform, wrong, X, seed=0)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param(SelectKBest(k=2), [0, 2], id="select-k-best"),
        pytest.param(VarianceThreshold(0.5), [0, 1], id="variance"),
    ],
)
def test_sources_of_selectors(selector, expected):
    X = numeric_table()
    y = X[:, 0] + 3 * X[:, 2] > 3
    selector.fit(X, y)

    assert verified_sources([selector], X) == expected


def test_sources_of_tabular_encoder():
    X = mixed_frame().drop(columns=["review"])  # age, city, income, day, size, rate
    encoder = TabularEncoder(max_one_hot=3).fit(X)

    numbers = [0, 2, 3, 3, 3, 3, 5]  # a day is also its year, month and weekday
    gaps = [0, 3, 5]
    assert verified_sources([encoder], X) == [*numbers, *gaps, 1, 1, 1, 4]


def test_sources_of_tabular_encoder_with_ambiguous_names():
    X = pd.DataFrame({"1:": [1.0, np.nan] * 20, "1:_missing": ["a", "b", "c", "c"] * 10})
    encoder = TabularEncoder().fit(X)
    names = encoder.get_feature_names_out().tolist()

    assert verified_sources([encoder], X) == [0, 0, 1, 1, 1]
    assert encoder.get_feature_names_out().tolist() == names


def test_sources_of_tabular_encoder_of_array():
    X = level_table()

    assert verified_sources([TabularEncoder().fit(X)], X) == [0, 0, 0, 1, 1, 1, 1, 2]


def mixed_transformer(**parameters):
    scaled = make_pipeline(SimpleImputer(add_indicator=True), None, StandardScaler())
    one_hot = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        "passthrough",
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    dates = FunctionTransformer(
        lambda day: day.apply(lambda column: column.dt.day_of_week.fillna(7.0))
    )
    return ColumnTransformer(
        [
            ("levels", one_hot, ["size", "city"]),
            ("none", StandardScaler(), []),
            ("text", TfidfVectorizer(), "review"),
            ("away", "drop", ["income"]),
            ("day", dates, ["day"]),
            ("numbers", scaled, ["rate", "age"]),
        ],
        **parameters,
    )


# Sources of mixed_transformer: four sizes, three cities, four words, day, numbers, indicators.
MIXED_SOURCES = [4, 4, 4, 4, 1, 1, 1, 5, 5, 5, 5, 3, 6, 0, 6, 0]


@pytest.mark.parametrize(
    "sparse_threshold", [pytest.param(0, id="dense"), pytest.param(1, id="sparse")]
)
def test_sources_of_column_transformer_with_pipelines(sparse_threshold):
    X = mixed_frame()
    transformer = mixed_transformer(sparse_threshold=sparse_threshold).fit(X)

    assert issparse(transformer.transform(X)) == bool(sparse_threshold)
    assert verified_sources([transformer], X) == MIXED_SOURCES


def test_sources_of_mixing_transformers_of_one_column():
    X = mixed_frame()
    words = make_pipeline(CountVectorizer(), PCA(2, svd_solver="arpack", random_state=0))
    curve = make_pipeline(SimpleImputer(), PolynomialFeatures(3, include_bias=False), PCA(2))
    transformer = ColumnTransformer([("words", words, "review"), ("curve", curve, ["age"])]).fit(X)

    assert verified_sources([transformer], X) == [5, 5, 0, 0]
    assert source_columns([curve.fit(X[["age"]])], X[["age"]]).tolist() == [0, 0]


def test_sources_of_mixed_outputs_of_one_column():
    X = level_table()
    one_hot = OneHotEncoder(sparse_output=False)
    transformer = ColumnTransformer([("city", one_hot, [1])]).fit(X)
    pca = PCA(2).fit(transformer.transform(X))

    assert verified_sources([transformer, pca], X) == [1, 1]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param(["rate", "age"], [6, 0], id="names"),
        pytest.param(pd.Index(["rate", "income"]), [6, 2], id="index"),
        pytest.param([6, 0], [6, 0], id="positions"),
        pytest.param([-1, 2], [6, 2], id="negative-positions"),
        pytest.param([True, False, True, False, False, False, False], [0, 2], id="mask"),
        pytest.param(
            np.array([False, False, True, False, False, False, True]), [2, 6], id="array-mask"
        ),
        pytest.param(slice(0, 3, 2), [0, 2], id="slice"),
        pytest.param(slice("rate", None), [6], id="slice-from-a-name"),
        pytest.param(slice(None, "age"), [0], id="slice-to-a-name"),
        pytest.param(make_column_selector(dtype_include="number"), [0, 2, 6], id="callable"),
        pytest.param(lambda X: ["rate", "income"], [6, 2], id="callable-of-names"),
    ],
)
def test_sources_of_column_specifications(columns, expected):
    X = mixed_frame()
    transformer = ColumnTransformer([("numbers", StandardScaler(), columns)]).fit(X)

    assert verified_sources([transformer], X) == expected


def test_sources_of_slice_of_names_include_end():
    X = mixed_frame()[["city", "income", "rate", "age"]]
    transformer = ColumnTransformer([("numbers", StandardScaler(), slice("income", "age"))]).fit(X)

    assert verified_sources([transformer], X) == [1, 2, 3]


@pytest.mark.parametrize(
    ("remainder", "columns", "expected"),
    [
        pytest.param("passthrough", ["rate", "income"], [2, 1, 0, 3], id="passthrough"),
        pytest.param("passthrough", [2], [2, 0, 1, 3], id="passthrough-positions"),
        pytest.param(
            "passthrough", [False, True, True, False], [1, 2, 0, 3], id="passthrough-mask"
        ),
        pytest.param("drop", ["rate", "income"], [2, 1], id="drop"),
        pytest.param(MaxAbsScaler(), ["rate", "income"], [2, 1, 0, 3], id="transformer"),
    ],
)
def test_sources_of_remainder(remainder, columns, expected):
    X = mixed_frame()[["age", "income", "rate"]].assign(debt=numeric_table()[:, 2])
    transformer = ColumnTransformer([("some", StandardScaler(), columns)], remainder=remainder)
    transformer.fit(X)

    assert verified_sources([transformer], X) == expected


def test_sources_of_frame_with_reordered_and_extra_columns():
    X = mixed_frame()
    transformer = mixed_transformer().fit(X)
    order = ["review", "rate", "extra", "age", "size", "day", "city", "income"]
    X_shuffled = X.assign(extra=1.0)[order]

    sources = verified_sources([transformer], X_shuffled)

    assert [order[source] for source in sources] == [X.columns[j] for j in MIXED_SOURCES]


def test_sources_of_positions_in_array():
    X = numeric_table()
    transformer = ColumnTransformer(
        [("a", StandardScaler(), [2, -3]), ("b", "passthrough", slice(1, 3))]
    ).fit(X)

    assert verified_sources([transformer], X) == [2, 0, 1, 2]


def test_sources_of_selection_after_column_transformer():
    X = mixed_frame()
    transformer = mixed_transformer().fit(X)
    scaler = StandardScaler().fit(transformer.transform(X))
    selector = SelectKBest(k=6).fit(scaler.transform(transformer.transform(X)), three_classes())
    kept = selector.get_support(indices=True)

    sources = verified_sources([transformer, scaler, selector], X)

    assert sources == [MIXED_SOURCES[k] for k in kept]


def test_sources_of_pandas_output_between_steps():
    X = mixed_frame()[["age", "city", "income", "size"]]
    filled = ColumnTransformer(
        [
            ("text", SimpleImputer(strategy="most_frequent"), ["size", "city"]),
            ("rest", SimpleImputer(), ["income", "age"]),
        ],
        verbose_feature_names_out=False,
    )
    encoded = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age", "income"]),
            ("levels", OneHotEncoder(sparse_output=False), ["city", "size"]),
        ]
    )
    pipeline = make_pipeline(filled, encoded).set_output(transform="pandas").fit(X)

    assert verified_sources([pipeline], X) == [0, 2, 1, 1, 1, 3, 3, 3, 3]
    assert verified_sources([filled], X) == [3, 1, 2, 0]


def test_sources_of_feature_union():
    X = numeric_table()
    union = FeatureUnion(
        [
            ("bins", KBinsDiscretizer([2, 3, 2])),
            ("away", "drop"),
            ("same", "passthrough"),
            ("scaled", make_pipeline(StandardScaler(), MinMaxScaler())),
        ],
        transformer_weights={"scaled": 3.0},
    ).fit(X)

    assert verified_sources([union], X) == [0, 0, 1, 1, 1, 2, 2, 0, 1, 2, 0, 1, 2]


def test_feature_union_with_mixing_branch_has_no_sources():
    X = numeric_table()
    union = FeatureUnion([("same", "passthrough"), ("mixed", PCA(1))]).fit(X)

    assert source_columns([union], X) is None


def test_sources_of_nested_and_frozen_pipelines():
    X = gappy_table()
    inner = Pipeline([("fill", SimpleImputer(add_indicator=True)), ("same", "passthrough")])
    pipeline = make_pipeline(make_pipeline(inner), SelectKBest(k=4), RobustScaler())
    pipeline.fit(X, three_classes())
    expected = np.array([0, 1, 2, 1, 2])[pipeline[1].get_support()].tolist()

    assert verified_sources([pipeline], X) == expected
    assert verified_sources([FrozenEstimator(pipeline)], X) == expected


@pytest.mark.parametrize(
    "transformer",
    [
        pytest.param(PCA(2), id="pca"),
        pytest.param(PolynomialFeatures(2), id="polynomial"),
        pytest.param(Normalizer(), id="normalizer"),
        pytest.param(KNNImputer(), id="knn"),
        pytest.param(IterativeImputer(max_iter=1), id="iterative"),
        pytest.param(make_pipeline(StandardScaler(), PCA(3)), id="in-a-pipeline"),
        pytest.param(
            ColumnTransformer([("mixed", PCA(2), [0, 2]), ("same", "passthrough", [1])]),
            id="in-a-branch",
        ),
        pytest.param(
            make_pipeline(ColumnTransformer([("a", StandardScaler(), [2, 0, 1])]), Normalizer()),
            id="after-a-column-transformer",
        ),
        pytest.param(ColumnSums([[0], [1, 2]]), id="of-a-third-party"),
        pytest.param(FunctionTransformer(lambda X: X - X[:, :1]), id="function"),
        pytest.param(FunctionTransformer(np.add.reduce, kw_args={"axis": 1}), id="one-axis"),
        pytest.param(FunctionTransformer(np.modf), id="two-arrays"),
    ],
)
def test_mixing_transformers_have_no_sources(transformer):
    X = numeric_table()
    transformer.fit(X)

    assert source_columns([transformer], X) is None
