"""Tables and targets of every kind: what is taken, and what is refused with its name."""

import numpy as np
import pytest

from nnkit import KerasClassifier, KerasRegressor


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
