"""Validators of counts, numbers, choices and flags."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from nnkit._validation import (
    as_choice,
    as_count,
    as_counts,
    as_flag,
    as_fraction,
    as_number,
    is_number,
)


def test_as_count_returns_a_python_integer():
    count = as_count("n_units", np.int32(3))

    assert count == 3
    assert type(count) is int


@pytest.mark.parametrize("value", [0, 1.0, "1", True, None, np.array([1])])
def test_as_count_raises_on_other_values(value):
    message = "n_units must be an integer of at least 1, or None. Got "

    with pytest.raises(ValueError, match=re.escape(message)):
        as_count("n_units", value, alternatives=", or None")


def test_as_counts_names_the_position_of_an_invalid_entry():
    with pytest.raises(ValueError, match=r"units\[1\] must be an integer of at least 1. Got 0"):
        as_counts("units", [3, 0])


@pytest.mark.parametrize("values", [3, "33", b"44", None])
def test_as_counts_raises_on_values_that_are_not_sequences(values):
    with pytest.raises(ValueError, match=r"units must be a sequence of integers, such as \(3, 2\)"):
        as_counts("units", values)


@pytest.mark.parametrize("value", [1.0, -0.1, "0.5", True, math.nan, None])
def test_as_fraction_raises_outside_of_the_interval(value):
    with pytest.raises(ValueError, match=r"rate must be a fraction in \[0, 1\). Got "):
        as_fraction("rate", value)


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ("[0, 1]", (0, 1, 0.5), (-0.1, 1.1)),
        ("(0, 1)", (0.5,), (0, 1)),
        ("[0, inf)", (0, 1e300), (-1e-300, math.inf)),
        ("(0, inf)", (1e-300,), (0, math.inf, math.nan, False, True, "1", None)),
    ],
)
def test_as_number_checks_the_bounds_of_an_interval(interval, inside, outside):
    for value in inside:
        assert as_number("tol", value, interval) == value
    for value in outside:
        with pytest.raises(ValueError, match=re.escape(f"tol must be a number in {interval}. Got")):
            as_number("tol", value, interval)


def test_as_number_and_as_fraction_return_python_floats():
    assert type(as_number("tol", np.float32(0.5), "[0, 1]")) is float
    assert type(as_fraction("rate", np.float64(0.5))) is float


@pytest.mark.parametrize("value", ["mean", 1, np.array(["batch"]), pd.NA, [None]])
def test_as_choice_raises_on_other_values(value):
    with pytest.raises(ValueError, match="norm must be 'batch', 'layer' or None. Got "):
        as_choice("norm", value, ("batch", "layer", None))


def test_as_choice_returns_each_choice():
    choices = ("batch", "layer", None)

    assert [as_choice("norm", choice, choices) for choice in choices] == list(choices)


@pytest.mark.parametrize("value", [0, "yes", None])
def test_as_flag_raises_on_values_that_are_not_boolean(value):
    with pytest.raises(ValueError, match="use_bias must be True or False. Got "):
        as_flag("use_bias", value)


def test_as_flag_returns_a_python_boolean():
    assert as_flag("use_bias", np.True_) is True


def test_as_count_shortens_long_values_in_messages():
    with pytest.raises(ValueError, match=r"Got a ndarray of shape \(30, 40\) instead"):
        as_count("n_units", np.zeros((30, 40)))


@pytest.mark.parametrize(
    ("value", "expected"), [(1, True), (0.5, True), (True, False), ("1", False)]
)
def test_is_number_is_false_for_booleans_and_text(value, expected):
    assert is_number(value) is expected
