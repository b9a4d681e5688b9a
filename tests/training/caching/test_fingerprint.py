import dataclasses
import enum
import functools
import math
import os
import types
from collections import defaultdict, namedtuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from nnkit.training.caching.fingerprint import NoFingerprintError, fingerprint
from nnkit.training.caching.library_code import is_keras_function, runs_library_code_only
from nnkit.training.specification.heads import Head, Task, choose_loss


def defined(code, **names):
    """Return the function f that code defines, as a notebook cell does."""
    namespace = {"__name__": "__main__", **names}
    exec(code, namespace)
    return namespace["f"]


def outer(units):
    def inner():
        return units

    return inner


FirstPoint = namedtuple("Point", ["x", "y"])
SecondPoint = namedtuple("Point", ["y", "x"])


def whole_number(note):
    class Number(int):
        pass

    number = Number(3)
    number.note = note
    return number


@dataclasses.dataclass
class Slotted:
    __slots__ = ("units",)
    units: int


def level(value):
    return enum.Enum("Level", {"HIGH": value}).HIGH


def wrapped(k):
    @functools.wraps(keras.losses.mean_squared_error)
    def loss(y_true, y_pred):
        return k * keras.losses.mean_squared_error(y_true, y_pred)

    return loss


def named(name, function):
    function.__name__ = name
    return function


def function_loss(k):
    """Return a custom function in a library class, as the engine does."""
    task = Task("regression", 1)
    head = Head(1, "values", "linear", 2)
    return choose_loss(lambda y_true, y_pred: k * y_pred, {}, head, task)[0]


BUILDER = "def f(): return keras.layers.Dense(UNITS)"
MODULE = types.ModuleType("settings")
MODULE.UNITS, MODULE.OTHER = 3, 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, 1),
        ([1, {"a": (2.5, None)}], [1, {"a": (2.5, None)}]),
        (float("nan"), float("nan")),
        (np.arange(3), np.arange(3)),
        (np.array(["a", "b"], dtype=object), np.array(["a", "b"], dtype=object)),
        (defined(BUILDER, keras=keras, UNITS=3), defined(BUILDER, keras=keras, UNITS=3)),
        (defined("def f(): return 1"), defined("\n\n# a comment\ndef f(): return 1")),
        (outer(3), outer(3)),
        (functools.partial(outer, 3), functools.partial(outer, 3)),
        (keras.optimizers.Adam(), keras.optimizers.Adam(name="other")),
        (keras.losses.Huber(2.0), keras.losses.Huber(2.0)),
    ],
    ids=[
        "number",
        "nested",
        "nan",
        "array",
        "objects",
        "global",
        "layout",
        "closure",
        "partial",
        "name",
        "loss",
    ],
)
def test_equal_values_have_equal_fingerprints(first, second):
    assert fingerprint(first) == fingerprint(second)
    assert hash(fingerprint(first)) == hash(fingerprint(second))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, 1.0),
        (1, True),
        (0.0, -0.0),
        ("1", 1),
        ((1,), [1]),
        (np.arange(3), np.arange(3.0)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (defined(BUILDER, keras=keras, UNITS=3), defined(BUILDER, keras=keras, UNITS=4)),
        (defined("def f(): return 1"), defined("def f(): return 2")),
        (defined("def f(): return -1.0"), defined("def f(): return 1.0")),
        (defined("def f(n=1): return n"), defined("def f(n=2): return n")),
        (defined("def f(*, n=1): return n"), defined("def f(*, n=2): return n")),
        (defined("def f(): return lambda: 1"), defined("def f(): return lambda: 2")),
        (
            defined("def f(): return [g() for _ in 'ab']", g=outer(1)),
            defined("def f(): return [g() for _ in 'ab']", g=outer(2)),
        ),
        (outer(3), outer(4)),
        (functools.partial(outer, 3), functools.partial(outer, 4)),
        (keras.optimizers.Adam(), keras.optimizers.Adam(beta_1=0.8)),
        (keras.optimizers.Adam(), keras.optimizers.RMSprop()),
        (keras.optimizers.Adam(0.1), keras.optimizers.Adam(0.2)),
        (keras.metrics.AUC(name="one"), keras.metrics.AUC(name="other")),
        (defined("def f(): return (1, 2)"), defined("def f(): return (True, 2)")),
        (keras.losses.Huber(1.0), keras.losses.Huber(2.0)),
        (keras.regularizers.L2(0.1), keras.regularizers.L2(0.2)),
        (keras.initializers.HeNormal(seed=1), keras.initializers.HeNormal(seed=2)),
        (keras.layers.Dense, keras.layers.Dropout),
        (FirstPoint(1, 2), SecondPoint(1, 2)),
        (whole_number(1), whole_number(2)),
        (Slotted(1), Slotted(2)),
        ({"units": 1}.get, {"units": 2}.get),
        (defaultdict(int), defaultdict(list)),
        (level(1), level(2)),
        (wrapped(1), wrapped(2)),
        (defined("def f(a, b=1): pass"), defined("def f(a, *, b=1): pass")),
        (defined("def f(): pass"), named("g", defined("def f(): pass"))),
        (
            defined("def f():\n    try: g()\n    except ValueError: h()"),
            defined("def f():\n    g()\n    try: pass\n    except ValueError: h()"),
        ),
        (keras.metrics.MeanMetricWrapper(outer(1)), keras.metrics.MeanMetricWrapper(outer(2))),
        (function_loss(1), function_loss(2)),
        (np.zeros(2, "M8[s]"), np.zeros(2, "M8[D]")),
    ],
    ids=[
        "float",
        "bool",
        "sign",
        "text",
        "container",
        "dtype",
        "shape",
        "global",
        "constant",
        "negative",
        "default",
        "keyword default",
        "inner function",
        "function called",
        "closure",
        "partial",
        "setting",
        "optimizer",
        "rate",
        "metric name",
        "tuple",
        "loss",
        "regularizer",
        "seed",
        "class",
        "named tuples of one name",
        "subclass of a number",
        "slots",
        "bound method of a dict",
        "default factory",
        "members of enumerations of one name",
        "decorated as Keras' function",
        "kinds of arguments",
        "name of a function",
        "exception handlers",
        "function in a metric",
        "function in a loss",
        "unit of time",
    ],
)
def test_different_values_have_different_fingerprints(first, second):
    assert fingerprint(first) != fingerprint(second)


def test_initializers_without_seed_have_different_fingerprints():
    """Their configurations are equal."""
    first, second = keras.initializers.HeNormal(), keras.initializers.HeNormal()

    assert fingerprint(first) != fingerprint(second)


def test_fingerprint_includes_module_settings_that_code_reads():
    reading = defined("def f(): return settings.UNITS", settings=MODULE)
    before = fingerprint(reading)

    MODULE.OTHER += 1
    assert fingerprint(reading) == before

    MODULE.UNITS += 1
    assert fingerprint(reading) != before


def test_reloaded_function_has_another_fingerprint():
    function = defined("def f(): return 1")
    before = fingerprint(function)

    function.__code__ = defined("def f(): return 2").__code__

    assert fingerprint(function) != before


def test_fingerprint_includes_function_attributes():
    function = defined("def f(): return f.units")
    function.units = 3
    before = fingerprint(function)

    function.units = 4

    assert fingerprint(function) != before


def test_classes_of_one_name_have_different_fingerprints():
    class Layer:
        size = 1

    first = Layer

    class Layer:
        size = 1

    assert fingerprint(first) == fingerprint(first)
    assert fingerprint(first) != fingerprint(Layer)


def test_recursive_function_has_a_fingerprint():
    code = "def f(n): return f(n - 1) if n else 0"

    assert fingerprint(defined(code)) == fingerprint(defined(code))


@pytest.mark.parametrize(
    "value",
    [
        object(),
        keras.layers.Dense(3),
        [keras.Variable(1.0)],
        (number for number in (1, 2)),
        defined("def f(): return state", state=object()),
        defined("def f():\n    import my_settings\n    return my_settings.UNITS"),
        defined("def f():\n    s = settings\n    return s.UNITS", settings=MODULE),
        defined("def f(): return open('units').read()"),
        defined("def f(model): model.load_weights('here.weights.h5')"),
        keras.losses.MeanSquaredError().__call__,
        keras.metrics.MeanMetricWrapper(defined("def f(y, z): return y - s", s=object())),
        os.environ,
        defined("def f(): return os.getpid()", os=os),
        defined("def f():\n    import random\n    return random.random()"),
        defined("def f(): return np.random.normal()", np=np),
        defined("def f():\n    import numpy.random as r\n    return r.normal()"),
        [1, 2].__iter__(),
        np.frompyfunc(lambda x: x, 1, 1),
    ],
    ids=[
        "object",
        "layer",
        "variable",
        "generator",
        "global",
        "import",
        "module",
        "file",
        "weights",
        "method",
        "metric",
        "environment",
        "process",
        "random import",
        "numpy global",
        "numpy import",
        "iterator",
        "ufunc",
    ],
)
def test_objects_with_state_have_no_fingerprint(value):
    if isinstance(value, types.MethodType):
        value = types.MethodType(value.__func__, object())

    with pytest.raises(NoFingerprintError):
        fingerprint(value)


def test_fingerprint_includes_replaced_keras_methods(monkeypatch):
    builder = defined("def f(): return keras.layers.Dense(3)", keras=keras)
    local = defined("def f():\n    from keras import layers as L\n    return L.Dense(3)")
    before = fingerprint(builder), fingerprint(local)
    assert runs_library_code_only(keras.layers.Dense(3))

    monkeypatch.setattr(keras.layers.Dense, "call", lambda self, inputs: 2 * inputs)

    assert fingerprint(builder) != before[0]
    assert fingerprint(local) != before[1]
    assert not runs_library_code_only(keras.layers.Dense(3))
    monkeypatch.undo()
    assert (fingerprint(builder), fingerprint(local)) == before


def test_decorated_functions_are_not_genuine_keras_functions():
    assert is_keras_function(keras.activations.relu)
    assert not is_keras_function(functools.wraps(keras.activations.relu)(lambda x: -x))


@pytest.mark.parametrize(
    "value",
    [
        defined(
            "def f(): return keras.ops.relu(tf.nn.relu(np.ones(3)))", keras=keras, np=np, tf=tf
        ),
        defined("def f(x): return math.sqrt(sum(range(int(x))))", math=math),
        keras.metrics.AUC(),
        keras.losses.CategoricalFocalCrossentropy(),
        keras.optimizers.Muon(),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(momentum=0.9)),
    ],
    ids=["keras, tf and numpy", "builtins", "metric", "loss", "optimizer", "outer optimizer"],
)
def test_library_values_have_a_fingerprint(value):
    assert fingerprint(value) == fingerprint(value)
