"""Deep SHAP by shap's DeepExplainer, its errors and its effect on TensorFlow."""

from __future__ import annotations

import pickle
import sys
import threading
import warnings
from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_iris

from nnkit import KerasClassifier, KerasRegressor, clear_compiled_cache, explain
from nnkit._compat import replaceable_gradient_rules
from nnkit.encoding.targets import ContinuousTarget
from nnkit.estimators.network_function import NetworkFunction
from nnkit.explanation.attribution.deep import deep_values
from nnkit.explanation.attribution.gradient import gradient_values

pytest.importorskip("shap")


def table(n_rows, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, *(shape or (4,)))).astype(np.float32)


def network(*hidden, last=None, n_units=None):
    """Return a builder with these layers between inputs and a last one."""

    def build(meta):
        x = inputs = keras.Input(meta.X_shape_[1:])
        for layer in hidden:
            x = type(layer).from_config(layer.get_config())(x)
        units = n_units or meta.n_output_units_
        is_regression = meta.target_type_.startswith("continuous")
        activation = last or ("linear" if is_regression else "softmax" if units > 1 else "sigmoid")
        return keras.Model(inputs, keras.layers.Dense(units, activation=activation)(x))

    return build


@cache
def mlp(**params):
    """Return one builder for equal arguments, so that fits share a compiled model."""
    return network(
        keras.layers.Dense(8, activation="relu"), keras.layers.Dense(8, activation="relu"), **params
    )


def regression(builder, X=None, **params):
    X = table(40) if X is None else X
    y = params.pop("y", X.reshape(len(X), -1)[:, 0])
    return KerasRegressor(builder, **{"epochs": 1, "random_state": 0, **params}).fit(X, y)


def classification(builder, n_classes=2, **params):
    X = table(60)
    y = np.arange(60) % n_classes
    return KerasClassifier(builder, **{"epochs": 2, "random_state": 0, **params}).fit(X, y)


@pytest.fixture(scope="module")
def three_classes():
    return classification(mlp(), 3)


@pytest.fixture(scope="module")
def regressor():
    return regression(mlp())


@cache
def ensemble():
    return classification(mlp(), 3, n_estimators=2)


def explained(estimator, X=None, **options):
    X = table(12, seed=1) if X is None else X
    function = NetworkFunction(estimator)
    X_encoded = function.encode(X)
    if isinstance(estimator, KerasRegressor):
        options = {"output": "predict", **options}
    return deep_values(function, X_encoded[:4], X_encoded[2:], **options)


def lstm():
    return regression(network(keras.layers.LSTM(4, name="memory")), table(20, 5, 2))


def shap_values(model, X_encoded, background):
    """Return the values of the DeepExplainer of shap, after its additivity check."""
    import shap

    with replaceable_gradient_rules(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return shap.DeepExplainer(model, background).shap_values(X_encoded)


# Values


def test_deep_values_equal_shap_deep_explainer():
    clf = classification(mlp(last="sigmoid"), 3)
    X_encoded = table(12, seed=1)

    found = explained(clf, output="raw")

    expected = shap_values(clf.model_, X_encoded[:4], X_encoded[2:])
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-5)


def test_base_is_mean_probability_of_background(three_classes):
    X_encoded = table(12, seed=1)

    found = explained(three_classes)

    proba = three_classes.predict_proba(X_encoded)
    np.testing.assert_allclose(found.base, proba[2:].mean(axis=0), atol=1e-12)
    np.testing.assert_array_equal(found.f_X, proba[:4])
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-5)
    assert (found.errors == 0).all()


def test_linear_network_has_closed_form():
    reg = regression(network())
    X_encoded = table(12, seed=1)

    found = explained(reg)

    weights = reg.model_.get_weights()[0][:, 0]
    expected = weights * (X_encoded[:4] - X_encoded[2:].mean(axis=0))
    np.testing.assert_allclose(found.values[..., 0], expected, atol=1e-5)


LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


def softmax_layer(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = keras.layers.Dense(8, activation="relu")(inputs)
    logits = keras.layers.Dense(meta.n_output_units_)(hidden)
    return keras.Model(inputs, keras.layers.Softmax()(logits))


@pytest.mark.parametrize(
    ("make", "output", "n_outputs"),
    [
        (lambda: classification(mlp(last="sigmoid", n_units=1)), "proba", 2),
        (lambda: classification(mlp(last="linear", n_units=1), loss=LOGITS), "proba", 2),
        (lambda: classification(mlp(last="linear"), 3), "proba", 3),
        (lambda: classification(mlp(last="sigmoid"), 3), "proba", 3),
        (lambda: classification(softmax_layer, 3), "proba", 3),
        (ensemble, "proba", 3),
        (ensemble, "raw", 3),
        (lambda: regression("mlp", y=200 + 9e4 * table(40)[:, 0]), "predict", 1),
        (lambda: regression(mlp(), y=table(40)[:, :2]), "predict", 2),
        (lambda: regression("mlp", y=np.array([5, 9]) + 3 * table(40)[:, :2]), "predict", 2),
    ],
    ids=[
        "sigmoid",
        "logit",
        "logits",
        "sigmoids",
        "softmax layer",
        "members",
        "raw",
        "units",
        "columns",
        "units of columns",
    ],
)
def test_deep_values_sum_to_output_and_correlate_with_gradients(make, output, n_outputs):
    estimator = make()

    found = explained(estimator, output=output)
    of_last = explained(estimator, output=output, columns=[n_outputs - 1])

    assert found.values.shape == (4, 4, n_outputs)
    size = np.abs(found.f_X - found.base).max()
    np.testing.assert_allclose(found.residual / size, 0.0, atol=1e-4)
    np.testing.assert_allclose(of_last.values, found.values[..., -1:], rtol=1e-4, atol=1e-5 * size)
    np.testing.assert_array_equal(of_last.f_X, found.f_X[:, -1:])
    # Expected gradients distribute the same differences by another rule.
    function = NetworkFunction(estimator)
    X_encoded = function.encode(table(12, seed=1))
    other = gradient_values(function, X_encoded[:4], X_encoded[2:], output=output, n_fractions=32)
    assert np.corrcoef(found.values.ravel(), other.values.ravel())[0, 1] > 0.95


def test_several_inputs_keep_the_order_of_encoded_features():
    def two_inputs(meta):
        left, right = keras.Input((2,), name="left"), keras.Input((3, 3, 1), name="right")
        image = keras.layers.Conv2D(2, 2, activation="relu")(right)
        both = keras.layers.Concatenate()([left, keras.layers.Flatten()(image)])
        return keras.Model({"left": left, "right": right}, keras.layers.Dense(1)(both))

    X = {"right": table(30, 3, 3, 1), "left": table(30, 2)}
    reg = KerasRegressor(two_inputs, epochs=1, random_state=0).fit(X, X["left"][:, 0])
    function = NetworkFunction(reg)
    X_encoded = function.encode(X)
    is_left = np.array([name == "left" for name in function.input_names]).argmax() * 9
    moved = X_encoded[:1].copy()
    moved[:, is_left] += 1.0

    found = deep_values(function, moved, X_encoded[:1], output="predict").values.ravel()

    assert np.flatnonzero(found).tolist() == [is_left]


def test_layer_names_may_collide_with_those_of_the_composite():
    def build(meta):
        x = inputs = keras.Input(meta.X_shape_[1:], name="input_layer")
        for position in range(12):
            suffix = f"_{position}" if position else ""
            x = keras.layers.Dense(3, name=f"dense{suffix}")(x)
            x = keras.layers.Activation("relu", name=f"activation{suffix}")(x)
        return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="exp")(x))

    assert explained(classification(build, 3)).values.shape == (4, 4, 3)


def test_batch_rows_does_not_change_deep_values():
    reg = regression(mlp(), n_estimators=2)
    finished = []

    whole, small = explained(reg), explained(reg, batch_rows=6, on_rows=finished.append)

    np.testing.assert_allclose(small.values, whole.values, atol=1e-6)
    assert sum(finished) == 4


def test_deep_values_do_not_modify_estimator_or_random_states(three_classes, global_random_states):
    clf = three_classes
    X = table(12, seed=1)
    before, states = clf.predict_proba(X), global_random_states()

    explained(clf)

    assert global_random_states() == states
    np.testing.assert_allclose(clf.predict_proba(X), before, atol=1e-6)
    restored = pickle.loads(pickle.dumps(clf))
    np.testing.assert_allclose(explained(restored).values, explained(clf).values, atol=1e-6)


def test_concurrent_deep_values_give_equal_values(three_classes, regressor):
    estimators = [three_classes, regressor]
    expected = [explained(estimator).values for estimator in estimators]
    found = {}

    def explain(position, estimator):
        found[position] = explained(estimator).values

    threads = [threading.Thread(target=explain, args=job) for job in enumerate(estimators * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for position, values in found.items():
        np.testing.assert_allclose(values, expected[position % 2], atol=1e-6)
    assert len(found) == 4


# Errors


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            keras.layers.Dense(4, activation="gelu", name="curved"),
            r"^shap's DeepExplainer has no rule for Erfc, which layer 'curved' \(Dense\) needs. "
            r"Use method='permutation'.$",
        ),
        (keras.layers.LayerNormalization(name="norm"), r"for Neg, which layer 'norm' \(LayerNorm"),
        (
            keras.layers.Dense(16, activation="silu"),
            r"Got a difference of [\d.]+ for predictions with a range of .* 'silu'",
        ),
    ],
)
def test_unsupported_layer_raises_with_layer_name(layer, message):
    with pytest.raises(ValueError, match=message):
        explained(regression(network(layer)))


def test_other_shap_errors_are_converted_to_value_error():
    reg = regression(network(keras.layers.GlobalMaxPooling1D()), table(20, 5, 2))

    with pytest.raises(ValueError, match=r"fails on this network \(.*\). Use method='permutation'"):
        explained(reg, table(12, 5, 2))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, x):
        return self.dense(x)


def test_subclassed_network_raises():
    with pytest.raises(ValueError, match="needs a functional or sequential network. Got a"):
        explained(regression(lambda: Subclassed()))


def test_embedding_raises():
    def text(meta):
        inputs = keras.Input(meta.X_shape_[1:], dtype="int32")
        hidden = keras.layers.Flatten()(keras.layers.Embedding(9, 2, name="words")(inputs))
        return keras.Model(inputs, keras.layers.Dense(1)(hidden))

    X = np.random.default_rng(0).integers(0, 9, size=(20, 3))

    with pytest.raises(ValueError, match=r"does not reach the input of layer 'words' \(Embedding"):
        explained(regression(text, X), X)


def test_logit_and_calibrated_output_raise():
    clf = classification(mlp(), n_estimators=2)
    with pytest.raises(ValueError, match="does not explain output='logit'"):
        explained(clf, output="logit")
    clf.temperature_ = 2.0
    with pytest.raises(ValueError, match="does not explain calibrated probabilities. Use output="):
        explained(clf)
    assert explained(clf, output="raw").values.shape == (4, 4, 1)


def test_predictions_clipped_to_target_range_raise():
    reg = regression("realmlp_simplified", epochs=2)
    scaling = ContinuousTarget(0.0, 1.0, (-1e-6, 1e-6))
    reg._target = replace(reg._target, scaling=scaling)

    with pytest.raises(
        ValueError, match=r"does not explain predictions that are clipped to the range"
    ):
        explained(reg)


def test_missing_shap_raises_import_error(regressor, monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", None)

    with pytest.raises(ImportError, match=r"method='deep' needs shap. Install it with `pip"):
        explained(regressor)


# TensorFlow during and after the call


def test_gradient_registry_is_restored_after_error():
    from tensorflow.python.eager import execute  # noqa: TID251
    from tensorflow.python.framework import ops  # noqa: TID251

    registry = ops._gradient_registry._registry
    record, rules = execute.record_gradient, {name: dict(rule) for name, rule in registry.items()}

    with pytest.raises(ValueError, match=r"TensorListStack, which layer 'memory' \(LSTM\) needs"):
        explained(lstm(), table(12, 5, 2))

    assert execute.record_gradient is record
    assert {name: registry[name] for name in rules} == rules
    assert not [name for name in registry if name.startswith("shap_")]


@pytest.mark.parametrize("fails", [True, False])
def test_networks_train_and_differentiate_after_deep_values(regressor, fails):
    if fails:
        with pytest.raises(ValueError, match="Use method='permutation'"):
            explained(lstm(), table(12, 5, 2))
    else:
        explained(regressor)

    X = table(32, 3)
    for n_units in (7, 11):
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(n_units, "tanh"), keras.layers.Dense(1)]
        )
        model.compile("sgd", "mse")
        history = model.fit(X, X[:, 0], epochs=3, verbose=0).history["loss"]
        assert history[-1] < history[0]
    reg = regression(network(keras.layers.Dense(5, activation="relu")), epochs=3)
    assert reg.history_["loss"][-1] < reg.history_["loss"][0]
    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.nn.relu(x) * tf.exp(x))
    np.testing.assert_allclose(tape.gradient(y, x), np.exp([1.0, 2.0]) * [2.0, 3.0], rtol=1e-6)


def test_fits_in_other_threads_are_not_affected_by_deep_explanations():
    X, y = load_iris(return_X_y=True)
    X = X - X.mean(axis=0)

    def fitted(units, engine):
        clf = KerasClassifier(
            network(keras.layers.Dense(units, "relu")),
            epochs=2,
            batch_size=50,
            random_state=0,
            engine=engine,
        )
        return clf.fit(X, y)

    clf = fitted(5, "auto")
    expected = explain(clf, X[:4], X[:20], method="deep", progress=False).values
    settings = [(units, engine) for units in (6, 7) for engine in ("auto", "keras")]
    found, errors = {}, []

    def fit_beside():
        for setting in settings:
            try:
                found[setting] = fitted(*setting).predict_proba(X)
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=fit_beside)
    thread.start()
    explained = []
    while thread.is_alive():
        explained.append(explain(clf, X[:4], X[:20], method="deep", progress=False).values)
    thread.join()

    assert errors == []
    for values in explained:
        np.testing.assert_allclose(values, expected, atol=1e-6)
    for units, engine in settings:
        clear_compiled_cache()
        alone = fitted(units, engine).predict_proba(X)
        np.testing.assert_allclose(found[units, engine], alone, atol=1e-5)
