"""ONNX models beside Python, on the same rows: every kind of target, encoder and network."""

import datetime
import json

import keras
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import polars as pl
import pytest
import skl2onnx
from mixed_tables import raw_table
from networks import classifier_network, linear_network
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler, TargetEncoder

from nnkit import (
    KerasClassifier,
    KerasRegressor,
    KerasTransformer,
    TabularClassifier,
    TabularRegressor,
)
from nnkit.encoding import TabularEncoder
from nnkit.export import onnx_inputs, to_onnx

IRIS = load_iris(return_X_y=True)
IRIS_FRAME = load_iris(return_X_y=True, as_frame=True)
DIABETES = load_diabetes(return_X_y=True, as_frame=True)
MIXED = raw_table(200)
SETTINGS = {"epochs": 2, "random_state": 0}


def run(model, X):
    """Return the outputs of an ONNX model by name."""
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, onnx_inputs(model, X)), strict=True))


def assert_classifies_alike(clf, X, X_new=None, atol=1e-5):
    """Compare labels and probabilities of a classifier with those of its ONNX model."""
    X_new = X if X_new is None else X_new

    found = run(to_onnx(clf, X), X_new)

    np.testing.assert_array_equal(found["label"], clf.predict(X_new))
    proba = clf.predict_proba(X_new)
    if isinstance(proba, list):
        for position, of_column in enumerate(proba):
            np.testing.assert_allclose(found[f"probabilities_{position}"], of_column, atol=atol)
    else:
        np.testing.assert_allclose(found["probabilities"], proba, atol=atol)


def assert_predicts_alike(reg, X, X_new=None):
    """Compare values of a regressor, in units of the target, with those of its ONNX model."""
    X_new = X if X_new is None else X_new

    found = run(to_onnx(reg, X), X_new)["variable"]

    expected = reg.predict(X_new)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)


# Targets


@pytest.mark.parametrize("labels", [[0, 1, 2], ["a", "b", "c"], [0, 1, 1], ["no", "yes", "yes"]])
def test_labels_of_a_classifier(labels):
    X, y = IRIS
    assert_classifies_alike(KerasClassifier(**SETTINGS).fit(X, np.array(labels)[y]), X)


@pytest.mark.parametrize("labels", [[False, True, True], [1.0, 2.0, 5.0]])
def test_labels_that_become_integers(labels):
    X, y = IRIS
    clf = KerasClassifier(**SETTINGS).fit(X, np.array(labels)[y])

    found = run(to_onnx(clf, X), X)["label"]

    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, clf.predict(X).astype(int))


def test_labels_without_a_type_in_onnx_are_refused():
    X, y = IRIS
    clf = KerasClassifier(**SETTINGS).fit(
        X, np.array([datetime.date(2020, 1, d) for d in (1, 2, 3)])[y]
    )

    with pytest.raises(
        ValueError, match=r"labels of an ONNX model are text or integers\. Got .*date"
    ):
        to_onnx(clf, X)


def test_several_columns_of_labels():
    X, y = IRIS
    both = np.column_stack([y, (y == 1).astype(int)])
    assert_classifies_alike(KerasClassifier(**SETTINGS).fit(X, both), X)


def test_several_columns_of_text():
    X, y = IRIS
    both = np.column_stack([np.array(["a", "b", "c"])[y], np.where(y == 1, "one", "other")])
    assert_classifies_alike(KerasClassifier(**SETTINGS).fit(X, both.astype(object)), X)


def test_multilabel_indicator():
    X, y = IRIS
    assert_classifies_alike(KerasClassifier(**SETTINGS).fit(X, np.eye(3, dtype=int)[y][:, :2]), X)


def test_one_hot_rows_of_a_softmax():
    X, y = IRIS

    def network(meta):
        return classifier_network(meta, 4) if meta.n_output_units_ > 1 else None

    clf = KerasClassifier(network, **SETTINGS).fit(X, np.eye(3, dtype=int)[y])
    assert_classifies_alike(clf, X)


def test_labels_of_steps():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5, 2)).astype(np.float32)
    y = (X[..., 0] > 0).astype(int) + (X[..., 1] > 0)

    def network(meta):
        n_classes = len(np.unique(np.concatenate(meta.classes_)))
        return keras.Sequential(
            [keras.Input(meta.X_shape_[1:]), keras.layers.Dense(n_classes, activation="softmax")]
        )

    assert_classifies_alike(KerasClassifier(network, **SETTINGS).fit(X, y), X)


def test_binary_labels_of_steps():
    X = np.random.default_rng(0).normal(size=(60, 5, 2)).astype(np.float32)

    def network(meta):
        return keras.Sequential(
            [keras.Input(meta.X_shape_[1:]), keras.layers.Dense(2, activation="softmax")]
        )

    clf = KerasClassifier(network, **SETTINGS).fit(X, (X[..., 0] > 0).astype(int))
    assert_classifies_alike(clf, X)


def test_logits_of_a_float64_network():
    X, y = IRIS
    for labels in (y, y == 1):
        clf = KerasClassifier(linear_network, **SETTINGS).fit(X, labels)
        found = run(to_onnx(clf, X), X)["probabilities"]
        np.testing.assert_allclose(found, clf.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("n_columns", [1, 2])
def test_values_of_a_regressor(n_columns):
    X, y = DIABETES
    target = np.column_stack([1e6 * y, y / 1e3])[:, :n_columns]
    target = target[:, 0] if n_columns == 1 else target
    assert_predicts_alike(KerasRegressor(**SETTINGS).fit(X, target), X)
    assert_predicts_alike(
        KerasRegressor(lambda meta: linear_network(meta, "float32"), **SETTINGS).fit(X, y / 100.0),
        X,
    )


def test_values_of_a_network_with_several_outputs():
    X, y = DIABETES

    def network(meta):
        inputs = keras.Input(meta.X_shape_[1:])
        return keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])

    reg = KerasRegressor(network, **SETTINGS).fit(X, np.column_stack([y, -y]))
    assert_predicts_alike(reg, X)


# Encoders and raw columns


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"scaling": "standard"},
        {"scaling": None},
        {"clip": None},
        {"max_one_hot": 0, "min_frequency": 2},
        {"max_one_hot": 20},
        {"missing_indicator": False, "dates": "number"},
    ],
    ids=str,
)
def test_encoder_settings_with_gaps_and_unknown_levels(parameters):
    X, _ = MIXED
    encoder = TabularEncoder(**parameters).fit(X)
    X_new = X.assign(
        road=X["road"].mask(X.index % 3 == 0, "a new road"),
        age=X["age"].mask(X.index % 4 == 0),
        height=X["height"] * np.where(X.index % 5 == 0, 1e4, 1.0),
    )

    found = run(to_onnx(encoder, X), X_new)["variable"]

    np.testing.assert_allclose(found, encoder.transform(X_new), rtol=1e-6, atol=1e-6)


DATES = pd.to_datetime(
    [
        "1890-02-28 23:59:00",
        "1969-12-31 23:59:59",
        "1970-01-01 00:00:00",
        "2000-02-29 12:00:00",
        None,
        "2024-12-31 05:00:00",
    ]
)
COLUMNS = {
    "empty text and <missing>": ["", "a", None, "<missing>", "c", ""],
    "integers": np.array([3, 1, 2, 2, 5, -7]),
    "small integers": np.array([3, 1, 2, 2, 5, 7], np.int8),
    "float32": np.array([0.1, np.nan, 2, 2, 5, 7], np.float32),
    "nullable integers": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"),
    "nullable Boolean": pd.array([True, None, False, True, True, False], dtype="boolean"),
    "Boolean": np.array([True, False, False, True, True, False]),
    "one level": ["a"] * 6,
    "empty text": ["", "a", None, "b", "c", ""],
    "all missing": [None] * 6,
    "levels of integers": pd.Categorical([1, 2, None, 1, 3, 3]),
    "levels of floats": pd.Categorical([0.1, 2.5, None, 0.1, 1 / 3, 1 / 3]),
    "levels of Boolean": pd.Categorical([True, False, None, True, True, False]),
    "levels of dates": pd.Categorical(DATES),
    "levels of durations": pd.Categorical(pd.to_timedelta([1, 2, None, 1, 2, 3], unit="h")),
    "levels of periods": pd.Categorical(pd.PeriodIndex(["2020-01", "2020-02"] * 3, freq="M")),
    "mixture": np.array([1, "a", None, 2.0, "1", "b"], dtype=object),
    "dates": DATES,
    "dates in UTC": DATES.tz_localize("UTC"),
    "dates of a fixed zone": DATES.tz_localize("UTC").tz_convert("UTC+05:30"),
    "durations": pd.to_timedelta([1, 2, None, 4, 5.5, 6], unit="h"),
    "decimals": pd.Series([1.5, 2, None, 4, 5, 6]).astype("object"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", COLUMNS)
def test_column_of_each_kind(name):
    X = pd.DataFrame({name: COLUMNS[name], "other": np.arange(6.0)})
    encoder = TabularEncoder(max_one_hot=4).fit(X)

    found = run(to_onnx(encoder, X), X)["variable"]

    np.testing.assert_allclose(found, encoder.transform(X), rtol=1e-6, atol=1e-6)


def test_calendar_of_four_centuries():
    dates = pd.date_range("1700-01-01", "2262-01-01", freq="17D4h", unit="us")
    X = pd.DataFrame({"date": dates})
    encoder = TabularEncoder(scaling=None).fit(X)

    found = run(to_onnx(encoder, X), X)["variable"]

    assert len(encoder.get_feature_names_out()) == 5
    np.testing.assert_allclose(found, encoder.transform(X), rtol=1e-7)


def test_categories_given_as_numbers():
    X = pd.DataFrame({"code": [1, 2, 2, 3], "size": [0.5, 1.5, 1.5, 0.5]})
    encoder = TabularEncoder(categorical_features=["code", "size"], max_one_hot=2).fit(X)

    found = run(to_onnx(encoder, X), X.assign(code=[3, 4, 1, 2], size=[1.5, 0.7, 0.5, 0.5]))

    expected = encoder.transform(X.assign(code=[3, 4, 1, 2], size=[1.5, 0.7, 0.5, 0.5]))
    np.testing.assert_allclose(found["variable"], expected)


@pytest.mark.parametrize("container", ["polars", "array", "objects", "list"])
def test_tables_of_other_containers(container):
    X = MIXED[0][["height", "road"]]
    X = {
        "polars": lambda: pl.from_pandas(X),
        "array": lambda: X[["height"]].to_numpy(),
        "objects": lambda: X.to_numpy(dtype=object),
        "list": lambda: X.to_numpy(dtype=object).tolist(),
    }[container]()
    encoder = TabularEncoder().fit(X)

    found = run(to_onnx(encoder, X), X)["variable"]

    np.testing.assert_allclose(found, encoder.transform(X), rtol=1e-6, atol=1e-6)


def test_calendar_of_a_zone_with_summer_time_is_refused():
    X = pd.DataFrame({"since": DATES.tz_localize("UTC").tz_convert("Europe/Rome")})

    with pytest.raises(ValueError, match=r"column 'since' are in the time zone Europe/Rome"):
        to_onnx(TabularEncoder().fit(X), X)


def test_quantiles_are_refused():
    X, _ = IRIS_FRAME

    with pytest.raises(ValueError, match="scaling='quantile'"):
        to_onnx(TabularEncoder(scaling="quantile").fit(X), X)


def test_table_of_other_columns_is_refused():
    X, y = MIXED
    clf = KerasClassifier(**SETTINGS).fit(X, y)

    with pytest.raises(ValueError, match="Column 'age' held numbers in fit and holds text"):
        to_onnx(clf, X.assign(age="old"))
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        to_onnx(clf, X.drop(columns="age"))
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        to_onnx(clf, X[X.columns[::-1]])
    with pytest.raises(ValueError, match="must have the column 'road', as in the export"):
        onnx_inputs(to_onnx(clf, X), X.drop(columns="road"))
    with pytest.raises(ValueError, match="'height' must have values of the type float64"):
        onnx_inputs(to_onnx(clf, X), X.assign(height="tall"))


# Networks, ensembles and pipelines


@pytest.mark.parametrize("name", ["mlp", "realmlp", "realmlp_simplified"])
def test_ready_made_networks_with_embeddings(name):
    X, y = MIXED
    clf = KerasClassifier(name, encoder=TabularEncoder(max_one_hot=2), **SETTINGS).fit(X, y)
    assert_classifies_alike(clf, X)


@pytest.mark.parametrize("dropout_rate", [0.0, 0.3])
def test_ensemble_with_temperature(dropout_rate):
    X, y = MIXED
    clf = TabularClassifier(n_estimators=3, cv=3, model__dropout_rate=dropout_rate, **SETTINGS)
    clf.fit(X, y)

    assert clf.temperature_ != 1.0
    assert_classifies_alike(clf, X)


def test_temperature_of_a_multilabel_indicator():
    X, y = IRIS
    clf = TabularClassifier(n_estimators=2, cv=2, calibration="temperature", **SETTINGS)
    clf.fit(X, np.column_stack([y > 0, y > 1]).astype(int))

    assert clf.temperature_ != 1.0
    assert_classifies_alike(clf, X)


def test_clipped_ensemble_of_a_regressor():
    X, y = DIABETES
    reg = TabularRegressor(n_estimators=3, cv=3, epochs=5, random_state=0).fit(X, y)
    X_far = X * 50.0

    assert reg.predict(X_far).max() == pytest.approx(y.max())
    assert_predicts_alike(reg, X, X_far)


@pytest.mark.parametrize("layer", ["representation", None])
def test_representation_of_a_transformer(layer):
    X, _ = IRIS
    transformer = KerasTransformer("autoencoder", layer=layer, **SETTINGS).fit(X)

    found = run(to_onnx(transformer, X), X)["variable"]

    np.testing.assert_allclose(found, transformer.transform(X), rtol=1e-5, atol=1e-5)


def test_convolutional_network_for_images():
    X = np.random.default_rng(0).random((40, 8, 8, 1)).astype(np.float32)
    y = (X.mean(axis=(1, 2, 3)) > 0.5).astype(int)

    def network(meta):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.Conv2D(4, 3, activation="relu"),
                keras.layers.BatchNormalization(),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )

    assert_classifies_alike(KerasClassifier(network, **SETTINGS).fit(X, y), X)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.LSTM(4),
        lambda: keras.layers.Bidirectional(keras.layers.GRU(4)),
        lambda: keras.layers.SimpleRNN(4),
    ],
    ids=["LSTM", "bidirectional GRU", "SimpleRNN"],
)
def test_recurrent_networks_for_sequences(layer):
    X = np.random.default_rng(0).normal(size=(40, 7, 3)).astype(np.float32)
    y = (X[..., 0].sum(axis=1) > 0).astype(int)

    def network(meta):
        layers = [keras.Input(meta.X_shape_[1:]), keras.layers.Masking(), layer()]
        return keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])

    assert_classifies_alike(KerasClassifier(network, **SETTINGS).fit(X, y), X)


@pytest.mark.parametrize("activation", ["gelu", "celu", "elu", "mish", "silu", "softplus", "tanh"])
def test_activations(activation):
    X, y = IRIS
    clf = KerasClassifier(classifier_network, model__activation=activation, **SETTINGS)
    assert_classifies_alike(clf.fit(X, y), X)


def test_constant_that_is_no_weight_is_refused():
    X, y = IRIS

    def network(meta):
        normalization = keras.layers.Normalization(mean=0.0, variance=1.0)
        return keras.Sequential(
            [keras.Input((4,)), normalization, keras.layers.Dense(3, activation="softmax")]
        )

    clf = KerasClassifier(network, **SETTINGS).fit(X, y)

    with pytest.raises(ValueError, match="The network has the constant .*, which is no weight"):
        to_onnx(clf, X)


def test_network_with_several_inputs():
    rng = np.random.default_rng(0)
    X = {"numbers": rng.normal(size=(50, 3)), "codes": rng.integers(5, size=(50, 1))}
    y = X["numbers"][:, 0] + X["codes"][:, 0]

    def network(meta):
        numbers = keras.Input((3,), name="numbers")
        codes = keras.Input((1,), dtype="int32", name="codes")
        vectors = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(codes))
        hidden = keras.layers.Concatenate()([vectors, numbers])
        return keras.Model([codes, numbers], keras.layers.Dense(1)(hidden))

    assert_predicts_alike(KerasRegressor(network, **SETTINGS).fit(X, y), X)


def test_pipeline_of_scikit_learn_with_raw_columns():
    X, y = MIXED
    X = X.drop(columns=["since", "is_paid"]).astype({"grade": str})
    pipeline = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "height"]),
            (OneHotEncoder(handle_unknown="ignore"), ["grade"]),
            (TargetEncoder(), ["road"]),
        ),
        KerasClassifier("mlp", **SETTINGS),
    ).fit(X, y)

    assert_classifies_alike(pipeline, X, X.assign(grade=X["grade"].mask(X.index == 3, "z")))


@pytest.mark.parametrize("as_frame", [False, True])
def test_scaler_before_a_network(as_frame):
    X, y = load_wine(return_X_y=True, as_frame=as_frame)
    if as_frame:
        X = X.assign(proline=X["proline"].astype(int))
    assert_classifies_alike(
        make_pipeline(StandardScaler(), KerasClassifier(**SETTINGS)).fit(X, y), X
    )


def test_encoder_of_scikit_learn_inside_an_estimator():
    X, y = IRIS_FRAME
    clf = KerasClassifier(
        "mlp", encoder=make_pipeline(SimpleImputer(), StandardScaler()), **SETTINGS
    )
    assert_classifies_alike(clf.fit(X, y), X)


def test_texts_through_a_vectorizer():
    X = pd.Series(["a good film", "a bad film", "good", "bad bad film"] * 10)
    y = X.str.contains("good").astype(int)
    pipeline = make_pipeline(
        TfidfVectorizer(lowercase=False), KerasClassifier("mlp", **SETTINGS)
    ).fit(X, y)

    assert_classifies_alike(pipeline, X, atol=1e-5)


def test_best_estimator_of_a_search():
    X, y = IRIS
    search = GridSearchCV(KerasClassifier("mlp", **SETTINGS), {"units": [(3,), (4,)]}, cv=2).fit(
        X, y
    )
    assert_classifies_alike(search, X)


class Own(KerasClassifier):
    """A subclass of a user."""


def test_subclass_of_a_user():
    X, y = IRIS
    assert_classifies_alike(Own("mlp", **SETTINGS).fit(X, y), X)


@pytest.mark.parametrize("data", [load_iris, load_breast_cancer, load_wine])
def test_quantized_weights_on_real_tables(data):
    X, y = data(return_X_y=True, as_frame=True)
    clf = TabularClassifier("fast", epochs=20, random_state=0).fit(X, y)

    whole, quantized = to_onnx(clf, X), to_onnx(clf, X, quantize="int8")

    found = run(quantized, X)
    assert quantized.ByteSize() < 0.5 * whole.ByteSize()
    np.testing.assert_allclose(found["probabilities"], clf.predict_proba(X), atol=0.02)
    assert np.mean(found["label"] == clf.predict(X)) >= 0.99
    np.testing.assert_allclose(run(whole, X)["probabilities"], clf.predict_proba(X), atol=1e-5)


def test_quantized_kernels_have_the_rounding_error_of_8_bits():
    X = np.random.default_rng(0).normal(size=(30, 6, 6, 16)).astype(np.float32)

    def network(meta):
        return keras.Sequential(
            [
                keras.Input(meta.X_shape_[1:]),
                keras.layers.Conv2D(16, 3, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(16),
                keras.layers.Dense(1),
            ]
        )

    reg = KerasRegressor(network, **SETTINGS).fit(X, X.mean(axis=(1, 2, 3)))
    whole, quantized = to_onnx(reg, X), to_onnx(reg, X, quantize="int8")

    kernels = [t for t in quantized.graph.initializer if t.data_type == onnx.TensorProto.INT8]
    assert sorted(tuple(kernel.dims) for kernel in kernels) == [(16, 16, 3, 3), (256, 16)]
    found, expected = (run(model, X)["variable"] for model in (quantized, whole))
    assert 0 < np.abs(found - expected).max() < 0.02 * expected.std()


# Metadata and faults


def test_metadata_have_columns_classes_and_versions():
    X, y = MIXED
    model = to_onnx(KerasClassifier(**SETTINGS).fit(X, y), X)

    metadata = {entry.key: entry.value for entry in model.metadata_props}

    types = json.loads(metadata["nnkit_inputs"])
    assert list(types) == list(X)
    assert types == {
        "age": "float64", "height": "float64", "city": "text", "road": "text", "grade": "text",
        "is_paid": "boolean", "since": "date",
    }  # fmt: skip
    assert json.loads(metadata["classes"]) == ["no", "yes"]
    assert metadata["keras_version"] == keras.__version__
    assert {opset.domain: opset.version for opset in model.opset_import}[""] == 18


def test_unfitted_estimator_is_refused():
    with pytest.raises(NotFittedError):
        to_onnx(KerasClassifier(), IRIS[0])


class Unknown(TransformerMixin, BaseEstimator):
    """A transformer that skl2onnx does not know."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X


def test_unknown_transformer_is_named():
    X, y = IRIS
    pipeline = make_pipeline(Unknown(), KerasClassifier("mlp", **SETTINGS)).fit(X, y)

    with pytest.raises(ValueError, match=r"skl2onnx has no converter of .*Unknown"):
        to_onnx(pipeline, X)


def test_half_precision_is_refused():
    X, y = IRIS
    clf = KerasClassifier("mlp", dtype_policy="mixed_bfloat16", **SETTINGS).fit(X, y)

    with pytest.raises(ValueError, match="computes in bfloat16, which ONNX does not support"):
        to_onnx(clf, X)


class Doubling(Unknown):
    """A transformer with a wrong converter."""

    def transform(self, X):
        return 2.0 * X


def test_converter_that_computes_other_values_gives_a_warning():
    X, y = IRIS
    clf = make_pipeline(Doubling(), KerasClassifier("mlp", **SETTINGS)).fit(X, y)

    def identity(scope, operator, container):
        names = [operator.inputs[0].full_name], [operator.outputs[0].full_name]
        container.add_node("Identity", *names, name=scope.get_unique_operator_name("Identity"))

    def same_shape(operator):
        operator.outputs[0].type = operator.inputs[0].type

    skl2onnx.update_registered_converter(Doubling, "TestsDoubling", same_shape, identity)
    with pytest.warns(
        UserWarning, match=r"The ONNX model differs from the estimator by .* 100 rows"
    ):
        to_onnx(clf, X)


def test_fault_of_a_converter_names_the_steps():
    X, y = IRIS
    pipeline = make_pipeline(PowerTransformer(), KerasClassifier("mlp", **SETTINGS)).fit(X, y)

    with pytest.raises(ValueError, match="PowerTransformer → KerasClassifier.* one by one"):
        to_onnx(pipeline, X)


@pytest.mark.parametrize(
    ("column", "changed", "message"),
    [
        ("integer", [1.5, 2.0], "'integer' must have values of the type integer"),
        ("integer", [np.nan, 2.0], "'integer' must have values of the type integer"),
        ("integer", ["one", "two"], "'integer' must have values of the type integer"),
        ("boolean", [True, None], "'boolean' must have values of the type boolean"),
        ("boolean", ["no", "yes"], "'boolean' must have values of the type boolean"),
        ("float", ["no", "yes"], "'float' must have values of the type float64"),
        ("date", [1.0, 2.0], "'date' must have values of the type date"),
        ("duration", ["1 h", "2 h"], "'duration' must have values of the type duration"),
    ],
)
def test_values_of_another_type_are_refused_as_inputs(column, changed, message):
    X = pd.DataFrame(
        {
            "integer": [1, 2],
            "boolean": [True, False],
            "float": [0.5, 1.5],
            "date": pd.to_datetime(["2020-01-01", "2020-01-02"]),
            "duration": pd.to_timedelta([1, 2], unit="h"),
        }
    )
    model = to_onnx(TabularEncoder().fit(X), X)

    with pytest.raises(ValueError, match=message):
        onnx_inputs(model, X.assign(**{column: np.array(changed, dtype=object)}))


def test_integers_of_an_array_are_not_rounded():
    X = np.arange(8).reshape(4, 2)
    model = to_onnx(TabularEncoder().fit(X), X)

    assert onnx_inputs(model, X.astype(float))["X"].dtype == np.int64
    with pytest.raises(ValueError, match="'X' must have values of the type integer"):
        onnx_inputs(model, X + 0.5)


def test_columns_without_values_in_the_export_have_the_type_of_fit():
    X, _ = MIXED
    encoder = TabularEncoder().fit(X)
    rows = X.head(3).assign(age=None, city=None, since=None)

    model = to_onnx(encoder, rows)

    np.testing.assert_allclose(
        run(model, X)["variable"], encoder.transform(X), rtol=1e-6, atol=1e-6
    )


def test_columns_with_the_names_of_outputs_rename_the_outputs():
    X = pd.DataFrame({"label": [1.0, 2.0, 3.0, 4.0], "variable": [1.0, 2.0, 1.0, 2.0]})
    clf = KerasClassifier(**SETTINGS).fit(X, [0, 1, 0, 1])

    found = run(to_onnx(clf, X), X)

    assert list(found) == ["label_", "probabilities"]


def test_invalid_quantize_is_named():
    with pytest.raises(ValueError, match="quantize must be 'int8' or None. Got 'int4'"):
        to_onnx(KerasClassifier(), IRIS[0], quantize="int4")


def test_foreign_model_has_no_input_types():
    with pytest.raises(ValueError, match=r"model must be from nnkit\.export\.to_onnx"):
        onnx_inputs(onnx.ModelProto(), IRIS[0])


def test_export_leaves_the_estimator_unchanged():
    X, y = MIXED
    clf = KerasClassifier("mlp", **SETTINGS).fit(X, y)
    before = clf.predict_proba(X)

    to_onnx(clf, X)

    assert not clf._network.live.is_attached
    np.testing.assert_array_equal(clf.predict_proba(X), before)
