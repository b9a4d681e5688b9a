"""Gradient attributions of predictions to encoded features."""

from __future__ import annotations

import threading
from functools import cache

import cloudpickle
import keras
import numpy as np
import pytest

from nnkit import KerasClassifier, KerasRegressor
from nnkit.estimators.network_function import NetworkFunction
from nnkit.explanation.attribution.gradient import gradient_values
from nnkit.explanation.pipelines.outputs import log_odds

N_ENCODED = 4


@keras.saving.register_keras_serializable(package="nnkit_tests")
class PairProduct(keras.layers.Layer):
    """2 x0 x1 + 3 x2² - x3."""

    def call(self, x):
        return 2 * x[:, :1] * x[:, 1:2] + 3 * x[:, 2:3] ** 2 - x[:, 3:4]


def product(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = PairProduct()(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones")(hidden))


def linear(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    return keras.Model(inputs, keras.layers.Dense(meta.n_output_units_)(inputs))


def _activation(meta):
    return "sigmoid" if meta.n_output_units_ == 1 else "softmax"


def smooth(meta, last=None):
    """A smooth network, whose gradient finite differences approximate."""
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = keras.layers.Flatten()(inputs) if len(meta.X_shape_) > 2 else inputs
    hidden = keras.layers.Dense(8, activation="tanh")(hidden)
    if last is None:
        last = "linear" if meta.target_type_.startswith("continuous") else _activation(meta)
    units = 1 if last in ("sigmoid", "logit") else meta.n_output_units_
    outputs = keras.layers.Dense(units, activation="linear" if last == "logit" else last)(hidden)
    return keras.Model(inputs, outputs)


def table(n_rows, n_encoded=N_ENCODED, seed=0):
    return np.random.default_rng(seed).normal(size=(n_rows, n_encoded)).astype(np.float32)


def regression(builder, X=None, y=None, **params):
    X = table(40) if X is None else X
    y = X.reshape(len(X), -1)[:, 0] if y is None else y
    return KerasRegressor(builder, **{"epochs": 1, "random_state": 0, **params}).fit(X, y)


def classification(n_classes=2, X=None, **params):
    X = table(60) if X is None else X
    y = np.arange(len(X)) % n_classes
    params = {"model": smooth, "epochs": 2, "random_state": 0, **params}
    return KerasClassifier(**params).fit(X, y)


def ensemble(temperature=1.7, **params):
    clf = classification(n_estimators=2, **params)
    clf.temperature_ = temperature
    return clf


def function_and_encoded(estimator, X):
    function = NetworkFunction(estimator)
    return function, function.encode(X)


def explained(function, output):
    """Return the explained output as a function of encoded rows, by the predictions."""

    def of(X_encoded):
        raw = NetworkFunction(function.estimator, is_raw=output == "raw")
        found = raw(X_encoded.astype(np.float32)).reshape(len(X_encoded), -1)
        return log_odds(found) if output == "logit" else found

    return of


def differences(of, X_encoded, step=1e-2):
    """Return the gradients (n_rows, n_encoded, n_outputs) by central differences."""
    moves = step * np.eye(X_encoded.shape[1])
    return np.stack(
        [(of(X_encoded + move) - of(X_encoded - move)) / (2 * step) for move in moves], axis=1
    )


def along_lines(of, X_encoded, background, n_nodes=24):
    """Return the attributions by Gauss-Legendre and finite differences."""
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    total = 0.0
    for start in background:
        for node, weight in zip((1 + nodes) / 2, weights / 2, strict=True):
            slopes = differences(of, start + node * (X_encoded - start))
            total = total + weight * slopes * (X_encoded - start)[..., np.newaxis]
    return total / len(background)


def relative(found, expected):
    return np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))


# Closed forms


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients"])
def test_gradients_of_linear_network_have_closed_form(method):
    reg = regression(linear)
    function, X_encoded = function_and_encoded(reg, table(10, seed=1))
    background = function.encode(table(20, seed=2))

    found = gradient_values(function, X_encoded, background, method=method, output="predict")

    weights = reg.model_.get_weights()[0][:, 0]
    expected = weights * (X_encoded - background.mean(axis=0))
    np.testing.assert_allclose(found.values[..., 0], expected, atol=1e-5)
    np.testing.assert_allclose(found.f_X[:, 0], reg.predict(table(10, seed=1)), atol=1e-12)
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-5)
    np.testing.assert_allclose(found.errors, 0.0, atol=1e-6)


def test_two_fractions_are_exact_for_quadratic_function():
    function, X_encoded = function_and_encoded(regression(product), table(10, seed=1))
    background = function.encode(table(20, seed=2))

    found = gradient_values(function, X_encoded, background, output="predict", n_fractions=2)

    scale = function.estimator.model_.get_weights()[0][0, 0]
    x, b = X_encoded[:, np.newaxis].astype(float), background.astype(float)
    # [(x_i - b_i) times the mean of the gradient over the line: its value in the middle]
    parts = [
        2 * (x[..., 0] - b[:, 0]) * (x[..., 1] + b[:, 1]) / 2,
        2 * (x[..., 1] - b[:, 1]) * (x[..., 0] + b[:, 0]) / 2,
        3 * (x[..., 2] ** 2 - b[:, 2] ** 2),
        -(x[..., 3] - b[:, 3]),
    ]
    expected = scale * np.stack([part.mean(axis=1) for part in parts], axis=1)
    np.testing.assert_allclose(found.values[..., 0], expected, atol=2e-5)
    assert np.isfinite(found.errors).all()


# Against finite differences


def builds(last):
    return lambda meta: smooth(meta, last)


LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


def labels():
    def build(meta):
        inputs = keras.Input(meta.X_shape_[1:])
        hidden = keras.layers.Dense(8, activation="tanh")(inputs)
        return keras.Model(inputs, keras.layers.Dense(3, activation="sigmoid")(hidden))

    clf = KerasClassifier(build, epochs=1, random_state=0)
    clf.fit(table(60), (table(60) > 0).astype(int)[:, :3])
    clf.temperature_ = 1.4
    return clf


CASES = {
    "softmax": (lambda: classification(3), "proba"),
    "sigmoid": (lambda: classification(model=builds("sigmoid")), "proba"),
    "one logit": (lambda: classification(model=builds("logit"), loss=LOGITS), "proba"),
    "logits of classes": (lambda: classification(3, model=builds("linear")), "proba"),
    "log-odds": (lambda: classification(3), "logit"),
    "temperature-scaled ensemble": (ensemble, "proba"),
    "log-odds of an ensemble": (ensemble, "logit"),
    "raw outputs": (lambda: ensemble(n_classes=3), "raw"),
    "regression in units": (
        lambda: regression("mlp", model__activation="tanh", y=1000 + 50 * table(40)[:, 0]),
        "predict",
    ),
    "columns of a regression": (
        lambda: regression(smooth, y=table(40)[:, :2], n_estimators=2),
        "predict",
    ),
    "labels": (labels, "proba"),
}


@cache
def fitted(case):
    return CASES[case][0]()


@pytest.mark.parametrize("case", CASES)
def test_values_agree_with_finite_differences(case):
    output = CASES[case][1]
    function, X_encoded = function_and_encoded(fitted(case), table(3, seed=1))
    background = function.encode(table(2, seed=2))
    of = explained(function, output)

    found = gradient_values(function, X_encoded, background, output=output, n_fractions=64)
    at_mean = gradient_values(
        function, X_encoded, background, method="integrated_gradients", output=output
    )
    saliency = gradient_values(function, X_encoded, background, method="saliency", output=output)

    assert relative(found.values, along_lines(of, X_encoded, background)) < 2e-3
    assert relative(saliency.values, np.abs(differences(of, X_encoded))) < 2e-3
    middle = background.mean(axis=0, keepdims=True)
    assert relative(at_mean.values, along_lines(of, X_encoded, middle)) < 2e-3
    np.testing.assert_allclose(at_mean.base, of(middle)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.base, of(background).mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(found.f_X, of(X_encoded), atol=1e-9)
    for result in (found, at_mean):
        size = np.abs(result.f_X - result.base).max()
        assert np.abs(result.residual).max() < 1e-3 * size


def test_derivatives_read_the_predictions():
    for case in ("softmax", "sigmoid", "one logit", "temperature-scaled ensemble", "labels"):
        function, X_encoded = function_and_encoded(fitted(case), table(20, seed=1))
        fractions = np.zeros((len(X_encoded), 1))
        from nnkit.training.prediction.gradients import Paths

        read = [d.read(Paths(X_encoded[:1], X_encoded, fractions)) for d in function.derivatives()]

        np.testing.assert_allclose(np.mean(read, axis=0), function(X_encoded), atol=1e-6)


def test_gradient_is_zero_where_predictions_are_clipped():
    reg = regression("realmlp", epochs=3, n_estimators=1)
    function, X_encoded = function_and_encoded(reg, table(5, seed=1))
    assert reg._target.scaling.limits is not None
    far = X_encoded + 1e4 * np.sign(reg._target.scaling.scale)

    found = gradient_values(function, far, X_encoded, method="saliency", output="predict")

    is_at_limit = np.isin(found.f_X[:, 0], reg._target.scaling.limits)
    assert is_at_limit.any()
    assert (found.values[is_at_limit] == 0).all()


# Shapes and inputs


def conv(meta):
    inputs = keras.Input(meta.X_shape_[1:])
    hidden = keras.layers.Conv2D(3, 2, activation="tanh")(inputs)
    hidden = keras.layers.BatchNormalization()(hidden)
    hidden = keras.layers.Dropout(0.5)(keras.layers.Flatten()(hidden))
    return keras.Model(inputs, keras.layers.Dense(meta.n_output_units_)(hidden))


def recurrent(layer):
    def build(meta):
        inputs = keras.Input(meta.X_shape_[1:])
        hidden = layer(4)(inputs)
        return keras.Model(inputs, keras.layers.Dense(meta.n_output_units_)(hidden))

    return build


@pytest.mark.parametrize(
    ("builder", "shape"),
    [
        (conv, (4, 4, 2)),
        (recurrent(keras.layers.LSTM), (5, 2)),
        (recurrent(keras.layers.GRU), (5, 2)),
    ],
    ids=["images", "LSTM", "GRU"],
)
def test_gradients_of_images_and_sequences_agree_with_finite_differences(builder, shape):
    X = table(30, int(np.prod(shape))).reshape(30, *shape)
    function, X_encoded = function_and_encoded(regression(builder, X), X[:3])

    found = gradient_values(function, X_encoded, X_encoded[1:3], output="predict", n_fractions=32)

    expected = along_lines(explained(function, "predict"), X_encoded, X_encoded[1:3], 8)
    assert found.values.shape == (3, np.prod(shape), 1)
    assert relative(found.values, expected) < 5e-3
    assert (found.values[1].sum(), found.base.size) == (
        pytest.approx(found.f_X[1, 0] - found.base[0], abs=1e-3),
        1,
    )


def two_inputs(meta):
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    both = keras.layers.Concatenate()([left, right])
    hidden = keras.layers.Dense(6, activation="tanh")(both)
    outputs = keras.layers.Dense(1)(hidden)
    return keras.Model({"left": left, "right": right}, outputs)


def test_gradients_of_several_inputs_agree_with_finite_differences():
    X = {"right": table(30, 3), "left": table(30, 2, seed=1)}
    reg = KerasRegressor(two_inputs, epochs=1, random_state=0).fit(X, X["left"][:, 0])
    function, X_encoded = function_and_encoded(reg, X)

    found = gradient_values(
        function, X_encoded[:3], X_encoded[3:5], output="predict", n_fractions=64
    )

    expected = along_lines(explained(function, "predict"), X_encoded[:3], X_encoded[3:5])
    assert relative(found.values, expected) < 2e-3


def text(meta):
    inputs = keras.Input(meta.X_shape_[1:], dtype="int32")
    hidden = keras.layers.Embedding(10, 3, name="words")(inputs)
    hidden = keras.layers.GlobalAveragePooling1D()(hidden)
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(hidden)
    outputs = keras.layers.Dense(meta.n_output_units_, activation=_activation(meta))(hidden)
    return keras.Model(inputs, outputs)


def text_classifier(**params):
    X = np.random.default_rng(0).integers(0, 10, size=(40, 6))
    return classification(2, X, model=text, **params), X


@pytest.mark.parametrize("output", ["proba", "logit"])
def test_layer_attributions_at_embedding_sum_to_difference(output):
    clf, X = text_classifier(n_estimators=2)
    function, X_encoded = function_and_encoded(clf, X[:5])
    options = {"output": output, "layer": "words", "columns": [1]}

    found = gradient_values(function, X_encoded, X_encoded[3:], n_fractions=32, **options)
    at_mean = gradient_values(
        function, X_encoded, X_encoded[3:], method="integrated_gradients", **options
    )

    assert found.values.shape == (5, 6 * 3, 1)
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-4)
    np.testing.assert_allclose(at_mean.residual, 0.0, atol=1e-4)
    assert np.abs(found.values).max() > 1e-4
    # The embedding is averaged over the positions.
    expected = clf.predict_proba(X[:5])[:, 1:]
    np.testing.assert_allclose(found.f_X, log_odds(expected) if output == "logit" else expected)


class Subclassed(keras.Model):
    def __init__(self, n_units):
        super().__init__()
        self.dense = keras.layers.Dense(n_units)

    def call(self, x):
        return self.dense(x)


def subclassed(meta):
    return Subclassed(meta.n_output_units_)


def test_subclassed_network_has_gradients():
    function, X_encoded = function_and_encoded(regression(subclassed), table(4))

    found = gradient_values(function, X_encoded, X_encoded[:2], output="predict")

    np.testing.assert_allclose(found.residual, 0.0, atol=1e-5)


def test_gradient_standard_errors_cover_errors():
    clf = KerasClassifier("mlp", epochs=20, random_state=0)
    X = table(300, 6)
    clf.fit(X, (X[:, 0] * X[:, 1] > 0).astype(int))
    function, X_encoded = function_and_encoded(clf, X[:30])
    background = function.encode(X[100:140])
    exact = gradient_values(function, X_encoded, background, columns=[1], n_fractions=512)

    for n_fractions in (2, 4, 16):
        found = gradient_values(
            function, X_encoded, background, columns=[1], n_fractions=n_fractions
        )

        is_covered = np.abs(found.values - exact.values) <= 2 * found.errors
        assert is_covered.mean() > 0.93
    lone = gradient_values(function, X_encoded, background[:1], columns=[1], n_fractions=2)
    assert np.isnan(lone.errors).all()


def test_more_fractions_reduce_the_residual():
    function, X_encoded = function_and_encoded(fitted("softmax"), table(10, seed=1))
    background = function.encode(5 * table(8, seed=2))
    few, many = (gradient_values(function, X_encoded, background, n_fractions=n) for n in (2, 64))

    assert np.abs(many.residual).max() < np.abs(few.residual).max() / 10


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "saliency"])
def test_batch_rows_bounds_calls_without_changing_gradients(method, monkeypatch):
    from nnkit.training.prediction.gradients import PathGradients

    function, X_encoded = function_and_encoded(fitted("raw outputs"), table(9, seed=1))
    background = function.encode(table(11, seed=2))
    options = {"method": method, "output": "logit", "n_fractions": 4}
    whole = gradient_values(function, X_encoded, background, **options)
    sizes, finished = [], []
    sums = PathGradients.sums

    def counting(self, state, learnt, paths, *weights):
        sizes.append(len(paths.rows) * paths.fractions.size)
        return sums(self, state, learnt, paths, *weights)

    monkeypatch.setattr(PathGradients, "sums", counting)

    small = gradient_values(
        function, X_encoded, background, batch_rows=12, on_rows=finished.append, **options
    )

    assert max(sizes) <= 12
    assert sum(finished) == 9
    np.testing.assert_allclose(small.values, whole.values, atol=1e-5)
    np.testing.assert_allclose(small.errors, whole.errors, atol=1e-4)


def test_columns_selects_outputs_in_order():
    function, X_encoded = function_and_encoded(classification(12), table(4, seed=1))

    every = gradient_values(function, X_encoded, X_encoded)
    some = gradient_values(function, X_encoded, X_encoded, columns=[11, 2])

    assert every.values.shape == (4, N_ENCODED, 12)
    np.testing.assert_allclose(some.values, every.values[..., [11, 2]], atol=1e-7)
    np.testing.assert_array_equal(some.f_X, every.f_X[:, [11, 2]])
    np.testing.assert_array_equal(some.base, every.base[[11, 2]])


# Threads, caches and other implementations


def test_pickled_estimator_and_threads_give_equal_gradients(global_random_states):
    clf = ensemble(n_classes=3)
    function, X_encoded = function_and_encoded(clf, table(20, seed=1))
    before = global_random_states()
    expected = gradient_values(function, X_encoded, X_encoded, output="logit").values
    restored = NetworkFunction(cloudpickle.loads(cloudpickle.dumps(clf)))
    other = NetworkFunction(ensemble(n_classes=3, random_state=1))
    found = {}

    def explain(name, of):
        found[name] = gradient_values(of, X_encoded, X_encoded, output="logit").values

    jobs = [("restored", restored), ("same", function), ("other", other), ("again", restored)]
    threads = [threading.Thread(target=explain, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for name in ("restored", "same", "again"):
        np.testing.assert_allclose(found[name], expected, atol=1e-6)
    assert np.abs(found["other"] - expected).max() > 1e-3
    assert global_random_states() == before


def test_fits_of_one_architecture_share_compiled_functions():
    first, second = classification(3), classification(3, random_state=1)
    function, X_encoded = function_and_encoded(first, table(6, seed=1))
    gradient_values(function, X_encoded, X_encoded)
    programs = dict(first._network.compiled_model._programs)

    gradient_values(NetworkFunction(second), X_encoded, X_encoded)

    assert second._network.compiled_model is first._network.compiled_model
    assert second._network.compiled_model._programs == programs


def test_changed_weights_of_model_change_the_gradients():
    reg = regression(linear)
    function, X_encoded = function_and_encoded(reg, table(6, seed=1))
    reg.model_.layers[-1].kernel.assign(np.full((N_ENCODED, 1), 2.0))

    found = gradient_values(function, X_encoded, X_encoded, method="saliency", output="predict")

    np.testing.assert_allclose(found.values, 2.0, rtol=1e-6)


@pytest.mark.filterwarnings("ignore")  # of shap and of what it imports
def test_gradients_agree_with_shap_gradient_explainer():
    shap = pytest.importorskip("shap")
    clf = classification(3)
    function, X_encoded = function_and_encoded(clf, table(8, seed=1))
    background = function.encode(table(20, seed=2))
    state = np.random.get_state()

    found = gradient_values(function, X_encoded, background).values
    by_shap = shap.GradientExplainer(clf.model_, background).shap_values(
        X_encoded, nsamples=400, rseed=0
    )

    np.random.set_state(state)
    cosine = np.sum(found * by_shap) / np.linalg.norm(found) / np.linalg.norm(by_shap)
    assert cosine > 0.98
