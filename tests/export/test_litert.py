"""LiteRT files beside Python, on the same encoded rows."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from mixed_tables import raw_table
from networks import classifier_network, linear_network
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import scale

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer, TabularClassifier
from nnkit.encoding import TabularEncoder
from nnkit.export import to_litert

IRIS = load_iris(return_X_y=True)
SETTINGS = {"epochs": 5, "random_state": 0}


def run(path, *arrays):
    """Return the output of a LiteRT file for encoded rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_path=str(path))
    for entry, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.resize_tensor_input(entry["index"], array.shape)
    interpreter.allocate_tensors()
    for entry, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.set_tensor(entry["index"], array.astype(entry["dtype"]))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("name", ["mlp", "realmlp", "realmlp_simplified"])
def test_network_gives_the_probabilities_of_python(name, tmp_path):
    X, y = raw_table()
    clf = KerasClassifier(name, encoder=TabularEncoder(max_one_hot=2), **SETTINGS).fit(X, y)

    path = to_litert(clf, tmp_path / "network.tflite")

    found = run(path, clf.encoder_.transform(X))[:, -1]
    np.testing.assert_allclose(found, clf.predict_proba(X)[:, -1], atol=1e-5)
    assert not clf._network.live.is_attached


@pytest.mark.parametrize("quantize", ["int8", "int8_weights"])
def test_quantized_network_is_smaller_and_nearly_equal(quantize, tmp_path):
    X, y = IRIS
    clf = KerasClassifier("mlp", model__units=(128, 128), **SETTINGS).fit(X, y)

    whole = to_litert(clf, tmp_path / "whole.tflite")
    small = to_litert(clf, str(tmp_path / "small.tflite"), quantize=quantize, X=X)

    assert small.stat().st_size < 0.5 * whole.stat().st_size
    found = run(small, clf.encoder_.transform(X))
    np.testing.assert_allclose(found, clf.predict_proba(X), atol=0.05)


def test_representative_rows_are_those_of_the_background(tmp_path):
    X, y = IRIS
    with_rows = KerasClassifier("mlp", **SETTINGS).fit(X, y)
    without = KerasClassifier("mlp", background_size=0, **SETTINGS).fit(X, y)

    assert to_litert(with_rows, tmp_path / "a.tflite", quantize="int8").exists()
    with pytest.raises(ValueError, match="needs representative rows: give X, or fit with"):
        to_litert(without, tmp_path / "b.tflite", quantize="int8")
    assert not (tmp_path / "b.tflite").exists()


def test_representative_rows_determine_the_ranges_of_integers(tmp_path):
    X, y = IRIS
    clf = KerasClassifier("mlp", encoder=None, **SETTINGS).fit(scale(X), y)

    near, far = (
        to_litert(clf, tmp_path / name, quantize="int8", X=rows).read_bytes()
        for name, rows in (("near.tflite", scale(X)), ("far.tflite", 5.0 * scale(X)))
    )

    assert near != far


def test_inexact_integers_give_a_warning(tmp_path):
    X, y = raw_table(300)
    clf = KerasClassifier(
        "realmlp", epochs=20, encoder=TabularEncoder(max_one_hot=20), random_state=0
    ).fit(X, y)

    with pytest.warns(UserWarning, match=r"differs from the estimator by up to .*'int8_weights'"):
        to_litert(clf, tmp_path / "network.tflite", quantize="int8")


def test_several_outputs_are_compared_one_by_one(tmp_path):
    X, y = IRIS

    def network(meta):
        inputs = keras.Input((4,))
        flags = keras.layers.Dense(1, activation="sigmoid")(inputs)
        return keras.Model(inputs, [flags, keras.layers.Dense(3, activation="softmax")(inputs)])

    clf = KerasClassifier(network, **SETTINGS).fit(scale(X), np.column_stack([y > 0, y]))

    assert to_litert(clf, tmp_path / "network.tflite", quantize="int8").exists()


def test_recurrent_layers_need_to_be_unrolled(tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 5, 2)).astype(np.float32)
    y = (X[..., 0].sum(axis=1) > 0).astype(int)

    def network(meta, unroll=False):
        recurrent = keras.layers.GRU(3, unroll=unroll)
        return keras.Sequential(
            [keras.Input((5, 2)), recurrent, keras.layers.Dense(1, activation="sigmoid")]
        )

    with pytest.raises(ValueError, match=r"has the TensorFlow operators .* unroll=True"):
        to_litert(KerasClassifier(network, **SETTINGS).fit(X, y), tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())
    clf = KerasClassifier(network, unroll=True, **SETTINGS).fit(X, y)
    found = run(to_litert(clf, tmp_path / "b.tflite"), X)[:, 0]
    np.testing.assert_allclose(found, clf.predict_proba(X)[:, 1], atol=1e-5)


def test_integers_of_several_inputs_are_refused(tmp_path):
    X = {"left": np.ones((10, 2)), "right": np.ones((10, 1))}

    def network(meta):
        inputs = [keras.Input((2,), name="left"), keras.Input((1,), name="right")]
        return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()(inputs)))

    reg = KerasRegressor(network, **SETTINGS).initialize(X, np.arange(10.0))

    with pytest.raises(ValueError, match="quantize='int8' takes networks with one input"):
        to_litert(reg, tmp_path / "a.tflite", quantize="int8", X=X)
    assert to_litert(reg, tmp_path / "b.tflite").exists()


def test_pipelines_and_transformers_are_refused(tmp_path):
    for estimator in (make_pipeline(KerasClassifier()), KerasTransformer()):
        with pytest.raises(TypeError, match=r"takes a classifier or a regressor.*pipeline\[-1\]"):
            to_litert(estimator, tmp_path / "a.tflite")


def test_codes_of_categories_are_refused_as_integers(tmp_path):
    X, y = raw_table()
    clf = KerasClassifier("mlp", **SETTINGS).fit(X, y)

    with pytest.raises(ValueError, match=r"The columns \['road'\] are encoded as codes"):
        to_litert(clf, tmp_path / "network.tflite", quantize="int8")


def test_every_builder_is_exported_by_keras_after_fit(tmp_path):
    """The exports of Keras need a model that was called."""
    X, y = IRIS

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.scores = keras.layers.Dense(3, activation="softmax")

        def call(self, x):
            return self.scores(x)

    for number, model in enumerate(["mlp", "realmlp", classifier_network, lambda: Own()]):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=False)
        clf = KerasClassifier(model, loss=loss, **SETTINGS).fit(scale(X), y)
        for suffix, options in (
            (".onnx", {"format": "onnx"}),
            ("", {}),
            (".tflite", {"format": "litert"}),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                clf.model_.export(str(tmp_path / f"{number}{suffix}"), verbose=False, **options)
            assert (tmp_path / f"{number}{suffix}").exists()


@pytest.mark.parametrize(
    ("estimator", "path", "error", "message"),
    [
        (KerasClassifier(), "a.tflite", NotFittedError, "not fitted"),
        (KerasClassifier(), "a.onnx", ValueError, r"path must end with '\.tflite'"),
    ],
)
def test_unfitted_estimator_and_other_paths_are_refused(estimator, path, error, message):
    with pytest.raises(error, match=message):
        to_litert(estimator, path)


def test_ensembles_and_other_precisions_are_refused(tmp_path):
    X, y = IRIS
    ensemble = TabularClassifier(n_estimators=2, cv=2, **SETTINGS).fit(X, y)
    in_float64 = KerasRegressor(linear_network, **SETTINGS).fit(X, y.astype(float))

    with pytest.raises(ValueError, match="has 2 networks, but a LiteRT file has one"):
        to_litert(ensemble, tmp_path / "a.tflite")
    with pytest.raises(ValueError, match="computes in float64, which LiteRT does not support"):
        to_litert(in_float64, tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())
