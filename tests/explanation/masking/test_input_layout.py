"""Estimators with several inputs, explained as one flat table."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from shapley_definition import shapley_values, value_function

from nnkit import KerasRegressor, explain

pytestmark = pytest.mark.filterwarnings(
    # matplotlib 3.11, inside the import of shap 0.51.
    r"ignore:The set_(bad|over|under) function:PendingDeprecationWarning"
)


SETTINGS = {"epochs": 2, "n_estimators": 1, "random_state": 0}


def arrays(n, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)


def assert_adds_up(explanation, predicted):
    n = len(predicted)
    axes = tuple(range(1, explanation.values.ndim - (predicted.ndim - 1)))
    total = explanation.values.sum(axis=axes) + explanation.base_values
    np.testing.assert_allclose(total, predicted, atol=1e-6)
    assert np.abs(explanation.values).max() > 1e-4
    assert explanation.base_values.shape == (n, *predicted.shape[1:])


# Several inputs


def two_inputs(meta):
    """A network whose inputs are in another order than those of the dicts in the tests."""
    seen = keras.Input((5, 3), name="seen")
    facts = keras.Input((2,), name="facts")
    hidden = keras.layers.SimpleRNN(4)(seen)
    both = keras.layers.Concatenate()([hidden, facts])
    both = keras.layers.Dense(6, activation="tanh")(both)
    return keras.Model({"seen": seen, "facts": facts}, keras.layers.Dense(1)(both))


@pytest.fixture(scope="module")
def inputs():
    X = {"facts": arrays(40, 2), "seen": arrays(40, 5, 3, seed=1)}
    y = X["facts"][:, 0] * X["seen"].mean(axis=(1, 2)) + X["facts"][:, 1]
    regressor = KerasRegressor(two_inputs, **SETTINGS).fit(X, y)
    return regressor, rows_of(X, slice(0, 3)), rows_of(X, slice(20, 29))


def rows_of(X, at):
    return {name: part[at] for name, part in X.items()}


def flat(X):
    return np.concatenate([X["facts"], X["seen"].reshape(len(X["seen"]), -1)], axis=1)


def of_flat(regressor):
    return lambda rows: regressor.predict(
        {"facts": rows[:, :2], "seen": rows[:, 2:].reshape(-1, 5, 3)}
    )


@pytest.mark.parametrize(
    ("feature_groups", "names", "of_column"),
    [
        ("input", ["facts[0]", "facts[1]", "seen"], [0, 1, *[2] * 15]),
        ({"table": "facts"}, ["table", "seen"], [0, 0, *[1] * 15]),
        ({"one": ["seen", "facts[1]"]}, ["one", "facts[0]"], [1, 0, *[0] * 15]),
    ],
    ids=["input", "a whole input", "a part and a whole"],
)
def test_several_inputs_equal_definition(inputs, feature_groups, names, of_column):
    regressor, X, background = inputs

    explanation = explain(regressor, X, background, feature_groups=feature_groups)

    assert explanation.feature_names == names
    function = of_flat(regressor)
    expected = [
        shapley_values(value_function(function, row, flat(background), of_column), len(names))
        for row in flat(X)
    ]
    np.testing.assert_allclose(explanation.values, np.array(expected), atol=3e-6)
    assert_adds_up(explanation, regressor.predict(X))
    assert explanation.data.shape == (3, len(names))


def test_order_of_inputs_does_not_change_values(inputs):
    regressor, X, background = inputs

    here = explain(regressor, X, background)
    there = explain(
        regressor,
        dict(reversed(X.items())),
        dict(reversed(background.items())),
        feature_groups="input",
    )

    assert there.feature_names == ["seen", "facts[0]", "facts[1]"]
    np.testing.assert_allclose(there.values[:, [1, 2, 0]], here.values, atol=1e-6)
    with_other_background = explain(regressor, X, dict(reversed(background.items())))
    np.testing.assert_allclose(with_other_background.values, here.values, atol=1e-6)


def test_callable_output_gets_inputs_with_their_dtypes(inputs):
    regressor, X, background = inputs
    seen = []

    def function(rows):
        seen.append({name: (part.shape[1:], part.dtype) for name, part in rows.items()})
        return regressor.predict(rows)

    general = explain(regressor, X, background, output=function)

    np.testing.assert_allclose(general.values, explain(regressor, X, background).values, atol=1e-6)
    assert all(each == {"facts": ((2,), np.float32), "seen": ((5, 3), np.float32)} for each in seen)


def test_integer_inputs_keep_float_background(inputs):
    regressor, X, background = inputs
    whole = X | {"facts": np.array([[1, 2], [0, -1], [2, 0]])}

    as_integers = explain(regressor, whole, background)

    expected = explain(regressor, X | {"facts": whole["facts"].astype(np.float32)}, background)
    np.testing.assert_allclose(as_integers.base_values, expected.base_values, atol=1e-6)
    np.testing.assert_allclose(as_integers.values, expected.values, atol=1e-6)


def codes_and_numbers(meta):
    code = keras.Input((1,), name="code", dtype="int32")
    number = keras.Input((2,), name="number")
    vector = keras.layers.Flatten()(keras.layers.Embedding(7, 3)(code))
    both = keras.layers.Concatenate()([vector, number])
    both = keras.layers.Dense(4, activation="tanh")(both)
    return keras.Model({"code": code, "number": number}, keras.layers.Dense(1)(both))


def test_embedded_codes_stay_integers():
    X = {
        "number": arrays(40, 2),
        "code": np.random.default_rng(0).integers(0, 7, size=(40, 1)),
    }
    regressor = KerasRegressor(codes_and_numbers, **SETTINGS).fit(
        X, X["number"][:, 0] + X["code"][:, 0]
    )
    rows, background = rows_of(X, slice(0, 4)), rows_of(X, slice(20, 29))

    fast = explain(regressor, rows, background)
    general = explain(regressor, rows, background, output=regressor.predict)

    assert fast.feature_names == ["number[0]", "number[1]", "code"]
    np.testing.assert_allclose(fast.values, general.values, atol=1e-6)
    assert (np.abs(fast.values).max(axis=0) > 1e-4).all()


def test_inputs_of_different_lengths_or_strings_raise(inputs):
    regressor, X, background = inputs

    with pytest.raises(ValueError, match=r"X must be a dict of arrays with the same number of ro"):
        explain(regressor, X | {"facts": X["facts"][:1]}, background)
    with pytest.raises(ValueError, match=r"X\['facts'\] must hold numbers to be explained. Got"):
        explain(regressor, X | {"facts": np.array([["a", "b"]] * 3)}, background)


@pytest.mark.parametrize(
    ("feature_groups", "message"),
    [
        ("elements", "feature_groups='elements' needs an array of more than two axes"),
        ({"g": ["touched"]}, "'touched' in the group 'g', but X has no"),
    ],
    ids=["elements", "unknown input"],
)
def test_invalid_feature_groups_of_inputs_raise(inputs, feature_groups, message):
    regressor, X, background = inputs

    with pytest.raises(ValueError, match=message):
        explain(regressor, X, background, feature_groups=feature_groups)


def test_missing_input_in_background_raises(inputs):
    regressor, X, background = inputs

    with pytest.raises(ValueError, match="background must be of the same type and shape as X. X"):
        explain(regressor, X, {"facts": background["facts"]})


def test_inputs_without_rows_raise(inputs):
    regressor, X, _ = inputs

    with pytest.raises(
        ValueError, match=r"X must have at least one row .* Got shape \(0, 17\) ins"
    ):
        explain(regressor, rows_of(X, slice(0)))
