"""Training settings of networks that need about the same number of steps on sets of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nnkit.builders.builder_spec import TableFacts, TrainingSettings

__all__ = ["training_by_steps"]

_HOLD_OUT = 0.1
_MAX_BATCH_SIZE = 128


def training_by_steps(
    n_steps: int,
    min_epochs: int,
    max_epochs: int,
    *,
    batch_sizes: Sequence[tuple[int, int]],
    min_rows_for_hold_out: int,
    n_estimators: int = 1,
) -> Callable[[TableFacts], TrainingSettings]:
    """Return the training settings of a builder as a function of the number of rows.

    Parameters
    ----------
    n_steps : int
        Optimizer steps to train for, as far as the bounds of the epochs allow. Small sets need as
        many steps as larger ones.
    min_epochs, max_epochs : int
        Bounds of the epochs.
    batch_sizes : sequence of tuple (int, int)
        Largest number of rows, ascending, and the rows of a step up to it. Above all of them, a
        step has 128 rows.
    min_rows_for_hold_out : int
        Smallest number of rows of which a tenth is held out for early stopping. Below, a hold-out
        is too small to select an epoch, and its rows are missed in training.
    n_estimators : int, default=1
        Networks of the ensemble.

    Returns
    -------
    training : callable
        Function of `TableFacts` that returns `TrainingSettings`.

    Examples
    --------
    >>> from nnkit.builders.builder_spec import TableFacts
    >>> from nnkit.builders.step_training import training_by_steps
    >>> training = training_by_steps(
    ...     600, 4, 40, batch_sizes=[(500, 16), (20_000, 32)], min_rows_for_hold_out=300
    ... )
    >>> settings = training(TableFacts(160, 8))
    >>> settings.epochs, settings.batch_size, settings.early_stopping
    (40, 16, False)
    """

    def training(table: TableFacts) -> TrainingSettings:
        has_hold_out = table.n_samples >= min_rows_for_hold_out
        n_rows = table.n_samples * (1 - _HOLD_OUT) if has_hold_out else table.n_samples
        sizes = [size for most, size in batch_sizes if table.n_samples <= most]
        batch_size = sizes[0] if sizes else _MAX_BATCH_SIZE
        epochs = round(n_steps / max(1, math.ceil(n_rows / batch_size)))
        return TrainingSettings(
            epochs=min(max(epochs, min_epochs), max_epochs),
            batch_size=batch_size,
            early_stopping=has_hold_out,
            # The schedule of the learning rate ends with the last epoch; the best one is kept.
            n_iter_no_change=None,
            validation_split=_HOLD_OUT if has_hold_out else None,
            n_estimators=n_estimators,
        )

    return training
