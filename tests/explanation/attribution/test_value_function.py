"""The value function: outputs of masked samples, in calls of bounded size."""

from __future__ import annotations

import numpy as np
import pytest

from nnkit.explanation.attribution.value_function import ValueFunction
from nnkit.explanation.masking.feature_groups import choose_feature_groups
from nnkit.explanation.masking.input_layout import flat_table
from nnkit.explanation.masking.masked_samples import MaskedTable

X = np.arange(12.0).reshape(4, 3)
BACKGROUND = -np.arange(6.0).reshape(2, 3)


def make_value_function(output, batch_rows):
    _, layout = flat_table(X, "X")
    of_column = choose_feature_groups({"pair": [0, 2]}, X, layout).of_column
    return ValueFunction(MaskedTable(output, X, BACKGROUND, of_column, 2), batch_rows)


def all_outputs(value_function, rows, background_rows, masks):
    """Return the outputs of all rows, concatenated from the blocks."""
    blocks = list(value_function.outputs(rows, background_rows, masks))
    found = np.concatenate([outputs for _, outputs in blocks])
    assert [at.start for at, _ in blocks] == np.cumsum(
        [0, *(len(outputs) for _, outputs in blocks[:-1])]
    ).tolist()
    return found


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 5, 100])
def test_masked_samples_take_coalition_from_x_in_bounded_calls(batch_rows):
    n_called = []

    def identity(table):
        n_called.append(len(table))
        return table

    # Masked samples: columns 0 and 2 replace those of background row 0, column 1 replaces that of
    # row 1, and row 1 is unchanged.
    masks = np.array([[True, False], [False, True], [False, False]])

    value_function = make_value_function(identity, batch_rows)
    outputs = all_outputs(value_function, np.array([1, 3]), np.array([0, 1, 1]), masks)

    assert outputs.tolist() == [
        [[3, -1, 5], [-3, 4, -5], [-3, -4, -5]],
        [[9, -1, 11], [-3, 10, -5], [-3, -4, -5]],
    ]
    assert max(n_called) <= batch_rows
    assert sum(n_called) == len(X) + len(BACKGROUND) + 6


def test_outputs_of_rows_and_background_and_base_value():
    value_function = make_value_function(lambda table: table[:, :1], 3)

    assert value_function.f_X.tolist() == X[:, :1].tolist()
    assert value_function.f_background.tolist() == BACKGROUND[:, :1].tolist()
    assert value_function.base.tolist() == [-1.5]


def test_no_masked_samples_need_no_call():
    value_function = make_value_function(lambda table: table, 3)

    nothing = all_outputs(
        value_function, np.arange(4), np.array([], dtype=int), np.empty((0, 2), dtype=bool)
    )

    assert nothing.shape == (4, 0, 3)


def test_non_finite_outputs_raise():
    with pytest.raises(ValueError, match=r"NaN or infinite for 1 of the 4 row\(s\) of X"):
        make_value_function(lambda table: np.where(table[:, :1] == 3, np.nan, table[:, :1]), 3)
    with pytest.raises(ValueError, match=r"infinite for 2 of the 2 row\(s\) of the background"):
        make_value_function(
            lambda table: np.where(table[:, :1] <= 0, np.where(table[:, 2:] < 0, np.inf, 0), 0), 9
        )
