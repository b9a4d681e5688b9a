"""Small networks with functions that hold a value in a closure, a default, a global and so on.

A `Network` prints as one line of code and makes the same estimator each time. Caches must
distinguish two of them that differ in one value or in one setting only.
"""

from __future__ import annotations

import functools
import os
import types
from dataclasses import dataclass

import keras

from nnkit import KerasRegressor

__all__ = ["FORMS", "NAMED", "SLOTS", "Network"]

MODULE = types.ModuleType("settings_of_a_user")


class Holder:
    """An object whose method and ``__call__`` use a value of the object."""

    def __init__(self, function, value):
        self.function = function
        self.value = value

    def method(self, *args, **keywords):
        return self.function(*args, self.value, **keywords)

    __call__ = method


def _by_closure(function, value):
    def inner(*args, **keywords):
        return function(*args, value, **keywords)

    return inner


def _by_nested_closure(function, value):
    values = {"here": [value]}

    def middle():
        return values["here"][0]

    return lambda *args, **keywords: function(*args, middle(), **keywords)


def _by_default(function, value):
    def inner(*args, held=value, **keywords):
        return function(*args, held, **keywords)

    return inner


def _by_mutable_default(function, value):
    def inner(*args, held=[value], **keywords):  # noqa: B006
        return function(*args, held[0], **keywords)

    return inner


def _by_attribute(function, value):
    def inner(*args, **keywords):
        return function(*args, inner.value, **keywords)

    inner.value = value
    return inner


def _by_global(function, value):
    namespace = {"__name__": "__main__", "function": function, "VALUE": value}
    exec("def inner(*args, **keywords): return function(*args, VALUE, **keywords)", namespace)
    return namespace["inner"]


def _by_module(function, value):
    MODULE.VALUE = value

    def inner(*args, **keywords):
        return function(*args, MODULE.VALUE, **keywords)

    return inner


def _by_environment(function, value):
    os.environ["NNKIT_TEST_VALUE"] = str(value)

    def inner(*args, **keywords):
        return function(*args, float(os.environ["NNKIT_TEST_VALUE"]), **keywords)

    return inner


def _by_class(function, value):
    class WithValue:
        held = value

        def __call__(self, *args, **keywords):
            return function(*args, self.held, **keywords)

    return WithValue()


def _by_subclass(function, value):
    class Base:
        def __call__(self, *args, **keywords):
            return function(*args, self.number(), **keywords)

    class WithValue(Base):
        def number(self):
            return value

    return WithValue()


FORMS = {
    "closure": _by_closure,
    "nested closure": _by_nested_closure,
    "default": _by_default,
    "mutable default": _by_mutable_default,
    "function attribute": _by_attribute,
    "global": _by_global,
    "module attribute": _by_module,
    "environment": _by_environment,
    "partial": lambda function, value: functools.partial(_last_first, function, value),
    "bound method": lambda function, value: Holder(function, value).method,
    "callable object": Holder,
    "class attribute": _by_class,
    "subclass": _by_subclass,
}
"""Ways in which a function holds a value, by name."""


def _last_first(function, value, *args, **keywords):
    return function(*args, value, **keywords)


def scaled_tanh(x, value):
    return keras.ops.tanh(x * value)


def powered_error(y_true, y_pred, value):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** (1 + value), axis=-1)


def share_below(y_true, y_pred, value):
    return keras.ops.cast(keras.ops.abs(y_true - y_pred) < value, "float32")


def filled(shape, value, dtype=None):
    return keras.ops.full(shape, value / 10, dtype=dtype)


def squares(weights, value):
    return value * keras.ops.sum(keras.ops.square(weights))


def clipped(weights, value):
    return keras.ops.clip(weights, -value / 2, value / 2)


def multiplied(x, value):
    return x * value


SLOTS = {
    "activation": scaled_tanh,
    "kernel_initializer": filled,
    "kernel_regularizer": squares,
    "kernel_constraint": clipped,
    "loss": powered_error,
    "metrics": share_below,
    "lambda layer": multiplied,
    "custom layer": multiplied,
    "builder": multiplied,
}
"""Places of functions in a network, with a function of a value for each."""

NAMED = {
    "activation": ["'relu'", "'tanh'", "keras.activations.elu", "keras.ops.sin"],
    "kernel_initializer": ["'glorot_uniform'", "'ones'", "keras.initializers.Constant(0.1)",
                           "keras.initializers.Constant(0.2)"],
    "kernel_regularizer": ["None", "'l2'", "keras.regularizers.L2(0.1)",
                           "keras.regularizers.L1(0.1)"],
    "kernel_constraint": ["None", "'non_neg'", "keras.constraints.MaxNorm(0.1)",
                          "keras.constraints.MaxNorm(0.2)"],
    "loss": ["None", "'mse'", "'mae'", "keras.losses.Huber(0.1)", "keras.losses.Huber(2.0)",
             "keras.losses.LogCosh", "keras.losses.mean_squared_error"],
    "metrics": ["None", "'mae'", "['mse']"],
    "optimizer": ["'sgd'", "'adam'", "keras.optimizers.SGD(0.1)", "keras.optimizers.SGD(0.2)",
                  "keras.optimizers.SGD(0.1, momentum=0.5)",
                  "keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5))",
                  "keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.9))"],
    "normalization": ["None", "'batch'", "'layer'"],
    "units": ["3", "4"],
}  # fmt: skip
"""Other settings of a network, as Python expressions."""


class Multiplied(keras.layers.Layer):
    """A layer that applies a function."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, x):
        return self.function(x)


@dataclass(frozen=True)
class Network:
    """Description of a regressor with a small network.

    Attributes
    ----------
    named : tuple of (str, str)
        Slots and their expressions.
    held : tuple of (str, str, float)
        Slots with a function, the form in which it holds its value, and the value.
    """

    named: tuple[tuple[str, str], ...]
    held: tuple[tuple[str, str, float], ...]

    def make(self, engine):
        """Return a new estimator."""
        settings = {name: eval(text, {"keras": keras}) for name, text in self.named}
        for slot, form, value in self.held:
            settings[slot] = FORMS[form](SLOTS[slot], value)
        has_builder = "builder" in settings
        return KerasRegressor(
            _builder(settings) if has_builder else functools.partial(_build, settings),
            loss=settings.get("loss"),
            metrics=settings.get("metrics"),
            optimizer=settings.get("optimizer", "sgd"),
            epochs=2,
            batch_size=4,
            random_state=0,
            engine=engine,
        )


def _builder(settings):
    """Return a builder that is a closure over the settings of its network."""

    def build(meta):
        return _build(settings, meta)

    return build


def _build(settings, meta):
    dense_arguments = {
        name: settings[name]
        for name in ("activation", "kernel_initializer", "kernel_regularizer", "kernel_constraint")
        if name in settings
    }
    inputs = keras.Input(meta.X_shape_[1:])
    x = keras.layers.Dense(settings.get("units", 3), **dense_arguments)(inputs)
    normalization = settings.get("normalization")
    if normalization is not None:
        kinds = {"batch": "BatchNormalization", "layer": "LayerNormalization"}
        x = getattr(keras.layers, kinds[normalization])()(x)
    if "lambda layer" in settings:
        x = keras.layers.Lambda(settings["lambda layer"])(x)
    if "custom layer" in settings:
        x = Multiplied(settings["custom layer"])(x)
    if "builder" in settings:
        x = keras.layers.Rescaling(settings["builder"](1.0))(x)
    return keras.Model(inputs, keras.layers.Dense(1)(x))
