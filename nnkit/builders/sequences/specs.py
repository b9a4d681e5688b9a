"""The ready-made builders for sequences, with their encoders and training settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from scipy.stats import loguniform, uniform

from nnkit.builders.builder_spec import BuilderSpec, TableFacts, TrainingSettings
from nnkit.builders.sequences.conv1d_autoencoder import conv1d_autoencoder
from nnkit.builders.sequences.fcn import fcn
from nnkit.builders.sequences.gru import gru
from nnkit.builders.sequences.inception_time import inception_time
from nnkit.builders.sequences.lstm import lstm
from nnkit.builders.sequences.lstm_fcn import lstm_fcn
from nnkit.builders.sequences.resnet1d import resnet1d
from nnkit.builders.sequences.transformer_encoder import transformer_encoder
from nnkit.encoding.samples.sequence_encoder import SequenceEncoder

__all__ = ["SEQUENCE_BUILDERS", "training_of"]

# Below, a hold-out is too small to select an epoch, and its rows are missed in training.
_MIN_ROWS_FOR_HOLD_OUT = 500
_HOLD_OUT = 0.1
# Rows of a step, by the largest number of rows for which it is used.
_BATCH_SIZES = ((64, 8), (1_000, 16), (5_000, 32), (20_000, 64))
_MAX_BATCH_SIZE = 128


def training_of(
    n_steps: int, min_epochs: int, max_epochs: int, n_estimators: int = 1
) -> Callable[[TableFacts], TrainingSettings]:
    """Return the training settings of a builder as a function of the number of rows.

    Parameters
    ----------
    n_steps : int
        Optimizer steps to train for, as far as the bounds of the epochs allow. Small sets need as
        many steps as larger ones.
    min_epochs, max_epochs : int
        Bounds of the epochs.
    n_estimators : int, default=1
        Networks of the ensemble.
    """

    def training(table: TableFacts) -> TrainingSettings:
        has_hold_out = table.n_samples >= _MIN_ROWS_FOR_HOLD_OUT
        n_rows = table.n_samples * (1 - _HOLD_OUT) if has_hold_out else table.n_samples
        sizes = [size for most, size in _BATCH_SIZES if table.n_samples <= most]
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


_CONVOLUTIONAL = training_of(n_steps=600, min_epochs=20, max_epochs=80)
_RECURRENT = training_of(n_steps=1_000, min_epochs=20, max_epochs=100)

_COMMON_SPACE: Mapping[str, Any] = {
    "model__learning_rate": loguniform(3e-4, 1e-2),
    "model__weight_decay": loguniform(1e-4, 1e-1),
    "model__dropout_rate": uniform(0.0, 0.5),
    "encoder__scaling": ["standard", "series"],
}
_CONVOLUTIONAL_SPACE: Mapping[str, Any] = {
    **_COMMON_SPACE,
    "model__filters": [(64, 128, 64), (128, 256, 128), (128, 128, 128)],
    "model__kernel_sizes": [(5, 5, 3), (8, 5, 3), (15, 9, 5)],
}
_RECURRENT_SPACE: Mapping[str, Any] = {
    **_COMMON_SPACE,
    "model__units": [32, 64, 128, (64, 64)],
    "model__bidirectional": [False, True],
}

SEQUENCE_BUILDERS: Mapping[str, BuilderSpec] = {
    "conv1d_autoencoder": BuilderSpec(
        conv1d_autoencoder,
        SequenceEncoder(),
        training_of(n_steps=1_500, min_epochs=20, max_epochs=100),
        is_autoencoder=True,
        search_space={
            "model__learning_rate": loguniform(3e-4, 1e-2),
            "model__n_components": [2, 4, 8, 16, 32],
            "model__filters": [(16, 32), (32, 64), (32, 64, 128)],
            "model__noise": uniform(0.0, 0.5),
        },
    ),
    "fcn": BuilderSpec(fcn, SequenceEncoder(), _CONVOLUTIONAL, search_space=_CONVOLUTIONAL_SPACE),
    "resnet1d": BuilderSpec(
        resnet1d,
        SequenceEncoder(),
        _CONVOLUTIONAL,
        search_space={
            **_COMMON_SPACE,
            "model__filters": [(32, 64, 64), (64, 128, 128), (64, 64, 128, 128)],
            "model__kernel_sizes": [(8, 5, 3), (15, 9, 5)],
        },
    ),
    "inception_time": BuilderSpec(
        inception_time,
        SequenceEncoder(),
        training_of(n_steps=600, min_epochs=20, max_epochs=80, n_estimators=5),
        search_space={
            **_COMMON_SPACE,
            "model__n_modules": [3, 6, 9],
            "model__n_filters": [16, 32, 64],
            "model__kernel_sizes": [(20, 10, 5), (40, 20, 10)],
        },
    ),
    "lstm": BuilderSpec(lstm, SequenceEncoder(), _RECURRENT, search_space=_RECURRENT_SPACE),
    "gru": BuilderSpec(gru, SequenceEncoder(), _RECURRENT, search_space=_RECURRENT_SPACE),
    "lstm_fcn": BuilderSpec(
        lstm_fcn,
        SequenceEncoder(),
        _CONVOLUTIONAL,
        search_space={
            **_CONVOLUTIONAL_SPACE,
            "model__dropout_rate": uniform(0.2, 0.7),
            "model__units": [8, 64, 128],
        },
    ),
    "transformer_encoder": BuilderSpec(
        transformer_encoder,
        SequenceEncoder(),
        _RECURRENT,
        search_space={
            **_COMMON_SPACE,
            "model__n_blocks": [1, 2, 3, 4],
            "model__n_units": [32, 64, 128],
        },
    ),
}
"""The specification of each builder for sequences, by the name that ``model=`` takes."""
