"""Use with scikit-learn's searches, wrappers, feature selectors, containers and callbacks."""

import pickle
from pathlib import Path

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from networks import classifier_network, linear_network
from scipy import sparse
from scipy.stats import loguniform
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import RFE, RFECV, SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler, scale
from sklearn.semi_supervised import SelfTrainingClassifier

from nnkit import KerasClassifier, KerasRegressor
from nnkit.exceptions import NonFiniteLossError

LEARNING_RATES = [1e-6, 1e-4, 0.02]


def classifier(model="mlp", **params):
    usual = {"epochs": 15, "batch_size": 32, "optimizer__learning_rate": 0.01, "random_state": 0}
    return KerasClassifier(model, **{**usual, **params})


def regressor(model="mlp", **params):
    usual = {"epochs": 30, "batch_size": 64, "optimizer__learning_rate": 0.003, "random_state": 0}
    return KerasRegressor(model, **{**usual, **params})


def convolutions(meta, filters=8):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.Conv2D(filters, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(meta.n_output_units_, activation="softmax"),
        ]
    )


def recurrent(meta, units=8):
    return keras.Sequential(
        [
            keras.Input(meta.X_shape_[1:]),
            keras.layers.LSTM(units),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def tagger(n_units, activation):
    """Return a builder of a network with an output at each time step."""

    def build(meta):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.LSTM(12, return_sequences=True),
                keras.layers.Dense(n_units, activation=activation),
            ]
        )

    return build


def two_inputs(meta):
    inputs = {name: keras.Input(shape[1:], name=name) for name, shape in meta.X_shape_.items()}
    hidden = [keras.layers.Dense(8, activation="relu")(x) for x in inputs.values()]
    x = keras.layers.Concatenate()(hidden)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


def sepals_and_petals(frame):
    return {"sepal": frame.filter(like="sepal"), "petal": frame.filter(like="petal")}


@pytest.fixture
def two_targets():
    """Diabetes patients; the targets are disease progression and body mass index."""
    X, y = load_diabetes(return_X_y=True)
    return scale(np.delete(X, 2, axis=1)), np.column_stack([y, 1000 * X[:, 2]])


@pytest.fixture
def flower_labels(iris):
    """Multilabel target with three labels."""
    X, y = iris
    return np.column_stack([y == "setosa", y == "virginica", X[:, 3] > 0]).astype(int)


@pytest.fixture
def bits():
    """Sequences of bits, shape (240, 6 steps, 1 feature)."""
    return np.random.RandomState(0).randint(0, 2, (240, 6, 1))


# Searches


def test_halving_grid_search_over_epochs(iris):
    X, y = iris

    search = HalvingGridSearchCV(
        classifier(),
        {"optimizer__learning_rate": LEARNING_RATES},
        resource="epochs",
        min_resources=3,
        max_resources=27,
        cv=2,
    ).fit(X, y)

    assert search.n_resources_ == [3, 9]
    assert search.best_params_ == {"optimizer__learning_rate": 0.02, "epochs": 9}
    assert search.best_estimator_.n_iter_ == 9
    assert search.best_score_ > 0.85


def test_halving_grid_search_over_n_samples(cancer):
    X, y = cancer

    search = HalvingGridSearchCV(
        classifier(epochs=8),
        {"optimizer__learning_rate": LEARNING_RATES},
        cv=2,
        random_state=0,
    ).fit(X, y)

    assert search.n_resources_ == [189, 567]
    assert search.best_params_["optimizer__learning_rate"] == 0.02
    assert search.best_score_ > 0.94


def test_randomized_search_over_distributions(iris):
    X, y = iris
    distributions = {
        "optimizer__learning_rate": loguniform(1e-6, 0.05),
        "model__units": [(4,), (16, 8)],
        "class_weight": [None, "balanced"],
    }

    search = RandomizedSearchCV(classifier(), distributions, n_iter=5, cv=2, random_state=0)
    search.fit(X, y)

    assert search.best_score_ > 0.9
    assert np.ptp(search.cv_results_["mean_test_score"]) > 0.2
    assert search.best_estimator_.model_.layers[1].units == search.best_params_["model__units"][0]


# Wrappers


@pytest.mark.parametrize("wrapper", [OneVsRestClassifier, OneVsOneClassifier])
def test_one_vs_rest_and_one_vs_one_classifier(iris, wrapper):
    X, y = iris

    fitted = wrapper(classifier(epochs=30)).fit(X[::2], y[::2])

    assert fitted.score(X[1::2], y[1::2]) > 0.88
    # The first binary problem: setosa against the rest, or against versicolor.
    rows = np.flatnonzero((y == "setosa") | (wrapper is OneVsRestClassifier) | (y == "versicolor"))
    rows = rows[rows % 2 == 0]
    is_positive = (y[rows] == "setosa") == (wrapper is OneVsRestClassifier)
    by_hand = classifier(epochs=30).fit(X[rows], is_positive.astype(int))
    np.testing.assert_array_equal(fitted.estimators_[0].predict_proba(X), by_hand.predict_proba(X))


def test_multi_output_classifier(iris, flower_labels):
    X, _ = iris

    wrapped = MultiOutputClassifier(classifier()).fit(X, flower_labels)

    y_proba = wrapped.predict_proba(X)
    assert len(y_proba) == 3
    for position, proba in enumerate(y_proba):
        by_hand = classifier().fit(X, flower_labels[:, position])
        np.testing.assert_array_equal(proba, by_hand.predict_proba(X))
    assert wrapped.score(X, flower_labels) > 0.85


@pytest.mark.parametrize("cv", [None, 2])
def test_classifier_chain(iris, flower_labels, cv):
    X, _ = iris

    chain = ClassifierChain(classifier(), cv=cv).fit(X, flower_labels)

    assert [link.n_features_in_ for link in chain.estimators_] == [4, 5, 6]
    assert chain.predict_proba(X).shape == (150, 3)
    assert chain.score(X, flower_labels) > 0.85


def test_multi_output_regressor(two_targets):
    X, y = two_targets

    wrapped = MultiOutputRegressor(regressor()).fit(X, y)

    by_hand = [regressor().fit(X, column).predict(X) for column in y.T]
    np.testing.assert_array_equal(wrapped.predict(X), np.column_stack(by_hand))
    assert wrapped.score(X, y) > 0.35


def test_regressor_chain(two_targets):
    X, y = two_targets

    chain = RegressorChain(regressor(), order=[1, 0]).fit(X, y)

    first = regressor().fit(X, y[:, 1]).predict(X)
    np.testing.assert_array_equal(chain.predict(X)[:, 1], first)
    assert chain.score(X, y) > 0.35


def test_transformed_target_regressor(diabetes):
    X, y = diabetes

    wrapped = TransformedTargetRegressor(regressor(), func=np.log, inverse_func=np.exp)
    wrapped.fit(X[:350], y[:350])

    by_hand = np.exp(regressor().fit(X[:350], np.log(y[:350])).predict(X[350:]))
    np.testing.assert_allclose(wrapped.predict(X[350:]), by_hand, rtol=1e-12)
    assert wrapped.score(X[350:], y[350:]) > 0.3


def test_self_training_classifier_uses_unlabeled_rows(iris):
    X, _ = iris
    y = load_iris().target
    hidden = np.where(np.arange(150) % 10 > 0, -1, y)

    trained = SelfTrainingClassifier(classifier(epochs=40), threshold=0.9, max_iter=3)
    trained.fit(X, hidden)

    assert (trained.labeled_iter_ > 0).sum() > 60
    assert trained.score(X, y) > 0.88


# Feature selection


class RankingRegressor(KerasRegressor):
    """Regressor with feature_importances_, computed by permutation of the training rows."""

    def fit(self, X, y, **fit_arguments):
        super().fit(X, y, **fit_arguments)
        found = permutation_importance(self, X, y, n_repeats=2, random_state=0)
        self.feature_importances_ = found.importances_mean
        return self


def test_rfe_by_permutation_importance():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    ranking = RankingRegressor("mlp", epochs=20, batch_size=64, random_state=0)

    selector = RFE(ranking, n_features_to_select=3, step=2).fit(X, y)

    assert {"bmi", "s5"} <= set(X.columns[selector.support_])
    assert selector.estimator_.n_features_in_ == 3
    assert selector.score(X, y) > 0.4


def test_rfecv_by_weights_of_a_linear_network():
    X, y = load_diabetes(return_X_y=True)
    linear = regressor(model__units=(), optimizer__learning_rate=0.05)

    selector = RFECV(
        linear,
        step=3,
        cv=2,
        importance_getter=lambda fitted: np.abs(fitted.model_.get_weights()[0][:, 0]),
    ).fit(X, y)

    assert selector.support_[[2, 8]].all()
    assert max(selector.cv_results_["mean_test_score"]) > 0.4


def test_sequential_feature_selector():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = X[["age", "bmi", "s3", "s5"]]

    selector = SequentialFeatureSelector(
        regressor(epochs=10, batch_size=32), n_features_to_select=2, cv=2
    ).fit(X, y)

    assert selector.get_feature_names_out().tolist() == ["bmi", "s5"]


# Preprocessing


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_feature_names_in_are_those_of_a_column_transformer(container):
    pytest.importorskip(container)
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    columns = make_column_transformer(
        (StandardScaler(), ["mean area"]),
        (MinMaxScaler(), ["mean texture", "worst area"]),
        verbose_feature_names_out=False,
    )

    pipeline = make_pipeline(columns, classifier()).set_output(transform=container).fit(X, y)

    names = ["mean area", "mean texture", "worst area"]
    assert pipeline[-1].feature_names_in_.tolist() == names
    assert list(pipeline[-1].background_.columns) == names
    assert pipeline.score(X, y) > 0.9


def test_function_transformer_as_encoder_equals_a_pipeline_step():
    X, y = load_breast_cancer(return_X_y=True)
    logarithm = FunctionTransformer(np.log1p)

    pipeline = make_pipeline(logarithm, classifier(encoder=None)).fit(X, y)
    clf = classifier(encoder=logarithm).fit(X, y)

    np.testing.assert_array_equal(pipeline.predict_proba(X), clf.predict_proba(X))
    assert clf.score(X, y) > 0.88


def test_imblearn_pipeline_with_smote():
    over_sampling = pytest.importorskip("imblearn.over_sampling")
    imblearn_pipeline = pytest.importorskip("imblearn.pipeline")
    X, y = load_breast_cancer(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:25]])
    X, y = X[rows], y[rows]
    smote = over_sampling.SMOTE(random_state=0, k_neighbors=3)
    cv = StratifiedKFold(2)
    few = classifier(epochs=3, optimizer__learning_rate=0.003)

    resampled = imblearn_pipeline.make_pipeline(StandardScaler(), smote, few)
    scores = cross_val_score(resampled, X, y, cv=cv, scoring="balanced_accuracy")
    plain = cross_val_score(few, X, y, cv=cv, scoring="balanced_accuracy")

    assert scores.mean() > plain.mean() + 0.05
    assert scores.mean() > 0.88


# Metadata routing


class RecordingSplit(GroupShuffleSplit):
    """Splitter that records the groups of the training and validation rows of each split."""

    seen: list = []  # noqa: RUF012

    def split(self, X, y=None, groups=None):
        for training_rows, validation_rows in super().split(X, y, groups):
            self.seen.append((groups[training_rows], groups[validation_rows]))
            yield training_rows, validation_rows


@sklearn.config_context(enable_metadata_routing=True)
def test_metadata_routing_of_groups_and_sample_weight_in_cross_validate(iris):
    X, y = iris
    groups = np.arange(150) % 10
    weight = np.where(y == "setosa", 3.0, 0.5)
    split = RecordingSplit(n_splits=1, test_size=0.3, random_state=0)
    RecordingSplit.seen.clear()
    clf = classifier(validation_split=split)
    clf.set_fit_request(groups=True, sample_weight=True).set_score_request(sample_weight=True)

    result = cross_validate(
        clf, X, y, cv=GroupKFold(3), params={"groups": groups, "sample_weight": weight}
    )

    routed_splits = list(RecordingSplit.seen)
    by_hand = []
    for training, test in GroupKFold(3).split(X, y, groups):
        fitted = classifier(validation_split=split).fit(
            X[training], y[training], sample_weight=weight[training], groups=groups[training]
        )
        assert len(fitted.history_["val_loss"]) == 15
        by_hand.append(fitted.score(X[test], y[test], sample_weight=weight[test]))
    np.testing.assert_array_equal(result["test_score"], by_hand)
    assert len(routed_splits) == 3
    for training_groups, validation_groups in routed_splits:
        assert not set(training_groups) & set(validation_groups)


@sklearn.config_context(enable_metadata_routing=True)
def test_pipeline_transform_input_transforms_validation_rows():
    X, y = load_breast_cancer(return_X_y=True)
    clf = classifier(encoder=None, early_stopping=True, n_iter_no_change=2, epochs=50)
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("net", clf.set_fit_request(X_val=True, y_val=True))],
        transform_input=["X_val"],
    )

    pipeline.fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:])

    scaler = StandardScaler().fit(X[:400])
    by_hand = classifier(encoder=None, early_stopping=True, n_iter_no_change=2, epochs=50).fit(
        scaler.transform(X[:400]), y[:400], X_val=scaler.transform(X[400:]), y_val=y[400:]
    )
    assert pipeline["net"].history_ == by_hand.history_
    assert pipeline["net"].n_iter_ < 50
    assert min(by_hand.history_["val_loss"]) < 0.15


# Processes and threads


@pytest.mark.slow
def test_cross_val_score_in_processes_equals_sequential(iris):
    """The builder is a closure, which the standard pickle cannot serialise."""
    X, y = iris
    activation = "tanh"

    def network(meta, units=8):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.Dense(units, activation=activation),
                keras.layers.Dense(3, activation="softmax"),
            ]
        )

    clf = classifier(network, units=6)

    scores = cross_val_score(clf, X, y, cv=2, scoring="neg_log_loss", n_jobs=2)

    by_one = cross_val_score(clf, X, y, cv=2, scoring="neg_log_loss")
    np.testing.assert_allclose(scores, by_one, rtol=1e-5)
    assert scores.min() > -0.5


def test_cross_val_score_in_threads_equals_sequential(iris):
    X, y = iris
    clf = classifier(classifier_network, early_stopping=True, scoring="accuracy")

    with joblib.parallel_config(backend="threading"):
        scores = cross_val_score(clf, X, y, cv=6, scoring="neg_log_loss", n_jobs=2)

    by_one = cross_val_score(clf, X, y, cv=6, scoring="neg_log_loss")
    np.testing.assert_allclose(scores, by_one, rtol=1e-5)


# Containers


@pytest.mark.parametrize("encoder", ["auto", StandardScaler()], ids=["auto", "own"])
def test_polars_frame_gives_the_same_predictions(iris, encoder):
    pl = pytest.importorskip("polars")
    X, y = iris
    frame = pl.DataFrame(X, schema=["a", "b", "c", "d"])

    clf = classifier(encoder=encoder, early_stopping=True).fit(frame, pl.Series(y))

    by_array = classifier(encoder=encoder, early_stopping=True).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(frame), by_array.predict_proba(X))
    assert clf.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="same order"):
        clf.predict(frame.select(["b", "a", "c", "d"]))
    pandas_frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    np.testing.assert_array_equal(clf.predict(pandas_frame), by_array.predict(X))


@pytest.fixture
def sentences():
    """Lines of the descriptions of five data sets; the target is the data set."""
    loaders = [load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine]
    lines = [
        (line, load.__name__)
        for load in loaders
        for line in load().DESCR.splitlines()
        if len(line.split()) > 4
    ]
    X, y = zip(*lines, strict=True)
    return np.array(X), np.array(y)


@pytest.mark.parametrize("model", ["mlp", classifier_network], ids=["mlp", "own"])
def test_sparse_tfidf_equals_dense_tfidf(sentences, model):
    lines, y = sentences
    X = TfidfVectorizer().fit_transform(lines)
    encoder = StandardScaler(with_mean=False) if model == "mlp" else None

    from_sparse = classifier(model, epochs=20).fit(X, y)
    from_dense = classifier(model, epochs=20, encoder=encoder).fit(X.toarray(), y)

    y_proba = from_sparse.predict_proba(X)
    np.testing.assert_allclose(y_proba, from_dense.predict_proba(X.toarray()), atol=1e-5)
    np.testing.assert_allclose(y_proba, from_sparse.predict_proba(X.toarray()), atol=1e-6)
    assert from_sparse.score(X, y) > 0.9


def test_tfidf_pipeline_scores_like_logistic_regression(sentences):
    lines, y = sentences
    cv = StratifiedKFold(3, shuffle=True, random_state=0)

    scores = cross_val_score(make_pipeline(TfidfVectorizer(), classifier()), lines, y, cv=cv)

    linear = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
    assert scores.mean() > cross_val_score(linear, lines, y, cv=cv).mean() - 0.1


def peak_memory():
    """Return the peak memory of the process in bytes since the last reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sparse_table_is_densified_one_batch_at_a_time(monkeypatch, early_stopping):
    rng = np.random.default_rng(0)
    X = sparse.random_array((2000, 50_000), density=5e-4, format="csr", dtype=np.float32, rng=rng)
    y = np.arange(2000) % 2
    dense_bytes = 2000 * 50_000 * 4
    rows_at_once = []
    to_dense = sparse.csr_array.toarray
    monkeypatch.setattr(
        sparse.csr_array,
        "toarray",
        lambda self, *args, **kwargs: (
            rows_at_once.append(self.shape[0]) or to_dense(self, *args, **kwargs)
        ),
    )
    clf = classifier(
        classifier_network, units=2, epochs=2, batch_size=50, early_stopping=early_stopping
    )
    clf.fit(X[:100], y[:100])
    rows_at_once.clear()
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_memory()

    clf.fit(X, y)
    y_proba = clf.predict_proba(X, batch_size=50)

    assert y_proba.shape == (2000, 2)
    assert max(rows_at_once, default=0) <= 50
    assert peak_memory() - before < dense_bytes / 2


@pytest.mark.parametrize("model", ["mlp", classifier_network], ids=["mlp", "own"])
def test_predict_does_not_depend_on_the_dtypes_of_fit_and_predict(model):
    X, y = load_digits(return_X_y=True)
    X, y = X[:300], y[:300]

    y_proba = {
        (to_fit, to_predict): fitted.predict_proba(X.astype(to_predict))
        for to_fit in ("float64", "float32", "int64", "uint8")
        for fitted in [classifier(model, epochs=3).fit(X.astype(to_fit), y)]
        for to_predict in ("float64", "float32", "int64", "uint8")
    }

    for proba in y_proba.values():
        np.testing.assert_allclose(proba, y_proba["float64", "float64"], atol=2e-5)


# Images, sequences and several inputs


def test_cross_val_score_of_images():
    images, y = load_digits(return_X_y=True)
    images = (images / 16).reshape(-1, 8, 8, 1)[:900]

    scores = cross_val_score(classifier(convolutions, epochs=8), images, y[:900], cv=2)

    assert scores.min() > 0.85


def test_learning_curve_of_images():
    images, y = load_digits(return_X_y=True)
    images = (images / 16).reshape(-1, 8, 8, 1)[:600]

    sizes, _, scores = learning_curve(
        classifier(convolutions, epochs=5), images, y[:600], cv=2, train_sizes=[0.2, 1.0]
    )

    assert sizes.tolist() == [60, 300]
    assert scores[1].mean() > scores[0].mean() + 0.05


def test_recurrent_network_classifies_sequences(bits):
    first = np.where(bits[:, 0, 0] == 1, "one", "zero")

    clf = classifier(recurrent, epochs=40, optimizer__learning_rate=0.03).fit(
        bits[:160], first[:160]
    )

    assert clf.score(bits[160:], first[160:]) > 0.95


def test_dict_of_named_inputs(iris):
    X, y = iris
    parts = {"sepal": X[:, :2], "petal": X[:, 2:]}

    clf = classifier(two_inputs, epochs=30).fit(parts, y)

    other_order = {"petal": X[:, 2:], "sepal": X[:, :2]}
    y_proba = clf.predict_proba(parts)
    assert clf.score(parts, y) > 0.9
    np.testing.assert_array_equal(clf.predict_proba(other_order), y_proba)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(parts), y_proba)
    with pytest.raises(ValueError, match="lacks the input 'sepal'"):
        clf.predict({"petal": X[:, 2:]})


def test_grid_search_with_an_encoder_that_returns_two_inputs(iris_frame):
    X, y = iris_frame
    clf = classifier(two_inputs, encoder=FunctionTransformer(sepals_and_petals))

    search = GridSearchCV(clf, {"optimizer__learning_rate": [1e-6, 0.02]}, cv=2).fit(X, y)

    parts = sepals_and_petals(X)
    by_hand = classifier(two_inputs, optimizer__learning_rate=0.02).fit(parts, y)
    assert search.best_score_ > 0.9
    np.testing.assert_array_equal(search.predict_proba(X), by_hand.predict_proba(parts))


def test_inspection_of_a_model_with_two_inputs(iris_frame):
    X, y = iris_frame
    encoder = FunctionTransformer(sepals_and_petals)
    clf = classifier(two_inputs, encoder=encoder, epochs=30).fit(X, y)

    importance = permutation_importance(clf, X, y, n_repeats=2, random_state=0)
    dependence = partial_dependence(clf, X, ["petal length (cm)"], grid_resolution=4)

    assert importance.importances_mean.argmax() >= 2
    assert dependence["average"].shape == (3, 4)
    assert np.diff(dependence["average"][2]).min() > 0


# Multi-output targets


def test_multilabel_predictions(iris, flower_labels):
    X, _ = iris

    clf = classifier(epochs=30).fit(X, flower_labels)

    y_proba = clf.predict_proba(X)
    assert y_proba.shape == (150, 3)
    np.testing.assert_array_equal(clf.predict(X), y_proba > 0.5)
    assert clf.predict(X).dtype == flower_labels.dtype
    assert clf.score(X, flower_labels) > 0.88


def test_multilabel_cross_validation(iris, flower_labels):
    X, _ = iris
    cv = KFold(3, shuffle=True, random_state=0)

    f1 = cross_val_score(classifier(), X, flower_labels, cv=cv, scoring="f1_macro")
    y_proba = cross_val_predict(classifier(), X, flower_labels, cv=cv, method="predict_proba")

    assert f1.min() > 0.85
    assert y_proba.shape == (150, 3)


def test_multioutput_classification(iris):
    X, y = iris
    columns = np.column_stack([y, np.where(X[:, 0] > 0, "long", "short")])

    clf = classifier(epochs=30).fit(X, columns)

    y_proba = clf.predict_proba(X)
    assert [proba.shape for proba in y_proba] == [(150, 3), (150, 2)]
    for classes, proba, predicted in zip(clf.classes_, y_proba, clf.predict(X).T, strict=True):
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        np.testing.assert_array_equal(classes[proba.argmax(axis=1)], predicted)
    assert (clf.predict(X) == columns).mean(axis=0).min() > 0.9


def test_multioutput_classification_in_cross_val_predict(iris):
    X, _ = iris
    columns = np.column_stack([load_iris().target, X[:, 0] > 0])
    cv = KFold(3, shuffle=True, random_state=0)

    y_proba = cross_val_predict(classifier(), X, columns, cv=cv, method="predict_proba")

    assert [proba.shape for proba in y_proba] == [(150, 3), (150, 2)]
    assert (y_proba[0].argmax(axis=1) == columns[:, 0]).mean() > 0.85


def test_multioutput_regression(two_targets):
    X, y = two_targets

    reg = regressor().fit(X[:350], y[:350])

    assert reg.predict(X).shape == y.shape
    assert reg.score(X[350:], y[350:]) > 0.25


def test_inspection_of_multioutput_regression(two_targets):
    X, y = two_targets
    reg = regressor(epochs=40).fit(X, y)

    importance = permutation_importance(reg, X, y, n_repeats=2, random_state=0)
    dependence = partial_dependence(reg, X, [7], grid_resolution=4)

    assert importance.importances_mean.argmax() == 7
    assert dependence["average"].shape == (2, 4)
    assert np.diff(dependence["average"][0]).min() > 0


def test_validation_curve_over_epochs(iris):
    X, y = iris

    _, scores = validation_curve(
        classifier(), X, y, param_name="epochs", param_range=[1, 20], cv=StratifiedKFold(3)
    )

    assert scores[1].mean() > scores[0].mean()
    assert scores[1].mean() > 0.85


@pytest.mark.parametrize("kind", ["labels", "strings", "values"])
def test_predict_keeps_the_shape_of_a_single_column_target(iris, kind):
    X, labels = iris
    y = {"labels": load_iris().target, "strings": labels, "values": X[:, 3]}[kind]
    make = regressor if kind == "values" else classifier
    data = X[:, :3]

    fitted = make().fit(data, y[:, np.newaxis])

    flat = make().fit(data, y)
    assert fitted.predict(data).shape == (150, 1)
    np.testing.assert_array_equal(fitted.predict(data)[:, 0], flat.predict(data))
    assert fitted.score(data, y[:, np.newaxis]) == pytest.approx(flat.score(data, y))


def test_classification_of_each_time_step(bits):
    y = np.array(["even", "odd"])[np.cumsum(bits[:, :, 0], axis=1) % 2]

    clf = classifier(tagger(2, "softmax"), epochs=80, optimizer__learning_rate=0.03).fit(bits, y)

    y_proba = clf.predict_proba(bits)
    assert clf.predict(bits).shape == y.shape
    assert (clf.predict(bits) == y).mean() > 0.9
    assert [proba.shape for proba in y_proba] == [(240, 2)] * 6


def test_classification_of_time_steps_with_classes_missing_at_some_steps(bits):
    """The count is 0 or 1 at the first step, and 0, 1 or 2 at the second."""
    y = np.array(["none", "one", "two", "more"])[np.minimum(np.cumsum(bits[:, :, 0], axis=1), 3)]

    clf = classifier(tagger(4, "softmax"), epochs=60, optimizer__learning_rate=0.03).fit(bits, y)

    assert clf.predict(bits).shape == y.shape
    assert (clf.predict(bits) == y).mean() > 0.85


def test_classification_of_time_steps_with_labels_0_and_1(bits):
    """scikit-learn's type_of_target is multilabel-indicator; the output shape decides here."""
    y = np.cumsum(bits[:, :, 0], axis=1) % 2

    clf = classifier(tagger(2, "softmax"), epochs=80, optimizer__learning_rate=0.03).fit(bits, y)

    assert clf.predict(bits).shape == y.shape
    assert (clf.predict(bits) == y).mean() > 0.9


def test_regression_of_each_time_step(bits):
    y = np.stack([np.cumsum(bits[:, :, 0], axis=1), np.cumsum(1 - bits[:, :, 0], axis=1)], axis=-1)

    reg = regressor(tagger(2, "linear"), epochs=60, optimizer__learning_rate=0.03).fit(bits, y)

    y_pred = reg.predict(bits)
    assert y_pred.shape == (240, 6, 2)
    assert np.square(y_pred - y).mean() < 0.1 * y.var()


def test_regression_of_time_steps_keeps_a_last_axis_of_one(bits):
    y = np.cumsum(bits, axis=1).astype(float)

    reg = regressor(tagger(1, "linear"), epochs=2).fit(bits, y)

    assert reg.predict(bits).shape == (240, 6, 1)


def test_multioutput_regression_on_twenty_rows():
    X, y = load_linnerud(return_X_y=True, as_frame=True)

    reg = regressor(epochs=100).fit(X, y)

    assert reg.predict(X).shape == (20, 3)
    assert reg.score(X, y) > 0.3


# scikit-learn's callbacks


class Recorder:
    """Callback that records the names of its hooks as they are called."""

    def __init__(self):
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append("begin")

    def on_fit_task_end(self, estimator, context):
        self.calls.append("end")


class StopAfter(Recorder):
    """Callback that stops the fit after a number of tasks."""

    def __init__(self, n_tasks):
        super().__init__()
        self.n_tasks = n_tasks

    def on_fit_task_end(self, estimator, context):
        super().on_fit_task_end(estimator, context)
        return self.calls.count("end") >= self.n_tasks


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_sklearn_callback_hooks_are_called_for_each_epoch(iris, engine):
    recorder = Recorder()

    classifier(epochs=3, engine=engine).set_callbacks(recorder).fit(*iris)

    epochs = ["begin", "end"] * 3
    assert recorder.calls == ["setup", "begin", *epochs, "end", "teardown"]


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_sklearn_callback_stops_the_fit(iris, engine):
    clf = classifier(epochs=9, engine=engine).set_callbacks(StopAfter(2)).fit(*iris)

    assert clf.n_iter_ == 2


def test_sklearn_callback_teardown_is_called_after_an_error(iris):
    """Without teardown, the thread of a progress bar keeps the process alive."""
    X, _ = iris
    recorder = Recorder()
    reg = regressor(linear_network, optimizer="sgd", optimizer__learning_rate=1e300)
    reg.set_callbacks(recorder)

    with pytest.raises(NonFiniteLossError):
        reg.fit(X, X[:, 0])

    assert recorder.calls[0] == "setup"
    assert recorder.calls[-1] == "teardown"


def test_progress_bar_shows_the_fit(iris, capsys):
    pytest.importorskip("rich")
    clf = classifier(epochs=4).set_callbacks(ProgressBar())

    clf.fit(*iris)

    printed = capsys.readouterr().out
    assert "KerasClassifier" in printed
    assert "100%" in printed


def test_progress_bar_shows_fits_inside_a_grid_search(iris, capsys):
    pytest.importorskip("rich")
    search = GridSearchCV(classifier(epochs=2), {"model__units": [(2,), (4,)]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None))

    search.fit(*iris)

    printed = capsys.readouterr().out
    assert "GridSearchCV" in printed
    assert "KerasClassifier" in printed
    assert "100%" in printed


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_scoring_monitor_scores_each_epoch(iris, engine, early_stopping):
    X, y = iris
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    params = {"engine": engine, "early_stopping": early_stopping, "epochs": 5}

    clf = classifier(**params).set_callbacks(monitor).fit(X, y)

    log = monitor.get_logs().data_as_pandas
    assert log["task_name"].tolist() == ["fit", *["epoch"] * clf.n_iter_]
    assert log["accuracy"][0] == clf.score(X, y)
    shorter = classifier(**{**params, "epochs": 2, "early_stopping": False})
    if not early_stopping:
        assert log["accuracy"][2] == shorter.fit(X, y).score(X, y)
    assert log["neg_log_loss"].iloc[-1] > log["neg_log_loss"][1]


@pytest.mark.parametrize("container", ["pandas", "polars", "sparse", "dict", "encoder"])
def test_scoring_monitor_accepts_all_containers(iris_frame, container):
    X, y = iris_frame
    monitor = ScoringMonitor(scoring="accuracy")
    clf = classifier(epochs=3)
    if container == "polars":
        X = pytest.importorskip("polars").DataFrame({name: X[name].to_numpy() for name in X})
    elif container == "sparse":
        X = sparse.csr_array(X.to_numpy())
    elif container == "dict":
        X, clf = sepals_and_petals(X), classifier(two_inputs, epochs=3)
    elif container == "encoder":
        clf.set_params(model=two_inputs, encoder=FunctionTransformer(sepals_and_petals))

    clf.set_callbacks(monitor).fit(X, y)

    log = monitor.get_logs().data_as_pandas
    assert log["accuracy"][0] == clf.score(X, y)


def test_scoring_monitor_scores_a_regressor_in_units_of_y(diabetes):
    X, y = diabetes
    monitor = ScoringMonitor(scoring="r2")

    reg = regressor(epochs=4).set_callbacks(monitor).fit(X, y)

    assert monitor.get_logs().data_as_pandas["r2"][0] == pytest.approx(reg.score(X, y))


def test_scoring_monitor_in_a_grid_search(iris):
    X, y = iris
    monitor = ScoringMonitor(scoring="accuracy")
    clf = classifier(epochs=3).set_callbacks(monitor)

    search = GridSearchCV(clf, {"model__units": [(2,), (8,)]}, cv=2).fit(X, y)

    log = monitor.get_logs().data_as_pandas
    assert (log["task_name"] == "epoch").sum() == 3 * (2 * 2 + 1)
    assert search.score(X, y) in log["accuracy"].to_numpy()
    restored = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(restored.predict(X), search.predict(X))


@pytest.mark.slow
def test_scoring_monitor_in_a_grid_search_in_processes(iris):
    monitor = ScoringMonitor(scoring="accuracy")
    clf = classifier(epochs=2).set_callbacks(monitor)

    GridSearchCV(clf, {"model__units": [(2,), (8,)]}, cv=2, n_jobs=2).fit(*iris)

    log = monitor.get_logs().data_as_pandas
    assert (log["task_name"] == "epoch").sum() == 2 * (2 * 2 + 1)
