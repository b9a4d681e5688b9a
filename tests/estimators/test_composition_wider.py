"""In the hands of the rest of scikit-learn: searches, wrappers, selectors, containers, callbacks."""

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
    """A builder of a network with an output for each step."""

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
    hidden = [keras.layers.Dense(8, activation="relu")(part) for part in inputs.values()]
    x = keras.layers.Concatenate()(hidden)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


def sepals_and_petals(frame):
    return {"sepal": frame.filter(like="sepal"), "petal": frame.filter(like="petal")}


@pytest.fixture
def two_targets():
    """Patients without their body mass index, which is to be told with the disease's course."""
    X, y = load_diabetes(return_X_y=True)
    return scale(np.delete(X, 2, axis=1)), np.column_stack([y, 1000 * X[:, 2]])


@pytest.fixture
def flower_labels(iris):
    """Three labels of a flower, any number of which it has."""
    X, y = iris
    return np.column_stack([y == "setosa", y == "virginica", X[:, 3] > 0]).astype(int)


@pytest.fixture
def bits():
    """Sequences of six bits with the two last axes of steps and columns."""
    return np.random.RandomState(0).randint(0, 2, (240, 6, 1))


# Searches


def test_halving_by_epochs(iris):
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


def test_halving_by_rows(cancer):
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


def test_a_randomized_search_draws_from_distributions(iris):
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
def test_several_binary_classifiers(iris, wrapper):
    X, y = iris

    fitted = wrapper(classifier(epochs=30)).fit(X[::2], y[::2])

    assert fitted.score(X[1::2], y[1::2]) > 0.88
    # The first of them by hand: setosa against all, or against versicolor.
    rows = np.flatnonzero((y == "setosa") | (wrapper is OneVsRestClassifier) | (y == "versicolor"))
    rows = rows[rows % 2 == 0]
    is_positive = (y[rows] == "setosa") == (wrapper is OneVsRestClassifier)
    by_hand = classifier(epochs=30).fit(X[rows], is_positive.astype(int))
    np.testing.assert_array_equal(fitted.estimators_[0].predict_proba(X), by_hand.predict_proba(X))


def test_a_classifier_for_each_label(iris, flower_labels):
    X, _ = iris

    wrapped = MultiOutputClassifier(classifier()).fit(X, flower_labels)

    y_proba = wrapped.predict_proba(X)
    assert len(y_proba) == 3
    for position, proba in enumerate(y_proba):
        by_hand = classifier().fit(X, flower_labels[:, position])
        np.testing.assert_array_equal(proba, by_hand.predict_proba(X))
    assert wrapped.score(X, flower_labels) > 0.85


@pytest.mark.parametrize("cv", [None, 2])
def test_a_chain_of_classifiers(iris, flower_labels, cv):
    X, _ = iris

    chain = ClassifierChain(classifier(), cv=cv).fit(X, flower_labels)

    assert [link.n_features_in_ for link in chain.estimators_] == [4, 5, 6]
    assert chain.predict_proba(X).shape == (150, 3)
    assert chain.score(X, flower_labels) > 0.85


def test_a_regressor_for_each_column(two_targets):
    X, y = two_targets

    wrapped = MultiOutputRegressor(regressor()).fit(X, y)

    by_hand = [regressor().fit(X, column).predict(X) for column in y.T]
    np.testing.assert_array_equal(wrapped.predict(X), np.column_stack(by_hand))
    assert wrapped.score(X, y) > 0.35


def test_a_chain_of_regressors(two_targets):
    X, y = two_targets

    chain = RegressorChain(regressor(), order=[1, 0]).fit(X, y)

    first = regressor().fit(X, y[:, 1]).predict(X)
    np.testing.assert_array_equal(chain.predict(X)[:, 1], first)
    assert chain.score(X, y) > 0.35


def test_a_transformed_target(diabetes):
    X, y = diabetes

    wrapped = TransformedTargetRegressor(regressor(), func=np.log, inverse_func=np.exp)
    wrapped.fit(X[:350], y[:350])

    by_hand = np.exp(regressor().fit(X[:350], np.log(y[:350])).predict(X[350:]))
    np.testing.assert_allclose(wrapped.predict(X[350:]), by_hand, rtol=1e-12)
    assert wrapped.score(X[350:], y[350:]) > 0.3


def test_self_training_uses_rows_without_labels(iris):
    X, _ = iris
    y = load_iris().target
    hidden = np.where(np.arange(150) % 10 > 0, -1, y)

    trained = SelfTrainingClassifier(classifier(epochs=40), threshold=0.9, max_iter=3)
    trained.fit(X, hidden)

    assert (trained.labeled_iter_ > 0).sum() > 60
    assert trained.score(X, y) > 0.88


# Selection of columns


class RankingRegressor(KerasRegressor):
    """Brings the importances of its columns, measured on its training rows."""

    def fit(self, X, y, **fit_arguments):
        super().fit(X, y, **fit_arguments)
        found = permutation_importance(self, X, y, n_repeats=2, random_state=0)
        self.feature_importances_ = found.importances_mean
        return self


def test_recursive_elimination_by_permutation_importance():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    ranking = RankingRegressor("mlp", epochs=20, batch_size=64, random_state=0)

    selector = RFE(ranking, n_features_to_select=3, step=2).fit(X, y)

    assert {"bmi", "s5"} <= set(X.columns[selector.support_])
    assert selector.estimator_.n_features_in_ == 3
    assert selector.score(X, y) > 0.4


def test_recursive_elimination_by_weights_of_the_network():
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


def test_forward_selection():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X = X[["age", "bmi", "s3", "s5"]]

    selector = SequentialFeatureSelector(
        regressor(epochs=10, batch_size=32), n_features_to_select=2, cv=2
    ).fit(X, y)

    assert selector.get_feature_names_out().tolist() == ["bmi", "s5"]


# What comes before the estimator


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_names_made_by_a_column_transformer_arrive(container):
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


def test_a_function_before_the_network_is_an_encoder_too():
    X, y = load_breast_cancer(return_X_y=True)
    logarithm = FunctionTransformer(np.log1p)

    in_front = make_pipeline(logarithm, classifier(encoder=None)).fit(X, y)
    inside = classifier(encoder=logarithm).fit(X, y)

    np.testing.assert_array_equal(in_front.predict_proba(X), inside.predict_proba(X))
    assert inside.score(X, y) > 0.88


def test_a_resampled_minority():
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
    """Remembers the groups that it got and the rows that it gave."""

    seen: list = []  # noqa: RUF012

    def split(self, X, y=None, groups=None):
        for training_rows, validation_rows in super().split(X, y, groups):
            self.seen.append((groups[training_rows], groups[validation_rows]))
            yield training_rows, validation_rows


@sklearn.config_context(enable_metadata_routing=True)
def test_groups_and_weights_are_routed_to_each_fold(iris):
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
def test_validation_rows_go_through_the_steps_in_front():
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


# Workers


@pytest.mark.slow
def test_folds_in_other_processes_score_the_same(iris):
    """The builder is a closure, which the standard pickle refuses."""
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


def test_folds_in_threads_score_the_same(iris):
    X, y = iris
    clf = classifier(classifier_network, early_stopping=True, scoring="accuracy")

    with joblib.parallel_config(backend="threading"):
        scores = cross_val_score(clf, X, y, cv=6, scoring="neg_log_loss", n_jobs=2)

    by_one = cross_val_score(clf, X, y, cv=6, scoring="neg_log_loss")
    np.testing.assert_allclose(scores, by_one, rtol=1e-5)


# Containers


@pytest.mark.parametrize("encoder", ["auto", StandardScaler()], ids=["auto", "own"])
def test_polars_frames(iris, encoder):
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
    """Lines of the descriptions of five data sets, with the name of theirs."""
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
def test_sparse_text(sentences, model):
    lines, y = sentences
    X = TfidfVectorizer().fit_transform(lines)
    encoder = StandardScaler(with_mean=False) if model == "mlp" else None

    from_sparse = classifier(model, epochs=20).fit(X, y)
    from_dense = classifier(model, epochs=20, encoder=encoder).fit(X.toarray(), y)

    y_proba = from_sparse.predict_proba(X)
    np.testing.assert_allclose(y_proba, from_dense.predict_proba(X.toarray()), atol=1e-5)
    np.testing.assert_allclose(y_proba, from_sparse.predict_proba(X.toarray()), atol=1e-6)
    assert from_sparse.score(X, y) > 0.9


def test_text_in_a_pipeline(sentences):
    lines, y = sentences
    cv = StratifiedKFold(3, shuffle=True, random_state=0)

    scores = cross_val_score(make_pipeline(TfidfVectorizer(), classifier()), lines, y, cv=cv)

    linear = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
    assert scores.mean() > cross_val_score(linear, lines, y, cv=cv).mean() - 0.1


def peak_memory():
    """Return the most bytes that the process has held since the mark was set back."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise AssertionError


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sparse_rows_never_become_one_dense_table(monkeypatch, early_stopping):
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
def test_dtypes_of_fit_and_predict_may_differ(model):
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


# Rows that are no table rows


def test_images_in_folds():
    images, y = load_digits(return_X_y=True)
    images = (images / 16).reshape(-1, 8, 8, 1)[:900]

    scores = cross_val_score(classifier(convolutions, epochs=8), images, y[:900], cv=2)

    assert scores.min() > 0.85


def test_images_in_a_learning_curve():
    images, y = load_digits(return_X_y=True)
    images = (images / 16).reshape(-1, 8, 8, 1)[:600]

    sizes, _, scores = learning_curve(
        classifier(convolutions, epochs=5), images, y[:600], cv=2, train_sizes=[0.2, 1.0]
    )

    assert sizes.tolist() == [60, 300]
    assert scores[1].mean() > scores[0].mean() + 0.05


def test_sequences(bits):
    first = np.where(bits[:, 0, 0] == 1, "one", "zero")

    clf = classifier(recurrent, epochs=40, optimizer__learning_rate=0.03).fit(
        bits[:160], first[:160]
    )

    assert clf.score(bits[160:], first[160:]) > 0.95


def test_two_inputs_by_name(iris):
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


def test_a_search_over_a_table_that_an_encoder_splits_into_two_inputs(iris_frame):
    X, y = iris_frame
    clf = classifier(two_inputs, encoder=FunctionTransformer(sepals_and_petals))

    search = GridSearchCV(clf, {"optimizer__learning_rate": [1e-6, 0.02]}, cv=2).fit(X, y)

    parts = sepals_and_petals(X)
    by_hand = classifier(two_inputs, optimizer__learning_rate=0.02).fit(parts, y)
    assert search.best_score_ > 0.9
    np.testing.assert_array_equal(search.predict_proba(X), by_hand.predict_proba(parts))


def test_inspection_of_two_inputs(iris_frame):
    X, y = iris_frame
    encoder = FunctionTransformer(sepals_and_petals)
    clf = classifier(two_inputs, encoder=encoder, epochs=30).fit(X, y)

    importance = permutation_importance(clf, X, y, n_repeats=2, random_state=0)
    dependence = partial_dependence(clf, X, ["petal length (cm)"], grid_resolution=4)

    assert importance.importances_mean.argmax() >= 2
    assert dependence["average"].shape == (3, 4)
    assert np.diff(dependence["average"][2]).min() > 0


# Targets of several columns


def test_labels_of_which_a_row_has_any_number(iris, flower_labels):
    X, _ = iris

    clf = classifier(epochs=30).fit(X, flower_labels)

    y_proba = clf.predict_proba(X)
    assert y_proba.shape == (150, 3)
    np.testing.assert_array_equal(clf.predict(X), y_proba > 0.5)
    assert clf.predict(X).dtype == flower_labels.dtype
    assert clf.score(X, flower_labels) > 0.88


def test_labels_in_folds(iris, flower_labels):
    X, _ = iris
    cv = KFold(3, shuffle=True, random_state=0)

    f1 = cross_val_score(classifier(), X, flower_labels, cv=cv, scoring="f1_macro")
    y_proba = cross_val_predict(classifier(), X, flower_labels, cv=cv, method="predict_proba")

    assert f1.min() > 0.85
    assert y_proba.shape == (150, 3)


def test_columns_of_classes(iris):
    X, y = iris
    columns = np.column_stack([y, np.where(X[:, 0] > 0, "long", "short")])

    clf = classifier(epochs=30).fit(X, columns)

    y_proba = clf.predict_proba(X)
    assert [proba.shape for proba in y_proba] == [(150, 3), (150, 2)]
    for classes, proba, predicted in zip(clf.classes_, y_proba, clf.predict(X).T, strict=True):
        np.testing.assert_allclose(proba.sum(axis=1), 1)
        np.testing.assert_array_equal(classes[proba.argmax(axis=1)], predicted)
    assert (clf.predict(X) == columns).mean(axis=0).min() > 0.9


def test_columns_of_classes_in_folds(iris):
    X, _ = iris
    columns = np.column_stack([load_iris().target, X[:, 0] > 0])
    cv = KFold(3, shuffle=True, random_state=0)

    y_proba = cross_val_predict(classifier(), X, columns, cv=cv, method="predict_proba")

    assert [proba.shape for proba in y_proba] == [(150, 3), (150, 2)]
    assert (y_proba[0].argmax(axis=1) == columns[:, 0]).mean() > 0.85


def test_regression_of_columns(two_targets):
    X, y = two_targets

    reg = regressor().fit(X[:350], y[:350])

    assert reg.predict(X).shape == y.shape
    assert reg.score(X[350:], y[350:]) > 0.25


def test_inspection_of_a_regression_of_columns(two_targets):
    X, y = two_targets
    reg = regressor(epochs=40).fit(X, y)

    importance = permutation_importance(reg, X, y, n_repeats=2, random_state=0)
    dependence = partial_dependence(reg, X, [7], grid_resolution=4)

    assert importance.importances_mean.argmax() == 7
    assert dependence["average"].shape == (2, 4)
    assert np.diff(dependence["average"][0]).min() > 0


def test_a_validation_curve(iris):
    X, y = iris

    _, scores = validation_curve(
        classifier(), X, y, param_name="epochs", param_range=[1, 20], cv=StratifiedKFold(3)
    )

    assert scores[1].mean() > scores[0].mean()
    assert scores[1].mean() > 0.85


@pytest.mark.parametrize("kind", ["labels", "strings", "values"])
def test_a_target_of_one_column_keeps_its_shape(iris, kind):
    X, labels = iris
    y = {"labels": load_iris().target, "strings": labels, "values": X[:, 3]}[kind]
    make = regressor if kind == "values" else classifier
    data = X[:, :3]

    fitted = make().fit(data, y[:, np.newaxis])

    flat = make().fit(data, y)
    assert fitted.predict(data).shape == (150, 1)
    np.testing.assert_array_equal(fitted.predict(data)[:, 0], flat.predict(data))
    assert fitted.score(data, y[:, np.newaxis]) == pytest.approx(flat.score(data, y))


def test_classes_of_steps(bits):
    y = np.array(["even", "odd"])[np.cumsum(bits[:, :, 0], axis=1) % 2]

    clf = classifier(tagger(2, "softmax"), epochs=80, optimizer__learning_rate=0.03).fit(bits, y)

    y_proba = clf.predict_proba(bits)
    assert clf.predict(bits).shape == y.shape
    assert (clf.predict(bits) == y).mean() > 0.9
    assert [proba.shape for proba in y_proba] == [(240, 2)] * 6


def test_classes_of_steps_that_do_not_all_occur_at_each_step(bits):
    """The count of the first step is 0 or 1, of the second 0, 1 or 2."""
    y = np.array(["none", "one", "two", "more"])[np.minimum(np.cumsum(bits[:, :, 0], axis=1), 3)]

    clf = classifier(tagger(4, "softmax"), epochs=60, optimizer__learning_rate=0.03).fit(bits, y)

    assert clf.predict(bits).shape == y.shape
    assert (clf.predict(bits) == y).mean() > 0.85


def test_classes_0_and_1_of_steps(bits):
    """scikit-learn calls such a target a multilabel indicator; the network decides."""
    y = np.cumsum(bits[:, :, 0], axis=1) % 2

    clf = classifier(tagger(2, "softmax"), epochs=80, optimizer__learning_rate=0.03).fit(bits, y)

    assert clf.predict(bits).shape == y.shape
    assert (clf.predict(bits) == y).mean() > 0.9


def test_values_of_steps(bits):
    y = np.stack([np.cumsum(bits[:, :, 0], axis=1), np.cumsum(1 - bits[:, :, 0], axis=1)], axis=-1)

    reg = regressor(tagger(2, "linear"), epochs=60, optimizer__learning_rate=0.03).fit(bits, y)

    y_pred = reg.predict(bits)
    assert y_pred.shape == (240, 6, 2)
    assert np.square(y_pred - y).mean() < 0.1 * y.var()


def test_one_value_of_each_step_keeps_its_shape(bits):
    y = np.cumsum(bits, axis=1).astype(float)

    reg = regressor(tagger(1, "linear"), epochs=2).fit(bits, y)

    assert reg.predict(bits).shape == (240, 6, 1)


def test_a_table_of_twenty_rows_and_three_columns_to_tell():
    X, y = load_linnerud(return_X_y=True, as_frame=True)

    reg = regressor(epochs=100).fit(X, y)

    assert reg.predict(X).shape == (20, 3)
    assert reg.score(X, y) > 0.3


# scikit-learn's callbacks


class Recorder:
    """Remembers which of its hooks are called."""

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
    """Stops the fit after so many tasks."""

    def __init__(self, n_tasks):
        super().__init__()
        self.n_tasks = n_tasks

    def on_fit_task_end(self, estimator, context):
        super().on_fit_task_end(estimator, context)
        return self.calls.count("end") >= self.n_tasks


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_callbacks_see_each_epoch(iris, engine):
    recorder = Recorder()

    classifier(epochs=3, engine=engine).set_callbacks(recorder).fit(*iris)

    epochs = ["begin", "end"] * 3
    assert recorder.calls == ["setup", "begin", *epochs, "end", "teardown"]


@pytest.mark.parametrize("engine", ["graph", "keras"])
def test_callbacks_stop_a_fit(iris, engine):
    clf = classifier(epochs=9, engine=engine).set_callbacks(StopAfter(2)).fit(*iris)

    assert clf.n_iter_ == 2


def test_callbacks_are_torn_down_after_an_error(iris):
    """The thread of a progress bar that is not would keep the process alive."""
    X, _ = iris
    recorder = Recorder()
    reg = regressor(linear_network, optimizer="sgd", optimizer__learning_rate=1e300)
    reg.set_callbacks(recorder)

    with pytest.raises(NonFiniteLossError):
        reg.fit(X, X[:, 0])

    assert recorder.calls[0] == "setup"
    assert recorder.calls[-1] == "teardown"


def test_a_progress_bar(iris, capsys):
    pytest.importorskip("rich")
    clf = classifier(epochs=4).set_callbacks(ProgressBar())

    clf.fit(*iris)

    printed = capsys.readouterr().out
    assert "KerasClassifier" in printed
    assert "100%" in printed


def test_a_progress_bar_of_a_search(iris, capsys):
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
def test_a_monitor_scores_each_epoch(iris, engine, early_stopping):
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
def test_a_monitor_scores_every_container(iris_frame, container):
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


def test_a_monitor_of_a_regressor_in_its_own_units(diabetes):
    X, y = diabetes
    monitor = ScoringMonitor(scoring="r2")

    reg = regressor(epochs=4).set_callbacks(monitor).fit(X, y)

    assert monitor.get_logs().data_as_pandas["r2"][0] == pytest.approx(reg.score(X, y))


def test_a_monitor_in_a_search(iris):
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
def test_a_monitor_in_a_search_in_other_processes(iris):
    monitor = ScoringMonitor(scoring="accuracy")
    clf = classifier(epochs=2).set_callbacks(monitor)

    GridSearchCV(clf, {"model__units": [(2,), (8,)]}, cv=2, n_jobs=2).fit(*iris)

    log = monitor.get_logs().data_as_pandas
    assert (log["task_name"] == "epoch").sum() == 2 * (2 * 2 + 1)
