"""Columns whose values say nothing are named: distinct in fit, or unknown later."""

import warnings

import numpy as np
import pandas as pd
import pytest

from nnkit.encoding import TabularEncoder


def frame(values):
    return pd.DataFrame({"x": values})


@pytest.mark.parametrize(
    ("learnt", "later"),
    [(["a", "b", "c"], ["A", "B"]), ([True, False, True], ["yes", "no"]), ([None] * 3, ["a", "b"])],
)
def test_transform_warns_where_no_value_of_a_column_is_known(learnt, later):
    encoder = TabularEncoder().fit(frame(learnt))

    with pytest.warns(
        UserWarning, match=f"No value of column 'x' occurred in fit, such as '{later[0]}'"
    ):
        encoder.transform(frame(later))


@pytest.mark.parametrize("later", [["a", "Z"], [None, None], ["Z"]])
def test_transform_is_silent_about_some_unknown_values_gaps_and_single_rows(later):
    encoder = TabularEncoder().fit(frame(["a", "b", "c"]))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(frame(later))


@pytest.mark.parametrize("later", [["a", "b"], pd.to_datetime(["2020-01-01"] * 2, utc=True)])
@pytest.mark.parametrize("learnt", [[np.nan] * 2, pd.to_datetime([None, None])])
def test_column_without_values_in_fit_takes_any_later(learnt, later):
    encoder = TabularEncoder().fit(frame(learnt))

    with pytest.warns(UserWarning, match="All values were missing in fit"):
        assert not encoder.transform(frame(later)).any()


def test_truth_values_are_known_as_text_in_any_case():
    encoder = TabularEncoder().fit(frame([True, False, True]))

    for later in (["true", "false"], ["TRUE", "False"]):
        np.testing.assert_array_equal(
            encoder.transform(frame(later)), encoder.transform(frame([True, False]))
        )


def test_fit_warns_of_sentences_and_names_the_column():
    sentences = [f"This is the review number {row} of the film." for row in range(30)]

    with pytest.warns(UserWarning, match="Nearly every value of column 'x' is distinct.*Tfidf"):
        encoder = TabularEncoder().fit(frame(sentences))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.transform(frame(["new one", "another"]))
