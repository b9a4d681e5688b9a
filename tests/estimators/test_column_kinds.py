"""Tables and targets of every kind: what is taken, and what is refused with its name."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest

from nnkit import KerasClassifier, KerasRegressor
from nnkit.encoding import TabularEncoder


def test_fit_names_unknown_ready_made_builder_before_looking_at_images():
    images = np.zeros((4, 8, 8))

    with pytest.raises(ValueError, match="model='cnn' is not a ready-made builder"):
        KerasClassifier("cnn").fit(images, [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("y", "what"),
    [
        (np.array([1 + 2j, 3.0, 4.0]), "complex numbers"),
        (np.array(["2020-01-01", "NaT", "2020-01-03"], dtype="datetime64[ns]"), "dates"),
        (np.array([1, 2, "NaT"], dtype="timedelta64[s]"), "durations"),
    ],
)
def test_regressor_refuses_target_that_is_no_number(y, what):
    with pytest.raises(ValueError, match=f"must be numbers for a regression. Got {what}"):
        KerasRegressor("mlp").fit(np.arange(3.0).reshape(-1, 1), y)


NUMBERS = {
    "decimals and integers": [Decimal("1.5"), 0, Decimal("2.5"), 3],
    "fractions": [Fraction(3, 2), Fraction(0), Fraction(5, 2), Fraction(3)],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_any_class_in_an_object_column_are_numbers(kind):
    column = pd.DataFrame({"x": pd.Series(NUMBERS[kind], dtype=object)})
    encoder = TabularEncoder().fit(column)

    assert encoder.feature_kinds_.tolist() == ["number"]
    expected = encoder.transform(pd.DataFrame({"x": [1.5, 0.0, 2.5, 3.0]}))
    np.testing.assert_array_equal(encoder.transform(column), expected)


def test_object_periods_are_dates():
    periods = pd.period_range("2020-01", periods=4, freq="M")
    encoder = TabularEncoder().fit(pd.DataFrame({"x": periods.astype(object)}))

    assert encoder.feature_kinds_.tolist() == ["date"]
    np.testing.assert_array_equal(
        encoder.transform(pd.DataFrame({"x": periods.astype(object)})),
        encoder.transform(pd.DataFrame({"x": periods.to_timestamp()})),
    )


def test_polars_int128_is_a_number():
    encoder = TabularEncoder().fit(pl.DataFrame({"x": pl.Series([1, 2, None], dtype=pl.Int128)}))

    assert encoder.feature_kinds_.tolist() == ["number"]


@pytest.mark.parametrize("words", [["true", "false"], ["TRUE", "False"]])
def test_truth_values_of_fit_are_known_as_text_later(words):
    encoder = TabularEncoder().fit(pd.DataFrame({"x": [True, False, True]}))

    np.testing.assert_array_equal(
        encoder.transform(pd.DataFrame({"x": words})),
        encoder.transform(pd.DataFrame({"x": [True, False]})),
    )
