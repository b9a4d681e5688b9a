"""polars frames, sparse tables, dtypes, images, sequences and dicts of inputs."""

import pickle
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from networks import classifier_network
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score, learning_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from small_estimators import classifier, sepals_and_petals, two_inputs


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


@pytest.mark.parametrize("batch_size", [-1, 7])
def test_held_out_rows_of_a_sparse_table_calibrate_at_any_batch_size(batch_size):
    X, y = load_digits(return_X_y=True)
    clf = classifier(classifier_network, epochs=2, batch_size=batch_size, early_stopping=True).fit(
        sparse.csr_array(X[:200].astype(np.float32)), y[:200]
    )

    assert clf.predict_set(X[:5], confidence=0.8).shape == (5, 10)


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
