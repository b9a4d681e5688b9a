import pickle

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnkit import KerasClassifier, KerasRegressor, TabularClassifier, explain
from nnkit.builders import Meta, tabm
from nnkit.builders.builder_spec import TableFacts
from nnkit.builders.tables.tabm import bins_from_rows, tabm_training
from nnkit.export import TRUSTED_TYPES, to_onnx

META = Meta(X_shape_=(100, 4), target_type_="multiclass", n_output_units_=3)
X4 = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


def small(cls=KerasClassifier, **parameters):
    settings = {
        "model__units": (8,), "model__n_members": 3, "model__n_bins": 4, "model__numeric_units": 2,
        "epochs": 3, "batch_size": 24, "random_state": 0,
    }  # fmt: skip
    return (
        cls("tabm", **{**settings, **parameters})
        if cls is not TabularClassifier
        else cls(model="tabm", **{**settings, **parameters})
    )


def mixed_table(n_samples=80):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n_samples),
            "city": rng.choice([f"c{i}" for i in range(12)], n_samples),
            "kind": rng.choice(["a", "b", "c"], n_samples),
        }
    )
    X.loc[3, "age"] = np.nan
    return X, (X["age"].fillna(40) > 40).to_numpy().astype(int)


def names_of(model):
    return [layer.name for layer in model.layers]


@pytest.mark.parametrize(
    ("kind", "units", "activation"),
    [
        ("binary", 1, "sigmoid"),
        ("multiclass", 3, "softmax"),
        ("multilabel-indicator", 4, "sigmoid"),
        ("continuous", 1, "linear"),
        ("continuous-multioutput", 2, "linear"),
    ],
)
def test_last_layer_for_each_target(kind, units, activation):
    meta = Meta(X_shape_=(100, 4), target_type_=kind, n_output_units_=units)

    model = tabm(meta, units=(8,))

    assert model.output_shape == (None, units)
    assert model.layers[-1].activation.__name__ == activation


def test_layers_of_a_mixed_table():
    clf = small().fit(*mixed_table())

    assert names_of(clf.model_)[-1] == "output_0"
    assert {"piecewise_linear", "one_hot", "categories", "members"} <= set(names_of(clf.model_))
    # age with 2 units, its indicator of missing values, three kinds, 12 cities with 8 units
    sizes = clf.model_.get_layer("members").chunk_sizes
    assert sizes[0] == 2
    assert sizes[-1] == 8
    assert sum(sizes) == 2 + (len(sizes) - 2) + 8


def test_without_numbers_the_first_factors_are_signs():
    meta = Meta(X_shape_=(9, 2), target_type_="binary", n_output_units_=1, n_numeric_=0)

    model = tabm(meta, units=(8,))

    assert model.get_layer("members").is_random_sign
    assert "piecewise_linear" not in names_of(model)


@pytest.mark.parametrize(
    ("parameter", "value", "change"),
    [
        ("n_members", 5, lambda m: m.get_layer("output_0").kernel.shape == (5, 128, 3)),
        ("units", (4, 4, 4), lambda m: "hidden_2" in names_of(m)),
        ("activation", "tanh", lambda m: m.get_layer("hidden_0").activation.__name__ == "tanh"),
        ("dropout_rate", 0.0, lambda m: "dropout_0" not in names_of(m)),
        ("n_bins", 7, lambda m: m.get_layer("piecewise_linear").edges.shape == (4, 8)),
        ("numeric_units", 5, lambda m: m.get_layer("members").factors.shape == (8, 20)),
        ("learning_rate", 0.5, lambda m: float(m.optimizer.learning_rate) == 0.5),
        ("weight_decay", 0.25, lambda m: m.optimizer.weight_decay == 0.25),
    ],
)
def test_each_parameter_changes_the_network(parameter, value, change):
    assert not change(tabm(META))
    assert change(tabm(META, **{parameter: value}))


def test_category_units():
    meta = Meta(
        X_shape_=(9, 2),
        target_type_="binary",
        n_output_units_=1,
        n_numeric_=1,
        cardinalities_=(20,),
    )

    assert tabm(meta, category_units=5).get_layer("members").chunk_sizes == (16, 5)


def test_steps_are_those_of_the_schedule():
    assert tabm(META, n_steps=70).optimizer.get_config()["learning_rate"]["config"]["n_steps"] == 70


def test_bins_are_quantiles_of_the_training_rows():
    X, y = load_iris(return_X_y=True)
    clf = small(validation_split=0, early_stopping=False).fit(X, y)

    edges = clf.model_.get_layer("piecewise_linear").edges.numpy()

    encoded = np.asarray(clf.encoder_.transform(X))
    np.testing.assert_allclose(edges[:, [0, -1]].T, [encoded.min(axis=0), encoded.max(axis=0)])
    np.testing.assert_allclose(edges[0, 2], np.median(encoded[:, 0]))


def test_rows_can_be_given_to_the_builder():
    model = tabm(META, X=X4, n_bins=2)

    edges = model.get_layer("piecewise_linear").edges.numpy()
    np.testing.assert_allclose(edges[:, 1], np.median(X4, axis=0), rtol=1e-6)


def test_sparse_rows_have_the_same_bins():
    dense, from_sparse = tabm(META, n_bins=3), tabm(META, n_bins=3)

    bins_from_rows(dense, X4, np.random.default_rng(0))
    bins_from_rows(from_sparse, sparse.csr_array(X4), np.random.default_rng(0))

    layers = [model.get_layer("piecewise_linear") for model in (dense, from_sparse)]
    np.testing.assert_array_equal(layers[0].edges, layers[1].edges)


def test_settings_of_training():
    small_table, large_table = (tabm_training(TableFacts(n, 5)) for n in (1_000, 50_000))

    assert (small_table.epochs, small_table.batch_size) == (800, 8 * 32)
    assert (large_table.epochs, large_table.batch_size) == (160, 8 * 512)
    assert small_table.early_stopping


def test_accuracy_on_iris():
    X, y = load_iris(return_X_y=True)
    linear = make_pipeline(StandardScaler(), LogisticRegression())
    expected = cross_val_score(linear, X, y).mean()

    found = cross_val_score(KerasClassifier("tabm", epochs=100, random_state=0), X, y).mean()

    assert found > expected - 0.03


def test_error_on_diabetes():
    X, y = load_diabetes(return_X_y=True)

    reg = KerasRegressor("tabm", epochs=80, model__units=(32,), random_state=0)

    assert cross_val_score(reg, X, y, cv=3).mean() > 0.4


@pytest.mark.parametrize("engine", ["graph", "xla", "keras"])
def test_engines_agree(engine):
    X, y = load_iris(return_X_y=True)
    parameters = {"model__dropout_rate": 0.0, "validation_split": 0, "early_stopping": False}

    reference = small(engine="graph", **parameters).fit(X, y)
    clf = small(engine=engine, **parameters).fit(X, y)

    np.testing.assert_allclose(clf.predict_proba(X), reference.predict_proba(X), atol=1e-3)


def test_ensemble_of_a_tabular_estimator():
    X, y = mixed_table()

    clf = small(TabularClassifier, cv=2, n_estimators=2).fit(X, y)

    assert clf.predict_proba(X, return_std=True)[1].shape == (80, 2)


def test_predictions_do_not_depend_on_the_batch():
    X, y = mixed_table()
    clf = small().fit(X, y)

    np.testing.assert_allclose(
        clf.predict_proba(X)[:7], clf.predict_proba(X[:7], batch_size=3), rtol=1e-5
    )


def test_files_explanations_and_onnx():
    onnxruntime = pytest.importorskip("onnxruntime")
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    clf = small().fit(X, y)
    expected = clf.predict_proba(X[:9])

    for copy in (
        pickle.loads(pickle.dumps(clf)),
        skops.io.loads(skops.io.dumps(clf), trusted=TRUSTED_TYPES),
    ):
        np.testing.assert_allclose(copy.predict_proba(X[:9]), expected, rtol=1e-5)
    for method in ("permutation", "gradient"):
        found = explain(clf, X[:2], method=method, random_state=0)
        sums = found.values.sum(axis=1) + found.base_values
        np.testing.assert_allclose(sums, expected[:2], atol=0.02)
    session = onnxruntime.InferenceSession(to_onnx(clf, X).SerializeToString())
    found = session.run(None, {session.get_inputs()[0].name: X[:9]})[1]
    np.testing.assert_allclose(found, expected, atol=1e-5)
