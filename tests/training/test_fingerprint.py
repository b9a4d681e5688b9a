import functools
import types

import keras
import numpy as np
import pytest

from nnkit.training.fingerprint import NoFingerprintError, fingerprint


def defined(code, **names):
    """Return the function f that code defines, as a cell of a notebook would."""
    namespace = {"__name__": "__main__", **names}
    exec(code, namespace)
    return namespace["f"]


def outer(units):
    def inner():
        return units

    return inner


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
def test_the_same_by_value_is_the_same(first, second):
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
    ],
)
def test_what_differs_is_different(first, second):
    assert fingerprint(first) != fingerprint(second)


def test_initializers_that_draw_their_own_seeds_differ():
    """Their configurations are the same."""
    first, second = keras.initializers.HeNormal(), keras.initializers.HeNormal()

    assert fingerprint(first) != fingerprint(second)


def test_a_setting_of_a_module_counts_if_it_is_read():
    reading = defined("def f(): return settings.UNITS", settings=MODULE)
    before = fingerprint(reading)

    MODULE.OTHER += 1
    assert fingerprint(reading) == before

    MODULE.UNITS += 1
    assert fingerprint(reading) != before


def test_a_function_that_is_reloaded_in_place_is_another():
    function = defined("def f(): return 1")
    before = fingerprint(function)

    function.__code__ = defined("def f(): return 2").__code__

    assert fingerprint(function) != before


def test_attributes_of_a_function_count():
    function = defined("def f(): return f.units")
    function.units = 3
    before = fingerprint(function)

    function.units = 4

    assert fingerprint(function) != before


def test_classes_of_one_name_are_kept_apart():
    class Layer:
        size = 1

    first = Layer

    class Layer:
        size = 1

    assert fingerprint(first) == fingerprint(first)
    assert fingerprint(first) != fingerprint(Layer)


def test_a_function_that_calls_itself_has_a_fingerprint():
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
        keras.metrics.MeanMetricWrapper(defined("def f(y, z): return y - z")),
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
    ],
)
def test_what_has_a_state_of_its_own_has_no_fingerprint(value):
    if isinstance(value, types.MethodType):
        value = types.MethodType(value.__func__, object())

    with pytest.raises(NoFingerprintError):
        fingerprint(value)
