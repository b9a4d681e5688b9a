"""Training settings by a number of steps."""

import pytest

from nnkit.builders.builder_spec import TableFacts
from nnkit.builders.step_training import training_by_steps

TRAINING = training_by_steps(
    600,
    4,
    40,
    batch_sizes=[(500, 16), (20_000, 32)],
    min_rows_for_hold_out=300,
    n_estimators=3,
)


@pytest.mark.parametrize(
    ("n_samples", "epochs", "batch_size", "holds_out"),
    [
        # Without a hold-out, 160 rows are 10 steps an epoch: 60 epochs, at most 40.
        (160, 40, 16, False),
        # 290 rows are 19 steps an epoch: 600 / 19 epochs.
        (290, 32, 16, False),
        # 1,080 of 1,200 rows are 34 steps an epoch: 600 / 34 epochs.
        (1_200, 18, 32, True),
        (20_000, 4, 32, True),
        (20_001, 4, 128, True),
    ],
)
def test_epochs_and_batch_size_follow_from_the_number_of_rows(
    n_samples, epochs, batch_size, holds_out
):
    settings = TRAINING(TableFacts(n_samples, 8))

    assert (settings.epochs, settings.batch_size) == (epochs, batch_size)
    assert settings.early_stopping is holds_out
    assert settings.validation_split == (0.1 if holds_out else None)
    assert settings.n_iter_no_change is None
    assert settings.n_estimators == 3
