"""Fits of random tables, targets, weights and parameters raise a clear error or are usable."""

import numpy as np
import pandas as pd
import pytest
from fuzz.cases import SMALL, Case, cases, check_case
from fuzz.invariants import fitted_attributes_of
from fuzz.parameters import (
    INVALID_NAMES,
    ROUTED_INVALID,
    ROUTED_VALID,
    VALID,
    custom_network,
    invalid_values,
)
from fuzz.tables import Table, Target, Weights
from hypothesis import HealthCheck, Phase, given, settings

from nnkit import KerasClassifier, KerasRegressor, KerasTransformer

N_ROWS = 12
X = np.random.default_rng(0).normal(size=(12, 2))
Y = np.arange(12) % 2
NO_COLUMNS = pd.DataFrame(index=range(12))
TRANSFORMER_PARAMETERS = ("layer", "task", "warm_start")


def case_of(estimator, **params):
    """Return a valid fit with some parameters changed; ``params`` are expressions."""
    fixed = dict(SMALL, model="'mlp'")
    if estimator.startswith("Tabular"):
        fixed["n_estimators"] = "1"
    if estimator == "KerasTransformer":
        fixed = {"epochs": "2", "random_state": "0"}
    if "preset" in params:  # which has no effect on other models
        fixed["model"] = "'auto'"
    if params.keys() & {"model"}:
        fixed.pop("model__units", None)
    is_labels = not estimator.endswith("Regressor")
    kind = "binary" if is_labels else "normal"
    return Case(
        estimator,
        Table(("float", "int"), N_ROWS),
        Target(kind, N_ROWS, is_labels=is_labels),
        Weights("none", N_ROWS),
        tuple({**fixed, **params}.items()),
    )


@pytest.mark.parametrize(
    "name", sorted({**VALID["TabularClassifier"], **VALID["KerasTransformer"]})
)
def test_fit_raises_on_an_invalid_parameter_and_names_it(name):
    estimator = "KerasTransformer" if name in TRANSFORMER_PARAMETERS else "KerasClassifier"
    if name in ("preset", "cv", "calibration"):
        estimator = "TabularClassifier"

    for value in invalid_values(name):
        check_case(case_of(estimator, **{name: value}), {name}, must_raise=True)


@pytest.mark.parametrize("name", sorted(ROUTED_INVALID))
def test_fit_raises_on_an_invalid_routed_parameter_and_names_it(name):
    for value in ROUTED_INVALID[name]:
        names = {name, name.partition("__")[2]}

        check_case(case_of("KerasClassifier", **{name: value}), names, must_raise=True)


@pytest.mark.parametrize("estimator", ["KerasClassifier", "KerasRegressor"])
def test_init_raises_on_an_unknown_parameter_and_names_it(estimator):
    for name in INVALID_NAMES:
        check_case(case_of(estimator, **{name: "1"}), {name}, must_raise=True)


@pytest.mark.parametrize("estimator", sorted(VALID))
def test_fit_accepts_valid_parameters(estimator):
    routed = {} if estimator == "KerasTransformer" else ROUTED_VALID

    for name, values in {**VALID[estimator], **routed}.items():
        for value in values:
            assert check_case(case_of(estimator, **{name: value})), f"{name}={value} raises"


@pytest.mark.slow
@settings(
    max_examples=500,
    phases=[Phase.generate],  # a case is short without shrinking
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(cases())
def test_random_fits_raise_a_clear_error_or_give_usable_results(case):
    check_case(case)


def classifier(**params):
    return KerasClassifier("mlp", model__units=(4,), epochs=1, random_state=0, **params)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda clf: clf.fit(NO_COLUMNS, Y), "X has 0 columns"),
        (lambda clf: clf.fit(pd.DataFrame(X[:0]), Y[:0]), "X has 0 rows"),
        (lambda clf: clf.fit(None, Y), "X is None"),
        (lambda clf: clf.fit(X, np.empty((12, 0), int)), "y has 0 columns"),
        (lambda clf: clf.fit(X, Y, "balanced"), "sample_weight must be numbers.*class_weight"),
        (lambda clf: clf.fit(X, Y, {"a": 1}), "must be numbers, one for each row. Got dict"),
        (lambda clf: clf.fit(X, Y, np.ones(12) * 1j), "sample_weight must be numbers.*Got complex"),
        (lambda clf: clf.fit(X, Y, [[1], [1, 2]] * 6), "sample_weight must be numbers.*Got list"),
        (lambda clf: clf.fit(X, Y, groups=[None] * 12), "groups has no value in row 0"),
        (lambda clf: clf.fit(X, Y, sample_weight_val=Y), "sample_weight_val needs X_val"),
        (lambda clf: clf.partial_fit(X, Y, classes=2), "classes must be an array of all labels"),
        (lambda clf: clf.partial_fit(X, Y, classes="ab"), "classes must be an array"),
        (
            lambda clf: clf.partial_fit(X, Y, classes=[0, 1, None]),
            "classes must not have missing values",
        ),
        (lambda clf: clf.fit(X, Y, validation_split=[(0, 1)]), "must yield pairs of positions"),
        (lambda clf: clf.fit(X, Y, validation_split=[([0], [99])]), "from 0 to 11"),
        (
            lambda clf: clf.fit(X, Y, groups=Y * 0, validation_split=0.5),
            "needs at least 2 groups",
        ),
        (
            lambda clf: clf.set_params(encoder=None).fit(X * 1e200, Y),
            "X has numbers that float32 cannot hold",
        ),
    ],
)
def test_fit_raises_on_invalid_data_and_leaves_the_estimator_unfitted(call, message):
    clf = classifier()

    with pytest.raises((ValueError, TypeError), match=message):
        call(clf)

    assert not fitted_attributes_of(clf)


def test_fit_raises_on_a_target_beyond_the_range_of_float32():
    reg = KerasRegressor(custom_network, epochs=1)

    with pytest.raises(ValueError, match="y has numbers that float32 cannot hold"):
        reg.fit(X, Y * 1e200)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((2, 3)), "X must have 2 columns, the components of layer='representation'"),
        (np.array([[np.nan, 1.0]]), "X contains NaN"),
        (np.array([1.0, 2.0]), "Expected 2D array"),
    ],
    ids=["columns", "missing", "one axis"],
)
def test_inverse_transform_raises_on_an_invalid_representation(codes, message):
    transformer = KerasTransformer(epochs=1, random_state=0).fit(X)

    with pytest.raises(ValueError, match=message):
        transformer.inverse_transform(codes)
