"""The cache distinguishes specifications that differ in one hidden number only.

For each kind of function in a specification, and each place where Python code can keep a number,
two fits in one process differ in that number only. Each must give the same results as Keras' fit
with an empty cache. A third of all pairs runs: each kind with every third place, and each place with
every third kind. NNKIT_CACHES=full runs all of them.
"""

import functools
import os
import sys
import types
from dataclasses import dataclass

import keras
import numpy as np
import pytest

import nnkit
from nnkit import KerasRegressor

L = keras.layers
X = np.random.default_rng(0).normal(size=(32, 2)).astype(np.float32)
Y = X[:, 0] - 0.5 * X[:, 1] ** 2


def network(units=2, **dense):
    return keras.Sequential([keras.Input((2,)), L.Dense(units, "tanh", **dense), L.Dense(1)])


def plain():
    return network()


# The function of each kind, of a number k and the arguments that Keras passes.


def scaled_error(k, y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - k * y_pred), axis=-1)


def times(k, x):
    return k * x


def constant(k, shape, dtype=None):
    return keras.ops.full(shape, 0.1 * k, dtype=dtype or "float32")


def penalty(k, weights):
    return 0.1 * k * keras.ops.sum(keras.ops.square(weights))


def squeezed(k, weights):
    return weights / (1.0 + k)


def built(k, *_):
    return network(units=int(k))


class Squeeze(keras.constraints.Constraint):
    def __init__(self, function):
        self.function = function

    def __call__(self, w):
        return self.function(w)


class Applied(L.Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


class ScaledSGD(keras.optimizers.SGD):
    def __init__(self, function=None, **arguments):
        super().__init__(**arguments)
        self.function = function

    def get_config(self):
        return {**super().get_config(), "function": self.function}

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(self.function(gradient), variable, learning_rate)


class Rate(keras.callbacks.Callback):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = self.function(0.01)


def layered(layer):
    return keras.Sequential([keras.Input((2,)), L.Dense(2, "tanh"), layer, L.Dense(1)])


def compiled(loss):
    model = network()
    model.compile("sgd", loss)
    return model


def with_optimizer(function):
    model = network()
    model.compile(ScaledSGD(function), "mse")
    return model


KINDS = {
    "loss": (scaled_error, lambda f: {"loss": f}),
    "loss of the builder": (scaled_error, lambda f: {"model": lambda: compiled(f)}),
    "metric": (scaled_error, lambda f: {"metrics": [f]}),
    "activation": (times, lambda f: {"model": lambda: layered(L.Activation(f))}),
    "initializer": (constant, lambda f: {"model": lambda: network(kernel_initializer=f)}),
    "regularizer": (penalty, lambda f: {"model": lambda: network(kernel_regularizer=f)}),
    "constraint": (squeezed, lambda f: {"model": lambda: network(kernel_constraint=Squeeze(f))}),
    "layer": (times, lambda f: {"model": lambda: layered(Applied(f))}),
    "Lambda": (times, lambda f: {"model": lambda: layered(L.Lambda(f, output_shape=(2,)))}),
    "optimizer": (times, lambda f: {"model": lambda: with_optimizer(f)}),
    "callback": (times, lambda f: {"callbacks": [Rate(f)]}),
    "builder": (built, lambda f: {"model": lambda: f(0)}),
}


# The places for a hidden number: each returns a function from a number to such a callable. Some
# return the same object each time, and change the value that it reads.


def in_code(use, _):
    return lambda k: {
        1: lambda *args, **kwargs: use(1, *args, **kwargs),
        3: lambda *args, **kwargs: use(3, *args, **kwargs),
    }[k]


def in_closure(use, _):
    def make(k):
        def function(*args, **kwargs):
            return use(k, *args, **kwargs)

        return function

    return make


def in_partial(use, _):
    return lambda k: functools.partial(use, k)


class Held:
    k = 1

    def __init__(self, use):
        self.use = use

    def method(self, *args, **kwargs):
        return self.use(self.k, *args, **kwargs)


def in_bound_method(use, _):
    def make(k):
        held = Held(use)
        held.k = k
        return held.method

    return make


def in_instance_attribute(use, _):
    held = Held(use)

    def make(k):
        held.k = k
        return held.method

    return make


def in_class_attribute(use, monkeypatch):
    def make(k):
        monkeypatch.setattr(Held, "k", k)
        return Held(use).method

    return make


class Called(Held):
    __call__ = Held.method


def in_callable_object(use, _):
    def make(k):
        called = Called(use)
        called.k = k
        return called

    return make


@dataclass(frozen=True)
class Record:
    use: object
    k: int

    def __call__(self, *args, **kwargs):
        return self.use(self.k, *args, **kwargs)


def in_dataclass(use, _):
    return lambda k: Record(use, k)


def in_mutable_default(use, _):
    settings = {}

    def function(*args, _settings=settings, **kwargs):
        return use(_settings["k"], *args, **kwargs)

    def make(k):
        settings["k"] = k
        return function

    return make


GLOBAL = 1


def in_global(use, monkeypatch):
    def function(*args, **kwargs):
        return use(GLOBAL, *args, **kwargs)

    def make(k):
        monkeypatch.setitem(globals(), "GLOBAL", k)
        return function

    return make


MODULE = types.ModuleType("settings_of_a_user")
MODULE.inner = types.ModuleType("settings_of_a_user.inner")


def in_module_attribute(use, monkeypatch):
    def function(*args, **kwargs):
        return use(MODULE.inner.k, *args, **kwargs)

    def make(k):
        monkeypatch.setattr(MODULE.inner, "k", k, raising=False)
        return function

    return make


def in_imported_module(use, monkeypatch):
    monkeypatch.setitem(sys.modules, "settings_of_a_user", MODULE)

    def function(*args, **kwargs):
        import settings_of_a_user

        return use(settings_of_a_user.k, *args, **kwargs)

    def make(k):
        monkeypatch.setattr(MODULE, "k", k, raising=False)
        return function

    return make


def in_environment(use, monkeypatch):
    read = os.getenv

    def function(*args, **kwargs):
        return use(int(read("NNKIT_TEST_K")), *args, **kwargs)

    def make(k):
        monkeypatch.setenv("NNKIT_TEST_K", str(k))
        return function

    return make


def in_subclass(use, _):
    class One(Held):
        k = 1

    class Three(Held):
        k = 3

    return lambda k: {1: One, 3: Three}[k](use).method


def in_replaced_method(use, monkeypatch):
    held = Held(use)

    def make(k):
        monkeypatch.setattr(Held, "method", lambda self, *a, **kw: self.use(k, *a, **kw))
        return lambda *args, **kwargs: held.method(*args, **kwargs)

    return make


def in_decorated(use, _):
    def make(k):
        @functools.wraps(keras.activations.relu)  # says that it is Keras' own
        def function(*args, **kwargs):
            return use(k, *args, **kwargs)

        return function

    return make


def in_bound_builtin(use, _):
    def make(k):
        look_up = {"k": k}.get

        def function(*args, **kwargs):
            return use(look_up("k"), *args, **kwargs)

        return function

    return make


PLACES = [
    in_code,
    in_closure,
    in_partial,
    in_bound_method,
    in_instance_attribute,
    in_class_attribute,
    in_callable_object,
    in_dataclass,
    in_mutable_default,
    in_global,
    in_module_attribute,
    in_imported_module,
    in_environment,
    in_subclass,
    in_replaced_method,
    in_decorated,
    in_bound_builtin,
]


def outcome(engine="auto", **params):
    settings = {"epochs": 2, "batch_size": 16, "random_state": 0, "engine": engine}
    reg = KerasRegressor(**{"model": plain, **settings, **params}).fit(X, Y)
    metrics = [values for name, values in reg.history_.items() if name != "loss"]
    return [reg.history_["loss"], *metrics, reg.predict(X[:4])]


def assert_equal(found, expected):
    for ours, reference in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=2e-4, atol=2e-5)


@functools.cache
def reference(kind, k):
    """Return the results of Keras' fit with an empty cache."""
    nnkit.clear_compiled_cache()
    use, params = KINDS[kind]
    return outcome("keras", **params(in_closure(use, None)(k)))


PAIRS = [
    pytest.param(kind, place, id=f"{kind}-{place.__name__}")
    for row, kind in enumerate(KINDS)
    for column, place in enumerate(PLACES)
    if (row + column) % 3 == 0 or os.environ.get("NNKIT_CACHES") == "full"
]


@pytest.mark.parametrize(("kind", "place"), PAIRS)
def test_fits_that_differ_in_a_hidden_number_share_no_compiled_model(kind, place, monkeypatch):
    expected = {k: reference(kind, k) for k in (1, 3)}
    assert any(not np.allclose(*pair, rtol=1e-3) for pair in zip(*expected.values(), strict=True))
    use, params = KINDS[kind]
    make = place(use, monkeypatch)

    found = {k: outcome(**params(make(k))) for k in (1, 3)}
    again = outcome(**params(make(1)))

    assert_equal(found[1], expected[1])
    assert_equal(found[3], expected[3])
    assert_equal(again, expected[1])
